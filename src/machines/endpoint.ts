import {
  assign,
  type DoneActorEvent,
  type ErrorActorEvent,
  enqueueActions,
  fromCallback,
  fromPromise,
  setup,
} from 'xstate';
import { finalOutput } from './finalOutput.ts';
import { messageOf } from './messageOf.ts';

/** A claimed hook. Only the sender knows what it is. */
export type OutgoingHook = unknown;

/** What a claim has brought. */
export interface Claimed {
  readonly hooks: readonly OutgoingHook[];
  readonly breaker: 'closed' | 'open' | 'probing' | 'draining';
  /** How long until there may be more to claim, in ms; undefined where nothing waits. */
  readonly wait: number | undefined;
}

export interface EndpointInput {
  /** Scheme, host and port of the endpoint. */
  readonly endpoint: string;
  /** Hooks that may be in flight to it at the same time. */
  readonly slots: number;
}

export type EndpointEnd = 'idle' | 'open' | 'abandoned';
export interface EndpointOutcome {
  readonly endpoint: string;
  readonly outcome: EndpointEnd;
  /** How long until there may be something to send again, in ms; undefined where nothing waits. */
  readonly wait: number | undefined;
  readonly error?: string;
}

export interface EndpointContext extends EndpointInput {
  readonly inFlight: number;
  readonly wait: number | undefined;
  /** Claims in a row that failed. */
  readonly failures: number;
  readonly error: string | undefined;
}

export type EndpointEvent =
  /** A hook has become due. */
  | { type: 'due' }
  /** Attempts have ended, whatever their results. */
  | { type: 'ended'; count: number }
  /** Claim nothing more, and wait for the hooks in flight. */
  | { type: 'stop' }
  | (DoneActorEvent<Claimed> & { type: 'xstate.done.actor.claim' })
  | (ErrorActorEvent & { type: 'xstate.error.actor.claim' });

/** Failures in a row of a claim after which the endpoint is left to the next poll. */
const maxFailures = 5;
/**
 * The actor itself waits for the next hook if that is due within this, in ms; else it ends, and a poll finds the hook when
 * its time has come. It waits longer only for the drain rate: a hook that waits for its next attempt must not hold up a caller
 * who waits until all is quiet.
 */
const soon = { draining: 1_000, else: 50 };

const claimed = ({ event }: { event: DoneActorEvent<Claimed> }) => ({ claimed: event.output });
const keepClaim = { type: 'keepClaim', params: claimed } as const;
const keepAndClaimSoon = [keepClaim, { type: 'claimSoon', params: claimed }] as const;
const ended = ({ event }: { event: Extract<EndpointEvent, { type: 'ended' }> }) => ({ count: event.count });
const countEnded = { type: 'countEnded', params: ended } as const;
const countFailure = {
  type: 'countFailure',
  params: ({ event }: { event: { error: unknown } }) => ({ error: event.error }),
} as const;

/**
 * Sends to one endpoint, as long as there is something to send.
 *
 * 1. `claiming`: takes as many due hooks as there is room for. Redis decides what the endpoint's breaker lets through.
 *    `thenSend`, `thenClaimAgain` (a hook became due meanwhile) and `thenFinish` (a `stop` came meanwhile) say what follows. It
 *    always waits for the answer: no other host sends the claimed hooks until the claim expires.
 * 2. `delivering`, `probing` (the circuit was open; one hook is let through), `draining` (the endpoint has recovered, and
 *    is sent to at a limited rate): hooks are in flight. Claims again when half of the room is free, or a hook becomes due.
 * 3. `pausing`: nothing is in flight, and the next hook is due soon.
 * 4. `retrying`: a claim failed, and is repeated after a pause.
 * 5. `finishing`: after `stop`, waits for the hooks in flight. `givingUp`: the same after too many failures.
 * 6. Final: `idle` (nothing is due), `open` (the circuit is open), `abandoned` (claims failed).
 *
 * Breaker and backoff are in Redis, because all hosts share them and because this actor may end at any time.
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
    claim: fromPromise<Claimed, { endpoint: string; max: number }>(() =>
      Promise.reject(new Error('claim was not provided')),
    ),
    sender: fromCallback<{ type: 'send'; hooks: readonly OutgoingHook[] }>(() => {
      throw new Error('sender was not provided');
    }),
  },
  delays: {
    next: ({ context }) => context.wait ?? soon.draining,
    backoff: ({ context }) => 250 * 2 ** context.failures,
  },
  guards: {
    hasNoneInFlight: ({ context }) => context.inFlight === 0,
    isSendingWhile: ({ context }, params: { claimed: Claimed; breaker: Claimed['breaker'] }) =>
      params.claimed.hooks.length + context.inFlight > 0 && params.claimed.breaker === params.breaker,
    isSending: ({ context }, params: { claimed: Claimed }) => params.claimed.hooks.length + context.inFlight > 0,
    isOpen: (_, params: { claimed: Claimed }) => params.claimed.breaker === 'open',
    isDueSoon: (_, params: { claimed: Claimed }) =>
      params.claimed.wait !== undefined &&
      params.claimed.wait <= (params.claimed.breaker === 'draining' ? soon.draining : soon.else),
    hasRoom: ({ context }, { count }: { count: number }) => context.inFlight - count <= context.slots / 2,
    isFree: ({ context }) => context.inFlight < context.slots,
    mayRetry: ({ context }) => context.failures < maxFailures,
  },
  actions: {
    countEnded: assign({ inFlight: ({ context }, { count }: { count: number }) => context.inFlight - count }),
    keepClaim: enqueueActions(({ enqueue, context }, params: { claimed: Claimed }) => {
      const { hooks, wait } = params.claimed;
      enqueue.assign({
        wait,
        failures: 0,
        inFlight: context.inFlight + hooks.length,
      });
      if (hooks.length > 0) enqueue.sendTo('sender', { type: 'send', hooks });
    }),
    // Behind an open circuit, what became due has to wait all the same.
    claimSoon: assign({
      wait: (_, { claimed }: { claimed: Claimed }) => (claimed.breaker === 'open' ? claimed.wait : 0),
    }),
    countFailure: assign({
      failures: ({ context }) => context.failures + 1,
      error: (_, { error }: { error: unknown }) => messageOf(error),
    }),
  },
}).createMachine({
  id: 'endpoint',
  description: 'Sends to one endpoint, as long as there is something to send.',
  context: ({ input }) => ({
    ...input,
    inFlight: 0,
    wait: undefined,
    failures: 0,
    error: undefined,
  }),
  output: ({ context: { endpoint, wait, error }, event }) => {
    const outcome = finalOutput<EndpointEnd>({ event });
    return { endpoint, outcome, wait, ...(outcome === 'abandoned' && error !== undefined ? { error } : {}) };
  },
  invoke: { id: 'sender', src: 'sender' },
  on: {
    ended: { actions: countEnded },
  },
  initial: 'claiming',
  states: {
    claiming: {
      description: 'Claims due hooks.',
      initial: 'thenSend',
      invoke: {
        id: 'claim',
        src: 'claim',
        input: ({ context }) => ({ endpoint: context.endpoint, max: context.slots - context.inFlight }),
        onDone: [
          took('probing', keepClaim),
          took('draining', keepClaim),
          { guard: { type: 'isSending', params: claimed }, target: 'delivering', actions: keepClaim },
          { guard: { type: 'isOpen', params: claimed }, target: 'open', actions: keepClaim },
          {
            guard: { type: 'isDueSoon', params: claimed },
            target: 'pausing',
            actions: keepClaim,
          },
          { target: 'idle', actions: keepClaim },
        ],
        onError: [
          { guard: 'mayRetry', target: 'retrying', actions: countFailure },
          { target: 'givingUp', actions: countFailure },
        ],
      },
      states: {
        thenSend: {
          description: 'The claimed hooks are sent next.',
          on: { due: 'thenClaimAgain', stop: 'thenFinish' },
        },
        thenClaimAgain: {
          description: 'A hook became due meanwhile and may be missing from the claim: the next claim is made soon.',
          on: {
            stop: 'thenFinish',
            'xstate.done.actor.claim': [
              took('probing', keepAndClaimSoon),
              took('draining', keepAndClaimSoon),
              {
                guard: { type: 'isSending', params: claimed },
                target: '#endpoint.delivering',
                actions: keepAndClaimSoon,
              },
              { guard: { type: 'isOpen', params: claimed }, target: '#endpoint.open', actions: keepClaim },
              { target: '#endpoint.claiming', reenter: true, actions: keepClaim },
            ],
          },
        },
        thenFinish: {
          description: 'Stopping: nothing more is claimed after this.',
          on: {
            'xstate.done.actor.claim': [
              { guard: { type: 'isSending', params: claimed }, target: '#endpoint.finishing', actions: keepClaim },
              { guard: { type: 'isOpen', params: claimed }, target: '#endpoint.open', actions: keepClaim },
              { target: '#endpoint.idle', actions: keepClaim },
            ],
            'xstate.error.actor.claim': [
              { guard: 'mayRetry', target: '#endpoint.finishing', actions: countFailure },
              { target: '#endpoint.givingUp', actions: countFailure },
            ],
          },
        },
      },
    },
    delivering: { description: 'Hooks are in flight.', ...sending() },
    probing: { description: 'The circuit was open: one hook tests whether the endpoint has recovered.', ...sending() },
    draining: { description: 'The endpoint has recovered: hooks are sent at a limited rate.', ...sending() },
    pausing: {
      description: 'Nothing is in flight, and the next hook is due soon.',
      after: { next: 'claiming' },
      on: { due: 'claiming', stop: 'idle' },
    },
    retrying: {
      description: 'A claim failed: waits before the next one.',
      after: { backoff: 'claiming' },
      on: { stop: 'finishing' },
    },
    finishing: {
      description: 'Stopping: waits for the hooks in flight.',
      always: { guard: 'hasNoneInFlight', target: 'idle' },
    },
    givingUp: {
      description: 'Claims failed too often: waits for the hooks in flight.',
      always: { guard: 'hasNoneInFlight', target: 'abandoned' },
    },
    idle: { type: 'final', description: 'Nothing is due.', output: 'idle' },
    open: { type: 'final', description: 'The circuit is open.', output: 'open' },
    abandoned: { type: 'final', description: 'Claims failed: the next poll finds what is due.', output: 'abandoned' },
  },
});

/** The three states with hooks in flight differ only in what the breaker lets through, which Redis decides. */
function sending() {
  return {
    after: { next: { guard: 'isFree', target: 'claiming' } },
    on: {
      ended: [
        { guard: { type: 'hasRoom', params: ended }, target: 'claiming', actions: countEnded },
        { actions: countEnded },
      ],
      due: { guard: 'isFree', target: 'claiming' },
      stop: 'finishing',
    },
  } as const;
}

/** A claim after which hooks are in flight, with the breaker in this state. */
function took<State extends 'probing' | 'draining', Actions>(breaker: State, actions: Actions) {
  return {
    guard: {
      type: 'isSendingWhile',
      params: ({ event }: { event: DoneActorEvent<Claimed> }) => ({ claimed: event.output, breaker }),
    },
    target: `#endpoint.${breaker}`,
    actions,
  } as const;
}
