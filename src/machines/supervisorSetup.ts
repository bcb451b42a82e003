import { type AnyActorRef, assign, type ErrorActorEvent, enqueueActions, setup } from 'xstate';
import { type DispatcherEvent, type DispatcherInput, dispatcherMachine } from './dispatcher.ts';
import { leaderMachine } from './leader.ts';
import type { Mandate } from './lease.ts';
import { messageOf } from './messageOf.ts';
import { endOf, type OpenPass, withReport } from './openPasses.ts';
import { rescueMachine } from './rescue.ts';
import { sweepMachine } from './sweep.ts';
import { type FailedChild, faultOf, type MandateChanged, type Report, type Reported } from './types/reports.ts';
import type { RescueRequest } from './types/rescue.ts';
import type { PassCancel, SweepRequest } from './types/sweep.ts';
import type { Policy } from './verdict.ts';

export interface SupervisorInput {
  readonly policy: Policy;
  /** How many jobs may act at the same time. */
  readonly lanes: number;
  /** How many dead pools are rescued at the same time. */
  readonly poolSlots: number;
  /** How long a suspected pool may prove that it is alive, in ms. */
  readonly poolGrace: number;
  /** Judge and change nothing: every pass is a plan. */
  readonly plan: boolean;
  /** Hosts share one schedule: the leader does the scheduled passes. Otherwise each host does its own. */
  readonly sharesSchedule: boolean;
  readonly dispatcher: DispatcherInput;
}

/** A caller asks for a pass, or aborts it. */
type SweepEventOfCaller = { type: 'sweep.now'; request: SweepRequest } | ({ type: 'sweep.cancel' } & PassCancel);
type RescueEventOfCaller = { type: 'rescue.now'; request: RescueRequest } | ({ type: 'rescue.cancel' } & PassCancel);

/** What concerns the dispatcher. */
type HooksEvent =
  /** A hook was enqueued here for an endpoint. */
  | { type: 'hooks.due'; endpoint: string }
  /** A caller waits for `hooks.quiet`. */
  | { type: 'hooks.poll' }
  /** From now on, hooks that other hosts enqueued are sent too. */
  | { type: 'hooks.watch' };

export type SupervisorEvent =
  /** Scheduled passes begin. */
  | { type: 'schedule' }
  | SweepEventOfCaller
  | RescueEventOfCaller
  | HooksEvent
  | { type: 'stop' }
  /** The time for stopping is over. */
  | { type: 'giveUp' }
  /** Sent by the machine to itself: a restart no longer counts. */
  | { type: 'restart.expired' }
  | Reported
  | MandateChanged
  | { type: 'xstate.done.actor.*'; actorId: ChildName }
  | (Omit<ErrorActorEvent, 'actorId'> & { type: 'xstate.error.actor.*'; actorId: ChildName });

export type ChildName = 'leader' | 'sweep' | 'rescue' | 'dispatcher';

export interface SupervisorContext extends SupervisorInput {
  /** What the leader last granted. */
  readonly mandate: Mandate | undefined;
  readonly sweepsBegun: number;
  readonly passesBegun: number;
  /** How the dispatcher is started again after a crash. */
  readonly dispatching: 'onDemand' | 'watching';
  /** Passes that were asked for or begun, and have not ended: a crash of their child ends them. */
  readonly open: readonly OpenPass[];
  /** Children that have not ended. Guards see the context only, and not the children of the snapshot. */
  readonly alive: readonly ChildName[];
  /** Children that crashed too often, and are not started again. */
  readonly failed: readonly FailedChild[];
  /** Crashes in all. */
  readonly crashes: number;
  /** Restarts within the period. */
  readonly restarts: number;
}

/** The children that no longer ran when the supervisor stopped. */
export interface SupervisorOutput {
  readonly failed: readonly FailedChild[];
}

/** A child is started again this often within the period, in ms. The next crash leaves it down. */
const intensity = 5;
const period = 60_000;

/** What the chart of the supervisor uses: actors, guards and actions. */
export const supervisorSetup = setup({
  types: {
    context: {} as SupervisorContext,
    input: {} as SupervisorInput,
    events: {} as SupervisorEvent,
    emitted: {} as Report,
    output: {} as SupervisorOutput,
    children: {} as { leader: 'leader'; sweep: 'sweep'; rescue: 'rescue'; dispatcher: 'dispatcher' },
  },
  actors: {
    leader: leaderMachine,
    sweep: sweepMachine,
    rescue: rescueMachine,
    dispatcher: dispatcherMachine,
  },
  guards: {
    hasNoLeader: ({ context }) => !context.alive.includes('leader'),
    mayRestart: ({ context }) => context.restarts < intensity,
    arePassesOver: ({ context }) => !context.alive.includes('sweep') && !context.alive.includes('rescue'),
    isEverythingOver: ({ context }) => context.alive.length === 0,
  },
  actions: {
    startChildren: enqueueActions(({ enqueue, context }, { names }: { names: readonly ChildName[] }) => {
      const { policy, lanes, plan, mandate, poolSlots, poolGrace } = context;
      for (const id of names) {
        if (id === 'leader') {
          const input = { sharesSchedule: context.sharesSchedule, fence: mandate?.fence };
          enqueue.spawnChild('leader', { id, input });
        } else if (id === 'sweep') {
          enqueue.spawnChild('sweep', { id, input: { policy, lanes, plan, mandate, begun: context.sweepsBegun } });
        } else if (id === 'rescue') {
          const input = { poolSlots, poolGrace, plan, mandate, begun: context.passesBegun };
          enqueue.spawnChild('rescue', { id, input });
        } else enqueue.spawnChild('dispatcher', { id, input: context.dispatcher });
      }
      enqueue.assign({ alive: [...context.alive, ...names] });
    }),
    removeCrashed: enqueueActions(({ enqueue, context, self }, { id, error }: { id: ChildName; error: unknown }) => {
      // An actor whose own action throws leaves its children running.
      const children: Record<string, AnyActorRef> = self.getSnapshot().children[id]?.getSnapshot().children ?? {};
      for (const child of Object.values(children)) {
        if (child.getSnapshot().status === 'active') enqueue.sendTo(child, { type: 'xstate.stop' });
      }
      enqueue.stopChild(id);
      const reason = messageOf(error);
      enqueue.emit(faultOf(nameOf[id], error, { isCrash: true }));
      const isOver = ({ child }: OpenPass) => child === id;
      for (const pass of context.open.filter(isOver))
        enqueue.emit(endOf(pass, `${nameOf[id]} has crashed: ${reason}`, error));
      enqueue.assign({
        crashes: context.crashes + 1,
        alive: context.alive.filter((name) => name !== id),
        open: context.open.filter((pass) => !isOver(pass)),
      });
    }),
    countRestart: enqueueActions(({ enqueue, context }) => {
      enqueue.assign({ restarts: context.restarts + 1 });
      enqueue.raise({ type: 'restart.expired' }, { id: `restart-${context.crashes % intensity}`, delay: period });
    }),
    // What was due is found again by a poll, and callers who wait for quiet get their answer.
    resumeDispatcher: enqueueActions(({ enqueue, context }, { id }: { id: ChildName }) => {
      if (id !== 'dispatcher') return;
      enqueue.sendTo('dispatcher', { type: context.dispatching === 'watching' ? 'watch' : 'poll' });
    }),
    recordFailed: enqueueActions(({ enqueue, context }, { id, error }: { id: ChildName; error: unknown }) => {
      enqueue.assign({ failed: [...context.failed, { child: nameOf[id], error: messageOf(error) }] });
      if (id === 'dispatcher') enqueue.emit({ type: 'hooks.quiet' });
      // Nothing renews the lease any more: another host may lead soon.
      if (id === 'leader') enqueue.raise({ type: 'mandate.changed', mandate: undefined });
    }),
    forgetRestart: assign({ restarts: ({ context }) => context.restarts - 1 }),
    removeChild: enqueueActions(({ enqueue, context }, { id }: { id: ChildName }) => {
      enqueue.stopChild(id);
      enqueue.assign({ alive: context.alive.filter((name) => name !== id) });
    }),
    relay: enqueueActions(({ enqueue, context }, { reports }: { reports: readonly Report[] }) => {
      for (const report of reports) enqueue.emit(report);
      const next = reports.reduce(withReport, context);
      if (next !== context) enqueue.assign(next);
    }),
    relayMandate: enqueueActions(({ enqueue, context }, { mandate }: { mandate: Mandate | undefined }) => {
      enqueue.assign({ mandate });
      for (const name of ['sweep', 'rescue'] as const) {
        if (context.alive.includes(name)) enqueue.sendTo(name, { type: 'mandate.changed', mandate });
      }
    }),
    forwardToSweep: enqueueActions(({ enqueue, context }, event: SweepEventOfCaller) => {
      const isAlive = context.alive.includes('sweep');
      if (isAlive) enqueue.sendTo('sweep', event);
      // A child that does not run has no pass that could be canceled.
      if (event.type === 'sweep.cancel') return;
      const { request } = event;
      const open: OpenPass = { child: 'sweep', request: { ...request, plan: request.plan || context.plan } };
      if (isAlive) enqueue.assign({ open: [...context.open, open] });
      else enqueue.emit(endOf(open, unavailable('sweep')));
    }),
    forwardToRescue: enqueueActions(({ enqueue, context }, event: RescueEventOfCaller) => {
      const isAlive = context.alive.includes('rescue');
      if (isAlive) enqueue.sendTo('rescue', event);
      if (event.type === 'rescue.cancel') return;
      const { request } = event;
      const open: OpenPass = { child: 'rescue', request: { ...request, plan: request.plan || context.plan } };
      if (isAlive) enqueue.assign({ open: [...context.open, open] });
      else enqueue.emit(endOf(open, unavailable('rescue')));
    }),
    forwardToDispatcher: enqueueActions(({ enqueue, context }, event: HooksEvent) => {
      if (event.type === 'hooks.watch') enqueue.assign({ dispatching: 'watching' });
      if (context.alive.includes('dispatcher')) enqueue.sendTo('dispatcher', toDispatcher(event));
      // Nothing else would answer a caller who waits.
      else if (event.type === 'hooks.poll') enqueue.emit({ type: 'hooks.quiet' });
    }),
    stopChildren: enqueueActions(({ enqueue, context }, { names }: { names: readonly ChildName[] }) => {
      for (const name of names) if (context.alive.includes(name)) enqueue.sendTo(name, { type: 'stop' });
    }),
    // The caller of `stop` answers those who still wait.
    dropPasses: enqueueActions(({ enqueue, context }) => {
      const dropped: readonly ChildName[] = ['sweep', 'rescue', 'dispatcher'];
      for (const name of context.alive) if (dropped.includes(name)) enqueue.stopChild(name);
      enqueue.assign({ alive: context.alive.filter((name) => !dropped.includes(name)) });
    }),
  },
});

/** What a child is called in faults. */
const nameOf: Readonly<Record<ChildName, string>> = {
  leader: 'the leader election',
  sweep: 'the sweep',
  rescue: 'the rescue',
  dispatcher: 'the dispatcher of hooks',
};

const unavailable = (child: ChildName) => `${nameOf[child]} crashed too often and does not run: restart the process`;

const toDispatcher = (event: HooksEvent): DispatcherEvent => {
  if (event.type === 'hooks.due') return { type: 'due', endpoint: event.endpoint };
  return { type: event.type === 'hooks.poll' ? 'poll' : 'watch' };
};
