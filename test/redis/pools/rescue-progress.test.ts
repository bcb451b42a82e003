/** What a rescue does at each moment, as a display shows it. */
import { expect, test } from 'vitest';
import type { Reaper, ReaperOptions, RescueProgress } from '../../../src/index.ts';
import { createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, second } from '../../support/jobs.ts';
import { seedPool } from '../../support/pools.ts';

const { redis, opened } = await redisFixture();

/** A reaper, and its progress at the time of each script. */
const observed = (options: Partial<ReaperOptions>) => {
  const seen: RescueProgress[] = [];
  const client = intercept(redis, 'evalsha', () => {
    const now = reaper.rescueProgress();
    if (now !== undefined) seen.push(now);
  });
  const reaper: Reaper = opened.create({ ...options, redis: client });
  return { reaper, seen, client };
};

test('a rescue reports its steps, and how many entries of a pool are requeued', async () => {
  await seedPool(redis, 'dead', { heartbeat: second(-60), holds: new Map([['X', ['a', 'b', 'c']]]) });
  const { reaper, seen, client } = observed({ rescue: { batchSize: 1 } });
  try {
    expect(reaper.rescueProgress()).toBeUndefined();
    const rescue = reaper.rescue({ grace: 0 });
    await rescue;
    expect(reaper.rescueProgress()).toBeUndefined();
  } finally {
    client.disconnect();
  }
  const steps = new Set(seen.map(({ step }) => step));
  expect([...steps]).toEqual(expect.arrayContaining(['rebuilding-counters', 'rescuing-pools']));
  const requeued = seen.flatMap(({ pools }) => pools.filter(({ entries }) => entries > 0));
  expect(new Set(requeued.map((pool) => `${pool.requeued} of ${pool.entries} of ${pool.pool}`))).toEqual(
    new Set(['0 of 3 of dead', '2 of 3 of dead', '3 of 3 of dead']),
  );
});

test('a rescue reports how many pools wait for the end of their grace, and how long', async () => {
  await seedPool(redis, 'one', { heartbeat: second(-60), holds: new Map([['X', ['a']]]) });
  await seedPool(redis, 'two', { heartbeat: second(-60) });
  const clock = createTestClock();
  const reaper = opened.create({ redis, clock });
  const rescue = reaper.rescue({ grace: '15s', plan: true });
  await expect.poll(() => reaper.rescueProgress()?.step).toBe('rescuing-pools');
  expect(reaper.rescueProgress()).toEqual({ step: 'rescuing-pools', waiting: 2, graceLeftMs: 15_000, pools: [] });
  clock.advance(5_000);
  expect(reaper.rescueProgress()?.graceLeftMs).toBe(10_000);
  clock.advance(10_000);
  expect((await rescue).pools.planned).toBe(2);
  expect(reaper.rescueProgress()).toBeUndefined();
});
