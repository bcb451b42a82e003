import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { second } from './jobs.ts';

const enqueuedAt = second(-60);
/** The queue entry of a job. The same job always gives the same bytes. */
export const entryOf = (id: string, name = 'X'): string => JSON.stringify({ name, id, t: enqueuedAt, args: {} });

/** The keys of a gocraft pool, in the namespace `t`. */
export interface SeededPool {
  /** heartbeat_at; if it is undefined, no heartbeat is written. */
  readonly heartbeat?: number | string | undefined;
  readonly isRegistered?: boolean;
  /** Job types in its heartbeat. */
  readonly jobNames?: string;
  /** Job type → ids of the entries that it holds. They are counted in lock and lock_info, unless `isCounted` is false. */
  readonly holds?: ReadonlyMap<string, readonly string[]>;
  readonly isCounted?: boolean;
}

export const seedPool = async (
  redis: Redis,
  pool: string,
  { heartbeat, isRegistered = true, jobNames = '', holds = new Map(), isCounted = true }: SeededPool,
): Promise<void> => {
  if (isRegistered) await redis.sadd('t:worker_pools', pool);
  if (heartbeat !== undefined) {
    await redis.hset(`t:worker_pools:${pool}`, 'heartbeat_at', heartbeat, 'job_names', jobNames, 'worker_ids', '');
  }
  for (const [type, ids] of holds) {
    await redis.lpush(`t:jobs:${type}:${pool}:inprogress`, ...ids.map((id) => entryOf(id, type)));
    if (!isCounted) continue;
    await redis.incrby(`t:jobs:${type}:lock`, ids.length);
    await redis.hincrby(`t:jobs:${type}:lock_info`, pool, ids.length);
  }
};

/** Ids of the jobs whose entries are in a list. */
export const idsIn = async (redis: Redis, key: string): Promise<string[]> =>
  (await redis.lrange(key, 0, -1)).map((entry) => JSON.parse(entry).id);

/** The mark of an entry in a plan: what is done with it, and a part of the SHA-1 of its bytes. */
export const markOf = (does: 'r' | 'q' | '-', entry: string): string =>
  does + createHash('sha1').update(entry).digest('hex').slice(0, 11);
