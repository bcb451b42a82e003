/** The Redis of the incident: what its seed builds, and the command that starts it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, test, vi } from 'vitest';
import { namespace } from '../../examples/incident/namespace.ts';
import { fullSize, groupsOf } from '../../examples/incident/scenario.ts';
import { seedIncident } from '../../examples/incident/seed.ts';
import { jobTypes } from '../../examples/incident/types.ts';
import { liveOf } from '../../examples/incident/workers.ts';
import { keysOf } from '../../src/io/redis/keys.ts';
import { redisFixture } from '../support/fixture.ts';
import { builtOf } from '../support/programs.ts';
import { readState } from '../support/states.ts';

const { redis, server, opened } = await redisFixture();
const keys = keysOf(namespace);
const size = 1_000;

/** Everything in Redis, without times. */
const stateOf = async () => {
  const text = JSON.stringify(await readState(redis));
  return JSON.parse(
    text
      .replace(/\b1[78]\d{8}\b/g, 'TIME')
      .replace(/"ttl":\d+/g, '"ttl":0')
      .replace(/(?<=:)TIME/g, '0'),
  );
};

test('the full scenario has 50,000 jobs of all 17 types, and 34,200 of them wait for a scan', () => {
  const groups = groupsOf(fullSize);
  expect(groups.reduce((sum, { count }) => sum + count, 0)).toBe(50_000);
  expect([...new Set(groups.map(({ type }) => type))].sort()).toEqual(jobTypes);
  expect(jobTypes).toHaveLength(17);
  expect(groups[0]).toEqual({ type: 'IMAGE_SCAN', state: 'waiting', count: 34_200 });
});

test('the same seed builds the same Redis, and another one other ids', async () => {
  await seedIncident(redis, { size });
  const [first, ids] = [await stateOf(), await redis.hkeys(keys.track)];
  await redis.flushall();
  await seedIncident(redis, { size });
  expect(await stateOf()).toEqual(first);
  await redis.flushall();
  await seedIncident(redis, { size, seed: 2 });
  const others = await redis.hkeys(keys.track);
  expect(others).toHaveLength(size);
  expect(others.filter((id) => ids.includes(id))).toEqual([]);
});

test('a Redis that is not empty is left as it is, and so is one for which the scenario is too small', async () => {
  await redis.set('other', 'x');
  await expect(seedIncident(redis, { size })).rejects.toThrow('not empty');
  expect(await redis.dbsize()).toBe(1);
  await redis.flushall();
  await expect(seedIncident(redis, { size: 399 })).rejects.toThrow('at least 400');
  expect(await redis.dbsize()).toBe(0);
});

describe('the state', () => {
  test('image scans wait: the lock is over the cap, three run, and no live pool gets one', async () => {
    const { pools } = await seedIncident(redis, { size });
    expect(await redis.mget(keys.lock('IMAGE_SCAN'), keys.maxConcurrency('IMAGE_SCAN'))).toEqual(['20517', '200']);
    const counted = Object.values(await redis.hgetall(keys.lockInfo('IMAGE_SCAN')));
    expect(counted.reduce((sum, count) => sum + Number(count), 0)).toBe(20_517);
    const held = await Promise.all(pools.live.map(({ id }) => redis.llen(keys.inProgress('IMAGE_SCAN', id))));
    expect(held).toEqual([2, 1]);
    for (const pool of pools.live) expect(await liveOf(redis, pool).fetch('IMAGE_SCAN')).toBeNull();
  });

  test('a reaper sees its pools, verdicts, hooks and drift', async () => {
    await seedIncident(redis, { size });
    const reaper = opened.create({ redis: server.url, namespace });
    const { tracked, pools, hooks, queues, leader, unreadable } = await reaper.status();
    expect(tracked).toMatchObject({ total: expect.any(Number), byReason: { hung: 13, behind: 18 } });
    expect(tracked.total + tracked.parkedFinal).toBe(size);
    expect(pools.filter(({ isAlive }) => isAlive)).toHaveLength(2);
    expect(pools.filter(({ isAlive }) => !isAlive)).toHaveLength(10);
    expect(hooks.endpoints).toMatchObject([{ endpoint: 'http://harbor-core-old.invalid', breaker: 'open' }]);
    expect(Math.min(hooks.pending, hooks.parked)).toBeGreaterThan(0);
    expect(queues.filter(({ drift }) => drift !== 0).map(({ type }) => type)).toEqual([
      ...['IMAGE_SCAN', 'REPLICATION', 'RETENTION', 'SBOM', 'WEBHOOK'],
    ]);
    expect(leader).toMatchObject({ host: undefined, isSweeping: false });
    expect(unreadable).toEqual([]);
  });

  test('jobs have parameters of the size that Harbor gives them', async () => {
    await seedIncident(redis, { size });
    const ids = await redis.hkeys(keys.track);
    const parameters = await Promise.all(ids.map((id) => redis.hget(keys.stats(id), 'parameters')));
    const lengths = parameters.flatMap((text) => (text === null ? [] : [text.length]));
    expect(lengths.length).toBeGreaterThan(size * 0.95);
    expect(Math.min(...lengths)).toBeGreaterThan(300);
  });
});

describe('the command', () => {
  const run = async (...args: string[]) => {
    const folder = await mkdtemp(join(tmpdir(), 'incident-test-'));
    const child = spawn(process.execPath, [builtOf('examples/incident/main.ts'), ...args], {
      env: { ...process.env, TMPDIR: folder },
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        text += chunk;
      });
    }
    const ended = once(child, 'close').then(([code]) => code as number);
    const clean = async () => {
      const left = await readdir(folder);
      await rm(folder, { recursive: true });
      return left;
    };
    return { child, ended, clean, output: () => text };
  };

  test('starts a Redis, says what to type, works as the live pools, and leaves nothing after Ctrl-C', async () => {
    const incident = await run('--jobs', '400');
    const url = await vi.waitUntil(() => /REAPER_REDIS=(\S+).*\n {2}npx reaper status\n/.exec(incident.output())?.[1]);
    const client = new Redis(url, { retryStrategy: () => null });
    client.on('error', () => undefined);
    expect(await client.hlen(keys.track)).toBe(400);
    // As after a rescue.
    await client.set(keys.lock('IMAGE_SCAN'), 3);
    await vi.waitUntil(async () => Number(await client.get(keys.lock('IMAGE_SCAN'))) > 3);
    incident.child.kill('SIGINT');
    expect(await incident.ended).toBe(0);
    await expect(client.ping()).rejects.toThrow();
    expect(await incident.clean()).toEqual([]);
    client.disconnect();
  });

  test('builds the state in a given Redis and ends', async () => {
    const incident = await run('--redis', server.url, '--jobs', '400', '--no-beat');
    expect(await incident.ended, incident.output()).toBe(0);
    expect(await redis.hlen(keys.track)).toBe(400);
    await incident.clean();
  });

  test.each([
    [['--jobs', 'many'], '--jobs must be a whole number'],
    [['--seed', '-1'], 'seed'],
    [['--job', '500'], '--job'],
  ])('%s is wrong usage', async (args, message) => {
    const incident = await run('--redis', server.url, '--no-beat', ...args);
    expect(await incident.ended).toBe(2);
    expect(incident.output()).toContain(message);
    expect(await redis.dbsize()).toBe(0);
    await incident.clean();
  });
});
