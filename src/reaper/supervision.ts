import { createActor } from 'xstate';
import { createExamine } from '../actors/examine.ts';
import { createJobActors } from '../actors/jobActors.ts';
import { createLeaseActors } from '../actors/leaseActors.ts';
import { createPoolActors, createRescueActors } from '../actors/poolActors.ts';
import { createSweepActors } from '../actors/sweepActors.ts';
import { monotonicOf } from '../io/clock.ts';
import { refusalOf } from '../io/pools/preflight.ts';
import type { Deps } from '../io/redis/deps.ts';
import { waitingIn } from '../machines/graces.ts';
import { jobMachine, messageOf } from '../machines/job.ts';
import { laneMachine } from '../machines/lane.ts';
import type { Term } from '../machines/lease.ts';
import { poolMachine } from '../machines/pool.ts';
import { supervisorMachine } from '../machines/supervisor.ts';
import type { ReaperSettings } from '../options.ts';
import type { Follow, Inspected } from './inspection.ts';
import type { Passes, PassRequest } from './passes.ts';
import type { PassReports } from './passReports.ts';
import type { Ports } from './ports.ts';
import type { Reporting } from './reporting.ts';
import type { Schedule } from './schedule.ts';
import type { StartBlock } from './startBlock.ts';

/** The actors that run the passes. The only file of this folder that knows the supervisor's chart and its events. */
export interface Supervision {
  readonly actor: ReturnType<typeof createSupervisor>;
  /** Starts the actors. They wait for requests. */
  start(): void;
  /** Starts the scheduled passes. */
  schedule(): void;
  send(request: PassRequest): void;
  /** Ends the passes, or gives them up when `isUp` resolves. Returns the term if this host is the leader. */
  stop(isUp: Promise<unknown>): Promise<Term | undefined>;
  waitingPools(): ReturnType<Inspected['now']>['waitingPools'];
}

interface Wiring {
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
}

export const createSupervision = (wiring: Wiring): Supervision => {
  const { clock } = wiring.deps;
  const actor = createSupervisor(wiring);
  subscribe(actor, wiring);
  let isRunning = false;
  return {
    actor,
    start() {
      isRunning = true;
      actor.start();
    },
    schedule: () => actor.send({ type: 'schedule' }),
    send: (request) => actor.send(request),
    async stop(isUp) {
      if (!isRunning) return undefined;
      const over = new Promise<void>((resolve) => {
        actor.subscribe({ complete: () => resolve(), error: () => resolve() });
      });
      actor.send({ type: 'stop' });
      await Promise.race([over, isUp]);
      const { term } = actor.getSnapshot().context;
      actor.stop();
      return term;
    },
    waitingPools: () =>
      waitingIn(actor.getSnapshot().context).map(({ input, since }) => ({
        pool: input.suspect.pool,
        since: Math.round(clock.now() + since - monotonicOf(clock)),
      })),
  };
};

const createSupervisor = (wiring: Wiring) => {
  const { deps, settings, ports, schedule, isShared } = wiring;
  const { sweep, rescue, lease } = settings;
  return createActor(
    supervisorMachine.provide({
      actors: actorsOf(wiring),
      delays: {
        sweepDelay: ({ context: { isFirstSweep, sweepFailedIn } }) =>
          schedule.sweepDelay({ isFirst: isFirstSweep, hasFailed: sweepFailedIn !== undefined }),
        rescueDelay: ({ context: { isFirstRescue, rescueFailedIn } }) =>
          schedule.rescueDelay({ isFirst: isFirstRescue, hasFailed: rescueFailedIn !== undefined }),
        graceLeft: ({ context: { graces } }) => Math.max(0, (graces[0]?.dueAt ?? 0) - monotonicOf(deps.clock)),
        leaseRenewal: lease.renewInterval,
      },
    }),
    {
      clock: deps.clock,
      input: {
        policy: ports.policy,
        lanes: sweep.concurrency,
        poolSlots: rescue.concurrency,
        poolGrace: rescue.grace,
        plan: settings.plan,
        needsLease: isShared,
      },
    },
  );
};

const actorsOf = ({ ports, startBlock, reporting, isFollowed }: Wiring) => {
  const { pools, orphans, quarantine, preflight, lease, delivery } = ports;
  const job = jobMachine.provide({ actors: createJobActors(ports.acts) });
  const scan = async (...[plan, from]: Parameters<Ports['scan']>) => {
    await startBlock.check();
    return ports.scan(plan, from);
  };
  const blockable = {
    ...preflight,
    async check(isPlan: boolean) {
      const blocked = await startBlock.reason();
      return blocked === undefined ? preflight.check(isPlan) : { blocked };
    },
  };
  return {
    lane: laneMachine.provide({ actors: { job } }),
    pool: poolMachine.provide({ actors: createPoolActors(pools, quarantine, preflight) }),
    examine: createExamine({
      job,
      enqueue: delivery.hooks.enqueue,
      enqueuePlan: delivery.hooks.plan,
      refusalOf,
      isFollowed,
      observe: reporting.job,
    }),
    ...createSweepActors(scan, lease, preflight),
    ...createRescueActors(pools, orphans, blockable, lease),
    ...createLeaseActors({
      ...lease,
      async take(fence) {
        await startBlock.check();
        return lease.take(fence);
      },
    }),
  };
};

/** Hands what the supervisor emits to the reports, the schedule and the callers that wait. */
const subscribe = (
  supervisor: ReturnType<typeof createSupervisor>,
  { reporting, passReports, passes, schedule }: Wiring,
): void => {
  supervisor.on('job', ({ outcome }) => reporting.job(outcome));
  supervisor.on('pool', ({ outcome, since }) => reporting.pool(outcome, since));
  supervisor.on('lost', ({ entry }) => reporting.orphaned(entry));
  supervisor.on('finished', ({ entry }) => reporting.finished(entry));
  supervisor.on('fault', ({ where, error }) => reporting.fault(where, error));
  supervisor.on('lease', ({ holds, host }) => {
    if (!holds) schedule.clear();
    reporting.leader({ host, isThisHost: holds });
  });
  supervisor.on('sweep.started', ({ request }) => {
    schedule.passStarted('sweep', request);
    passReports.sweepStarted(request.number);
  });
  supervisor.on('rescue.started', ({ request, pass }) => {
    schedule.passStarted('rescue', request);
    passReports.rescueStarted(pass);
  });
  supervisor.on('sweep.ended', ({ result }) => passes.sweepEnded(result.number, passReports.sweepEnded(result)));
  supervisor.on('rescue.ended', ({ result, pass }) =>
    passes.rescueEnded(result.number, passReports.rescueEnded(result, pass)),
  );
  supervisor.subscribe({ error: (error) => reporting.fault('the supervisor', messageOf(error), 'internal') });
};
