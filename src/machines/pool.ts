import { assign, type ErrorActorEvent, fromPromise, setup } from 'xstate';
import { messageOf } from './job.ts';
import { type Fence, FencedError } from './lease.ts';

/** A pool of workers that is not seen to live, and what was seen of it. */
export interface Suspect {
  readonly pool: string;
  /** heartbeat_at as it stood, or the empty string for none. A heartbeat that moves on clears the pool. */
  readonly heartbeat: string;
  /** Job types among which its entries and locks are looked for. */
  readonly types: readonly string[];
  /** Why it is suspected. */
  readonly evidence: string;
  /** Of the pass that has found it, if that was a scheduled one of several hosts. */
  readonly fence?: Fence | undefined;
}

/** What a dead pool holds of a type. */
export interface Held {
  readonly type: string;
  readonly entries: number;
}

export interface PoolInput {
  readonly suspect: Suspect;
  readonly plan: boolean;
  /** How long the pool may still prove that it lives, in ms. */
  readonly grace: number;
}

/** `planned`: it would have been rescued. `abandoned`: given up with an error, to be found again by the next pass. */
export type PoolEnd = 'rescued' | 'alive' | 'planned' | 'abandoned';
export interface PoolOutcome {
  readonly pool: string;
  readonly outcome: PoolEnd;
  readonly evidence: string;
  /** Entries put back (or, in a plan, that would be), by job type. */
  readonly moved: Readonly<Record<string, number>>;
  readonly entries: number;
  readonly error?: string;
}

/** What `confirm` finds: that the pool lives after all, or what it holds. */
export type Confirmation = 'alive' | readonly Held[];
/** What `requeue` did: nothing since the pool lives, or how many entries it moved, and how many are left. */
export type Requeued = 'alive' | { readonly moved: number; readonly left: number };
export type Settled = 'alive' | 'entries' | 'settled';

export interface PoolContext extends PoolInput {
  readonly held: readonly Held[];
  /** Index in `held` of the type whose entries are being put back. */
  readonly at: number;
  readonly moved: Readonly<Record<string, number>>;
  readonly end: PoolEnd;
  readonly failures: number;
  readonly error: string | undefined;
}

/** Failures in a row after which a pool is given up; the next pass finds it again and goes on where this one stood. */
const patience = 5;

/**
 * One suspected pool.
 *
 * `suspect` waits out the grace period, or not at all where it is 0; `hurry` ends it, `stop` gives the pool up.
 * `confirm` looks again: a pool that lives ends in `alive`; a plan ends in `planned`; else `requeue` puts its entries
 * back, a bounded batch of one type at a time, until none is left. `settle` then removes the pool, and ends in
 * `rescued`; where entries have come up meanwhile it goes back to `confirm`. At every step the script looks again
 * whether the pool is dead: one that has come to life ends in `alive`. A step that fails is tried again after a pause
 * (`retryConfirm`, `retryRequeue`, `retrySettle`), from where it was; too many failures in a row end in `abandoned`, and so
 * does the first one that says that another host has taken over.
 */
export const poolMachine = setup({
  types: {
    context: {} as PoolContext,
    input: {} as PoolInput,
    output: {} as PoolOutcome,
    events: {} as { type: 'hurry' } | { type: 'stop' },
  },
  actors: {
    confirm: fromPromise<Confirmation, { suspect: Suspect }>(() =>
      Promise.reject(new Error('confirm was not provided')),
    ),
    requeue: fromPromise<Requeued, { suspect: Suspect; type: string }>(() =>
      Promise.reject(new Error('requeue was not provided')),
    ),
    settle: fromPromise<Settled, { suspect: Suspect; types: readonly string[] }>(() =>
      Promise.reject(new Error('settle was not provided')),
    ),
  },
  delays: {
    grace: ({ context }) => context.grace,
    backoff: ({ context }) => 500 * 2 ** context.failures,
  },
  guards: {
    hasNoGrace: ({ context }) => context.grace === 0,
    isAlive: (_, params: { reply: Confirmation | Requeued | Settled }) => params.reply === 'alive',
    hasEntries: (_, params: { reply: Settled }) => params.reply === 'entries',
    hasLeft: (_, params: { reply: Requeued }) => params.reply !== 'alive' && params.reply.left > 0,
    isPlan: ({ context }) => context.plan,
    holdsNothing: (_, params: { reply: Confirmation }) =>
      params.reply !== 'alive' && withEntries(params.reply).length === 0,
    hasMoreTypes: ({ context }) => context.at + 1 < context.held.length,
    mayRetry: ({ context }, params: { error: unknown }) =>
      context.failures < patience && !(params.error instanceof FencedError),
  },
  actions: {
    keepHeld: assign({
      held: (_, params: { reply: Confirmation }) => (params.reply === 'alive' ? [] : withEntries(params.reply)),
      at: 0,
      failures: 0,
    }),
    planMoves: assign({
      moved: ({ context }) => Object.fromEntries(context.held.map(({ type, entries }) => [type, entries])),
    }),
    countMoved: assign({
      moved: ({ context }, params: { reply: Requeued }) => {
        const type = context.held[context.at]?.type;
        if (type === undefined || params.reply === 'alive' || params.reply.moved === 0) return context.moved;
        return { ...context.moved, [type]: (context.moved[type] ?? 0) + params.reply.moved };
      },
      failures: 0,
    }),
    nextType: assign({ at: ({ context }) => context.at + 1 }),
    countFailure: assign({
      failures: ({ context }) => context.failures + 1,
      error: (_, params: { error: unknown }) => messageOf(params.error),
    }),
    end: assign({ end: (_, params: { end: PoolEnd }) => params.end }),
    forget: assign({ error: undefined }),
    stopped: assign({ error: 'stopped before it was confirmed dead' }),
  },
}).createMachine({
  id: 'pool',
  context: ({ input }) => ({ ...input, held: [], at: 0, moved: {}, end: 'abandoned', failures: 0, error: undefined }),
  output: ({ context }) => outcomeOf(context),
  initial: 'suspect',
  states: {
    suspect: {
      always: { guard: 'hasNoGrace', target: 'confirm' },
      after: { grace: 'confirm' },
      on: { hurry: 'confirm', stop: { target: 'abandoned', actions: 'stopped' } },
    },
    confirm: {
      invoke: {
        id: 'confirm',
        src: 'confirm',
        input: ({ context }) => ({ suspect: context.suspect }),
        onDone: [
          { guard: { type: 'isAlive', params: ({ event }) => ({ reply: event.output }) }, target: 'alive' },
          {
            guard: 'isPlan',
            target: 'planned',
            actions: [{ type: 'keepHeld', params: ({ event }) => ({ reply: event.output }) }, 'planMoves'],
          },
          {
            guard: { type: 'holdsNothing', params: ({ event }) => ({ reply: event.output }) },
            target: 'settle',
            actions: { type: 'keepHeld', params: ({ event }) => ({ reply: event.output }) },
          },
          { target: 'requeue', actions: { type: 'keepHeld', params: ({ event }) => ({ reply: event.output }) } },
        ],
        onError: failed('retryConfirm'),
      },
    },
    requeue: {
      invoke: {
        id: 'requeue',
        src: 'requeue',
        input: ({ context }) => ({ suspect: context.suspect, type: context.held[context.at]?.type ?? '' }),
        onDone: [
          { guard: { type: 'isAlive', params: ({ event }) => ({ reply: event.output }) }, target: 'alive' },
          {
            guard: { type: 'hasLeft', params: ({ event }) => ({ reply: event.output }) },
            target: 'requeue',
            reenter: true,
            actions: { type: 'countMoved', params: ({ event }) => ({ reply: event.output }) },
          },
          {
            guard: 'hasMoreTypes',
            target: 'requeue',
            reenter: true,
            actions: [{ type: 'countMoved', params: ({ event }) => ({ reply: event.output }) }, 'nextType'],
          },
          { target: 'settle', actions: { type: 'countMoved', params: ({ event }) => ({ reply: event.output }) } },
        ],
        onError: failed('retryRequeue'),
      },
    },
    settle: {
      invoke: {
        id: 'settle',
        src: 'settle',
        input: ({ context }) => ({ suspect: context.suspect, types: context.suspect.types }),
        onDone: [
          { guard: { type: 'isAlive', params: ({ event }) => ({ reply: event.output }) }, target: 'alive' },
          { guard: { type: 'hasEntries', params: ({ event }) => ({ reply: event.output }) }, target: 'confirm' },
          { target: 'rescued' },
        ],
        onError: failed('retrySettle'),
      },
    },
    retryConfirm: { after: { backoff: 'confirm' } },
    retryRequeue: { after: { backoff: 'requeue' } },
    retrySettle: { after: { backoff: 'settle' } },
    rescued: { type: 'final', entry: ['forget', { type: 'end', params: { end: 'rescued' } }] },
    alive: { type: 'final', entry: ['forget', { type: 'end', params: { end: 'alive' } }] },
    planned: { type: 'final', entry: ['forget', { type: 'end', params: { end: 'planned' } }] },
    abandoned: { type: 'final', entry: { type: 'end', params: { end: 'abandoned' } } },
  },
});

/** A failed step: once more after a pause, or given up. */
function failed<Retry extends 'retryConfirm' | 'retryRequeue' | 'retrySettle'>(retry: Retry) {
  const count = {
    type: 'countFailure',
    params: ({ event }: { event: ErrorActorEvent }) => ({ error: event.error }),
  } as const;
  return [
    { guard: { type: 'mayRetry', params: count.params }, target: retry, actions: count },
    { target: 'abandoned', actions: count },
  ] as const;
}

const withEntries = (held: readonly Held[]) => held.filter(({ entries }) => entries > 0);

const outcomeOf = ({ suspect, end, moved, error }: PoolContext): PoolOutcome => ({
  pool: suspect.pool,
  outcome: end,
  evidence: suspect.evidence,
  moved,
  entries: Object.values(moved).reduce((sum, count) => sum + count, 0),
  ...(error === undefined ? {} : { error }),
});
