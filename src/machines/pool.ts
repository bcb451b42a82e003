import { assign, type ErrorActorEvent, fromPromise, setup } from 'xstate';
import { addCount } from './counts.ts';
import { messageOf } from './job.ts';
import { type Fence, FencedError } from './lease.ts';
import type { PoisonEntry, PoolTraces } from './rescueChanges.ts';

/** A pool of workers that is not seen to live, and what was seen of it. */
export interface Suspect {
  readonly pool: string;
  /** heartbeat_at as it stood, or the empty string for none. A heartbeat that moves on clears the pool. */
  readonly heartbeat: string;
  /** Job types among which its entries and locks are looked for. */
  readonly types: readonly string[];
  /** Why it is suspected. */
  readonly evidence: string;
  /** How many troubles there were by then, with Redis or with us: after another one, what was seen proves nothing. */
  readonly disruptions: number;
  /** What stands of it in Redis beside its entries, and goes with it. */
  readonly traces?: PoolTraces;
  /** When it was seen like that, in monotonic ms: its grace counts from then. */
  readonly at: number;
  /** Whether one of its in-progress lists held an entry then. Such a pool is rescued before others. */
  readonly holdsEntries?: boolean;
  /** Token of the pass that has found it: what that pass itself requeues does not count for it (`lua/includes/recovery.lua`). */
  readonly pass?: string;
  /** Of the pass that has found it, if that was a scheduled one of several hosts. */
  readonly fence?: Fence | undefined;
}

/** What a dead pool holds of a type. */
export interface Held {
  readonly type: string;
  readonly entries: number;
  /** In a plan: ids of the jobs that would go to quarantine, an entry each; they are not among `entries`. */
  readonly poison?: readonly string[];
  /** Why its entries can't be requeued: a key by its name, and what to do. */
  readonly unreadable?: string;
}

export interface PoolInput {
  readonly suspect: Suspect;
  readonly plan: boolean;
  /** How long the pool may prove that it lives after it is suspected, in ms. Whoever starts the actor waits it out first. */
  readonly grace: number;
  /** What was done before the pool had to wait out its grace once more. */
  readonly before?: PoolProgress;
}
export type PoolProgress = Pick<PoolContext, 'moved' | 'quarantined' | 'failures' | 'error'>;

/**
 * `cleaned`: it was gone and had left nothing to put back, as after a graceful stop. `planned`: it would have been rescued, or
 * cleaned up. `abandoned`: given up with an error, to be found again by the next pass.
 */
export type PoolEnd = 'rescued' | 'cleaned' | 'alive' | 'planned' | 'abandoned';
export interface PoolOutcome {
  readonly pool: string;
  readonly outcome: PoolEnd;
  readonly evidence: string;
  /** Entries put back (or, in a plan, that would be), by job type. */
  readonly moved: Readonly<Record<string, number>>;
  readonly entries: number;
  /** Entries that went to quarantine instead (or, in a plan, that would); they are not among those put back. */
  readonly quarantined: number;
  /** Which they are; left out where there are none. */
  readonly poison?: readonly PoisonEntry[];
  /** What was removed of it besides (or, in a plan, that would be); left out where it keeps its place. */
  readonly deregistered?: PoolTraces;
  /** Keys that kept entries where they are, each with what to do; left out where there are none. */
  readonly unreadable?: readonly string[];
  readonly error?: string;
  /** From its suspicion to this end, in ms. */
  readonly durationMs?: number;
}
/** How an actor of a pool ends. `again`: it ends here, and is to be started with this once the grace is over. */
export type PoolOutput = PoolOutcome | { readonly again: PoolInput };

/** What `confirm` finds: that the pool lives after all, or what it holds. */
export type Confirmation = 'alive' | readonly Held[];
/**
 * What `requeue` did: nothing since the pool lives, or how many entries it moved, and how many are left; the id of the job
 * before whose entry it has stopped, which was recovered too often already; or why it will never be able to.
 */
export type Requeued =
  | 'alive'
  | {
      readonly moved: number;
      readonly left: number;
      readonly poison?: string | undefined;
      readonly refused?: string | undefined;
    };
/** `again`: the entry was gone, or may be put back after all, so that requeue has to look again. */
export type Quarantining = 'alive' | 'again' | 'quarantined' | { readonly refused: string };
/**
 * `entries`: some have come up, to be requeued first. `left`: some can't be, so the pool keeps its place. `traces`: it was
 * removed, and had left no more than traces: no count above 0, and no heartbeat or no registration.
 */
export type Settled = 'alive' | 'entries' | 'left' | 'settled' | 'traces';

export interface PoolContext extends PoolInput {
  /** Whether the grace of the suspicion is over. */
  readonly hasWaited: boolean;
  readonly held: readonly Held[];
  /** Index in `held` of the type whose entries are being put back. */
  readonly at: number;
  readonly moved: Readonly<Record<string, number>>;
  /** Job whose entry must not go back to its queue. */
  readonly poison: string | undefined;
  readonly quarantined: readonly PoisonEntry[];
  /** What keeps the entries of some types where they are. */
  readonly unreadable: readonly string[];
  readonly end: PoolEnd;
  readonly failures: number;
  readonly error: string | undefined;
}

/** Failures after which a pool is given up; the next pass finds it again and goes on where this one stood. */
const patience = 5;

/** What a failed step leads to. */
const countFailure = {
  type: 'countFailure',
  params: ({ event }: { event: ErrorActorEvent }) => ({ error: event.error }),
} as const;
const failed = [
  { guard: { type: 'isFenced', params: countFailure.params }, target: 'abandoned', actions: countFailure },
  { target: 'unsure', actions: countFailure },
] as const;

/**
 * One suspected pool.
 *
 * `suspect`: the grace is over, for whoever started the actor has waited it out: an actor is for pools that are worked on.
 * `confirm` looks again: a pool that lives ends in `alive`; a plan ends in `planned`; else `requeue` puts its entries
 * back, a bounded batch of one type at a time, until none is left; it stops before an entry whose job was recovered too
 * often, which `quarantine` takes out of circulation before it goes on. `settle` then removes the pool, and ends in
 * `rescued`, or in `cleaned` where the pool had left nothing but traces, as one that stopped gracefully does; where entries have come up meanwhile it goes back to `confirm`. At every step the script looks again
 * whether the pool is dead: one that has come to life ends in `alive`.
 *
 * A type that can't be requeued since a key is of the wrong type, or its list may be another pool's, is passed over: the
 * others go on, and then the pool ends as `abandoned`, with its place in Redis, so that what is left stays known as its own.
 *
 * A step that fails, or is not taken since Redis or we are not fit to judge, or were not since the pool was suspected,
 * leaves the pool `unsure`: whatever kept us may have kept a pool that lives from its heartbeat. After a pause `review`
 * sees how it stands now, and as a `suspect` it has to wait out the whole grace once more: this actor ends in `waiting`, which
 * says with what to start the next one then. `stop` gives a pool that is unsure up. Too many failures end in `abandoned`,
 * and so does the first one that says that another host has taken over.
 */
export const poolMachine = setup({
  types: {
    context: {} as PoolContext,
    input: {} as PoolInput,
    output: {} as PoolOutput,
    events: {} as { type: 'stop' },
  },
  actors: {
    confirm: fromPromise<Confirmation, { suspect: Suspect; plan: boolean }>(() =>
      Promise.reject(new Error('confirm was not provided')),
    ),
    review: fromPromise<'alive' | Suspect, { suspect: Suspect; plan: boolean }>(() =>
      Promise.reject(new Error('review was not provided')),
    ),
    requeue: fromPromise<Requeued, { suspect: Suspect; type: string }>(() =>
      Promise.reject(new Error('requeue was not provided')),
    ),
    quarantine: fromPromise<Quarantining, { suspect: Suspect; type: string; id: string }>(() =>
      Promise.reject(new Error('quarantine was not provided')),
    ),
    settle: fromPromise<Settled, { suspect: Suspect; types: readonly string[]; isLeft: boolean }>(() =>
      Promise.reject(new Error('settle was not provided')),
    ),
  },
  delays: {
    backoff: ({ context }) => 500 * 2 ** context.failures,
  },
  guards: {
    hasToWait: ({ context }) => !context.hasWaited && context.grace > 0,
    isAlive: (_, params: { reply: Confirmation | Requeued | Quarantining | Settled | Suspect }) =>
      params.reply === 'alive',
    isPoisoned: (_, params: { reply: Requeued }) => params.reply !== 'alive' && params.reply.poison !== undefined,
    hasEntries: (_, params: { reply: Settled }) => params.reply === 'entries',
    isLeft: (_, params: { reply: Settled }) => params.reply === 'left',
    leftTraces: ({ context }, params: { reply: Settled }) =>
      params.reply === 'traces' && Object.keys(context.moved).length === 0 && context.quarantined.length === 0,
    hasMore: ({ context }, params: { reply: Requeued }) =>
      isDone(params.reply) ? context.at + 1 < context.held.length : true,
    isPlan: ({ context }) => context.plan,
    holdsNothing: (_, params: { reply: Confirmation }) =>
      params.reply !== 'alive' && withEntries(params.reply).length === 0,
    isLastRefused: ({ context }, params: { reply: Quarantining }) =>
      isDone(params.reply) && context.at + 1 >= context.held.length,
    isPastHope: ({ context }) => context.failures > patience,
    isFenced: (_, params: { error: unknown }) => params.error instanceof FencedError,
  },
  actions: {
    keepHeld: assign({
      held: (_, params: { reply: Confirmation }) => (params.reply === 'alive' ? [] : withEntries(params.reply)),
      unreadable: (_, params: { reply: Confirmation }) => (params.reply === 'alive' ? [] : unreadableIn(params.reply)),
      at: 0,
    }),
    passOver: assign({
      unreadable: ({ context }, params: { reply: Requeued | Quarantining }) => {
        const refused = refusedIn(params.reply);
        const isNew = refused !== undefined && !context.unreadable.includes(refused);
        return isNew ? [...context.unreadable, refused] : context.unreadable;
      },
      poison: undefined,
    }),
    planMoves: assign({
      moved: ({ context }) =>
        Object.fromEntries(
          context.held.filter(({ entries }) => entries > 0).map(({ type, entries }) => [type, entries]),
        ),
      quarantined: ({ context }) =>
        context.held.flatMap(({ type, poison = [] }) => poison.map((id) => ({ id, type, pool: context.suspect.pool }))),
    }),
    countMoved: assign({
      moved: ({ context }, params: { reply: Requeued }) => {
        const type = context.held[context.at]?.type;
        if (type === undefined || params.reply === 'alive' || params.reply.moved === 0) return context.moved;
        return addCount(context.moved, type, params.reply.moved);
      },
    }),
    keepPoison: assign({
      poison: (_, params: { reply: Requeued }) => (params.reply === 'alive' ? undefined : params.reply.poison),
    }),
    countQuarantined: assign({
      quarantined: ({ context }, params: { reply: Quarantining }) => {
        if (params.reply !== 'quarantined') return context.quarantined;
        const { poison: id = '', suspect, held, at } = context;
        return [...context.quarantined, { id, type: held[at]?.type ?? '', pool: suspect.pool }];
      },
      poison: undefined,
    }),
    // With the same type where it has entries left, else with the next one.
    goOn: assign({
      at: ({ context }, params: { reply: Requeued | Quarantining }) => context.at + (isDone(params.reply) ? 1 : 0),
    }),
    countFailure: assign({
      failures: ({ context }) => context.failures + 1,
      error: (_, params: { error: unknown }) => messageOf(params.error),
    }),
    suspectAgain: assign({
      suspect: ({ context }, params: { reply: 'alive' | Suspect }) =>
        params.reply === 'alive' ? context.suspect : params.reply,
      hasWaited: false,
    }),
    end: assign({ end: (_, params: { end: PoolEnd }) => params.end }),
    forget: assign({ error: undefined }),
    leave: assign({ error: ({ context }) => `entries are left where they are: ${context.unreadable.join('; ')}` }),
    stopped: assign({ error: 'stopped before it was confirmed dead' }),
  },
}).createMachine({
  id: 'pool',
  context: ({ input }) => ({
    ...input,
    hasWaited: true,
    held: [],
    at: 0,
    moved: {},
    poison: undefined,
    quarantined: [],
    unreadable: [],
    end: 'abandoned',
    failures: 0,
    error: undefined,
    ...input.before,
  }),
  output: ({ context }) =>
    context.hasWaited || context.grace === 0 ? outcomeOf(context) : { again: againOf(context) },
  initial: 'suspect',
  states: {
    suspect: {
      always: [{ guard: 'hasToWait', target: 'waiting' }, { target: 'confirm' }],
    },
    confirm: {
      invoke: {
        id: 'confirm',
        src: 'confirm',
        input: ({ context }) => ({ suspect: context.suspect, plan: context.plan }),
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
        onError: failed,
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
            guard: { type: 'isPoisoned', params: ({ event }) => ({ reply: event.output }) },
            target: 'quarantine',
            actions: [
              { type: 'countMoved', params: ({ event }) => ({ reply: event.output }) },
              { type: 'keepPoison', params: ({ event }) => ({ reply: event.output }) },
            ],
          },
          {
            guard: { type: 'hasMore', params: ({ event }) => ({ reply: event.output }) },
            target: 'requeue',
            reenter: true,
            actions: [
              { type: 'countMoved', params: ({ event }) => ({ reply: event.output }) },
              { type: 'passOver', params: ({ event }) => ({ reply: event.output }) },
              { type: 'goOn', params: ({ event }) => ({ reply: event.output }) },
            ],
          },
          {
            target: 'settle',
            actions: [
              { type: 'countMoved', params: ({ event }) => ({ reply: event.output }) },
              { type: 'passOver', params: ({ event }) => ({ reply: event.output }) },
            ],
          },
        ],
        onError: failed,
      },
    },
    quarantine: {
      invoke: {
        id: 'quarantine',
        src: 'quarantine',
        input: ({ context }) => ({
          suspect: context.suspect,
          type: context.held[context.at]?.type ?? '',
          id: context.poison ?? '',
        }),
        onDone: [
          { guard: { type: 'isAlive', params: ({ event }) => ({ reply: event.output }) }, target: 'alive' },
          {
            guard: { type: 'isLastRefused', params: ({ event }) => ({ reply: event.output }) },
            target: 'settle',
            actions: { type: 'passOver', params: ({ event }) => ({ reply: event.output }) },
          },
          {
            target: 'requeue',
            actions: [
              { type: 'countQuarantined', params: ({ event }) => ({ reply: event.output }) },
              { type: 'passOver', params: ({ event }) => ({ reply: event.output }) },
              { type: 'goOn', params: ({ event }) => ({ reply: event.output }) },
            ],
          },
        ],
        onError: failed,
      },
    },
    settle: {
      invoke: {
        id: 'settle',
        src: 'settle',
        input: ({ context }) => ({
          suspect: context.suspect,
          types: context.suspect.types,
          isLeft: context.unreadable.length > 0,
        }),
        onDone: [
          { guard: { type: 'isAlive', params: ({ event }) => ({ reply: event.output }) }, target: 'alive' },
          { guard: { type: 'hasEntries', params: ({ event }) => ({ reply: event.output }) }, target: 'confirm' },
          {
            guard: { type: 'isLeft', params: ({ event }) => ({ reply: event.output }) },
            target: 'abandoned',
            actions: 'leave',
          },
          { guard: { type: 'leftTraces', params: ({ event }) => ({ reply: event.output }) }, target: 'cleaned' },
          { target: 'rescued' },
        ],
        onError: failed,
      },
    },
    unsure: {
      always: { guard: 'isPastHope', target: 'abandoned' },
      after: { backoff: 'review' },
      on: { stop: { target: 'abandoned', actions: 'stopped' } },
    },
    review: {
      invoke: {
        id: 'review',
        src: 'review',
        input: ({ context }) => ({ suspect: context.suspect, plan: context.plan }),
        onDone: [
          { guard: { type: 'isAlive', params: ({ event }) => ({ reply: event.output }) }, target: 'alive' },
          { target: 'suspect', actions: { type: 'suspectAgain', params: ({ event }) => ({ reply: event.output }) } },
        ],
        onError: failed,
      },
    },
    waiting: { type: 'final' },
    cleaned: { type: 'final', entry: ['forget', { type: 'end', params: { end: 'cleaned' } }] },
    rescued: { type: 'final', entry: ['forget', { type: 'end', params: { end: 'rescued' } }] },
    alive: { type: 'final', entry: ['forget', { type: 'end', params: { end: 'alive' } }] },
    planned: { type: 'final', entry: ['forget', { type: 'end', params: { end: 'planned' } }] },
    abandoned: { type: 'final', entry: { type: 'end', params: { end: 'abandoned' } } },
  },
});

const unreadableIn = (held: readonly Held[]): readonly string[] => [
  ...new Set(held.flatMap(({ unreadable }) => (unreadable === undefined ? [] : [unreadable]))),
];
const refusedIn = (reply: Requeued | Quarantining): string | undefined =>
  typeof reply === 'object' ? reply.refused : undefined;
/** Whether nothing more can be done for the entries of a type. */
const isDone = (reply: Requeued | Quarantining): boolean =>
  typeof reply === 'object' && (reply.refused !== undefined || !('left' in reply) || reply.left === 0);

const withEntries = (held: readonly Held[]) => held.filter(({ entries, poison = [] }) => entries + poison.length > 0);

/** Whether nothing stays of the pool; in a plan, whether nothing would. */
const isGone = (end: PoolEnd, unreadable: readonly string[]) =>
  end === 'rescued' || end === 'cleaned' || (end === 'planned' && unreadable.length === 0);

const againOf = ({ suspect, plan, grace, moved, quarantined, failures, error }: PoolContext): PoolInput => ({
  suspect,
  plan,
  grace,
  before: { moved, quarantined, failures, error },
});

const outcomeOf = ({ suspect, end, moved, quarantined, unreadable, error }: PoolContext): PoolOutcome => ({
  pool: suspect.pool,
  outcome: end,
  evidence: suspect.evidence,
  moved,
  entries: Object.values(moved).reduce((sum, count) => sum + count, 0),
  quarantined: quarantined.length,
  ...(quarantined.length === 0 ? {} : { poison: quarantined }),
  ...(suspect.traces === undefined || !isGone(end, unreadable) ? {} : { deregistered: suspect.traces }),
  ...(unreadable.length === 0 ? {} : { unreadable }),
  ...(error === undefined ? {} : { error }),
});
