import type { Redis } from 'ioredis';
import { type Clock, monotonicOf } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { redisTime } from '../redis/time.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';
import { aheadTolerance, type PoolState } from './poolState.ts';

/** A fresh heartbeat, and when it becomes too old, in monotonic ms. */
interface Watched {
  readonly heartbeat: string;
  readonly dueAt: number;
}

/** How long after that moment the heartbeat is read, in ms, so that it is never early. Also the shortest pause between two reads. */
const slack = 50;
/** Heartbeats that are read at once. */
const batch = 500;

/**
 * Watches heartbeats between two rescue passes, so that a pass begins as soon as a pool stops. It reads only heartbeats that
 * should have been replaced: with a heartbeat every 5 s, each pool is read every 10 s at most.
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

  /** Reads the heartbeats of pools. Returns whether one of them has not been replaced. */
  const readStale = async (pools: readonly string[]): Promise<boolean> => {
    const replies = pools.map((pool) => redis.hmget(keys.heartbeat(pool), 'heartbeat_at'));
    const heartbeats = await Promise.all(replies.map((reply) => unlessWrongType<(string | null)[]>(reply, [])));
    const [time, now] = [await redisTime(redis), monotonicOf(clock)];
    let isStale = false;
    for (const [i, pool] of pools.entries()) {
      const heartbeat = heartbeats[i]?.[0];
      const hasMoved = heartbeat !== watched.get(pool)?.heartbeat;
      const left = heartbeatAge - (time - Number(heartbeat) * 1_000);
      // A missing heartbeat, and one that is not a time or of a wrong clock, are left to the next pass.
      if (!heartbeat || !(left <= heartbeatAge + aheadTolerance) || (hasMoved && left <= 0)) watched.delete(pool);
      else if (left <= 0) isStale = true;
      else watched.set(pool, { heartbeat, dueAt: now + left });
    }
    return isStale;
  };

  return {
    /**
     * Watches the fresh ones of the pools.
     * @param at when the states were read, in monotonic ms.
     */
    keep(pools: readonly PoolState[], at: number): void {
      watched = new Map(
        pools.flatMap(({ pool, heartbeat, age, isFresh }): [string, Watched][] =>
          isFresh && age !== undefined ? [[pool, { heartbeat, dueAt: at + heartbeatAge - age }]] : [],
        ),
      );
    },

    /** Resolves when a heartbeat has not been replaced in time. After an abort it stays pending. */
    async untilStale(signal: AbortSignal): Promise<void> {
      for (;;) {
        let first = Number.POSITIVE_INFINITY;
        for (const { dueAt } of watched.values()) first = Math.min(first, dueAt);
        if (first === Number.POSITIVE_INFINITY) return never;
        await pauseUnless(clock, Math.max(slack, first + slack - monotonicOf(clock)), signal);
        const now = monotonicOf(clock);
        const due = [...watched].flatMap(([pool, { dueAt }]) => (dueAt <= now ? [pool] : []));
        let isStale = false;
        for (let from = 0; from < due.length && !isStale && !signal.aborted; from += batch) {
          isStale = await readStale(due.slice(from, from + batch));
        }
        if (!isStale) continue;
        // Reported once: the pass that begins now says what to watch next. If it fails, the next scheduled pass does.
        watched.clear();
        return;
      }
    },
  };
};

const never = new Promise<never>(() => undefined);

/** Resolves after `ms`. After an abort it stays pending, without a timer. */
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
