import type { Redis } from 'ioredis';
import { second } from './jobs.ts';

/** An entry of the namespace `t`'s queues, by the id of its job. */
const enqueuedAt = second(-60);
/** The same bytes for the same job, however much later it is made. */
export const entryOf = (id: string, name = 'X'): string => JSON.stringify({ name, id, t: enqueuedAt, args: {} });

/** What a gocraft pool leaves in Redis, in the namespace `t`. */
export interface SeededPool {
  /** heartbeat_at; none is written where it is undefined. */
  readonly heartbeat?: number | string | undefined;
  readonly isRegistered?: boolean;
  /** Types that its heartbeat names. */
  readonly jobNames?: string;
  /** Entries that it holds: type → their ids. Counted in lock and lock_info as a fetch does, unless `isCounted` is false. */
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

/** Ids of the jobs whose entries a list of the namespace `t` holds. */
export const idsIn = async (redis: Redis, key: string): Promise<string[]> =>
  (await redis.lrange(key, 0, -1)).map((entry) => JSON.parse(entry).id);
