/** Clocks of pools' hosts are wrong, in every way: what moves lives, and nothing else that is not young by Redis TIME. */
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { PoolOutcome, Reaper, ReaperOptions, RescueSummary } from '../../../src/index.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { countTimers, createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';
import { idsIn, seedPool } from '../../support/pools.ts';

const { server, redis, opened } = await redisFixture();

const create = (options: Partial<ReaperOptions> = {}): Reaper => opened.create({ redis: server.url, ...options });
const holds = new Map([['X', ['a']]]);
const seed = (heartbeat: number | string) => seedPool(redis, 'p', { heartbeat, jobNames: 'X', holds });
const beat = (heartbeat: number | string) => redis.hset('t:worker_pools:p', 'heartbeat_at', heartbeat);
const held = () => idsIn(redis, 't:jobs:X:p:inprogress');

/** A rescue with its grace, in which something happens while the pool may prove that it lives. */
const rescueWith = async (during: () => Promise<unknown> = async () => undefined) => {
  const clock = new SimulatedClock();
  const timers = countTimers(clock);
  const reaper = create({ clock });
  const outcomes: PoolOutcome[] = [];
  reaper.on('pool', (outcome) => void outcomes.push(outcome));
  const ended = reaper.rescue();
  await expect.poll(() => timers(15_000)).toBe(1);
  await during();
  clock.increment(15_000);
  return { summary: await ended, outcomes };
};

const year = 31_536_000;
const ahead = [
  ['20 s ahead', () => second(20)],
  ['two years ahead', () => second(2 * year)],
  ['in milliseconds', () => Date.now()],
  ['in nanoseconds', () => `${Date.now()}000000`],
] as const;

describe.each(ahead)('a heartbeat %s', (_, at) => {
  test('fault 104: unmoved through the grace, its pool is dead, and the clock is reported', async () => {
    await seed(at());
    const { summary, outcomes } = await rescueWith();
    expect(summary).toMatchObject({ alive: 0, clockAhead: 1, entries: 1, pools: { rescued: 1 } });
    expect(outcomes).toMatchObject([{ pool: 'p', evidence: expect.stringContaining('clock-ahead') }]);
    expect([await held(), await redis.smembers('t:worker_pools')]).toEqual([[], []]);
  });

  test('fault 104: moved within the grace, its pool lives, and at the next pass it does so at once', async () => {
    await seed(at());
    const { summary } = await rescueWith(() => redis.hincrby('t:worker_pools:p', 'heartbeat_at', 5));
    expect(summary).toMatchObject({ clockAhead: 1, suspects: 1, entries: 0, pools: { alive: 1 } });
    // Even without grace, and by a process that has not seen it before.
    for (let i = 0; i < 3; i++) {
      await redis.hincrby('t:worker_pools:p', 'heartbeat_at', 5);
      expect(await create().rescue({ grace: 0 })).toMatchObject({ alive: 1, suspects: 0, clockAhead: 1 });
    }
    expect(await held()).toEqual(['a']);
    // Once it moves no more, it is found dead: the note says since when.
    const note = JSON.parse((await redis.hget('t:reaper:suspects', 'p')) as string);
    await redis.hset('t:reaper:suspects', 'p', JSON.stringify({ ...note, first: note.first - 10_000 }));
    expect(await create().rescue({ grace: 0 })).toMatchObject({ alive: 0, entries: 1, pools: { rescued: 1 } });
  });
});

test.each([
  ['a minute old', () => second(-60)],
  ['below zero', () => -1],
  ['far below zero', () => `-${'9'.repeat(300)}`],
  ['far beyond any time', () => '9'.repeat(400)],
  ['inf', () => 'inf'],
  ['nan', () => 'nan'],
  ['hexadecimal', () => `0x${second().toString(16)}`],
  ['a word', () => 'now'],
  ['empty', () => ''],
])('fault 104: a heartbeat that is %s and unmoved is dead after the grace', async (_, at) => {
  await seed(at());
  const { summary } = await rescueWith();
  expect(summary).toMatchObject({ alive: 0, entries: 1, pools: { rescued: 1 } });
  expect(await held()).toEqual([]);
});

test('fault 104: the script that moves entries takes a heartbeat for alive as the pass does', async () => {
  const scripts = createScripts(redis);
  const keys = [
    't:worker_pools',
    't:worker_pools:p',
    't:reaper:rescues:p',
    't:jobs:X:p:inprogress',
    't:jobs:X:lock_info',
  ];
  const deregister = async (heartbeat: number | string, seen = String(heartbeat)) => {
    await redis.flushall();
    await seedPool(redis, 'p', { heartbeat });
    return (await scripts.run('deregister_pool', keys, ['p', 10_000, seen])).outcome;
  };
  const now = Number((await redis.time())[0]);
  for (const fresh of [now, now - 1]) expect(await deregister(fresh)).toBe('alive');
  for (const stale of [now - 20, now + 20, now + year, now * 1_000, 'inf', '-inf', 'nan', '0x7', '9'.repeat(400)]) {
    expect(await deregister(stale)).toBe('deregistered');
    expect(await deregister(stale, 'another')).toBe('alive');
  }
});

test('fault 104: a heartbeat that is ahead within its rounding is fresh', async () => {
  const [now] = await redis.time();
  await seed(Number(now) + 1);
  expect(await create().rescue({ grace: 0 })).toMatchObject({ alive: 1, suspects: 0, clockAhead: 0 });
});

test('fault 102: a pool whose clock is behind is never rescued while it beats, with its grace and without', async () => {
  await seed(second(-20));
  const { summary } = await rescueWith(() => beat(second(-15)));
  expect(summary).toMatchObject({ suspects: 1, entries: 0, pools: { alive: 1 } });
  for (const offset of [-12, -11, -10]) {
    await beat(second(offset));
    expect(await create().rescue({ grace: 0 })).toMatchObject({ alive: 1, suspects: 0, entries: 0 });
    // Between two beats too: it was seen to move a moment ago.
    expect(await create().rescue({ grace: 0 })).toMatchObject({ alive: 1, suspects: 0, entries: 0 });
  }
  expect(await held()).toEqual(['a']);
});

test('fault 104: an orphaned entry of a pool whose clock is off is requeued as of any live pool', async () => {
  await seed(second(3_600));
  await redis.hset('t:worker_pools:p', 'worker_ids', 'w1');
  await redis.hset('t:worker:w1', { job_name: 'X', job_id: 'other', started_at: second(), args: '' });
  await seedJob(redis, 'a', { status: 'Pending' });
  await rescueWith(() => redis.hincrby('t:worker_pools:p', 'heartbeat_at', 5));
  await redis.hincrby('t:worker_pools:p', 'heartbeat_at', 5);
  const clock = createTestClock();
  const timers = countTimers(clock);
  const ended = create({ clock }).rescue();
  await expect.poll(() => timers(30_000)).toBe(1);
  clock.advance(30_000);
  expect(await ended).toMatchObject({ alive: 1, suspects: 0, orphaned: 1 });
  expect([await held(), await idsIn(redis, 't:jobs:X')]).toEqual([[], ['a']]);
});

test('fault 104: the clock is warned of once for as long as it is ahead, and status shows it', async () => {
  const warnings: unknown[] = [];
  const quiet = () => undefined;
  const logger = { debug: quiet, info: quiet, error: quiet, warn: (what: unknown) => void warnings.push(what) };
  await seed(second(3_600));
  const clock = new SimulatedClock();
  const timers = countTimers(clock);
  /** How often a pass has begun to wait for its time. */
  const waits = () => timers(10_000);
  const reaper = create({ clock, role: 'always', logger: logger as unknown as NonNullable<ReaperOptions['logger']> });
  let ended: (summary: RescueSummary) => void = () => undefined;
  reaper.on('rescue', (summary) => ended(summary));
  reaper.start();
  const [status] = (await reaper.status()).pools;
  expect(status?.heartbeatAgeMs).toBeLessThan(-3_500_000);
  const pass = async (wait: number) => {
    const summary = new Promise<RescueSummary>((resolve) => {
      ended = resolve;
    });
    await redis.hincrby('t:worker_pools:p', 'heartbeat_at', 5);
    clock.increment(wait);
    return summary;
  };
  // The first look suspects it, and clears it in its grace; the others see that it moves.
  const first = pass(5_000);
  const poll = async () => {
    await redis.hincrby('t:worker_pools:p', 'heartbeat_at', 5);
    clock.increment(1_000);
    return (await redis.hlen('t:reaper:suspects')) > 0;
  };
  await expect.poll(poll).toBe(true);
  await redis.hincrby('t:worker_pools:p', 'heartbeat_at', 5);
  clock.increment(15_000);
  await first;
  for (let i = 1; i <= 3; i++) {
    await expect.poll(waits).toBeGreaterThanOrEqual(i);
    expect(await pass(10_000)).toMatchObject({ clockAhead: 1 });
  }
  await seedPool(redis, 'q', { heartbeat: second() });
  expect(await reaper.rescue({ pools: ['q'], grace: 0 })).toMatchObject({ alive: 1, clockAhead: 0 });
  await expect.poll(waits).toBeGreaterThanOrEqual(4);
  await pass(10_000);
  const ofClocks = warnings.filter((warning) => JSON.stringify(warning).includes('clockAhead'));
  expect(ofClocks).toEqual([{ code: 'pool-clock-ahead', clockAhead: { pool: 'p', seconds: expect.any(Number) } }]);
});
