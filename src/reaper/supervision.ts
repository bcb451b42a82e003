import { createActor } from 'xstate';
import { createReaperClock, monotonicOf, pause, systemClock, within } from '../io/clock.ts';
import { messageOf } from '../machines/messageOf.ts';
import type { poolsMachine } from '../machines/pools.ts';
import { supervisorMachine } from '../machines/supervisor.ts';
import type { SupervisorEvent } from '../machines/supervisorSetup.ts';
import type { RescueProgress } from '../machines/types/progress.ts';
import type { FailedChild } from '../machines/types/reports.ts';
import { waitingIn } from '../machines/waitingPools.ts';
import type { Dispatching } from './delivery.ts';
import type { Inspected } from './inspection.ts';
import type { PassRequest } from './passes.ts';
import { rescueProgressOf } from './rescueProgress.ts';
import { actorsOf, type Wiring } from './tree.ts';

/** How long a stop waits for the leader to resign, in ms: once the time is up, and before. */
const resigningTime = 30;
const leavingTime = 3_000;

/** The tree of actors. The only file of this folder that knows the supervisor's chart and its events. */
export interface Supervision extends Dispatching {
  readonly actor: ReturnType<typeof createSupervisor>;
  /** Starts the scheduled passes. */
  schedule(): void;
  /** The intervals have changed: passes that wait for their time ask again for how long. */
  reschedule(): void;
  send(request: PassRequest): void;
  /** Ends the passes, or gives them up when `isUp` resolves; then the hooks in flight, and the term of the leader. */
  stop(isUp: Promise<unknown>): Promise<void>;
  /** Actors that crashed too often and do not run. */
  failed(): readonly FailedChild[];
  waitingPools(): ReturnType<Inspected['now']>['waitingPools'];
  /** What the rescue passes do now; undefined if none runs. */
  rescueProgress(): RescueProgress | undefined;
}

export const createSupervision = (wiring: Wiring): Supervision => {
  const { clock } = wiring.deps;
  const closing = createReaperClock(systemClock);
  const actor = createSupervisor(wiring, (resigned) => within(closing, leavingTime, resigned));
  subscribe(actor, wiring);
  let isRunning = false;
  const isActive = () => isRunning && actor.getSnapshot().status === 'active';
  const sendIfActive = (event: SupervisorEvent) => {
    if (isActive()) actor.send(event);
  };
  return {
    actor,
    start() {
      isRunning = true;
      actor.start();
    },
    schedule: () => actor.send({ type: 'schedule' }),
    // A pass that waits begins to wait again when it gets a mandate.
    reschedule: () => sendIfActive({ type: 'mandate.changed', mandate: actor.getSnapshot().context.mandate }),
    send: sendIfActive,
    hookDue: (endpoint) => sendIfActive({ type: 'hooks.due', endpoint }),
    watchHooks: () => sendIfActive({ type: 'hooks.watch' }),
    hooksQuiet: () =>
      new Promise<void>((resolve) => {
        if (!isActive()) return resolve();
        const end = () => {
          for (const subscription of subscriptions) subscription.unsubscribe();
          resolve();
        };
        const subscriptions = [actor.on('hooks.quiet', end), actor.subscribe({ complete: end, error: end })];
        actor.send({ type: 'hooks.poll' });
      }),
    async stop(isUp) {
      if (!isRunning) return;
      const over = new Promise<void>((resolve) => {
        actor.subscribe({ complete: () => resolve(), error: () => resolve() });
      });
      sendIfActive({ type: 'stop' });
      wiring.passes.stop();
      await Promise.race([over, isUp]);
      sendIfActive({ type: 'giveUp' });
      await Promise.race([over, pause(closing, resigningTime)]);
      actor.stop();
      closing.end();
    },
    failed: () => actor.getSnapshot().context.failed,
    waitingPools() {
      const pools = poolsOf(actor);
      if (pools === undefined) return [];
      return waitingIn(pools.context).map(({ input, since }) => ({
        pool: input.suspect.pool,
        since: Math.round(clock.now() + since - monotonicOf(clock)),
      }));
    },
    rescueProgress() {
      const rescue = actor.getSnapshot().children.rescue?.getSnapshot();
      return rescue && rescueProgressOf(rescue, poolsOf(actor), monotonicOf(clock));
    },
  };
};

const poolsOf = (
  supervisor: ReturnType<typeof createSupervisor>,
): ReturnType<(typeof poolsMachine)['getInitialSnapshot']> | undefined =>
  supervisor.getSnapshot().children.rescue?.getSnapshot().children?.pools?.getSnapshot();

const createSupervisor = (wiring: Wiring, bounded: (resigned: Promise<void>) => Promise<unknown>) => {
  const { deps, settings, ports, isShared } = wiring;
  const { sweep, rescue } = settings;
  return createActor(supervisorMachine.provide({ actors: actorsOf(wiring, bounded) }), {
    clock: deps.clock,
    input: {
      policy: ports.policy,
      lanes: sweep.concurrency,
      poolSlots: rescue.concurrency,
      poolGrace: rescue.grace,
      plan: settings.plan,
      sharesSchedule: isShared,
      dispatcher: ports.delivery.dispatching,
    },
  });
};

/** Hands what the supervisor emits to the reports, the schedule and the callers that wait. */
const subscribe = (
  supervisor: ReturnType<typeof createSupervisor>,
  { reporting, passReports, passes, schedule, onPassStarted }: Wiring,
): void => {
  supervisor.on('job', ({ outcome }) => reporting.job(outcome));
  supervisor.on('pool', ({ outcome, since }) => reporting.pool(outcome, since));
  supervisor.on('orphan', ({ entry }) => reporting.orphaned(entry));
  supervisor.on('finished', ({ entry }) => reporting.finished(entry));
  supervisor.on('fault', ({ where, error, isCrash, cause, poll }) =>
    reporting.fault(where, error, { ...(isCrash ? { code: 'internal' } : {}), cause, poll }),
  );
  supervisor.on('leader', ({ holds, host }) => {
    if (!holds) schedule.clear();
    reporting.leader({ host, isThisHost: holds });
  });
  supervisor.on('sweep.started', ({ request }) => {
    schedule.passStarted('sweep', request);
    onPassStarted('sweep');
    passReports.sweepStarted(request.number);
  });
  supervisor.on('rescue.started', ({ request, pass }) => {
    schedule.passStarted('rescue', request);
    onPassStarted('rescue');
    passReports.rescueStarted(pass);
  });
  supervisor.on('sweep.ended', ({ result }) => passes.sweepEnded(result.number, passReports.sweepEnded(result)));
  supervisor.on('rescue.ended', ({ result, pass }) =>
    passes.rescueEnded(result.number, passReports.rescueEnded(result, pass)),
  );
  supervisor.subscribe({
    error: (error) => reporting.fault('the supervisor', messageOf(error), { code: 'internal', cause: error }),
  });
};
