/** A live client of ioredis 5, and clients of clusters of both versions. */
import { Cluster as Cluster6 } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5';
import { afterEach, expect, test } from 'vitest';
import { OptionsError } from '../../src/index.ts';
import { redisFixture } from '../support/fixture.ts';
import { seedJob } from '../support/jobs.ts';
import { idsIn, seedPool } from '../support/pools.ts';

const { server, redis, opened, keys } = await redisFixture();
const clients: Redis5[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.disconnect();
});

test('a reaper works with a client of ioredis 5 as with its own, and leaves it open', async () => {
  const client = new Redis5(server.url);
  clients.push(client);
  await seedJob(redis, 'j', { age: 200_000 });
  await seedPool(redis, 'p', { holds: new Map([['X', ['k']]]) });
  const reaper = opened.create({ redis: client });
  await reaper.ping();
  expect(await reaper.sweep()).toMatchObject({ verdicts: { fail: 1 }, outcomes: { done: 1 } });
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1, pools: { rescued: 1 } });
  expect(await redis.hget(keys.stats('j'), 'status')).toBe('Error');
  expect(await idsIn(redis, keys.queue('X'))).toEqual(['k']);
  expect(await reaper.status()).toMatchObject({ tracked: { total: 1 }, unreadable: [] });
  expect(await reaper.explain('j')).toMatchObject({ id: 'j' });
  await reaper.stop();
  expect(await client.ping()).toBe('PONG');
});

test.each([
  ['5', () => new Cluster5([], { lazyConnect: true })],
  ['6', () => new Cluster6([], { lazyConnect: true })],
])('a cluster of ioredis %s is refused', (_, clusterOf) => {
  const cluster = clusterOf();
  expect(() => opened.create({ redis: cluster })).toThrow(OptionsError);
  expect(() => opened.create({ redis: cluster })).toThrow('Redis Cluster is not supported');
  cluster.disconnect();
});
