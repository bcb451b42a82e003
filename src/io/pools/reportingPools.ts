import type { LivePool } from '../../machines/types/rescue.ts';
import { monotonicOf } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { inChunks, partsOf } from '../redis/paged.ts';
import { redisTime } from '../redis/time.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';

/**
 * Remembers which pools report observations. The entries of a pool whose workers never do cannot be judged: without
 * observations, no entry looks different from an orphaned one.
 */
export interface ReportingPools {
  /**
   * Records the pools that have an observation now, in Redis too, unless it is a plan. Forgets pools that are not live.
   * @param isScoped `live` are some of the live pools: it forgets none.
   */
  record(pools: ReadonlySet<string>, live: readonly LivePool[], plan: boolean, isScoped?: boolean): Promise<void>;
  /** Those of the pools whose workers were never seen to report an observation. */
  silentOf(pools: ReadonlySet<string>): Promise<Set<string>>;
}

/** How long a pool counts as reporting, and how often the record is renewed, in s. */
const retention = 7 * 86_400;
const renewInterval = 3_600;
/** Outdated pools that one renewal deletes. */
const maxDeleted = 100;
/** Pools that one command records. */
const batch = 500;

export const createReportingPools = ({
  connection: { redis },
  keys,
  clock,
}: Pick<Deps, 'connection' | 'keys' | 'clock'>): ReportingPools => {
  /** Reporting pool → when it was recorded in Redis, in ms of the clock; −Infinity for never. */
  let reporting = new Map<string, number>();

  return {
    async record(pools, live, plan, isScoped = false) {
      const recorded = new Map<string, number>(isScoped ? reporting : []);
      for (const { pool } of live) {
        const at = reporting.get(pool) ?? (pools.has(pool) ? Number.NEGATIVE_INFINITY : undefined);
        if (at !== undefined) recorded.set(pool, at);
      }
      reporting = recorded;
      const due = [...pools].filter(
        (pool) => monotonicOf(clock) - (recorded.get(pool) as number) >= 1_000 * renewInterval,
      );
      if (plan || due.length === 0) return;
      const at = Math.floor((await redisTime(redis)) / 1_000);
      for (const some of partsOf(due, batch)) {
        await redis.zadd(keys.observed, ...some.flatMap((pool) => [at, pool]));
      }
      const old = await redis.zrangebyscore(keys.observed, '-inf', at - retention, 'LIMIT', 0, maxDeleted);
      if (old.length > 0) await redis.zrem(keys.observed, ...old);
      await redis.expire(keys.observed, retention);
      for (const pool of due) recorded.set(pool, monotonicOf(clock));
    },

    async silentOf(pools) {
      const unknown = [...pools].filter((pool) => !reporting.has(pool));
      const scores = await inChunks(unknown, (pool) => unlessWrongType(redis.zscore(keys.observed, pool), null));
      return new Set(unknown.filter((_, i) => scores[i] === null));
    },
  };
};
