import type { EndpointStatus } from '../io/hooks/endpoints.ts';
import type { HookRecords } from '../io/hooks/records.ts';
import { readQueue } from '../io/jobs/queue.ts';
import type { Deps } from '../io/redis/deps.ts';
import { redisTime } from '../io/redis/time.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';
import { countIn } from '../machines/counts.ts';

/** One job type's queue. */
export interface QueueReading {
  readonly type: string;
  readonly depth: number;
  /** When its oldest entry was enqueued, in unix s; undefined if it is empty, or if the entry does not say. */
  readonly oldestAt: number | undefined;
  /** Entries in the in-progress lists of registered pools; undefined if there are too many lists to read. */
  readonly running: number | undefined;
  readonly lock: number;
  readonly cap: number;
  readonly isPaused: boolean;
}

/** What metrics show of Redis. */
export interface Readings {
  /** Redis TIME in ms. */
  readonly time: number;
  /** How long Redis took to answer one command, in ms. */
  readonly roundTrip: number;
  readonly tracked: number;
  readonly queues: readonly QueueReading[];
  readonly typesUnread: number;
  readonly retry: number;
  readonly scheduled: number;
  readonly dead: number;
  readonly quarantined: number;
  readonly endpoints: readonly EndpointStatus[];
  /** All hooks that are not parked, whatever their endpoint. */
  readonly hooksPending: number;
  readonly hooksParked: number;
}

/** Bounds of one reading. The work in Redis is the same however large the namespace is. */
const maxLists = 2_000;
const maxPools = 100;

/**
 * Reads the state of the queues and hooks in bounded work: a few commands for each of at most `maxTypes` job types and
 * `maxEndpoints` endpoints, sent together. It never scans the names of keys, and never reads a whole list.
 *
 * @param monotonic a clock in ms that never jumps.
 */
export const createReadings =
  ({
    connection: { redis },
    keys,
    scripts,
    records,
    jobTypes,
    maxTypes,
    maxEndpoints,
    monotonic,
  }: Pick<Deps, 'connection' | 'keys' | 'scripts'> & {
    records: Pick<HookRecords, 'firstEndpoints'>;
    jobTypes: readonly string[];
    maxTypes: number;
    maxEndpoints: number;
    monotonic: () => number;
  }) =>
  async (): Promise<Readings> => {
    const began = monotonic();
    const time = await redisTime(redis);
    const roundTrip = monotonic() - began;
    const zero = (reply: Promise<number>) => unlessWrongType(reply, 0);
    const page = (key: string, count: number) =>
      unlessWrongType<[string, string[]]>(redis.sscan(key, '0', 'COUNT', count), ['0', []]);

    const [known, knownCount, pools] = await Promise.all([
      page(keys.knownJobs, maxTypes),
      zero(redis.scard(keys.knownJobs)),
      page(keys.pools, maxPools),
    ]);
    const found = [...new Set([...jobTypes, ...known[1]])];
    const types = found.slice(0, maxTypes).sort();
    const areAllPools = pools[0] === '0' && pools[1].length * types.length <= maxLists;

    const runningOf = async (type: string) => {
      if (!areAllPools) return undefined;
      const lengths = await Promise.all(pools[1].map((pool) => zero(redis.llen(keys.inProgress(type, pool)))));
      return lengths.reduce((sum, length) => sum + length, 0);
    };
    const queueOf = async (type: string): Promise<QueueReading> => {
      const [{ length, oldestAt }, running, lock, cap, paused] = await Promise.all([
        readQueue(scripts, keys, type),
        runningOf(type),
        unlessWrongType(redis.get(keys.lock(type)), null),
        unlessWrongType(redis.get(keys.maxConcurrency(type)), null),
        redis.exists(keys.paused(type)),
      ]);
      return {
        ...{ type, depth: length, oldestAt, running },
        ...{ lock: countIn(lock ?? ''), cap: Number(cap ?? 0) || 0, isPaused: paused === 1 },
      };
    };

    const [queues, endpoints, tracked, retry, scheduled, dead, quarantined, hooks, hooksParked] = await Promise.all([
      Promise.all(types.map(queueOf)),
      unlessWrongType(records.firstEndpoints(maxEndpoints), []),
      zero(redis.hlen(keys.track)),
      zero(redis.zcard(keys.retry)),
      zero(redis.zcard(keys.scheduled)),
      zero(redis.zcard(keys.dead)),
      zero(redis.hlen(keys.quarantine)),
      zero(redis.hlen(keys.hooks)),
      zero(redis.zcard(keys.parkedHooks)),
    ]);
    return {
      ...{ time, roundTrip, tracked, queues, retry, scheduled, dead, quarantined, endpoints, hooksParked },
      typesUnread: Math.max(0, Math.max(found.length, knownCount) - types.length),
      hooksPending: Math.max(0, hooks - hooksParked),
    };
  };
