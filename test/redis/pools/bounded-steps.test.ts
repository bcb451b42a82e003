import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { createTestClock } from '../../support/clock.ts';
import { second, seedJob } from '../../support/jobs.ts';
import { trackOpened } from '../../support/reapers.ts';
import { type RedisServer, startRedis } from '../../support/redisServer.ts';

// How long Redis is kept from all others by one step: by what is asked for in it, for a clock says something else on each machine.

let server: RedisServer;
const opened = trackOpened();
beforeAll(async () => {
  server = await startRedis();
  await server.client.config('SET', 'slowlog-max-len', '1000000');
});
afterAll(() => server.stop());
beforeEach(() => server.client.flushall());
afterEach(() => opened.close());

const keys = keysOf('t');

/** How many arguments each command had that Redis has run since the log was emptied, the most first. */
const argumentCounts = async () => {
  const log = (await server.client.call('SLOWLOG', 'GET', '-1')) as [number, number, number, string[]][];
  return log
    .map(([, , , words]) => {
      const more = /^\.\.\. \((\d+) more arguments\)$/.exec(words.at(-1) ?? '')?.[1];
      return { command: String(words[0]).toUpperCase(), count: words.length - 1 + Number(more ?? 0) };
    })
    .sort((a, b) => b.count - a.count);
};

test('fault 148: with 1,500 pools and types no command takes all of them, or answers with all of them', async () => {
  const many = 1_500;
  const seed = `
    local now = redis.call('TIME')[1]
    for i = 1, ${many} do
      redis.call('SADD', 't:worker_pools', 'p' .. i)
      redis.call('HSET', 't:worker_pools:p' .. i, 'heartbeat_at', now + 0, 'job_names', 'X', 'worker_ids', 'w' .. i)
      redis.call('LPUSH', 't:jobs:X:p' .. i .. ':inprogress', '{"name":"X","id":"' .. i .. '","t":1,"args":{}}')
      redis.call('HSET', 't:jobs:X:lock_info', 'p' .. i, i % 3)
      redis.call('SADD', 't:known_jobs', 'T' .. i)
      redis.call('HSET', 't:jobs:T' .. i .. ':lock_info', 'gone', 1)
    end
    redis.call('SADD', 't:worker_pools', 'gone')
    redis.call('LPUSH', 't:jobs:T7:gone:inprogress', '{"name":"T7","id":"g","t":1,"args":{}}')
    redis.call('SET', 't:jobs:X:lock', 9)`;
  await server.client.eval(seed, 0);
  await seedJob(server.client, 'hung', { status: 'Running', update_time: second(-100_000) });
  const reaper = opened.create({ redis: server.url, rescue: { heartbeatTimeout: 600_000 } });
  await reaper.ping();
  await server.client.config('SET', 'slowlog-log-slower-than', '0');
  await server.client.call('SLOWLOG', 'RESET');
  const summary = await reaper.rescue({ grace: 0 });
  const status = await reaper.status();
  await reaper.explain('hung');
  await reaper.sweep();
  const commands = await argumentCounts();
  await server.client.config('SET', 'slowlog-log-slower-than', '-1');

  // 500 lists with their pools, or 1,000 of anything else.
  expect(commands.filter(({ count }) => count > 1_100)).toEqual([]);
  const wholes = ['SMEMBERS', 'HKEYS', 'HVALS', 'KEYS'];
  expect(commands.filter(({ command }) => wholes.includes(command))).toEqual([]);
  // All of it was done all the same.
  expect(summary).toMatchObject({ entries: 1, alive: many, pools: { rescued: 1 } });
  expect(summary.drift.find(({ type }) => type === 'X')).toMatchObject({ lockBefore: '9', lock: String(many) });
  expect(await server.client.get('t:jobs:X:lock')).toBe(String(many));
  expect(await server.client.exists('t:jobs:T9:lock_info')).toBe(0);
  expect(await server.client.lrange('t:jobs:T7', 0, -1)).toHaveLength(1);
  expect(status).toMatchObject({ isPartial: false, queues: expect.arrayContaining([]) });
  expect(status.queues).toHaveLength(many + 1);
});

test('fault 148: facts of jobs with large values are read some bytes at a time, each job once', async () => {
  const ids = Array.from({ length: 8 }, (_, i) => `large-${i}`);
  for (const id of ids) await seedJob(server.client, id, { status: 'Pending', ack: 'x'.repeat(100_000) });
  const scripts = createScripts(server.client);
  const { jobs } = await scripts.run('read_facts', ids.map(keys.stats));
  expect(jobs).toHaveLength(3);
  const summary = await opened.create({ redis: server.url }).sweep({ plan: true });
  expect(summary.scanned).toBe(ids.length);
});

test('fault 148: where there is no time to go through the names of all keys, lists are found by names that are known', async () => {
  const { client } = server;
  for (let i = 0; i < 5_000; i++) client.set(`other:${i}`, i);
  await client.sadd(keys.pools, 'p');
  await client.sadd(keys.knownJobs, 'X', 'Y');
  await client.lpush(keys.inProgress('Y', 'p'), 'entry');
  const pools = createPools({
    connection: { redis: client, description: '', epoch: () => 1, close: async () => undefined },
    keys,
    scripts: createScripts(client),
    jobTypes: [],
    heartbeatAge: 10_000,
    batch: 10,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: createTestClock(),
  });
  expect(await pools.readRegistryWithin(0)).toMatchObject({ isComplete: false, lists: [['Y', 'p']] });
  expect(await pools.readRegistryWithin(1)).toMatchObject({ isComplete: true, lists: [['Y', 'p']] });
});

test('fault 148: one step looks at a bounded number of workers and entries of a live pool', async () => {
  const { client } = server;
  const workers = Array.from({ length: 60 }, (_, i) => `w${i}`);
  await client.sadd('t:worker_pools', 'p');
  await client.hset('t:worker_pools:p', { heartbeat_at: second(), job_names: 'X', worker_ids: workers.join(',') });
  await client.hset('t:worker:w0', { job_name: 'X', job_id: 'other', started_at: second(-5), args: '' });
  await client.rpush(
    keys.inProgress('X', 'p'),
    ...Array.from({ length: 500 }, (_, i) => `{"name":"X","id":"${i}","t":1}`),
  );
  const reaper = opened.create({ redis: server.url, rescue: { heartbeatTimeout: 600_000, orphanedAfter: 60_000 } });
  await reaper.ping();
  await client.config('SET', 'slowlog-log-slower-than', '0');
  await client.call('SLOWLOG', 'RESET');
  await reaper.rescue({ grace: 0 });
  const steps = (await argumentCounts()).filter(({ command }) => command === 'EVALSHA');
  await client.config('SET', 'slowlog-log-slower-than', '-1');
  expect(await client.hlen(keys.unobserved('p'))).toBe(500);
  // Two arguments for each worker and three for each entry, 150 of both at most.
  expect(steps[0]?.count).toBeLessThanOrEqual(2 * 60 + 3 * 90 + 10);
});
