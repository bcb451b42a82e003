import type { Redis } from 'ioredis';
import { type Clock, monotonicOf } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { redisTime } from '../redis/time.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';
import { aheadTolerance, type PoolState } from './registry.ts';

/** A heartbeat that was young, and when it is as old as one may become, in monotonic ms. */
interface Watched {
  readonly heartbeat: string;
  readonly dueAt: number;
}

/** After a heartbeat is due, in ms: a look must not come a moment too early. Also the shortest time between two looks. */
const slack = 50;
/** Heartbeats that are asked for at once. */
const batch = 500;

/**
 * Sees between two passes that a pool has stopped beating, as soon as its heartbeat is too old, and asks only for heartbeats
 * that are. A pool that beats every 5 s is asked for every 10 s at most.
 */
export const createHeartbeatWatch = ({
  redis,
  keys,
  heartbeatAge,
  clock,
}: Pick<Deps, 'keys' | 'clock'> & {
  redis: Redis;
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
}) => {
  let watched = new Map<string, Watched>();

  const ask = async (pools: readonly string[]): Promise<boolean> => {
    const replies = pools.map((pool) => redis.hmget(keys.heartbeat(pool), 'heartbeat_at'));
    const heartbeats = await Promise.all(replies.map((reply) => unlessWrongType<(string | null)[]>(reply, [])));
    const [time, now] = [await redisTime(redis), monotonicOf(clock)];
    let isOld = false;
    for (const [i, pool] of pools.entries()) {
      const heartbeat = heartbeats[i]?.[0];
      const hasMoved = heartbeat !== watched.get(pool)?.heartbeat;
      const left = heartbeatAge - (time - Number(heartbeat) * 1_000);
      // Without a heartbeat, or with one that is no time or is another clock's, a pool is for the next pass.
      if (!heartbeat || !(left <= heartbeatAge + aheadTolerance) || (hasMoved && left <= 0)) watched.delete(pool);
      else if (left <= 0) isOld = true;
      else watched.set(pool, { heartbeat, dueAt: now + left });
    }
    return isOld;
  };

  return {
    /** @param at when the pools looked so, in monotonic ms. */
    keep(pools: readonly PoolState[], at: number): void {
      watched = new Map(
        pools.flatMap(({ pool, heartbeat, age, isFresh }): [string, Watched][] =>
          isFresh && age !== undefined ? [[pool, { heartbeat, dueAt: at + heartbeatAge - age }]] : [],
        ),
      );
    },

    /** Resolves when one of them has not been followed by another in time. After an abort it is pending for ever. */
    async untilOld(signal: AbortSignal): Promise<void> {
      for (;;) {
        let first = Number.POSITIVE_INFINITY;
        for (const { dueAt } of watched.values()) first = Math.min(first, dueAt);
        if (first === Number.POSITIVE_INFINITY) return never;
        await pauseUnless(clock, Math.max(slack, first + slack - monotonicOf(clock)), signal);
        const now = monotonicOf(clock);
        const due = [...watched].flatMap(([pool, { dueAt }]) => (dueAt <= now ? [pool] : []));
        let isOld = false;
        for (let from = 0; from < due.length && !isOld && !signal.aborted; from += batch) {
          isOld = await ask(due.slice(from, from + batch));
        }
        if (!isOld) continue;
        // Told once: the pass that comes now says what to watch next. One that can't look leaves it to the pass that is due.
        watched.clear();
        return;
      }
    },
  };
};

const never = new Promise<never>(() => undefined);

/** Resolves after `ms`, unless it is aborted before; leaves no timer behind then. */
const pauseUnless = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return;
    const timer = clock.setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    const abort = () => clock.clearTimeout(timer);
    signal.addEventListener('abort', abort, { once: true });
  });
