import type { Deps } from '../redis/deps.ts';
import { type KnownNames, type ListReading, readListName, unreadableName } from '../redis/keyNames.ts';
import type { FoundKey } from '../redis/keyWalk.ts';
import { redisTime } from '../redis/time.ts';
import { type Expected, findWrongTyped, unlessWrongType } from '../redis/wrongTypes.ts';
import { type Heartbeat, readHeartbeat } from './heartbeats.ts';
import { type RegisteredNames, readRegisteredNames } from './names.ts';
import { type PoolState, stateOf } from './poolState.ts';
import type { Suspects } from './suspects.ts';

/**
 * All pools, job types and in-progress lists of a namespace, read at one moment. Pools and types are sorted, so that a plan and
 * a pass go through them in the same order: a SCAN gives them in any.
 */
export interface Registry {
  readonly pools: readonly PoolState[];
  /** Whether the set of pools can be read. If not, there may be pools that are missing here. */
  readonly arePoolsReadable: boolean;
  readonly types: readonly string[];
  /** In-progress lists that were found by their names, as [type, pool]. */
  readonly lists: readonly (readonly [string, string])[];
  /** Pool → types whose lock_info has a field of the pool. */
  readonly countedIn: ReadonlyMap<string, readonly string[]>;
  /** Messages about keys that cannot be read and lists with ambiguous names, each with what to do. */
  readonly unreadable: readonly string[];
  /** The type and pool of the list that has the name for `type` and `pool`: with colons in names, it may be another one's. */
  readList(type: string, pool: string): ListReading;
}

export interface RegistryReader {
  /**
   * @param found keys below `<ns>jobs:` that were found by their names.
   * @param moreTypes types that were found before and may be registered nowhere.
   */
  read(found: readonly FoundKey[], moreTypes?: readonly string[]): Promise<Registry>;
  /** The state of one pool now. */
  readPool(pool: string): Promise<PoolState>;
}

export const createRegistryReader = ({
  connection,
  keys,
  jobTypes,
  heartbeatAge,
  suspects,
}: Pick<Deps, 'connection' | 'keys'> & {
  /** Types that are looked at although nothing in Redis may name them. */
  jobTypes: readonly string[];
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  suspects: Suspects;
}): RegistryReader => {
  const { redis } = connection;

  const judge = async (
    pools: readonly string[],
    {
      heartbeats,
      registered,
      arePoolsReadable,
    }: Pick<RegisteredNames, 'heartbeats' | 'registered' | 'arePoolsReadable'>,
  ): Promise<PoolState[]> => {
    const [time, records] = await Promise.all([redisTime(redis), suspects.read(pools)]);
    const condition = pools.some((pool) => records.has(pool)) ? await suspects.condition() : undefined;
    return pools.map((pool) => {
      const heartbeat = heartbeats.get(pool) as Heartbeat;
      const isReadable = heartbeat.isReadable && arePoolsReadable;
      const evidence = { time, record: records.get(pool), condition, heartbeatAge, suspects };
      return stateOf(pool, { ...heartbeat, isReadable }, registered.has(pool), evidence);
    });
  };

  return {
    async read(found, moreTypes = []) {
      const names = await readRegisteredNames({ connection, keys }, found, [...jobTypes, ...moreTypes]);
      const { known, heartbeats } = names;
      const { lists, unexpected, unreadable } = readLists(found, known);
      const pools = new Set([...known.pools, ...lists.map(([, pool]) => pool)]);
      for (const pool of pools) {
        if (heartbeats.get(pool)?.isReadable === false) unexpected.push([keys.heartbeat(pool), 'hash']);
      }
      const wrongTyped = await findWrongTyped(redis, [...names.unexpected, ...unexpected]);
      return {
        pools: await judge([...pools].sort(), names),
        arePoolsReadable: names.arePoolsReadable,
        types: [...new Set([...known.types, ...lists.map(([type]) => type)])].sort(),
        lists,
        countedIn: names.countedIn,
        unreadable: [...names.unreadable, ...unreadable, ...wrongTyped],
        readList: (type, pool) =>
          readListName(keys.inProgress(type, pool).slice(keys.jobsPrefix.length), known) ?? 'none',
      };
    },

    async readPool(pool) {
      const [isMember, heartbeat] = await Promise.all([
        unlessWrongType<number | undefined>(redis.sismember(keys.pools, pool), undefined),
        readHeartbeat(redis, keys, pool),
      ]);
      const [state] = await judge([pool], {
        heartbeats: new Map([[pool, heartbeat]]),
        registered: new Set(isMember === 1 ? [pool] : []),
        arePoolsReadable: isMember !== undefined,
      });
      return state as PoolState;
    },
  };
};

/** Reads the names of the found keys as in-progress lists. */
const readLists = (found: readonly FoundKey[], known: KnownNames) => {
  const lists: [string, string][] = [];
  const unexpected: Expected[] = [];
  const unreadable: string[] = [];
  for (const { key, name, holds } of found) {
    if (holds === 'brokenName') {
      unreadable.push(`${key}: its name is not valid UTF-8; skipped: rename the key (RENAME)`);
      continue;
    }
    const reading = readListName(name, known);
    if (reading === undefined) continue;
    if (holds !== 'list') {
      if (typeof reading === 'object' && isKnown(reading, known)) unexpected.push([key, 'list']);
    } else if (typeof reading === 'string') unreadable.push(unreadableName(key, name, reading));
    else lists.push([reading.type, reading.pool]);
  }
  lists.sort(([type], [other]) => (type < other ? -1 : 1));
  return { lists, unexpected, unreadable };
};

const isKnown = ({ type, pool }: { type: string; pool: string }, { types, pools }: KnownNames) =>
  types.has(type) && pools.has(pool);
