import type { LeftAct, PlannedCounters } from '../../machines/types/changes.ts';
import type { Drift, Recounted } from '../../machines/types/rescue.ts';
import type { Deps } from '../redis/deps.ts';
import { isWrongType } from '../redis/errors.ts';
import { existingOf, inChunks, partsOf, readSet } from '../redis/paged.ts';
import type { Fence } from '../redis/scripts.ts';
import { refusalBehind, unlessWrongType } from '../redis/wrongTypes.ts';
import { createCountedLists, type ListNames, UnclearListsError } from './countedLists.ts';
import { createTypeRebuild } from './counterRebuild.ts';

/**
 * Rebuilds the counters of job types from their in-progress lists; with `plan` it only reports what would change. Once
 * `signal` is aborted, it begins with no further type.
 */
export type CounterRebuild = (
  types: readonly string[],
  options?: {
    readonly fence?: Fence | undefined;
    /** In-progress lists that were found by their names, as [type, pool]. */
    readonly lists?: readonly (readonly [string, string])[];
    readonly plan?: boolean;
    readonly signal?: AbortSignal | undefined;
    /** The pass that acts, for the audit stream. */
    readonly pass?: string;
  },
) => Promise<Recounted>;

/**
 * Rebuilds the counters of a plan, each type only if they are still wrong in the same way. Reads the locks of the other types.
 *
 * @param lists in-progress lists that were found by their names, as [type, pool]; all of the types of the plan.
 */
export type PlannedRebuild = (
  planned: readonly PlannedCounters[],
  types: readonly string[],
  options: {
    readonly fence: Fence | undefined;
    readonly lists: readonly (readonly [string, string])[];
    readonly signal: AbortSignal | undefined;
    /** The pass that acts, for the audit stream. */
    readonly pass: string;
  },
) => Promise<Recounted>;

/** Reads the locks of types, and rebuilds nothing. */
export type LockReader = (types: readonly string[]) => Promise<Recounted>;

/** A type, and pools that may have a list of it. */
interface NamedType {
  readonly type: string;
  readonly pools: readonly string[];
}

/** In-progress lists that one script counts. */
const defaultListsPerStep = 500;
/** Types that are rebuilt in parallel. With more types than this, only those in use are rebuilt. */
const concurrency = 100;
/** Names of lists that a pass looks up, besides those that counters or the pass itself name. */
const maxAsked = 2_000_000;

export const createCounters = ({
  connection,
  keys,
  scripts,
  clock,
  readNames,
  maxListsPerStep = defaultListsPerStep,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  /** Reads all known names, including these types. Called only if a name holds a colon. */
  readNames: (types: readonly string[]) => Promise<ListNames>;
  maxListsPerStep?: number;
}): { readonly recount: CounterRebuild; readonly rebuildPlanned: PlannedRebuild; readonly readLocks: LockReader } => {
  const reads = createCounterReads({ connection, keys, maxListsPerStep });
  const { readLocks } = reads;
  const rebuildAll = createRebuildAll({ connection, keys, scripts, clock, readNames, maxListsPerStep, reads });

  return {
    readLocks,

    recount(types, { fence, lists = [], plan = false, signal, pass = 'rescue' } = {}) {
      return rebuildAll(types, { fence, lists, plan, signal, pass });
    },

    async rebuildPlanned(planned, types, { lists: found, ...options }) {
      const acts = new Map(planned.map((act) => [act.type, act]));
      const others = await readLocks(types.filter((type) => !acts.has(type)));
      const rebuilt = await rebuildAll([...acts.keys()], { ...options, lists: found, plan: false }, acts);
      return { ...rebuilt, locks: new Map([...others.locks, ...rebuilt.locks]) };
    },
  };
};

/** What is read of the counters of types. */
const createCounterReads = ({
  connection,
  keys,
  maxListsPerStep,
}: Pick<Deps, 'connection' | 'keys'> & { maxListsPerStep: number }) => {
  const { redis } = connection;
  const listsOf = ({ type, pools }: NamedType) => pools.map((pool) => keys.inProgress(type, pool));

  /** The types that have counters or lists. If there are many types, most have neither. */
  const usedOf = async (types: readonly NamedType[]) => {
    const named = types.map((one) => [keys.lock(one.type), keys.lockInfo(one.type), ...listsOf(one)]);
    const existing = new Set(await existingOf(redis, named.flat()));
    return types.filter((_, i) => named[i]?.some((key) => existing.has(key)));
  };

  /** Leaves out lists that do not exist, if there are many. */
  const existingPools = async (named: NamedType): Promise<readonly string[]> => {
    if (named.pools.length <= maxListsPerStep) return named.pools;
    const existing = new Set(await existingOf(redis, listsOf(named)));
    return named.pools.filter((pool) => existing.has(keys.inProgress(named.type, pool)));
  };

  /** Why the counters of a type stay as they are. Rethrows an error that is not about its keys. */
  const reasonOf = async (error: unknown, type: string, pools: readonly string[]): Promise<string> => {
    if (error instanceof UnclearListsError) return error.message;
    if (!isWrongType(error)) throw error;
    const refusal = await refusalBehind(redis, error, [
      [keys.lock(type), 'string'],
      [keys.lockInfo(type), 'hash'],
      ...pools.map((pool) => [keys.inProgress(type, pool), 'list'] as const),
    ]);
    if (refusal === undefined) throw error;
    return refusal;
  };

  const readLock = async (type: string) => (await unlessWrongType(redis.get(keys.lock(type)), null)) ?? '0';

  const readLocks: LockReader = async (types) => {
    const read = (await inChunks(types, readLock)).map((lock) => [lock, lock] as const);
    return { drift: [], unreadable: [], locks: new Map(types.map((type, i) => [type, read[i] as (typeof read)[0]])) };
  };

  return { usedOf, existingPools, reasonOf, readLock, readLocks };
};

/** Rebuilds the counters of types, or plans that. With acts of a plan, these are all that is rebuilt. */
const createRebuildAll = ({
  reads: { usedOf, existingPools, reasonOf, readLock },
  readNames,
  ...deps
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  readNames: (types: readonly string[]) => Promise<ListNames>;
  maxListsPerStep: number;
  reads: ReturnType<typeof createCounterReads>;
}) => {
  const { connection, keys } = deps;
  const rebuildType = createTypeRebuild({ ...deps, lists: createCountedLists({ connection, keys }) });

  return async (
    types: readonly string[],
    { fence, lists: found, plan, signal, pass }: Parameters<PlannedRebuild>[2] & { readonly plan: boolean },
    planned?: ReadonlyMap<string, PlannedCounters>,
  ): Promise<Recounted> => {
    const poolsOf = createPoolsOf(await unlessWrongType(readSet(connection, keys.pools), []), found);
    const names = cachedNames(() => readNames(types));
    const drift: Drift[] = [];
    const acts: PlannedCounters[] = [];
    const done: PlannedCounters[] = [];
    const left: LeftAct[] = [];
    const unreadable: string[] = [];
    const locks = new Map<string, readonly [string, string]>();
    const keepLock = (type: string, before: string, after: string) => {
      if (before !== '0' || after !== '0') locks.set(type, [before, after]);
    };
    const leave = async (type: string, act: PlannedCounters | undefined, why: string, isMoved: boolean) => {
      if (act !== undefined) left.push({ act, why, isMoved });
      const lock = await readLock(type);
      keepLock(type, lock, lock);
    };
    const rebuild = async (named: NamedType) => {
      const { type } = named;
      const act = planned?.get(type);
      let { pools } = named;
      if (signal?.aborted) return;
      try {
        pools = await existingPools(named);
        const expected = act === undefined ? {} : { planned: act.fingerprint };
        const rebuilt = await rebuildType(type, pools, names, { fence, plan, pass, ...expected });
        if ('moved' in rebuilt) return await leave(type, act, whyMoved[rebuilt.moved], true);
        const { drift: found, fingerprint } = rebuilt;
        keepLock(type, found.lockBefore, found.lock);
        if (found.lockBefore === found.lock && found.fields === 0) return;
        drift.push(found);
        if (act !== undefined) done.push(act);
        if (plan && fingerprint !== undefined) acts.push({ act: 'rebuild-counters', type, fingerprint });
      } catch (error) {
        const reason = await reasonOf(error, type, pools);
        unreadable.push(reason);
        await leave(type, act, reason, false);
      }
    };
    for (const some of partsOf(types, concurrency)) {
      const named = some.map((type) => ({ type, pools: poolsOf(type) }));
      const isAsked = planned !== undefined || types.length <= concurrency;
      await inChunks(isAsked ? named : await usedOf(named), rebuild);
    }
    return {
      ...{ drift, unreadable, locks },
      ...(plan ? { acts } : {}),
      ...(planned === undefined ? {} : { applied: { done, left } }),
    };
  };
};

const whyMoved = {
  drift: 'its counters are not wrong in the way that was planned, or are right already',
  many: 'it has too many lists now to be compared with the plan in one step',
};

/** Reads the names for a pass once, and again when fresh ones are needed. */
const cachedNames = (fresh: () => Promise<ListNames>) => {
  let ofPass: Promise<ListNames> | undefined;
  return {
    fresh,
    ofPass() {
      ofPass ??= fresh();
      return ofPass;
    },
  };
};

/**
 * The pools that may have a list of a type: all registered ones, as long as the total stays bounded, and those whose list was
 * found. Counters name further ones.
 */
const createPoolsOf = (registered: readonly string[], found: readonly (readonly [string, string])[]) => {
  const foundOf = new Map<string, string[]>();
  for (const [type, pool] of found) {
    const pools = foundOf.get(type);
    if (pools === undefined) foundOf.set(type, [pool]);
    else pools.push(pool);
  }
  let asked = 0;
  return (type: string): readonly string[] => {
    asked += registered.length;
    return [...new Set([...(asked <= maxAsked ? registered : []), ...(foundOf.get(type) ?? [])])];
  };
};
