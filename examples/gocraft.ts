/** The Redis side of a worker host by gocraft's rules: fetch, observe, finish, and the heartbeat of its pool. */
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';

/** The parts of a queue entry that a host needs. */
export interface Entry {
  /** The exact bytes, which are removed from the list at the end. */
  readonly bytes: string;
  readonly type: string;
  /** The id in the entry: for a periodic job, that of its policy. */
  readonly id: string;
  /** The id under which Harbor keeps the stats: those of a periodic job are kept for each of its executions. */
  readonly jobId: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** @throws SyntaxError if the bytes are not an entry. */
export const readEntry = (type: string, bytes: string): Entry => {
  const parsed: unknown = JSON.parse(bytes);
  const { id, args } = (parsed ?? {}) as { id?: unknown; args?: unknown };
  if (typeof id !== 'string' || id === '') throw new SyntaxError('it has no id');
  const given = typeof args === 'object' && args !== null ? (args as Record<string, unknown>) : {};
  const epoch = given._job_kind_periodic_;
  return { bytes, type, id, jobId: epoch === undefined ? id : `${id}@${epoch}`, args: given };
};

/** Takes and counts an entry in one step, unless its type is paused or at its cap. */
const fetchScript = `
  local queue, held, lock, lockInfo, paused, cap = unpack(KEYS)
  local most = tonumber(redis.call('GET', cap) or '0')
  if redis.call('LLEN', queue) == 0 or redis.call('EXISTS', paused) == 1 then return false end
  if most > 0 and (tonumber(redis.call('GET', lock) or '0')) >= most then return false end
  redis.call('INCR', lock)
  redis.call('HINCRBY', lockInfo, ARGV[1], 1)
  return redis.call('RPOPLPUSH', queue, held)`;

/** A host that was disconnected for long counts as dead: another host has its entry by now, and it must not record that it runs it. */
const observeScript = `
  local held, observation = unpack(KEYS)
  if not redis.call('LPOS', held, ARGV[1]) then return 0 end
  redis.call('HSET', observation, 'job_name', ARGV[2], 'job_id', ARGV[3], 'started_at', redis.call('TIME')[1], 'args', ARGV[4])
  redis.call('EXPIRE', observation, 86400)
  return 1`;

/** Removes exactly these bytes from the list, and counts only if they were there: a second call after a lost reply changes nothing. */
const finishScript = `
  local held, lock, lockInfo, observation = unpack(KEYS)
  if redis.call('LREM', held, 1, ARGV[1]) == 1 then
    redis.call('DECR', lock)
    redis.call('HINCRBY', lockInfo, ARGV[2], -1)
  end
  redis.call('DEL', observation)`;

export interface Pool {
  /** Writes the heartbeat of this pool. A reaper suspects a pool without one for 10 s. */
  beat(): Promise<unknown>;
  /** The bytes of the next entry of a type, or null if there is none. */
  fetch(type: string): Promise<string | null>;
  /** Records which job a worker runs, the first one by default. False if the entry no longer belongs to this pool. */
  observe(entry: Entry, worker?: string): Promise<boolean>;
  finish(entry: Entry, worker?: string): Promise<unknown>;
  /** Deregisters the pool. */
  leave(): Promise<unknown>;
}

/** What the heartbeat of a pool says besides its types. */
export interface PoolIdentity {
  /** Ids of its workers. */
  readonly workers: readonly string[];
  readonly host: string;
  readonly pid: number;
  /** Unix s. */
  readonly startedAt: number;
}

/** @param identity of another process than this one; by default a pool of one worker. */
export const createPool = (
  redis: Redis,
  namespace: string,
  pool: string,
  types: readonly string[],
  identity: Partial<PoolIdentity> = {},
): Pool => {
  const key = (...parts: string[]) => `${namespace}:${parts.join(':')}`;
  const { workers = [`${pool}-w1`], host = hostname(), pid = process.pid } = identity;
  const { startedAt = Math.floor(Date.now() / 1_000) } = identity;
  const [first = ''] = workers;
  const queue = (type: string, ...parts: string[]) => key('jobs', type, ...parts);
  const held = (type: string) => queue(type, pool, 'inprogress');
  const observation = (worker: string) => key('worker', worker);
  return {
    beat: () =>
      redis
        .multi()
        .sadd(key('worker_pools'), pool)
        .sadd(key('known_jobs'), ...types)
        .hset(key('worker_pools', pool), {
          heartbeat_at: Math.floor(Date.now() / 1_000),
          started_at: startedAt,
          job_names: types.join(','),
          concurrency: workers.length,
          worker_ids: workers.join(','),
          host,
          pid,
        })
        .exec(),
    async fetch(type) {
      const suffixes = ['lock', 'lock_info', 'paused', 'max_concurrency'];
      const keys = [queue(type), held(type), ...suffixes.map((suffix) => queue(type, suffix))];
      return (await redis.eval(fetchScript, keys.length, ...keys, pool)) as string | null;
    },
    async observe({ type, bytes, id, args }, worker = first) {
      const given = JSON.stringify(args);
      return (await redis.eval(observeScript, 2, held(type), observation(worker), bytes, type, id, given)) === 1;
    },
    finish({ type, bytes }, worker = first) {
      const keys = [held(type), queue(type, 'lock'), queue(type, 'lock_info'), observation(worker)];
      return redis.eval(finishScript, keys.length, ...keys, bytes, pool);
    },
    leave: () => redis.multi().srem(key('worker_pools'), pool).del(key('worker_pools', pool)).exec(),
  };
};
