import { assign, type ErrorActorEvent, enqueueActions, fromPromise, setup } from 'xstate';
import { type EndpointOutcome, endpointMachine } from './endpoint.ts';
import { finalOutput } from './finalOutput.ts';
import { messageOf } from './messageOf.ts';
import { faultOf, reported } from './types/reports.ts';

/** What a poll at the queues of all endpoints finds. */
export interface DueHooks {
  /** Endpoints to which hooks may be sent now. */
  readonly due: readonly string[];
  /** How long until another one may be, in ms; undefined where nothing waits. */
  readonly wait: number | undefined;
}

export interface DispatcherInput {
  /** Endpoints that are sent to at the same time. */
  readonly slots: number;
  /** Hooks that may be in flight to one of them. */
  readonly perEndpoint: number;
  /** From one poll to the next, in ms, where nothing is known to be due earlier: other hosts enqueue hooks too. */
  readonly interval: number;
}

export type DispatcherEvent =
  /** A hook was enqueued here for an endpoint. */
  | { type: 'due'; endpoint: string }
  /** A caller waits until no hook is due. */
  | { type: 'poll' }
  /** From now on, poll what other hosts enqueued too. */
  | { type: 'watch' }
  | { type: 'stop' }
  | { type: 'xstate.done.actor.*'; actorId: string; output: EndpointOutcome }
  | (ErrorActorEvent & { type: 'xstate.error.actor.*' });

export interface DispatcherContext extends DispatcherInput {
  /** Slot → the endpoint that is sent to in it. */
  readonly inSlots: Readonly<Record<string, string>>;
  /** Endpoints that wait for a slot. */
  readonly due: readonly string[];
  /** Endpoints in a slot for which more has become due. */
  readonly again: readonly string[];
  /** How long until the next hook may be due, in ms: by the last poll, and by the endpoints that ended since it began. */
  readonly wait: number | undefined;
  /** Whether a caller has asked during a poll, which may not find what was recorded since it began. */
  readonly isAskedAgain: boolean;
  /** Polls in a row that failed. */
  readonly failures: number;
}

/** How long until the next hook may be due. */
export type DispatcherOutput = Pick<DispatcherContext, 'wait'>;

/** The shortest pause between two polls, in ms. */
const minPause = 50;

type SlotId = `endpoint-${number}`;

/** An endpoint has nothing left to send, or its actor has crashed: its slot is free. */
const ended = {
  type: 'freeSlot',
  params: ({ event }: { event: Extract<DispatcherEvent, { type: 'xstate.done.actor.*' }> }) => ({
    slot: event.actorId,
    outcome: event.output,
  }),
} as const;
const crashed = {
  type: 'freeSlot',
  params: ({ event }: { event: Extract<DispatcherEvent, { type: 'xstate.error.actor.*' }> }) => ({
    slot: event.actorId,
    outcome: undefined,
    error: event.error,
  }),
} as const;

/**
 * Dispatches hooks: one `endpoint` actor for each endpoint with a hook that is due, as many as there are slots.
 *
 * 1. `onDemand`: only for hooks that this process enqueues, and for callers.
 *    `asleep` until a hook is enqueued or a caller waits; `polling` which endpoints are due; `waiting` until the next one
 *    is. With no hook left it falls `asleep` again. After a poll or an endpoint that failed it does not know, and polls.
 * 2. `watching`: for the hooks of other hosts too. `polling` at once, then `waiting` until the next hook or poll is due.
 * 3. `stopping`: after `stop`, waits for the hooks in flight.
 * 4. `stopped` (final).
 *
 * An endpoint that leaves a hook for an earlier moment than the next poll makes one more poll then.
 */
export const dispatcherMachine = setup({
  types: {
    context: {} as DispatcherContext,
    input: {} as DispatcherInput,
    events: {} as DispatcherEvent,
    output: {} as DispatcherOutput,
    children: {} as { [slot: SlotId]: 'endpoint' },
  },
  actors: {
    endpoint: endpointMachine,
    poll: fromPromise<DueHooks>(() => Promise.reject(new Error('poll was not provided'))),
  },
  delays: {
    nextPoll: ({ context }) => Math.max(minPause, Math.min(context.interval, context.wait ?? context.interval)),
  },
  guards: {
    areSlotsFree: ({ context }) => areSlotsFree(context),
    hasNothingLeft: ({ context }) => context.wait === undefined && areSlotsFree(context),
    leavesSooner: ({ context }, { outcome }: { outcome: EndpointOutcome }) =>
      outcome.wait !== undefined && outcome.wait < (context.wait ?? context.interval),
  },
  actions: {
    recordDue: assign({
      due: ({ context }, { endpoint }: { endpoint: string }) =>
        isInSlot(context, endpoint) || context.due.includes(endpoint) ? context.due : [...context.due, endpoint],
      again: ({ context }, { endpoint }: { endpoint: string }) =>
        isInSlot(context, endpoint) && !context.again.includes(endpoint) ? [...context.again, endpoint] : context.again,
    }),
    forwardDue: enqueueActions(({ enqueue, context }, { endpoint }: { endpoint: string }) => {
      for (const [slot, held] of Object.entries(context.inSlots)) {
        if (held === endpoint) enqueue.sendTo(slot as SlotId, { type: 'due' });
      }
    }),
    keepDue: assign(({ context }, { found }: { found: DueHooks }) => ({
      wait: soonest(found.wait, context.wait),
      failures: 0,
      due: [
        ...context.due,
        ...found.due.filter((endpoint) => !isInSlot(context, endpoint) && !context.due.includes(endpoint)),
      ],
    })),
    fillSlots: enqueueActions(({ enqueue, context }) => {
      const free = Array.from({ length: context.slots }, (_, i): SlotId => `endpoint-${i}`).filter(
        (slot) => !(slot in context.inSlots),
      );
      const next = context.due.slice(0, free.length);
      const inSlots = { ...context.inSlots };
      for (const [i, endpoint] of next.entries()) {
        const id = free[i] as SlotId;
        inSlots[id] = endpoint;
        enqueue.spawnChild('endpoint', { id, input: { endpoint, slots: context.perEndpoint } });
      }
      enqueue.assign({ inSlots, due: context.due.slice(next.length) });
    }),
    freeSlot: enqueueActions(
      ({ enqueue, context }, params: { slot: string; outcome: EndpointOutcome | undefined; error?: unknown }) => {
        enqueue.stopChild(params.slot);
        const { [params.slot]: endpoint = '', ...inSlots } = context.inSlots;
        const error = params.outcome === undefined ? messageOf(params.error) : params.outcome.error;
        // What it could not send is still due.
        const wait = error === undefined ? params.outcome?.wait : context.interval;
        enqueue.assign({
          inSlots,
          // The endpoint may have ended before it heard of the hook that became due.
          due: context.again.includes(endpoint) ? [...context.due, endpoint] : context.due,
          again: context.again.filter((other) => other !== endpoint),
          wait: soonest(wait, context.wait),
        });
        if (error !== undefined) {
          enqueue.sendParent(
            params.outcome === undefined
              ? reported(faultOf(`sending hooks to ${endpoint}`, params.error, { isCrash: true }))
              : reported({ type: 'fault', where: `sending hooks to ${endpoint}`, error }),
          );
        }
      },
    ),
    stopEndpoints: enqueueActions(({ enqueue, context }) => {
      enqueue.assign({ due: [], again: [], isAskedAgain: false });
      for (const slot of Object.keys(context.inSlots)) enqueue.sendTo(slot as SlotId, { type: 'stop' });
    }),
    // Beside the wait for the next poll, which began earlier: a wait that began anew would postpone what that one waits for.
    pollSooner: enqueueActions(({ enqueue }, { outcome: { wait = 0 } }: { outcome: EndpointOutcome }) => {
      enqueue.raise({ type: 'poll' }, { delay: Math.max(minPause, wait) });
    }),
    // A poll replaces what the last one found, but not what ends while it polls.
    beginPoll: assign({ wait: undefined, isAskedAgain: false }),
    askAgain: assign({ isAskedAgain: true }),
    // While an endpoint waits for a slot, no slot is free. A poll that a caller asked for has to come first.
    reportQuiet: enqueueActions(({ enqueue, context }) => {
      if (context.isAskedAgain) enqueue.raise({ type: 'poll' });
      else if (areSlotsFree(context)) enqueue.sendParent(reported({ type: 'hooks.quiet' }));
    }),
    countFailure: enqueueActions(({ enqueue, context }, { error }: { error: unknown }) => {
      if (context.failures === 0) {
        enqueue.sendParent(reported(faultOf('looking for hooks to send', error, { poll: 'due-hooks' })));
      }
      enqueue.assign({ failures: context.failures + 1, wait: soonest(context.interval, context.wait) });
    }),
  },
}).createMachine({
  id: 'dispatcher',
  description: 'Dispatches hooks: one actor for each endpoint with a hook that is due.',
  context: ({ input }) => ({
    ...input,
    inSlots: {},
    due: [],
    again: [],
    wait: undefined,
    isAskedAgain: false,
    failures: 0,
  }),
  output: finalOutput<DispatcherOutput>,
  on: {
    due: {
      actions: [
        { type: 'forwardDue', params: ({ event }) => ({ endpoint: event.endpoint }) },
        { type: 'recordDue', params: ({ event }) => ({ endpoint: event.endpoint }) },
        'fillSlots',
      ],
    },
    stop: '.stopping',
    'xstate.done.actor.*': { actions: [ended, 'fillSlots', 'reportQuiet'] },
    'xstate.error.actor.*': { actions: [crashed, 'fillSlots', 'reportQuiet'] },
  },
  initial: 'onDemand',
  states: {
    onDemand: {
      description: 'Sends the hooks of this process.',
      on: { watch: 'watching' },
      initial: 'asleep',
      states: {
        asleep: {
          description: 'No hook of this process waits.',
          on: {
            due: {
              target: 'waiting',
              actions: [{ type: 'recordDue', params: ({ event }) => ({ endpoint: event.endpoint }) }, 'fillSlots'],
            },
            poll: 'polling',
          },
        },
        polling: polling(),
        waiting: { ...waiting(), always: { guard: 'hasNothingLeft', target: 'asleep' } },
      },
    },
    watching: {
      description: 'Sends the hooks of all hosts.',
      initial: 'polling',
      states: { polling: polling(), waiting: waiting() },
    },
    stopping: {
      description: 'Stopping: waits for the hooks in flight.',
      entry: 'stopEndpoints',
      always: { guard: 'areSlotsFree', target: 'stopped' },
      on: { due: {} },
    },
    stopped: {
      type: 'final',
      description: 'No hook is in flight; those that wait stay in Redis.',
      output: ({ context }) => ({ wait: context.wait }),
    },
  },
});

/** The two modes poll and wait in the same way. */
function polling() {
  type Answer = { event: { output: DueHooks } };
  return {
    description: 'Reads which endpoints have a hook that is due.',
    entry: 'beginPoll',
    invoke: {
      id: 'poll',
      src: 'poll',
      onDone: {
        target: 'waiting',
        actions: [
          { type: 'keepDue', params: ({ event }: Answer) => ({ found: event.output }) },
          'fillSlots',
          'reportQuiet',
        ],
      },
      onError: {
        target: 'waiting',
        actions: [{ type: 'countFailure', params: ({ event }: { event: ErrorActorEvent }) => event }, 'reportQuiet'],
      },
    },
    on: {
      poll: { actions: 'askAgain' },
      // The poll finds out whether all is quiet.
      'xstate.done.actor.*': { actions: [ended, 'fillSlots'] },
      'xstate.error.actor.*': { actions: [crashed, 'fillSlots'] },
    },
  } as const;
}

function waiting() {
  type Ended = { event: Extract<DispatcherEvent, { type: 'xstate.done.actor.*' }> };
  return {
    description: 'Waits until the next hook or the next poll is due.',
    after: { nextPoll: 'polling' },
    on: {
      poll: 'polling',
      'xstate.done.actor.*': {
        guard: { type: 'leavesSooner', params: ({ event }: Ended) => ({ outcome: event.output }) },
        actions: [
          { type: 'pollSooner', params: ({ event }: Ended) => ({ outcome: event.output }) },
          ended,
          'fillSlots',
          'reportQuiet',
        ],
      },
    },
  } as const;
}

const areSlotsFree = ({ inSlots }: DispatcherContext): boolean => Object.keys(inSlots).length === 0;

const soonest = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);

const isInSlot = ({ inSlots }: DispatcherContext, endpoint: string) => Object.values(inSlots).includes(endpoint);
