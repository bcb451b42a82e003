import { countIn } from '../../machines/counts.ts';
import type { Drift, Recounted } from '../../machines/supervisor.ts';
import { retry } from '../hooks/retry.ts';
import type { Deps } from '../redis/deps.ts';
import { isWrongType } from '../redis/errors.ts';
import { brokenCounts, unreadableName } from '../redis/keyNames.ts';
import {
  existingOf,
  inChunks,
  partsOf,
  readFieldNames,
  readNames as readFields,
  readHash,
  readSet,
} from '../redis/paged.ts';
import { type ChangeOnce, callOnce, type Fence, newToken, type ScriptName } from '../redis/scripts.ts';
import { refusalBehind, unlessWrongType } from '../redis/wrongTypes.ts';
import type { PoolSurvey } from './registry.ts';

type Names = Pick<PoolSurvey, 'readList'>;
interface NameReader {
  readonly ofPass: () => Promise<Names>;
  readonly fresh: () => Promise<Names>;
}

/** A type, and pools that may have a list of it. */
interface NamedType {
  readonly type: string;
  readonly pools: readonly string[];
}

/** Why the counters of a type are left as they are. */
class LeftCounters extends Error {
  override name = 'LeftCounters';
}

/** In-progress lists that one step counts. */
const defaultListsAtOnce = 500;
/** How often a lock is counted that somebody writes meanwhile; the next pass tries again. */
const maxRounds = 3;
/** Types whose counters are rebuilt side by side, and types that are all rebuilt, in use or not. */
const typesAtOnce = 100;
/** Names of lists that a pass asks for at most, beside those that counters or a look name. */
const maxAsked = 2_000_000;

/** Rebuilds the counters of job types from their in-progress lists. */
export const createCounters = ({
  connection,
  keys,
  scripts,
  clock,
  readNames,
  listsAtOnce = defaultListsAtOnce,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  /** Names as they are known now, with these types; asked for only where a name holds a colon. */
  readNames: (types: readonly string[]) => Promise<Names>;
  listsAtOnce?: number;
}) => {
  const { redis } = connection;
  const listsOf = ({ type, pools }: NamedType) => pools.map((pool) => keys.inProgress(type, pool));

  /** Tries a script again while Redis can't be reached; one that changes something gives its first answer then. */
  const ask = <Name extends ScriptName>(
    name: Name,
    names: readonly string[],
    args: readonly (string | number)[],
    fence: Fence | undefined,
    change: ChangeOnce | undefined,
  ) => retry(clock, () => scripts.run(name, names, args, fence, change));

  /**
   * The pools whose lists are this type's. Another type's list may have the name of one that this type could have: its
   * entries are not counted here. Where that can't be told, nothing is.
   */
  const ownPools = async (type: string, pools: readonly string[], names: () => Promise<Names>) => {
    const isPlain = !type.includes(':');
    if (isPlain && pools.every((pool) => !pool.includes(':'))) return pools;
    const { readList } = await names();
    const own: string[] = [];
    for (const pool of pools) {
      const reading = readList(type, pool);
      if (typeof reading === 'object') {
        if (reading.type === type && reading.pool === pool) own.push(pool);
      } else if ((await redis.exists(keys.inProgress(type, pool))) === 0) own.push(pool);
      else {
        const key = keys.inProgress(type, pool);
        throw new LeftCounters(unreadableName(key, key.slice(keys.jobsPrefix.length), reading));
      }
    }
    return own;
  };

  /** The pools that a counter names, if all of their lists are this type's. */
  const countedPools = async (type: string, counted: readonly string[], names: NameReader) => {
    if (counted.some((pool) => pool.includes('\uFFFD'))) {
      const { broken } = await readFields(connection, keys.lockInfo(type), 'hash');
      if (broken.length > 0) throw new LeftCounters(brokenCounts(keys.lockInfo(type), broken));
    }
    const own = await ownPools(type, counted, names.fresh);
    const known = new Set(own);
    const other = counted.find((pool) => !known.has(pool));
    if (other === undefined) return own;
    throw new LeftCounters(
      `${keys.lockInfo(type)}: counts pool ${other}, whose list is read as another type's; it and the lock are left`,
    );
  };

  /** In one step, where there are few lists; else the pools that are known by then. */
  const rebuildAtOnce = async (
    type: string,
    named: readonly string[],
    names: NameReader,
    fence: Fence | undefined,
    plan: boolean,
  ): Promise<{ readonly found: Drift } | { readonly many: readonly string[] }> => {
    let pools = await ownPools(type, named, names.ofPass);
    while (pools.length <= listsAtOnce) {
      const reply = await ask(
        plan ? 'read_drift' : 'rebuild_counters',
        [keys.lock(type), keys.lockInfo(type), ...listsOf({ type, pools })],
        pools,
        fence,
        plan ? undefined : callOnce(keys),
      );
      if (reply[0] === 'many') break;
      if (reply[0] !== 'unknown') {
        const [lockBefore, lock, fields, byLock, byFields] = reply as [string, string, number, string, string];
        return { found: driftOf(type, lockBefore, lock, fields, Number(byLock), Number(byFields)) };
      }
      pools = [...new Set([...pools, ...(await countedPools(type, reply.slice(1) as string[], names))])];
    }
    return { many: pools };
  };

  /** Makes the fields of some pools right, and gives { entries, fields, by how much they were off }. */
  const recountPools = (type: string, pools: readonly string[], fence: Fence | undefined) =>
    ask('recount_pools', [keys.lockInfo(type), ...listsOf({ type, pools })], pools, fence, callOnce(keys));

  const recountLock = (type: string, token: string, what: 'open' | number, fence: Fence | undefined) =>
    ask('recount_lock', [keys.lock(type), keys.recount(type)], [token, what], fence, callOnce(keys));

  /**
   * In steps. A field is right from its step on. The lock is set where nobody has written it while all lists were counted;
   * else it stays as it is until the next pass. What was done before a step that fails is right by itself.
   */
  const rebuildInSteps = async (
    type: string,
    named: readonly string[],
    names: NameReader,
    fence: Fence | undefined,
  ): Promise<Drift> => {
    let [fields, off] = [0, 0];
    for (let round = 1; ; round++) {
      const epoch = connection.epoch();
      const token = newToken();
      await recountLock(type, token, 'open', fence);
      const counted = await readFieldNames(connection, keys.lockInfo(type));
      const pools = [...new Set([...named, ...(await countedPools(type, counted, names))])];
      let entries = 0;
      for (const some of partsOf(pools, listsAtOnce)) {
        const [held, wrong, by] = await recountPools(type, some, fence);
        entries += held;
        fields += wrong;
        off += Number(by);
      }
      // Another process of Redis may have lost what was written last.
      const isSame = connection.epoch() === epoch;
      const reply = await recountLock(type, isSame ? token : '', entries, fence);
      const [before = '', lock = before] = reply;
      if (reply.length === 1 && round < maxRounds) continue;
      return driftOf(type, before, lock, fields, countIn(before) - countIn(lock), off);
    }
  };

  /** What that would do, as far as it can be said of what others change meanwhile. */
  const readInSteps = async (type: string, named: readonly string[], names: NameReader): Promise<Drift> => {
    const [before, counts] = await Promise.all([redis.get(keys.lock(type)), readHash(connection, keys.lockInfo(type))]);
    const pools = [...new Set([...named, ...(await countedPools(type, [...counts.keys()], names))])];
    const lengths = await inChunks(pools, (pool) => unlessWrongType(redis.llen(keys.inProgress(type, pool)), 0));
    const offs = pools.flatMap((pool, i) => {
      const [count, length] = [counts.get(pool) ?? '0', lengths[i] as number];
      return count === `${length}` ? [] : [Math.abs(countIn(count) - length)];
    });
    const sum = lengths.reduce((all, length) => all + length, 0);
    const off = offs.reduce((all, by) => all + by, 0);
    return driftOf(type, before ?? '', `${sum}`, offs.length, countIn(before ?? '') - sum, off);
  };

  /** Those of the types that have counters, or lists that are asked for: of many, most have neither. */
  const usedOf = async (types: readonly NamedType[]) => {
    const named = types.map((one) => [keys.lock(one.type), keys.lockInfo(one.type), ...listsOf(one)]);
    const there = new Set(await existingOf(redis, named.flat()));
    return types.filter((_, i) => named[i]?.some((key) => there.has(key)));
  };

  return {
    /**
     * @param lists in-progress lists that were found by their names, as [type, pool].
     * @param plan whether it only says what it would do.
     */
    async recount(
      types: readonly string[],
      lists: readonly (readonly [string, string])[],
      fence: Fence | undefined,
      plan = false,
    ): Promise<Recounted> {
      const registered = await unlessWrongType(readSet(connection, keys.pools), []);
      const listed = new Map<string, string[]>();
      for (const [type, pool] of lists) {
        const pools = listed.get(type);
        if (pools === undefined) listed.set(type, [pool]);
        else pools.push(pool);
      }
      let asked = 0;
      /** Pools that may have a list of the type, bounded all told: of the others a list is known by its name, or by a counter. */
      const poolsOf = (type: string): readonly string[] => {
        asked += registered.length;
        return [...new Set([...(asked <= maxAsked ? registered : []), ...(listed.get(type) ?? [])])];
      };
      let ofPass: Promise<Names> | undefined;
      const fresh = () => readNames(types);
      const names = {
        fresh,
        ofPass() {
          ofPass ??= fresh();
          return ofPass;
        },
      };
      const drift: Drift[] = [];
      const unreadable: string[] = [];
      const locks = new Map<string, readonly [string, string]>();
      const keepLock = (type: string, before: string, after: string) => {
        if (before !== '0' || after !== '0') locks.set(type, [before, after]);
      };
      const rebuild = async (named: NamedType) => {
        const { type } = named;
        let { pools } = named;
        try {
          if (pools.length > listsAtOnce) {
            const there = new Set(await existingOf(redis, listsOf(named)));
            pools = pools.filter((pool) => there.has(keys.inProgress(type, pool)));
          }
          const reply = await rebuildAtOnce(type, pools, names, fence, plan);
          const inSteps = plan ? readInSteps : rebuildInSteps;
          const found = 'found' in reply ? reply.found : await inSteps(type, reply.many, names, fence);
          keepLock(type, found.lockBefore, found.lock);
          if (found.lockBefore !== found.lock || found.fields > 0) drift.push(found);
        } catch (error) {
          unreadable.push(await leftBehind(error, type, pools));
          const lock = (await unlessWrongType(redis.get(keys.lock(type)), null)) ?? '0';
          keepLock(type, lock, lock);
        }
      };
      for (const some of partsOf(types, typesAtOnce)) {
        const named = some.map((type) => ({ type, pools: poolsOf(type) }));
        await inChunks(types.length <= typesAtOnce ? named : await usedOf(named), rebuild);
      }
      return { drift, unreadable, locks };
    },
  };

  async function leftBehind(error: unknown, type: string, pools: readonly string[]): Promise<string> {
    if (error instanceof LeftCounters) return error.message;
    if (!isWrongType(error)) throw error;
    const refusal = await refusalBehind(redis, error, [
      [keys.lock(type), 'string'],
      [keys.lockInfo(type), 'hash'],
      ...pools.map((pool) => [keys.inProgress(type, pool), 'list'] as const),
    ]);
    if (refusal === undefined) throw error;
    return refusal;
  }
};

const driftOf = (
  type: string,
  before: string,
  lock: string,
  fields: number,
  byLock: number,
  byFields: number,
): Drift => ({
  type,
  lockBefore: before === '' ? '0' : before,
  lock: lock === '' ? '0' : lock,
  fields,
  size: { lock: byLock, lockInfo: byFields },
});
