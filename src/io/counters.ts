import type { Drift, Recounted } from '../machines/supervisor.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';
import { unreadableName } from './keyNames.ts';
import type { Keys } from './keys.ts';
import { isWrongType } from './redisErrors.ts';
import { retry } from './retry.ts';
import { type ChangeOnce, callOnce, type Fence, type Scripts } from './scripts.ts';
import type { PoolSurvey } from './survey.ts';
import { refusalBehind, unlessWrongType } from './wrongTypes.ts';

type Names = Pick<PoolSurvey, 'readList'>;

/** Why the counters of a type are left as they are. */
class LeftCounters extends Error {
  override name = 'LeftCounters';
}

/** Rebuilds the counters of job types from their in-progress lists. */
export const createCounters = ({
  connection,
  keys,
  scripts,
  clock,
  readNames,
}: {
  connection: Connection;
  keys: Keys;
  scripts: Scripts;
  clock: Clock;
  /** Names as they are known now, with these types; asked for only where a name holds a colon. */
  readNames: (types: readonly string[]) => Promise<Names>;
}) => {
  const { redis } = connection;

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

  const rebuild = async (
    type: string,
    named: readonly string[],
    names: { readonly ofPass: () => Promise<Names>; readonly fresh: () => Promise<Names> },
    fence: Fence | undefined,
    change: ChangeOnce | undefined,
  ): Promise<Drift> => {
    let pools = await ownPools(type, [...new Set(named)], names.ofPass);
    for (;;) {
      const reply = await scripts.run<string[] | [string, string, number, string, string]>(
        change === undefined ? 'read_drift' : 'rebuild_counters',
        [keys.lock(type), keys.lockInfo(type), ...pools.map((pool) => keys.inProgress(type, pool))],
        pools,
        fence,
        change,
      );
      if (reply[0] !== 'unknown') {
        const [lockBefore, lock, fields, byLock, byFields] = reply as [string, string, number, string, string];
        return { type, lockBefore, lock, fields, size: { lock: Number(byLock), lockInfo: Number(byFields) } };
      }
      const unknown = reply.slice(1) as string[];
      const own = await ownPools(type, unknown, names.fresh);
      const other = unknown.find((pool) => !own.includes(pool));
      if (other !== undefined) {
        throw new LeftCounters(
          `${keys.lockInfo(type)}: counts pool ${other}, whose list is read as another type's; it and the lock are left`,
        );
      }
      pools = [...new Set([...pools, ...own])];
    }
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
      const registered = await unlessWrongType(redis.smembers(keys.pools), []);
      const listed = new Map<string, string[]>();
      for (const [type, pool] of lists) {
        const pools = listed.get(type);
        if (pools === undefined) listed.set(type, [pool]);
        else pools.push(pool);
      }
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
      await Promise.all(
        types.map(async (type) => {
          const pools = [...registered, ...(listed.get(type) ?? [])];
          try {
            const change = plan ? undefined : callOnce(keys);
            const found = await retry(clock, () => rebuild(type, pools, names, fence, change));
            keepLock(type, found.lockBefore, found.lock);
            if (found.lockBefore !== found.lock || found.fields > 0) drift.push(found);
          } catch (error) {
            unreadable.push(await leftBehind(error, type, pools));
            const lock = (await unlessWrongType(redis.get(keys.lock(type)), null)) ?? '0';
            keepLock(type, lock, lock);
          }
        }),
      );
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
