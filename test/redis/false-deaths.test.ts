/** A pool that was declared dead and has a heartbeat again is counted once, by one of the hosts. */
import { expect, test, vi } from 'vitest';
import type { Reaper } from '../../src/index.ts';
import { redisFixture } from '../support/fixture.ts';
import { second } from '../support/jobs.ts';
import { seedPool } from '../support/pools.ts';

const { server, opened } = await redisFixture();

const create = () => opened.create({ redis: server.url });
const falseDeathsOf = async (reaper: Reaper): Promise<number> =>
  Number(/^jobservice_reaper_false_deaths_total (\d+)$/m.exec(await reaper.metrics())?.[1]);
const remembered = () => server.client.zcard('t:reaper:declared_dead');

/** A process stands still, and a rescue removes its pool. */
const declareDead = async (reaper: Reaper) => {
  await seedPool(server.client, 'p', { heartbeat: second(-600), holds: new Map([['X', ['a']]]) });
  expect((await reaper.rescue({ grace: 0 })).pools.rescued).toBe(1);
  await vi.waitUntil(async () => (await remembered()) === 1);
};

test('a pool that comes back after its rescue is counted once, by another host too', async () => {
  const first = create();
  await declareDead(first);
  const other = create();
  await seedPool(server.client, 'p', { heartbeat: second() });
  await other.rescue();
  await vi.waitUntil(async () => (await falseDeathsOf(other)) === 1);
  await first.rescue();
  await other.rescue();
  expect([await falseDeathsOf(first), await falseDeathsOf(other), await remembered()]).toEqual([0, 1, 0]);
});

test('a restarted host with fixed pool names was dead, so no false death is counted', async () => {
  const reaper = create();
  await declareDead(reaper);
  await seedPool(server.client, 'p', { heartbeat: second() });
  await server.client.hset('t:worker_pools:p', 'started_at', second(60));
  await reaper.rescue();
  await vi.waitUntil(async () => (await remembered()) === 0);
  expect(await falseDeathsOf(reaper)).toBe(0);
});

test('a pool that stopped as it should is not remembered, and a plan remembers nothing', async () => {
  const reaper = create();
  await seedPool(server.client, 'dead', { heartbeat: second(-600), holds: new Map([['X', ['a']]]) });
  await reaper.rescue({ grace: 0, plan: true });
  await seedPool(server.client, 'stopped', { isRegistered: false });
  await server.client.hset('t:jobs:X:lock_info', 'stopped', 0);
  const { pools } = await reaper.rescue({ grace: 0 });
  expect(pools).toMatchObject({ rescued: 1, cleaned: 1 });
  await vi.waitUntil(async () => (await remembered()) === 1);
  expect(await server.client.zrange('t:reaper:declared_dead', '0', '-1')).toEqual(['dead']);
});
