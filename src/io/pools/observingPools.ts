import type { LivePool } from '../../machines/types/rescue.ts';
import { monotonicOf } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { inChunks, partsOf } from '../redis/paged.ts';
import { redisTime } from '../redis/time.ts';
import { unlessWrongType } from './rescue.ts';

export interface ObservingPools {
  /** Records which pools write observations, so that it survives a restart: a pool that never does can't be judged. */
  mark(pools: ReadonlySet<string>, live: readonly LivePool[], plan: boolean): Promise<void>;
  /** Those of the pools whose workers were never seen to say what they run. */
  silentOf(pools: ReadonlySet<string>): Promise<Set<string>>;
}

/** For how long a pool counts as one that observes, and how often that is written down. In s. */
const keepObserved = 7 * 86_400;
const renewObserved = 3_600;
/** Pools that one renewal forgets at most. */
const trimAtOnce = 100;
/** Pools that one command notes. */
const poolsAtOnce = 500;

export const createObservingPools = ({
  connection: { redis },
  keys,
  clock,
}: Pick<Deps, 'connection' | 'keys' | 'clock'>): ObservingPools => {
  /** Pools of which a worker was observed → when that was written down, in ms of the clock; −Infinity for not yet. */
  let observing = new Map<string, number>();

  return {
    async mark(pools, live, plan) {
      const written = new Map<string, number>();
      for (const { pool } of live) {
        const at = observing.get(pool) ?? (pools.has(pool) ? Number.NEGATIVE_INFINITY : undefined);
        if (at !== undefined) written.set(pool, at);
      }
      observing = written;
      const due = [...pools].filter(
        (pool) => monotonicOf(clock) - (written.get(pool) as number) >= 1_000 * renewObserved,
      );
      if (plan || due.length === 0) return;
      const at = Math.floor((await redisTime(redis)) / 1_000);
      for (const some of partsOf(due, poolsAtOnce)) {
        await redis.zadd(keys.observed, ...some.flatMap((pool) => [at, pool]));
      }
      const old = await redis.zrangebyscore(keys.observed, '-inf', at - keepObserved, 'LIMIT', 0, trimAtOnce);
      if (old.length > 0) await redis.zrem(keys.observed, ...old);
      await redis.expire(keys.observed, keepObserved);
      for (const pool of due) written.set(pool, monotonicOf(clock));
    },

    async silentOf(pools) {
      const unknown = [...pools].filter((pool) => !observing.has(pool));
      const scores = await inChunks(unknown, (pool) => unlessWrongType(redis.zscore(keys.observed, pool), null));
      return new Set(unknown.filter((_, i) => scores[i] === null));
    },
  };
};
