/** Whether Redis, and we ourselves, are fit to judge pools: real refusals, restarts, failovers, jumps and delays. */
import { mkdir, rm } from 'node:fs/promises';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createPreflight, type Preflight } from '../../../src/io/pools/preflight.ts';
import { type Connection, connect } from '../../../src/io/redis/connection.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { countTimers, createTestClock } from '../../support/clock.ts';
import { intercept, second } from '../../support/jobs.ts';
import { trackOpened } from '../../support/reapers.ts';
import { type RedisServer, startRedis } from '../../support/redisServer.ts';
import { type WriteRefusal, writeRefusals } from '../../support/writeRefusals.ts';

let server: RedisServer;
let redis: Redis;
/** Where the server writes its snapshots. */
let folder: string;
let connection: Connection;
let preflight: Preflight;
const keys = keysOf('t');
const opened = trackOpened();
beforeAll(async () => {
  server = await startRedis('--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0');
  redis = server.client;
  [, folder] = (await redis.config('GET', 'dir')) as [string, string];
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  connection = connect({ port: server.port, retryStrategy: () => 20 }, () => undefined);
});
afterEach(async () => {
  preflight?.close();
  await connection.close();
  await opened.close();
});

const create = (more: Partial<Parameters<typeof createPreflight>[0]> = {}): Preflight => {
  preflight = createPreflight({ connection, keys, ...more });
  return preflight;
};
/** The number of disruptions; fails where Redis is unfit. */
const number = async (): Promise<number> => {
  const fitness = await preflight.run(false);
  if ('blocked' in fitness) throw new Error(fitness.blocked.message);
  expect(preflight.count()).toBe(fitness.disruptions);
  return fitness.disruptions;
};
const setsSoFar = async () => Number(/cmdstat_set:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);

/** Ways in which Redis refuses writes, and how it takes them again. */
const refusals: Record<string, WriteRefusal> = {
  ...writeRefusals(() => redis),
  MISCONF: {
    async begin() {
      // A snapshot into a folder that is gone fails.
      await rm(folder, { recursive: true, force: true });
      await redis.config('SET', 'save', '3600 1');
      await redis.bgsave();
      await vi.waitUntil(async () =>
        /rdb_bgsave_in_progress:0[\s\S]*rdb_last_bgsave_status:err/.test(await redis.info('persistence')),
      );
    },
    async end() {
      await mkdir(folder, { recursive: true });
      await redis.config('SET', 'save', '');
    },
  },
};

describe.each(Object.entries(refusals))('%s', (name, { begin, end }) => {
  afterEach(end);

  test('nothing may be judged, the reason says why, and afterwards it counts as a disruption', async () => {
    create();
    const before = await number();
    await begin();
    expect(await preflight.run(false)).toEqual({
      blocked: { code: expect.stringMatching('^redis-'), message: expect.stringContaining(name) },
    });
    await end();
    const after = await number();
    expect(after).toBeGreaterThan(before);
    expect(await number()).toBe(after);
  });

  test('it also counts as a disruption if another client met it between two runs', async () => {
    create();
    const before = await number();
    await begin();
    await expect(redis.set('t:x', 1)).rejects.toThrow(name);
    await end();
    expect(await number()).toBe(before + 1);
    expect(await number()).toBe(before + 1);
  });
});

test('a user that may not write learns why', async () => {
  await redis.call('ACL', 'SETUSER', 'reader', 'on', '>pass', '~*', '+@all', '-set');
  const mine = connect({ port: server.port, username: 'reader', password: 'pass' }, () => undefined);
  create({ connection: mine });
  expect(await preflight.run(false)).toEqual({
    blocked: { code: 'redis-no-permission', message: expect.stringContaining('NOPERM') },
  });
  await mine.close();
});

test('a Redis that is killed does not answer, and its restart counts', async () => {
  create();
  const before = await number();
  await server.kill();
  connection.redis.options.maxRetriesPerRequest = 1;
  await expect(preflight.run(false)).rejects.toThrow();
  await server.restart();
  expect(await number()).toBeGreaterThan(before);
});

test('a restart, or a connection that is made again, between two checks counts once each', async () => {
  const disruptions: string[] = [];
  create({ onDisruption: (reason) => void disruptions.push(reason) });
  await number();
  await server.kill();
  await server.restart();
  expect(await number()).toBe(1);
  const epoch = connection.epoch();
  await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await vi.waitUntil(() => connection.epoch() > epoch);
  expect(await number()).toBe(2);
  expect(disruptions).toEqual([expect.stringContaining('restarted'), expect.stringContaining('connection')]);
});

test('a failover to a replica and back between two checks counts', async () => {
  const replica = await startRedis('--replicaof', '127.0.0.1', String(server.port));
  onTestFinished(() => replica.stop());
  const isSynced = async (client: Redis) => (await client.info('replication')).includes('state=online');
  await vi.waitUntil(() => isSynced(redis));
  create();
  await number();
  const failOver = async (from: Redis, to: Redis) => {
    await from.call('FAILOVER');
    await vi.waitUntil(async () => (await to.info('replication')).includes('role:master'));
    await vi.waitUntil(() => isSynced(to));
  };
  await failOver(redis, replica.client);
  await failOver(replica.client, redis);
  expect(await preflight.run(false)).toEqual({ disruptions: 1, last: expect.stringContaining('failover') });
});

test('a clock that jumps counts as a disruption, one that drifts slowly does not', async () => {
  let ahead = 0;
  create({ monotonic: () => performance.now() + ahead });
  expect(await number()).toBe(0);
  for (let i = 0; i < 5; i++) {
    ahead += 1_500;
    expect(await number()).toBe(0);
  }
  ahead += 5_000;
  expect(await number()).toBe(1);
  ahead -= 5_000;
  expect(await number()).toBe(2);
  expect(await number()).toBe(2);
});

test('a process whose event loop stands still judges nothing until it is on time again', async () => {
  create();
  expect(await number()).toBe(0);
  const until = performance.now() + 2_300;
  while (performance.now() < until);
  expect(await preflight.run(false)).toEqual({
    blocked: { code: 'suspended', message: expect.stringContaining('event loop blocked') },
  });
  expect(await number()).toBe(1);
});

test('a Redis that answers late is not judged on', async () => {
  create();
  expect(await number()).toBe(0);
  await redis.call('CLIENT', 'PAUSE', 2_100);
  expect(await preflight.run(false)).toEqual({
    blocked: { code: 'suspended', message: expect.stringContaining('Redis latency above') },
  });
  expect(await number()).toBe(1);
});

test('the time that it takes to connect counts as no delay', async () => {
  let slow = 0;
  create({ monotonic: () => performance.now() + slow });
  connection.redis.once('connect', () => {
    slow = 5_000;
  });
  expect(await number()).toBe(0);
});

test('a step that fails as things fail on a sick Redis counts, one with a fault of its own does not', async () => {
  create();
  const failing = (message: string) =>
    expect(preflight.watch(() => Promise.reject(new Error(message)))).rejects.toThrow(message);
  await failing('WRONGTYPE Operation against a key holding the wrong kind of value');
  expect(await number()).toBe(0);
  await failing("READONLY You can't write against a read only replica.");
  expect(await number()).toBe(1);
  expect(await preflight.watch(async () => 'done')).toBe('done');
  expect(await number()).toBe(1);
});

test('a plan writes nothing, and is made on a Redis that takes no writes too', async () => {
  create();
  await refusals.READONLY?.begin();
  const before = await setsSoFar();
  expect(await preflight.run(true)).toMatchObject({ disruptions: 0 });
  expect(await setsSoFar()).toBe(before);
  await refusals.READONLY?.end();
});

test('checks at once are one, a plan with an act too, but an act is never content with the check of a plan', async () => {
  create();
  await number();
  const before = await setsSoFar();
  const [act, again, plan] = [preflight.run(false), preflight.run(false), preflight.run(true)];
  expect([again === act, plan === act]).toEqual([true, true]);
  await act;
  expect(await setsSoFar()).toBe(before + 1);
  const first = preflight.run(true);
  const second = preflight.run(false);
  await Promise.all([first, second]);
  expect(await setsSoFar()).toBe(before + 2);
});

test('the probe does not stay', async () => {
  create();
  await number();
  await vi.waitUntil(async () => (await redis.exists(keys.probe)) === 0);
});

const list = (pool: string) => `t:jobs:X:${pool}:inprogress`;
const beat = async (pool: string, at = second()) => {
  await redis.sadd('t:worker_pools', pool);
  await redis.hset(`t:worker_pools:${pool}`, { heartbeat_at: at, job_names: 'X' });
};

test('a requeue interrupted by a write refusal waits for a new heartbeat', async () => {
  const clock = createTestClock();
  const timers = countTimers(clock);
  await redis.rpush(list('p'), 'e1', 'e2', 'e3');
  await beat('p', second(-60));
  let requeues = 0;
  const client = opened.hold(
    intercept(redis, 'evalsha', async (args) => {
      if (!args.includes('t:jobs:X')) return;
      requeues += 1;
      if (requeues === 3) await refusals.READONLY?.begin();
    }),
  );
  const reaper = opened.create({ redis: client, clock, rescue: { batchSize: 1 } });
  const ended = reaper.rescue({ grace: 15_000 });
  await vi.waitUntil(() => timers(15_000) === 1);
  clock.advance(15_000);
  await vi.waitUntil(() => timers(1_000) === 1); // It was refused.
  await refusals.READONLY?.end();
  clock.advance(1_000);
  await vi.waitUntil(() => timers(15_000) === 2);
  await beat('p');
  clock.advance(15_000);
  expect(await ended).toMatchObject({ entries: 2, pools: { alive: 1, rescued: 0 } });
  expect(await redis.lrange(list('p'), 0, -1)).toEqual(['e1']);
});

test('a pool whose death cannot be confirmed is given up after a while, and reported, without grace too', async () => {
  await redis.rpush(list('p'), 'e1');
  const clock = createTestClock();
  const timers = countTimers(clock);
  const reaper = opened.create({ redis: server.url, clock });
  const ended = reaper.rescue({ grace: 15_000 });
  await vi.waitUntil(() => timers(15_000) === 1);
  // The counters are rebuilt by then: a refusal of that would end the pass.
  await vi.waitUntil(async () => (await redis.get('t:jobs:X:lock')) === '1');
  await refusals.OOM?.begin();
  const summary = await clock.untilSettled(ended, 1_000);
  await refusals.OOM?.end();
  expect(summary).toMatchObject({ pools: { abandoned: 1 }, entries: 0 });
  expect(await redis.llen(list('p'))).toBe(1);
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ pools: { rescued: 1 }, entries: 1 });
});

test('while Redis is unfit passes find nothing and rebuild nothing, and log each reason once', async () => {
  await redis.rpush(list('p'), 'e1');
  await redis.set('t:jobs:X:lock', 7);
  await refusals.OOM?.begin();
  const reaper = opened.create({ redis: server.url });
  const faults: string[] = [];
  reaper.on('error', ({ where, message }) => void faults.push(`${where}: ${message}`));
  for (let i = 0; i < 2; i++) {
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({
      suspects: 0,
      suspended: { code: 'redis-out-of-memory', message: expect.stringContaining('OOM') },
    });
  }
  expect(reaper.health().detail).toContain('OOM');
  expect(reaper.health().lastRescueAt).toBeUndefined();
  await refusals.OOM?.end();
  await refusals.READONLY?.begin();
  await reaper.rescue({ grace: 0 });
  expect(faults).toEqual([
    expect.stringMatching(/judging pools: .*OOM/),
    expect.stringMatching(/judging pools: .*READONLY/),
  ]);
  expect([await redis.llen(list('p')), await redis.get('t:jobs:X:lock')]).toEqual([1, '7']);
  expect(await reaper.rescue({ plan: true, grace: 0 })).toMatchObject({ pools: { planned: 1 } });
  await refusals.READONLY?.end();
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1 });
  expect(reaper.health().detail).toBe('all passes are on time');
});
