import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openPage } from '../support/inspector.ts';
import { second } from '../support/jobs.ts';
import { seedPool } from '../support/pools.ts';
import { trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
const opened = trackOpened();
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
afterEach(() => opened.close());

test('fault 123: the inspector of a reaper that only plans shows the numbers of one plan, not the sum of all', async () => {
  for (const pool of ['p', 'q']) {
    await seedPool(server.client, pool, { heartbeat: second(-100), holds: new Map([['X', [`${pool}1`, `${pool}2`]]]) });
  }
  const reaper = opened.create({
    redis: server.url,
    plan: true,
    inspect: { port: 0 },
    rescue: { firstAfterMs: 0, intervalMs: 50, graceMs: 0 },
  });
  let passes = 0;
  reaper.on('rescue', () => {
    passes += 1;
  });
  reaper.start();
  const page = await openPage((await reaper.inspectorUrl()) as string);
  // Checked again after several passes: each plan finds the same, and the numbers are not added up.
  for (const minPasses of [1, 3]) {
    await expect.poll(() => passes).toBeGreaterThanOrEqual(minPasses);
    const { rescue } = await page.until((state) => state.rescue.planned === 2);
    expect(rescue).toMatchObject({ planned: 2, entries: 4, rescued: 0 });
  }
  page.close();
  expect(await server.client.llen('t:jobs:X:p:inprogress')).toBe(2);
});
