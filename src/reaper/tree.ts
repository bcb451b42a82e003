import { createJobActors } from '../actors/jobActors.ts';
import { createJudgePage } from '../actors/judgePage.ts';
import { createLeaderActors } from '../actors/leaderActors.ts';
import { createPoolActors } from '../actors/poolActors.ts';
import { createRescueActors } from '../actors/rescueActors.ts';
import { createSweepActors } from '../actors/sweepActors.ts';
import { monotonicOf } from '../io/clock.ts';
import { refusalOf } from '../io/redis/errors.ts';
import { jobMachine } from '../machines/job.ts';
import { laneMachine } from '../machines/lane.ts';
import { leaderMachine } from '../machines/leader.ts';
import { poolMachine } from '../machines/pool.ts';
import { poolsMachine } from '../machines/pools.ts';
import { rescueMachine } from '../machines/rescue.ts';
import { sweepMachine } from '../machines/sweep.ts';
import type { Ports } from './ports.ts';
import type { Wiring } from './supervision.ts';

/**
 * The children of the supervisor, each with its own children and effects.
 * @param bounded limits how long the leader waits for its resignation.
 */
export const actorsOf = (wiring: Wiring, bounded: (resigned: Promise<void>) => Promise<unknown>) => ({
  leader: leaderOf(wiring, bounded),
  sweep: sweepOf(wiring),
  rescue: rescueOf(wiring),
  dispatcher: wiring.ports.delivery.dispatcher,
});

const leaderOf = ({ ports: { lease }, settings, startBlock }: Wiring, bounded: Parameters<typeof actorsOf>[1]) =>
  leaderMachine.provide({
    actors: createLeaderActors({
      async acquire(fence) {
        await startBlock.check();
        return lease.acquire(fence);
      },
      async resign() {
        await bounded(lease.resign());
      },
    }),
    delays: { leaseRenewal: settings.lease.renewInterval },
  });

const sweepOf = ({ ports, schedule, startBlock, reporting, isFollowed }: Wiring) => {
  const { lease, preflight, delivery } = ports;
  const job = jobMachine.provide({ actors: createJobActors(ports.acts) });
  const scan = async (...[plan, from]: Parameters<Ports['scan']>) => {
    await startBlock.check();
    return ports.scan(plan, from);
  };
  return sweepMachine.provide({
    actors: {
      lane: laneMachine.provide({ actors: { job } }),
      judgePage: createJudgePage({
        job,
        enqueue: delivery.hooks.enqueue,
        enqueuePlan: delivery.hooks.plan,
        refusalOf,
        isFollowed,
        observe: reporting.job,
      }),
      ...createSweepActors(scan, lease, preflight),
    },
    delays: {
      sweepDelay: ({ context: { begun, failedIn } }) =>
        schedule.sweepDelay({ isFirst: begun === 0, hasFailed: failedIn !== undefined }),
    },
  });
};

const rescueOf = ({ deps, ports, schedule, startBlock, passes }: Wiring) => {
  const { pools, orphans, quarantine, preflight, lease } = ports;
  const blockable = {
    ...preflight,
    async run(isPlan: boolean) {
      const blocked = await startBlock.reason();
      return blocked === undefined ? preflight.run(isPlan) : { blocked };
    },
  };
  return rescueMachine.provide({
    actors: {
      pools: poolsMachine.provide({
        actors: { pool: poolMachine.provide({ actors: createPoolActors(pools, quarantine, preflight) }) },
        delays: {
          graceLeft: ({ context: { graces } }) => Math.max(0, (graces[0]?.dueAt ?? 0) - monotonicOf(deps.clock)),
        },
      }),
      ...createRescueActors(pools, orphans, blockable, lease, passes.signalOf),
    },
    delays: {
      rescueDelay: ({ context: { begun, failedIn } }) =>
        schedule.rescueDelay({ isFirst: begun === 0, hasFailed: failedIn !== undefined }),
    },
  });
};
