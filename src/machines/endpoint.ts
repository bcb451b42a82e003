import { assign, type DoneActorEvent, enqueueActions, fromCallback, fromPromise, setup } from 'xstate';
import { messageOf } from './job.ts';

/** A hook that was claimed: what it is is the courier's. */
export type OutgoingHook = unknown;

/** What a claim has brought. */
export interface Claimed {
  readonly hooks: readonly OutgoingHook[];
  readonly breaker: 'closed' | 'open' | 'probing' | 'draining';
  /** How long until there may be more to claim, in ms; undefined where nothing waits. */
  readonly wait: number | undefined;
}

export interface EndpointInput {
  /** Scheme, host and port of the receiver. */
  readonly origin: string;
  /** Hooks that may be under way to it at once. */
  readonly slots: number;
}

export type EndpointEnd = 'rested' | 'open' | 'abandoned';
export interface EndpointOutcome {
  readonly origin: string;
  readonly outcome: EndpointEnd;
  /** How long until there may be something to send again, in ms; undefined where nothing waits. */
  readonly wait: number | undefined;
  readonly error?: string;
}

export interface EndpointContext extends EndpointInput {
  readonly inFlight: number;
  readonly breaker: Claimed['breaker'];
  readonly wait: number | undefined;
  /** Something has become due while it claimed. */
  readonly isAgain: boolean;
  readonly isStopping: boolean;
  readonly failures: number;
  readonly error: string | undefined;
  readonly end: EndpointEnd;
}

export type EndpointEvent =
  /** Something has become due. */
  | { type: 'due' }
  /** A hook's attempt has ended, whatever became of it. */
  | { type: 'ended' }
  /** No more is claimed; what is under way ends. */
  | { type: 'stop' };

/** Failures in a row of a claim, after which the receiver is left to the next look. */
const patience = 5;
/**
 * It waits for its next hook itself if that is due within this, in ms; else it ends, and is found when the time has come.
 * Longer where only the agreed rate makes it wait: what waits for another try must not keep whoever waits for quiet.
 */
const soon = { draining: 1_000, else: 50 };

/**
 * What is sent to one receiver, while there is something to send.
 *
 * `claiming` takes as many hooks that are due as there is room for; Redis says what the receiver's breaker lets through.
 * With some under way it is `delivering`, or `probing` (the breaker was open; one is let through), or `draining` (the
 * receiver has come back, and is told no faster than agreed), and claims again when half of the room is free, or when
 * more is due. With none under way it is `pausing` if the next is due soon, else it ends: in `rested` if nothing is due,
 * in `open` if the breaker is. A claim that fails is tried again after `retrying`; too many failures in a row end in
 * `abandoned`. Told to stop, it hears out a claim that is being made, then waits in `finishing` for what is under way.
 *
 * Breaker and back-off are in Redis, not here: all hosts share them, and this actor may end at any time.
 */
export const endpointMachine = setup({
  types: {
    context: {} as EndpointContext,
    input: {} as EndpointInput,
    output: {} as EndpointOutcome,
    events: {} as EndpointEvent,
    children: {} as { sender: 'sender'; claim: 'claim' },
  },
  actors: {
    claim: fromPromise<Claimed, { origin: string; most: number }>(() =>
      Promise.reject(new Error('claim was not provided')),
    ),
    sender: fromCallback<{ type: 'send'; hooks: readonly OutgoingHook[] }>(() => {
      throw new Error('courier was not provided');
    }),
  },
  delays: {
    next: ({ context }) => context.wait ?? soon.draining,
    backoff: ({ context }) => 250 * 2 ** context.failures,
  },
  guards: {
    isStopping: ({ context }) => context.isStopping,
    isIdle: ({ context }) => context.inFlight === 0,
    isSendingWhile: ({ context }, { claimed, breaker }: { claimed: Claimed; breaker: Claimed['breaker'] }) =>
      claimed.hooks.length + context.inFlight > 0 && claimed.breaker === breaker,
    tookSome: (_, { claimed }: { claimed: Claimed }) => claimed.hooks.length > 0,
    isUnderWay: ({ context }) => context.inFlight > 0,
    isOpen: (_, { claimed }: { claimed: Claimed }) => claimed.breaker === 'open',
    isAgain: ({ context }) => context.isAgain && !context.isStopping,
    isDueSoon: (_, { claimed }: { claimed: Claimed }) =>
      claimed.wait !== undefined && claimed.wait <= (claimed.breaker === 'draining' ? soon.draining : soon.else),
    hasRoom: ({ context }) => context.inFlight - 1 <= context.slots / 2,
    isFree: ({ context }) => context.inFlight < context.slots,
    mayRetry: ({ context }) => context.failures < patience,
  },
  actions: {
    noteDue: assign({ isAgain: true }),
    clearDue: assign({ isAgain: false }),
    countEnded: assign({ inFlight: ({ context }) => context.inFlight - 1 }),
    stop: assign({ isStopping: true }),
    keepClaim: enqueueActions(({ enqueue, context }, { claimed }: { claimed: Claimed }) => {
      enqueue.assign({
        breaker: claimed.breaker,
        // What became due meanwhile may be missing from the claim; behind an open breaker it has to wait all the same.
        wait: context.isAgain && claimed.breaker !== 'open' ? 0 : claimed.wait,
        failures: 0,
        inFlight: context.inFlight + claimed.hooks.length,
      });
      if (claimed.hooks.length > 0) enqueue.sendTo('sender', { type: 'send', hooks: claimed.hooks });
    }),
    end: assign({ end: (_, params: { end: EndpointEnd }) => params.end }),
    countFailure: assign({
      failures: ({ context }) => context.failures + 1,
      error: (_, params: { error: unknown }) => messageOf(params.error),
    }),
  },
}).createMachine({
  id: 'endpoint',
  context: ({ input }) => ({
    ...input,
    inFlight: 0,
    breaker: 'closed',
    wait: undefined,
    isAgain: false,
    isStopping: false,
    failures: 0,
    error: undefined,
    end: 'rested',
  }),
  output: ({ context: { origin, end, wait, error } }) => ({
    origin,
    outcome: end,
    wait,
    ...(end === 'abandoned' && error !== undefined ? { error } : {}),
  }),
  invoke: { id: 'sender', src: 'sender' },
  on: {
    due: { actions: 'noteDue' },
    ended: { actions: 'countEnded' },
    stop: { actions: 'stop' },
  },
  initial: 'claiming',
  states: {
    claiming: {
      entry: 'clearDue',
      // Told to stop, it hears the claim out: what that has taken would else lie until the claim is over.
      invoke: {
        id: 'claim',
        src: 'claim',
        input: ({ context }) => ({ origin: context.origin, most: context.slots - context.inFlight }),
        onDone: [
          took('probing'),
          took('draining'),
          {
            guard: { type: 'tookSome', params: ({ event }) => ({ claimed: event.output }) },
            target: 'delivering',
            actions: { type: 'keepClaim', params: ({ event }) => ({ claimed: event.output }) },
          },
          {
            guard: 'isUnderWay',
            target: 'delivering',
            actions: { type: 'keepClaim', params: ({ event }) => ({ claimed: event.output }) },
          },
          {
            guard: { type: 'isOpen', params: ({ event }) => ({ claimed: event.output }) },
            target: 'open',
            actions: { type: 'keepClaim', params: ({ event }) => ({ claimed: event.output }) },
          },
          {
            guard: 'isAgain',
            target: 'claiming',
            reenter: true,
            actions: { type: 'keepClaim', params: ({ event }) => ({ claimed: event.output }) },
          },
          {
            guard: { type: 'isDueSoon', params: ({ event }) => ({ claimed: event.output }) },
            target: 'pausing',
            actions: { type: 'keepClaim', params: ({ event }) => ({ claimed: event.output }) },
          },
          { target: 'rested', actions: { type: 'keepClaim', params: ({ event }) => ({ claimed: event.output }) } },
        ],
        onError: [
          {
            guard: 'mayRetry',
            target: 'retrying',
            actions: { type: 'countFailure', params: ({ event }) => ({ error: event.error }) },
          },
          {
            target: 'giving up',
            actions: { type: 'countFailure', params: ({ event }) => ({ error: event.error }) },
          },
        ],
      },
    },
    delivering: sending(),
    probing: sending(),
    draining: sending(),
    pausing: {
      always: { guard: 'isStopping', target: 'rested' },
      after: { next: 'claiming' },
      on: { due: 'claiming' },
    },
    retrying: {
      always: { guard: 'isStopping', target: 'finishing' },
      after: { backoff: 'claiming' },
    },
    finishing: { always: { guard: 'isIdle', target: 'rested' } },
    'giving up': { always: { guard: 'isIdle', target: 'abandoned' } },
    rested: { type: 'final', entry: { type: 'end', params: { end: 'rested' } } },
    open: { type: 'final', entry: { type: 'end', params: { end: 'open' } } },
    abandoned: { type: 'final', entry: { type: 'end', params: { end: 'abandoned' } } },
  },
});

/** The three states with hooks under way differ in what the breaker lets through, which Redis sees to. */
function sending() {
  return {
    always: { guard: 'isStopping', target: 'finishing' },
    after: { next: { guard: 'isFree', target: 'claiming' } },
    on: {
      ended: [{ guard: 'hasRoom', target: 'claiming', actions: 'countEnded' }, { actions: 'countEnded' }],
      due: { guard: 'isFree', target: 'claiming' },
    },
  } as const;
}

/** A claim with the breaker so, after which some are under way. */
function took<State extends 'probing' | 'draining'>(breaker: State) {
  const params = ({ event }: { event: DoneActorEvent<Claimed> }) => ({ claimed: event.output });
  return {
    guard: {
      type: 'isSendingWhile',
      params: ({ event }: { event: DoneActorEvent<Claimed> }) => ({ claimed: event.output, breaker }),
    },
    target: breaker,
    actions: { type: 'keepClaim', params },
  } as const;
}
