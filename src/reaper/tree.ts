import { createJobActors } from '../actors/jobActors.ts';
import { createJudgePage } from '../actors/judgePage.ts';
import { createLeaderActors } from '../actors/leaderActors.ts';
import { createPoolActors } from '../actors/poolActors.ts';
import { createRescueActors } from '../actors/rescueActors.ts';
import { createSweepActors } from '../actors/sweepActors.ts';
import { monotonicOf } from '../io/clock.ts';
import { withFalseDeaths } from '../io/pools/falseDeaths.ts';
import type { Deps } from '../io/redis/deps.ts';
import { refusalOf } from '../io/redis/errors.ts';
import { jobMachine } from '../machines/job.ts';
import { laneMachine } from '../machines/lane.ts';
import { leaderMachine } from '../machines/leader.ts';
import { poolMachine } from '../machines/pool.ts';
import { poolsMachine } from '../machines/pools.ts';
import { rescueMachine } from '../machines/rescue.ts';
import { sweepMachine } from '../machines/sweep.ts';
import type { ReaperSettings } from '../options.ts';
import type { Follow } from './inspection.ts';
import type { Passes } from './passes.ts';
import type { PassReports } from './passReports.ts';
import type { Ports } from './ports.ts';
import type { Reporting } from './reporting.ts';
import type { Schedule } from './schedule.ts';
import type { StartBlock } from './startBlock.ts';
import type { Tracing } from './tracing.ts';

/** What the actors of a reaper work with and report to. */
export interface Wiring {
  readonly deps: Deps;
  readonly settings: ReaperSettings;
  readonly ports: Ports;
  readonly schedule: Schedule;
  readonly startBlock: StartBlock;
  readonly reporting: Reporting;
  readonly passReports: PassReports;
  readonly passes: Passes;
  /** Whether the hosts share one schedule. */
  readonly isShared: boolean;
  /** Whether the actor of a job is to be seen by the inspector. */
  readonly isFollowed: Follow;
  /** A pool that was declared dead is alive. */
  readonly onFalseDeath: () => void;
  readonly onPassStarted: Tracing['passStarted'];
}

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
    actors: createLeaderActors({ lease, startBlock, bounded }),
    delays: { leaseRenewal: settings.lease.renewInterval },
  });

const sweepOf = ({ ports, schedule, startBlock, reporting, isFollowed }: Wiring) => {
  const { lease, preflight, delivery } = ports;
  const job = jobMachine.provide({ actors: createJobActors(ports.acts) });
  const scan = async (...args: Parameters<Ports['scan']>) => {
    await startBlock.check();
    return ports.scan(...args);
  };
  return sweepMachine.provide({
    actors: {
      lane: laneMachine.provide({ actors: { job } }),
      judgePage: createJudgePage({
        job,
        enqueue: delivery.passHooks.enqueue,
        enqueuePlan: delivery.hooks.plan,
        faultsOfHooks: delivery.hooks.faults,
        refusalOf,
        isFollowed,
        observe: reporting.job,
        observeScreened: reporting.screened,
      }),
      ...createSweepActors(scan, lease, preflight, delivery.hooks.endpointFor),
    },
    delays: {
      sweepDelay: ({ context: { begun, failedIn } }) =>
        schedule.sweepDelay({ isFirst: begun === 0, hasFailed: failedIn !== undefined }),
    },
  });
};

const rescueOf = ({ deps, ports, schedule, startBlock, reporting, passes, onFalseDeath }: Wiring) => {
  const { orphans, quarantine, preflight, lease } = ports;
  const pools = withFalseDeaths(ports.pools, deps, (pool) => {
    reporting.falseDeath(pool);
    onFalseDeath();
  });
  const blockable = {
    ...preflight,
    async run(isPlan: boolean) {
      const blocked = await startBlock.reason();
      return blocked === undefined
        ? preflight.run(isPlan)
        : { blocked: { code: 'blocked' as const, message: blocked } };
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
