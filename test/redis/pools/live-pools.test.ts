/** What a look at live pools keeps in Redis and what it reads: who observes, the oldest entries, keys that are gone. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../../src/io/clock.ts';
import { readHeldEntries } from '../../../src/io/pools/heldEntries.ts';
import { createReportingPools } from '../../../src/io/pools/reportingPools.ts';
import type { Connection } from '../../../src/io/redis/connection.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createStepwiseWalk, walkAllKeys } from '../../../src/io/redis/keyWalk.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import type { LivePool } from '../../../src/machines/types/rescue.ts';
import { second } from '../../support/jobs.ts';
import { entryOf } from '../../support/pools.ts';
import { type RedisServer, startRedis } from '../../support/redisServer.ts';

let server: RedisServer;
let redis: Redis;
let connection: Connection;
let epoch = 1;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
  connection = { redis, description: '', epoch: () => epoch, close: async () => undefined };
});
afterAll(() => server.stop());
beforeEach(async () => {
  epoch = 1;
  await redis.flushall();
});

const keys = keysOf('t');
const live: LivePool[] = ['p', 'q', 'r'].map((pool) => ({ pool, workerIds: [], types: ['X', 'Y'] }));
const week = 7 * 86_400;

describe('which pools observe', () => {
  let now = 0;
  const clock: Clock = { now: () => now, setTimeout: () => undefined, clearTimeout: () => undefined };
  const create = () => createReportingPools({ connection, keys, clock });
  const written = async () =>
    Object.fromEntries((await redis.zrange(keys.observed, '0', '-1')).map((pool) => [pool, true]));

  test('is written down for a week, so that another process knows it', async () => {
    await create().record(new Set(['p']), live, false);
    expect(await written()).toEqual({ p: true });
    expect(await redis.ttl(keys.observed)).toBeGreaterThan(week - 60);
    expect(await create().silentOf(new Set(['p', 'q']))).toEqual(new Set(['q']));
  });

  test('is not written by a plan, which knows it all the same', async () => {
    const observing = create();
    await observing.record(new Set(['p']), live, true);
    expect(await written()).toEqual({});
    expect(await observing.silentOf(new Set(['p', 'q']))).toEqual(new Set(['q']));
  });

  test('is written again after an hour, and not before', async () => {
    const observing = create();
    await observing.record(new Set(['p']), live, false);
    await redis.del(keys.observed);
    now += 3_599_999;
    await observing.record(new Set(['p']), live, false);
    expect(await written()).toEqual({});
    now += 1;
    await observing.record(new Set(['p']), live, false);
    expect(await written()).toEqual({ p: true });
  });

  test('is remembered of a pool that says nothing at the moment, and forgotten with the pool', async () => {
    const observing = create();
    await observing.record(new Set(['p']), live, true);
    await observing.record(new Set(), live, true);
    expect(await observing.silentOf(new Set(['p']))).toEqual(new Set());
    await observing.record(new Set(), live.slice(1), true);
    expect(await observing.silentOf(new Set(['p']))).toEqual(new Set(['p']));
  });

  test('is forgotten after a week in which a pool has not observed', async () => {
    await redis.zadd(keys.observed, second(-week - 60), 'gone', second(-week + 3_600), 'q');
    await create().record(new Set(['p']), live, false);
    expect(await written()).toEqual({ p: true, q: true });
  });
});

test('of a long list the oldest entries are looked at, each once, with the bytes that they are', async () => {
  const key = keys.inProgress('X', 'p');
  await redis.lpush(
    key,
    entryOf('oldest'),
    entryOf('oldest'),
    'no JSON',
    ...Array.from({ length: 997 }, (_, i) => entryOf(`${i}`)),
  );
  await redis.lpush(key, entryOf('beyond the bound'));
  const notUtf8 = Buffer.concat([Buffer.from('{"name":"Y","id":"b","x":"'), Buffer.from([0xff]), Buffer.from('"}')]);
  await redis.lpush(keys.inProgress('Y', 'q'), notUtf8);
  await redis.set(keys.inProgress('X', 'r'), 'no list');
  const held = await readHeldEntries(connection, keys, live);
  const ids = held.map(({ id }) => id);
  expect(ids).toHaveLength(1_000);
  expect(new Set(ids).size).toBe(1_000);
  expect(ids).toContain('oldest');
  expect(ids).not.toContain('beyond the bound');
  const digest = createHash('sha1').update(notUtf8).digest('hex');
  expect(held.find(({ id }) => id === 'b')).toMatchObject({
    ...{ type: 'Y', pool: { pool: 'q' }, place: `${digest}:1`, field: `${digest} Y`, fault: undefined },
  });
  expect(held.find(({ id }) => id === '')?.fault).toContain('cannot be read, or has no id');
  // Those farthest from the tail first: one that leaves the list moves those before it.
  const places = held.filter(({ type }) => type === 'X').map(({ place }) => Number(place.split(':')[1]));
  expect(places).toEqual([...places].sort((a, b) => b - a));
});

describe('walks through the names of keys', () => {
  const namesOf = (found: readonly { readonly name: string; readonly holds: string }[]) =>
    found.map(({ name, holds }) => `${name} ${holds}`).sort();
  /** Keys of others, so that one step does not come to the end. */
  const fill = () => redis.eval("for i = 1, 45000 do redis.call('SET', 'other:' .. i, 1) end", 0);

  test('give what stands now, with what it holds', async () => {
    await redis.rpush('t:jobs:X', 'a');
    await redis.set('t:jobs:X:lock', 1);
    await redis.set('u:jobs:Y', 1);
    expect(namesOf(await walkAllKeys(connection, keys))).toEqual(['X list', 'X:lock string']);
    const walk = createStepwiseWalk(connection, keys);
    walk.keep(await walkAllKeys(connection, keys));
    await redis.del('t:jobs:X');
    expect(namesOf(await walk.step())).toEqual(['X:lock string']);
  });

  test('step by step find all in the end, and what the round before has found at every step', async () => {
    await fill();
    await redis.eval("for i = 1, 50 do redis.call('RPUSH', 't:jobs:' .. i, 1) end", 0);
    const walk = createStepwiseWalk(connection, keys);
    const counts: number[] = [];
    for (let step = 0; step < 8; step++) counts.push((await walk.step()).length);
    const all = counts.indexOf(50);
    expect(all).toBeGreaterThan(0);
    expect(counts.slice(all)).toEqual(counts.slice(all).map(() => 50));
  });

  test('know at once what a complete walk has found', async () => {
    await fill();
    await redis.eval("for i = 1, 50 do redis.call('RPUSH', 't:jobs:' .. i, 1) end", 0);
    const walk = createStepwiseWalk(connection, keys);
    walk.keep(await walkAllKeys(connection, keys));
    expect(await walk.step()).toHaveLength(50);
  });

  test('taken at once come one after the other, each with the cursor that the one before has left', async () => {
    await fill();
    const cursors: string[] = [];
    const client = new Proxy(redis, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name !== 'scanBuffer') return typeof value === 'function' ? value.bind(target) : value;
        return (...args: unknown[]) => {
          cursors.push(String(args[0]));
          return Reflect.apply(value as () => unknown, target, args);
        };
      },
    });
    const walk = createStepwiseWalk({ ...connection, redis: client }, keys);
    await Promise.all([walk.step(), walk.step()]);
    expect(cursors.length).toBeGreaterThan(0);
    expect(new Set(cursors).size).toBe(cursors.length);
  });

  test('begin again where the connection was made again, for its cursor is another process of Redis', async () => {
    await fill();
    const cursors: string[] = [];
    const client = new Proxy(redis, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name !== 'scanBuffer') return typeof value === 'function' ? value.bind(target) : value;
        return async (...args: unknown[]) => {
          cursors.push(String(args[0]));
          const reply = await Reflect.apply(value as () => unknown, target, args);
          if (cursors.length === 5) epoch += 1;
          return reply;
        };
      },
    });
    await walkAllKeys({ ...connection, redis: client }, keys);
    expect(cursors.slice(0, 5).filter((cursor) => cursor === '0')).toHaveLength(1);
    expect(cursors[5]).toBe('0');
  });
});

describe('a script', () => {
  test('runs on a Redis that has forgotten it', async () => {
    const scripts = createScripts(redis);
    await redis.script('FLUSH');
    await redis.hset(keys.track, 'a', 2);
    expect(await scripts.run('untrack', [keys.stats('a'), keys.track], ['a', 'nothing'])).toEqual({ outcome: 'done' });
  });

  test('is not run once it may not, and says that nothing was changed', async () => {
    let may = true;
    const scripts = createScripts(redis, () => may);
    await redis.hset(keys.track, 'a', 2);
    may = false;
    await expect(scripts.run('untrack', [keys.stats('a'), keys.track], ['a', 'nothing'])).rejects.toThrow(
      'nothing more was changed',
    );
    expect(await redis.hexists(keys.track, 'a')).toBe(1);
  });
});
