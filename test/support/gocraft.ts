import type { Redis } from 'ioredis';

/** The pools and queues of gocraft/work for `createUpstream`, faults included. */

/** KEYS queue, in-progress, lock, lock_info, max_concurrency, paused; ARGV pool. */
const fetchLua = `local cap = tonumber(redis.call('GET', KEYS[5]) or 0)
if redis.call('LLEN', KEYS[1]) == 0 or redis.call('EXISTS', KEYS[6]) == 1 then return nil end
if cap > 0 and tonumber(redis.call('GET', KEYS[3]) or 0) >= cap then return nil end
redis.call('INCR', KEYS[3])
redis.call('HINCRBY', KEYS[4], ARGV[1], 1)
return redis.call('RPOPLPUSH', KEYS[1], KEYS[2])`;
/** KEYS 4 per type: in-progress, queue, lock, lock_info; ARGV pool. */
const requeueLua = `for i = 1, #KEYS, 4 do
  local entry = redis.call('RPOPLPUSH', KEYS[i], KEYS[i + 1])
  if entry then
    redis.call('DECR', KEYS[i + 2])
    redis.call('HINCRBY', KEYS[i + 3], ARGV[1], -1)
    return { entry, KEYS[i], KEYS[i + 1] }
  end
end
return nil`;
/** KEYS 2 per type: lock, lock_info; ARGV pool. */
const staleLocksLua = `for i = 1, #KEYS, 2 do
  local count = tonumber(redis.call('HGET', KEYS[i + 1], ARGV[1]) or '')
  if count then
    if redis.call('DECRBY', KEYS[i], count) < 0 then redis.call('SET', KEYS[i], 0) end
    redis.call('HDEL', KEYS[i + 1], ARGV[1])
  end
end`;

/** The unix second by the clock of this process, as upstream reads its host's clock. */
export const hostNow = () => Math.floor(Date.now() / 1_000);

export const upstreamKeys = (prefix: string) => {
  const track = `${prefix}job_track:inprogress`;
  const stats = (id: string) => `${prefix}job_stats:${id}`;
  const queue = (type: string) => `${prefix}jobs:${type}`;
  const held = (type: string, pool: string) => `${queue(type)}:${pool}:inprogress`;
  const lock = (type: string) => `${queue(type)}:lock`;
  const lockInfo = (type: string) => `${queue(type)}:lock_info`;
  const pools = `${prefix}worker_pools`;
  const heartbeat = (pool: string) => `${pools}:${pool}`;
  return { track, stats, queue, held, lock, lockInfo, pools, heartbeat };
};

export type UpstreamKeys = ReturnType<typeof upstreamKeys>;

/** Both reapers of pools, and what a worker does with an entry. */
export const createGocraft = (redis: Redis, { queue, held, lock, lockInfo, pools, heartbeat }: UpstreamKeys) => {
  const requeue = (pool: string, types: readonly string[]): Promise<unknown> =>
    redis.eval(
      requeueLua,
      4 * types.length,
      ...types.flatMap((type) => [held(type, pool), queue(type), lock(type), lockInfo(type)]),
      pool,
    );
  const requeueAll = async (pool: string, types: readonly string[]) => {
    while ((await requeue(pool, types)) !== null);
  };

  return {
    requeue,

    /** Runs once after the start. @param afterPools runs after the pools were read and before the locks are read. */
    async reenqueue(types: readonly string[], afterPools?: () => Promise<unknown>) {
      const known = new Set(await redis.smembers(pools));
      await afterPools?.();
      for (const type of types) {
        for (const [pool, count] of Object.entries(await redis.hgetall(lockInfo(type)))) {
          if (Number(count) > 0 && !known.has(pool)) await requeueAll(pool, types);
        }
      }
    },

    /** gocraft's fetch. Returns the entry; null if there is none or if the cap is reached. */
    fetch: (type: string, pool: string) =>
      redis.eval(
        fetchLua,
        6,
        queue(type),
        held(type, pool),
        lock(type),
        lockInfo(type),
        `${queue(type)}:max_concurrency`,
        `${queue(type)}:paused`,
        pool,
      ) as Promise<string | null>,

    /** gocraft's finish. It counts down also if LREM has removed nothing. */
    async finish(type: string, pool: string, entry: string) {
      await redis.multi().lrem(held(type, pool), 1, entry).decr(lock(type)).hincrby(lockInfo(type), pool, -1).exec();
    },

    staleLocks: (pool: string, types: readonly string[]) =>
      redis.eval(staleLocksLua, 2 * types.length, ...types.flatMap((type) => [lock(type), lockInfo(type)]), pool),

    /**
     * gocraft's own reaper. @param types of this binary, for a pool without a heartbeat. @param now of its host, unix s.
     * @param isKilled ends before the locks are cleaned.
     */
    async reapPools(types: readonly string[], { now = hostNow(), isKilled = false } = {}) {
      for (const pool of await redis.smembers(pools)) {
        const [at, names] = await redis.hmget(heartbeat(pool), 'heartbeat_at', 'job_names');
        if (at && Number(at) + 10 > now) continue;
        const own = names ? names.split(',') : [];
        if (own.length > 0) {
          await requeueAll(pool, own);
          await redis.del(heartbeat(pool));
        }
        await redis.srem(pools, pool);
        if (isKilled) return;
        const locked = own.length > 0 ? own : types;
        await redis.eval(
          staleLocksLua,
          2 * locked.length,
          ...locked.flatMap((type) => [lock(type), lockInfo(type)]),
          pool,
        );
      }
    },
  };
};
