import { expect, test } from 'vitest';
import { redisFixture } from '../support/fixture.ts';
import { openPage } from '../support/inspector.ts';
import { second } from '../support/jobs.ts';
import { seedPool } from '../support/pools.ts';

const { server, opened } = await redisFixture();

test('fault 123: the inspector of a reaper that only plans shows the numbers of one plan, not the sum of all', async () => {
  for (const pool of ['p', 'q']) {
    await seedPool(server.client, pool, { heartbeat: second(-100), holds: new Map([['X', [`${pool}1`, `${pool}2`]]]) });
  }
  const reaper = opened.create({
    redis: server.url,
    plan: true,
    inspect: { port: 0 },
    rescue: { initialDelay: 0, interval: 50, grace: 0 },
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
