/**
 * A worker host in Node, as a process of its own: it takes jobs by gocraft's rules of fetch and finish, reports their life
 * through the reaper's lifecycle, and beats like a gocraft pool. Run beside Go hosts it works on the same queues.
 *
 *   REAPER_REDIS_URL, REAPER_NAMESPACE   where
 *   WORKER_POOL, WORKER_TYPES            id of this pool; its job types, with commas between
 *   WORKER_HEARTBEAT_MS                  from one heartbeat to the next (5000)
 *   WORKER_HOOK_TIMEOUT_MS               how long a hook may take (30000)
 *
 * A job's work is to wait `args.ms` ms. SIGTERM lets the job in hand finish.
 */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createReaper } from '../src/index.ts';

const need = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

const url = need('REAPER_REDIS_URL');
const namespace = need('REAPER_NAMESPACE');
const pool = need('WORKER_POOL');
const types = need('WORKER_TYPES').split(',');
const heartbeatMs = Number(process.env.WORKER_HEARTBEAT_MS ?? 5_000);
const worker = `${pool}-w1`;

const redis = new Redis(url);
const hookTimeoutMs = Number(process.env.WORKER_HOOK_TIMEOUT_MS ?? 30_000);
const reaper = createReaper({
  redis: url,
  namespace,
  logger: false,
  hooks: { headerTimeoutMs: Math.min(10_000, hookTimeoutMs), totalTimeoutMs: hookTimeoutMs },
});
const key = (...parts: string[]) => `${namespace}:${parts.join(':')}`;

/** gocraft's fetch: an entry is taken and counted in one step, unless its type is paused or at its cap. */
const fetchScript = `
  local queue, held, lock, lockInfo, paused, cap = unpack(KEYS)
  local most = tonumber(redis.call('GET', cap) or '0')
  if redis.call('LLEN', queue) == 0 or redis.call('EXISTS', paused) == 1 then return false end
  if most > 0 and (tonumber(redis.call('GET', lock) or '0')) >= most then return false end
  redis.call('INCR', lock)
  redis.call('HINCRBY', lockInfo, ARGV[1], 1)
  return redis.call('RPOPLPUSH', queue, held)`;

const fetchEntry = async (type: string): Promise<string | null> =>
  (await redis.eval(
    fetchScript,
    6,
    key('jobs', type),
    key('jobs', type, pool, 'inprogress'),
    key('jobs', type, 'lock'),
    key('jobs', type, 'lock_info'),
    key('jobs', type, 'paused'),
    key('jobs', type, 'max_concurrency'),
    pool,
  )) as string | null;

/** gocraft's finish: the very bytes that were taken leave the list, and are counted, in one step. */
const finish = (type: string, entry: string) =>
  redis
    .multi()
    .lrem(key('jobs', type, pool, 'inprogress'), 1, entry)
    .decr(key('jobs', type, 'lock'))
    .hincrby(key('jobs', type, 'lock_info'), pool, -1)
    .exec();

const beat = () =>
  redis
    .multi()
    .sadd(key('worker_pools'), pool)
    .sadd(key('known_jobs'), ...types)
    .hset(key('worker_pools', pool), {
      heartbeat_at: Math.floor(Date.now() / 1_000),
      started_at: startedAt,
      job_names: types.join(','),
      concurrency: 1,
      worker_ids: worker,
      host: hostname(),
      pid: process.pid,
    })
    .exec();

const work = async (type: string, entry: string) => {
  const { id, args = {} } = JSON.parse(entry) as { id: string; args?: { ms?: number } };
  const observation = key('worker', worker);
  await redis.hset(observation, { job_name: type, job_id: id, started_at: Math.floor(Date.now() / 1_000), args: '' });
  const job = await reaper.lifecycle.load(id);
  await redis.expire(observation, 86_400);
  // Somebody has run it before and was cut off, or it failed: a new attempt.
  if (job !== undefined && job.stats.status !== 'Pending') await job.reset();
  await job?.run();
  process.send?.({ event: 'running', pool, id });
  await sleep(args.ms ?? 0);
  await job?.succeed();
  await finish(type, entry);
  await redis.del(observation);
  process.send?.({ event: 'finished', pool, id });
};

let isStopping = false;
process.on('SIGTERM', () => {
  isStopping = true;
});
process.on('disconnect', () => process.exit(0)); // Whoever started this one is gone.

const startedAt = Math.floor(Date.now() / 1_000);
await beat();
const beating = setInterval(() => void beat().catch(() => undefined), heartbeatMs);
process.send?.({ event: 'ready', pool });
while (!isStopping) {
  let isIdle = true;
  for (const type of types) {
    const entry = await fetchEntry(type);
    if (entry === null) continue;
    isIdle = false;
    await work(type, entry);
  }
  if (isIdle) await sleep(50);
}
clearInterval(beating);
await redis.multi().srem(key('worker_pools'), pool).del(key('worker_pools', pool)).exec();
await reaper.stop();
await redis.quit();
process.disconnect?.();
