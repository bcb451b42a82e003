import { assign, type ErrorActorEvent, fromPromise, setup } from 'xstate';
import { addCounts } from './counts.ts';
import { FencedError } from './lease.ts';
import { messageOf } from './messageOf.ts';
import { PlanMovedError } from './plannedPool.ts';
import type {
  Confirmation,
  Deregistered,
  Held,
  PoolContext,
  PoolDone,
  PoolInput,
  PoolOutput,
  Quarantining,
  Requeued,
  Reviewed,
  Suspect,
} from './types/pool.ts';

/** Failures after which a pool is given up. The next pass finds it again and continues. */
const maxFailures = 5;

/** What the chart of a pool uses: actors, delays, guards and actions. */
export const poolSetup = setup({
  types: {
    context: {} as PoolContext,
    input: {} as PoolInput,
    output: {} as PoolOutput,
    events: {} as { type: 'stop' } | (ErrorActorEvent & { type: 'xstate.error.actor.*' }),
  },
  actors: {
    confirm: fromPromise<Confirmation, { suspect: Suspect; plan: boolean; done: PoolDone }>(() =>
      Promise.reject(new Error('confirm was not provided')),
    ),
    review: fromPromise<Reviewed, { suspect: Suspect; plan: boolean }>(() =>
      Promise.reject(new Error('review was not provided')),
    ),
    requeue: fromPromise<Requeued, { suspect: Suspect; types: readonly string[]; entries: number; done: PoolDone }>(
      () => Promise.reject(new Error('requeue was not provided')),
    ),
    quarantine: fromPromise<Quarantining, { suspect: Suspect; type: string; id: string; done: PoolDone }>(() =>
      Promise.reject(new Error('quarantine was not provided')),
    ),
    deregister: fromPromise<Deregistered, { suspect: Suspect; types: readonly string[]; isLeft: boolean }>(() =>
      Promise.reject(new Error('deregister was not provided')),
    ),
  },
  delays: {
    backoff: ({ context }) => 500 * 2 ** context.failures,
  },
  guards: {
    hasGrace: ({ context }) => context.grace > 0,
    isAlive: (_, params: { reply: Confirmation | Reviewed | Requeued | Quarantining | Deregistered }) =>
      params.reply.outcome === 'alive',
    isCutOff: (_, params: { reply: Requeued }) => failureIn(params.reply) !== undefined,
    isPoisoned: (_, params: { reply: Requeued }) => poisonIn(params.reply) !== undefined,
    hasEntries: (_, params: { reply: Deregistered }) => params.reply.outcome === 'entries',
    isLeft: (_, params: { reply: Deregistered }) => params.reply.outcome === 'left',
    // Another reaper has removed it: it was there when it was found, or held entries.
    isRemoved: ({ context: { suspect, held } }, params: { reply: Deregistered }) =>
      params.reply.outcome === 'gone' &&
      (suspect.traces?.isRegistered === true || suspect.traces?.hasHeartbeat === true || held.length > 0),
    // The step that removes a pool says which reaper reports the rescue: several may have requeued its entries.
    isCleaned: (_, params: { reply: Deregistered }) => params.reply.outcome !== 'deregistered',
    hasMore: ({ context }, params: { reply: Requeued }) => context.at + doneIn(params.reply) < context.held.length,
    isPlan: ({ context }) => context.plan,
    wouldLeave: ({ context }, params: { reply: Confirmation }) =>
      context.plan && unreadableIn(heldIn(params.reply)).length > 0,
    holdsNothing: (_, params: { reply: Confirmation }) => withEntries(heldIn(params.reply)).length === 0,
    isLastRefused: ({ context }, params: { reply: Quarantining }) =>
      refusedIn(params.reply) !== undefined && context.at + 1 >= context.held.length,
    retriesExhausted: ({ context }) => context.failures > maxFailures,
    isFenced: (_, params: { error: unknown }) =>
      params.error instanceof FencedError || params.error instanceof PlanMovedError,
  },
  actions: {
    keepHeld: assign({
      held: (_, params: { reply: Confirmation }) => withEntries(heldIn(params.reply)),
      unreadable: (_, params: { reply: Confirmation }) => unreadableIn(heldIn(params.reply)),
      at: 0,
      left: undefined,
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
        const { moved, held, at } = context;
        const counts = params.reply.outcome === 'moved' ? params.reply.counts : [];
        return addCounts(
          moved,
          counts.flatMap((of, i) => (of.moved === 0 ? [] : [[held[at + i]?.type ?? '', of.moved] as const])),
        );
      },
    }),
    keepPoison: assign({ poison: (_, params: { reply: Requeued }) => poisonIn(params.reply) }),
    countQuarantined: assign({
      quarantined: ({ context }, params: { reply: Quarantining }) => {
        if (params.reply.outcome !== 'quarantined') return context.quarantined;
        const { poison: id = '', suspect, held, at } = context;
        return [...context.quarantined, { id, type: held[at]?.type ?? '', pool: suspect.pool }];
      },
      poison: undefined,
    }),
    // Stays at a type while it has entries left.
    advance: assign({
      at: ({ context }, params: { reply: Requeued | Quarantining }) => context.at + doneIn(params.reply),
      left: ({ context }, params: { reply: Requeued | Quarantining }) => leftAfter(context, params.reply),
    }),
    countFailure: assign({
      failures: ({ context }) => context.failures + 1,
      error: (_, params: { error: unknown }) => messageOf(params.error),
      cause: (_, params: { error: unknown }) => params.error,
    }),
    suspectAgain: assign({
      suspect: ({ context }, params: { reply: Reviewed }) =>
        params.reply.outcome === 'alive' ? context.suspect : params.reply.suspect,
    }),
    forgetError: assign({ error: undefined, cause: undefined }),
    forgetTraces: assign({
      suspect: ({ context }) => {
        const { traces: _, ...suspect } = context.suspect;
        return suspect;
      },
    }),
    explainLeft: assign({
      cause: undefined,
      error: ({ context }) => `entries are left where they are: ${context.unreadable.join('; ')}`,
    }),
    recordStop: assign({ error: 'stopped before it was confirmed dead', cause: undefined }),
  },
});

const unreadableIn = (held: readonly Held[]): readonly string[] => [
  ...new Set(held.flatMap(({ unreadable }) => (unreadable === undefined ? [] : [unreadable]))),
];
const heldIn = (reply: Confirmation): readonly Held[] => (reply.outcome === 'dead' ? reply.held : []);
const poisonIn = (reply: Requeued): string | undefined => (reply.outcome === 'moved' ? reply.poison : undefined);
/** The error of one of the scripts of a step, where another one moved entries. */
export const failureIn = (reply: Requeued): unknown => (reply.outcome === 'moved' ? reply.failure : undefined);
const refusedIn = (reply: Requeued | Quarantining): string | undefined =>
  reply.outcome === 'refused' ? reply.reason : undefined;
/** For how many types nothing more can be done. */
const doneIn = (reply: Requeued | Quarantining): number => {
  if (reply.outcome === 'moved') return reply.counts.filter(({ left }) => left === 0).length;
  return reply.outcome === 'refused' ? 1 : 0;
};

/** In a plan, entries that stay are held too. */
const withEntries = (held: readonly Held[]) =>
  held.filter(({ entries, poison = [], marks = '' }) => entries + poison.length > 0 || marks !== '');

/** How many entries the type holds at which a step stopped; undefined for one that was not begun. */
const leftAfter = ({ left }: PoolContext, reply: Requeued | Quarantining): number | undefined => {
  if (reply.outcome === 'moved') return reply.counts.at(-1)?.left || undefined;
  return reply.outcome === 'refused' ? undefined : left;
};

/** Types and entries that one step of `requeue` begins: more types do not make it faster, and would make it long. */
const maxTypes = 16;
const manyEntries = 100;

/** The types whose entries are requeued next: one, or several that hold few entries. */
export const nextTypes = ({ held, at }: Pick<PoolContext, 'held' | 'at'>): readonly string[] => {
  let entries = 0;
  const few = held.slice(at, at + maxTypes).findIndex((of) => {
    entries += of.entries;
    return entries > manyEntries;
  });
  return held.slice(at, at + (few < 0 ? maxTypes : Math.max(1, few))).map(({ type }) => type);
};

/** How many entries the first of these types holds, as far as it is known. */
export const nextEntries = ({ held, at, left }: Pick<PoolContext, 'held' | 'at' | 'left'>): number =>
  left ?? held[at]?.entries ?? 0;
