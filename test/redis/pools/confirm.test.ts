/** What a look at a pool takes for life, at the moment of the look and again when its death is confirmed. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import { createPools, type Pools } from '../../../src/io/pools/rescue.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import type { Suspect } from '../../../src/machines/types/pool.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second } from '../../support/jobs.ts';
import { seedPool } from '../../support/pools.ts';

const { redis, keys } = await redisFixture();

/** @param time that Redis says it is, in ms; its own unless given. */
const poolsOf = (time?: () => number): Pools => {
  const client =
    time === undefined
      ? redis
      : new Proxy(redis, {
          get(target, name) {
            if (name === 'time')
              return async () => [String(Math.floor(time() / 1_000)), String((time() % 1_000) * 1_000)];
            const value = Reflect.get(target, name);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
  return createPools({
    connection: { redis: client, description: '', epoch: () => 1, close: async () => undefined },
    keys,
    scripts: createScripts(client),
    jobTypes: [],
    heartbeatAge: 10_000,
    batch: 10,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: systemClock,
  });
};
const holds = new Map([['X', ['a']]]);
const seed = (heartbeat: number | string) => seedPool(redis, 'p', { heartbeat, jobNames: 'X', holds });
const beat = (heartbeat: number | string) => redis.hset('t:worker_pools:p', 'heartbeat_at', heartbeat);
const suspectOf = async (pools: Pools, isPlan: boolean): Promise<Suspect> => {
  const { suspects } = await pools.find(true, 0, isPlan);
  expect(suspects).toHaveLength(1);
  return suspects[0] as Suspect;
};

describe.each([
  ['an act', false],
  ['a plan, which notes nothing', true],
])('confirming a death for %s', (_, isPlan) => {
  test('a heartbeat that moved clears the pool, however old it is by Redis TIME', async () => {
    await seed(second(-120));
    const pools = poolsOf();
    const suspect = await suspectOf(pools, isPlan);
    expect(await pools.confirm(suspect)).toEqual({ outcome: 'dead', held: [{ type: 'X', entries: 1 }] });
    await beat(second(-115));
    expect(await pools.confirm(suspect)).toEqual({ outcome: 'alive' });
    expect(await pools.review(suspect, 1)).toEqual({ outcome: 'alive' });
  });

  test('a pool whose heartbeat is gone meanwhile is still dead', async () => {
    await seed(second(-120));
    const pools = poolsOf();
    const suspect = await suspectOf(pools, isPlan);
    await redis.del('t:worker_pools:p');
    expect(await pools.confirm(suspect)).toEqual({ outcome: 'dead', held: [{ type: 'X', entries: 1 }] });
    expect(await pools.review(suspect, 1)).toMatchObject({ suspect: { pool: 'p', heartbeat: '', disruptions: 1 } });
  });

  test('a pool whose heartbeat cannot be read meanwhile is not judged', async () => {
    await seed(second(-120));
    const pools = poolsOf();
    const suspect = await suspectOf(pools, isPlan);
    await redis.set('t:worker_pools:p', 'no hash');
    await expect(pools.confirm(suspect)).rejects.toThrow('t:worker_pools:p');
    await expect(pools.review(suspect, 1)).rejects.toThrow('t:worker_pools:p');
  });
});

test.each([
  [9_999, true],
  [10_000, false],
  [-1_000, true],
  [-1_001, false],
])('a heartbeat of %d ms of age, by Redis TIME, is fresh: %s', async (age, isFresh) => {
  await seed(1_900_000_000);
  const [state] = (await poolsOf(() => 1_900_000_000_000 + age).readRegistry(false)).pools;
  expect(state).toMatchObject({ isFresh, age });
});

test('a heartbeat is worth nothing without the registration, as for gocraft', async () => {
  await seedPool(redis, 'p', { heartbeat: second(), isRegistered: false, jobNames: 'X', holds });
  const { suspects, alive } = await poolsOf().find(true, 0);
  expect([alive, suspects.map(({ pool }) => pool)]).toEqual([0, ['p']]);
});

test('a first heartbeat that is old took no other place, and so has not moved', async () => {
  await seedPool(redis, 'p', { holds });
  const pools = poolsOf();
  await pools.find(true, 0);
  await redis.hset('t:worker_pools:p', { heartbeat_at: second(-60), job_names: 'X' });
  expect((await pools.find(true, 0)).alive).toBe(0);
});

test('commas too many in a heartbeat name no type and no worker', async () => {
  await redis.sadd('t:worker_pools', 'p');
  await redis.hset('t:worker_pools:p', { heartbeat_at: second(), job_names: ',X,,', worker_ids: ',' });
  const survey = await poolsOf().readRegistry(false);
  expect(survey.types).toEqual(['X']);
  expect(survey.pools).toMatchObject([{ jobNames: ['X'], workerIds: [] }]);
});

test('reading the pools of a healthy namespace writes nothing', async () => {
  await seedPool(redis, 'p', { heartbeat: second(), jobNames: 'X' });
  const pools = poolsOf();
  const before = (await redis.info('commandstats')).match(/cmdstat_(hset|hdel|expire):calls=\d+/g);
  await pools.find(true, 0);
  await pools.find(false, 0);
  expect((await redis.info('commandstats')).match(/cmdstat_(hset|hdel|expire):calls=\d+/g)).toEqual(before);
});

test.each(['', '{}', 'null', '[]', '{"heartbeat":"1","first":1,"moved":true,"since":"x","disruption":""}', '\u0000'])(
  'a record of a suspect that cannot be read is ignored, and written again: %j',
  async (text) => {
    await seed(second(-60));
    await redis.hset(keys.suspects, 'p', text);
    expect((await poolsOf().find(true, 0)).suspects).toHaveLength(1);
    expect(JSON.parse((await redis.hget(keys.suspects, 'p')) ?? '')).toMatchObject({ moved: false });
  },
);
