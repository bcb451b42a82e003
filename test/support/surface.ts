import type { Redis } from 'ioredis';
import type { Reaper, ReaperOptions } from '../../src/index.ts';
import { keysOf } from '../../src/io/redis/keys.ts';
import type { HookEndpoint } from './hookEndpoint.ts';
import { ackText, second } from './jobs.ts';

export const namespace = '{t}';
const keys = keysOf(namespace);

/** Short times, so that all functions run within two seconds. Pools stay alive longer than any test runs. */
export const surfaceOptions = {
  namespace,
  logger: false,
  lease: { duration: 1_000, renewInterval: 100 },
  sweep: { initialDelay: 0 },
  rescue: { initialDelay: 0, interval: 50, grace: 0, heartbeatTimeout: 600_000, orphanedAfter: 20, maxRecoveries: 1 },
} satisfies Partial<ReaperOptions>;

const entryOf = (id: string, more: object = {}) => JSON.stringify({ name: 'X', id, t: second(), args: {}, ...more });

const track = async (redis: Redis, id: string, { age = 600, ...fields }: Record<string, string | number> = {}) => {
  const at = second(-Number(age));
  const stats = { id, name: 'X', kind: 'Generic', status: 'Running', enqueue_time: at, update_time: at, revision: at };
  await redis.hset(keys.stats(id), { ...stats, ...fields });
  await redis.hset(keys.track, id, 2);
  return at;
};

/** A job for every verdict, with endpoints that accept, refuse and fail. */
const seedJobs = async (redis: Redis, { url }: HookEndpoint) => {
  await redis.hset(keys.track, 'missing', 2);
  await track(redis, 'odd', { status: 'Weird' });
  await track(redis, 'ongoing');
  await track(redis, 'hung', { age: 100_000, web_hook_url: `${url}/200/hung` });
  await track(redis, 'refire', { status: 'Success', web_hook_url: `${url}/200/refire` });
  await track(redis, 'parked', { status: 'Success', web_hook_url: `${url}/400/parked` });
  // No process listens there: this endpoint is another one than the one that answers.
  await track(redis, 'failing', { status: 'Success', web_hook_url: 'http://127.0.0.1:1/failing' });
  const at = await track(redis, 'behind', { web_hook_url: `${url}/200/behind` });
  await redis.hset(keys.stats('behind'), 'ack', ackText('Success', at));
};

/** A dead pool whose entries become poison the second time, and a live pool with an orphaned entry. */
const seedPools = async (redis: Redis, dead: string) => {
  await redis.sadd(keys.knownJobs, 'X');
  await redis.sadd(keys.pools, dead, 'live');
  await redis.hset(keys.heartbeat(dead), { heartbeat_at: second(-5_000), job_names: 'X', worker_ids: `${dead}-w` });
  await redis.hset(keys.heartbeat('live'), { heartbeat_at: second(), job_names: 'X', worker_ids: 'w1' });
  await redis.hset(keys.worker('w1'), { job_name: 'X', job_id: 'running', started_at: second(), args: '' });
  await redis.rpush(keys.inProgress('X', dead), entryOf('poison'), entryOf('poison-2'));
  await redis.rpush(keys.inProgress('X', 'live'), entryOf('running'), entryOf('orphan'));
  await track(redis, 'orphan', { age: 1, status: 'Pending' });
  for (const id of ['poison', 'poison-2']) await track(redis, id, { age: 1, status: 'Pending' });
  await redis.set(keys.lock('X'), 7);
  await redis.hset(keys.lockInfo('X'), { [dead]: 2, live: 5, gone: 1 });
  // More fields than one script call counts.
  await redis.sadd(keys.knownJobs, 'Many');
  const fields = Array.from({ length: 1_001 }, (_, i) => [`left-${i}`, 0]);
  await redis.hset(keys.lockInfo('Many'), Object.fromEntries(fields));
  // A recovery before the window.
  await redis.rpush(keys.recovered, '1\nlong-ago');
  await redis.hset(keys.recoveries, 'long-ago', '[[1,"p0",""]]');
};

const takeAll = async <T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> => {
  const all: T[] = [];
  for await (const page of pages) all.push(...page);
  return all;
};

/** Calls all functions of a reaper, so that it sends all of its commands. `redis` is used to create the data. */
export const runSurface = async (redis: Redis, reaper: Reaper, hookEndpoint: HookEndpoint): Promise<void> => {
  await seedJobs(redis, hookEndpoint);
  await reaper.explain('hung');
  await reaper.sweep();

  await seedPools(redis, 'dead1');
  await reaper.rescue();
  await seedPools(redis, 'dead2');
  await reaper.rescue();
  await takeAll(reaper.quarantine.list());
  await reaper.quarantine.release({ id: 'poison' });
  await reaper.quarantine.drop({ id: 'poison-2' });

  await runLifecycle(reaper, hookEndpoint);
  await takeAll(reaper.hooks.list());
  await reaper.hooks.endpoints();
  await reaper.hooks.retry({ id: 'parked' });
  await reaper.hooks.quiet();
  await reaper.hooks.drop({ id: 'failing' });

  for (const { id } of await takeAll(reaper.audit.list())) await reaper.audit.undo([id]);
  await reaper.status();
  await reaper.tracked();
  await reaper.metrics();
  await reaper.ping();
  await reaper.explain('orphan');
  await reaper.doctor();
};

const runLifecycle = async ({ lifecycle }: Reaper, { url }: HookEndpoint) => {
  const job = await lifecycle.save({
    id: 'policy@1',
    name: 'X',
    kind: 'Periodic',
    upstreamJobId: 'policy',
    runAt: second(),
    webHookUrl: `${url}/200/policy`,
  });
  await job.run();
  await job.checkIn('half');
  await job.fail();
  await job.reset();
  await job.run();
  await job.fire();
  await job.succeed();
  const other = await lifecycle.save({ id: 'stopped', name: 'X' });
  await other.stop();
  await lifecycle.load('policy@1');
};
