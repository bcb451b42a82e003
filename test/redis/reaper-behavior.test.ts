import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import { PassError, type ReaperOptions } from '../../src/index.ts';
import { countTimers } from '../support/clock.ts';
import { infoOf, startFakeRedis } from '../support/fakeRedis.ts';
import { redisFixture } from '../support/fixture.ts';
import { startHookEndpoint } from '../support/hookEndpoint.ts';
import { second, seedJob } from '../support/jobs.ts';
import { seedPool } from '../support/pools.ts';

const { server, redis, opened } = await redisFixture();

const create = (options: Partial<ReaperOptions> = {}) => opened.create({ redis: server.url, ...options });
/** A clock on which no time passes by itself, and the count of the timers that were set on it. */
const createHeldClock = () => {
  const clock = new SimulatedClock();
  return { clock, timers: countTimers(clock) };
};
const eventually = { timeout: 20_000 };

test('a host that stops gives the lease up, so that another one has it with its first question', async () => {
  const [first, other] = [create(), create({ lease: { duration: 3_600_000, renewInterval: 1_800_000 } })];
  const held = new Promise((resolve) => first.on('leader', resolve));
  first.start();
  expect(await held).toMatchObject({ isThisHost: true });
  await first.stop();
  const elected = new Promise((resolve) => other.on('leader', resolve));
  other.start();
  expect(await elected).toMatchObject({ isThisHost: true });
});

describe('the interval of sweeps', () => {
  test.each([
    [0, 97_500, 3_510_000],
    [0.5, 100_000, 3_600_000],
    [0.999_999, 102_500, 3_690_000],
  ])('varies by half of the jitter either way, the first time too (random %d)', async (random, first, interval) => {
    const { clock, timers } = createHeldClock();
    const sweep = { initialDelay: 100_000, jitter: 0.05 } as const;
    const reaper = create({ clock, random: () => random, role: 'always', sweep });
    let sweeps = 0;
    reaper.on('sweep', () => void sweeps++);
    reaper.start();
    await expect.poll(() => timers(first, 5), eventually).toBe(1);
    clock.increment(Math.ceil(first));
    await expect.poll(() => sweeps, eventually).toBe(1);
    await expect.poll(() => timers(interval, 5), eventually).toBe(1);
  });
});

test('a scheduled sweep that failed is tried again an interval later, and not at once', async () => {
  // Its end cannot be recorded.
  await redis.set('t:reaper:progress', 'no hash');
  const { clock, timers } = createHeldClock();
  const reaper = create({ clock, sweep: { initialDelay: 0, interval: 777_000, jitter: 0 } });
  const errors: (string | undefined)[] = [];
  reaper.on('sweep', ({ error }) => void errors.push(error));
  reaper.start();
  await expect
    .poll(() => {
      clock.increment(1);
      return errors.length;
    }, eventually)
    .toBe(1);
  expect(errors).toEqual([expect.stringContaining('t:reaper:progress')]);
  await expect.poll(() => timers(777_000), eventually).toBe(1);
});

test('a rescue that does not get to its end rejects, and gives what it got', async () => {
  const { clock } = createHeldClock();
  const reaper = create({ redis: { port: 1, retryStrategy: () => null }, clock });
  const rescue = reaper.rescue().catch((error) => error);
  const ticking = setInterval(() => clock.increment(60_000), 5);
  const error = await rescue;
  clearInterval(ticking);
  expect(error).toBeInstanceOf(PassError);
  expect(error.summary).toMatchObject({ entries: 0, error: expect.any(String) });
  await reaper.stop({ timeout: 0 });
});

test('a sweep that was asked for resolves once its hooks have been tried, and counts them', async () => {
  const hookEndpoint = await startHookEndpoint();
  for (const [id, path] of [
    ['a', 200],
    ['b', 503],
    ['c', 400],
  ] as const)
    await seedJob(redis, id, { status: 'Success', web_hook_url: `${hookEndpoint.url}/${path}/x` });
  const { hooks, outcomes } = await create().sweep();
  expect(outcomes).toEqual({ enqueued: 3 });
  expect(hooks).toEqual({ delivered: 1, failed: 1, parked: 1, skipped: 0 });
  expect(hookEndpoint.hooks).toHaveLength(3);
  await hookEndpoint.stop();
});

test.each([
  [{}, 'keep', 'recently-updated'],
  [{ refireGrace: '20s' }, 'refire', 'unacknowledged'],
] as const)(
  'how long a sweep leaves the hook of a job to its own host can be set: %j',
  async (options, verdict, reason) => {
    await seedJob(redis, 'a', { age: 30, web_hook_url: 'http://127.0.0.1:1/' });
    const explanation = await create(options).explain('a');
    expect(explanation).toMatchObject({ verdict, reason: reason });
  },
);

test.each([
  [{ hungAfterByType: { X: '1000s' } }, 'fail'],
  [{ hungAfterByType: { Y: '1000s' } }, 'keep'],
  [{ hungAfter: '1000s' }, 'fail'],
  [{ hungAfter: '1000s', hungAfterByType: { X: '100000s' } }, 'keep'],
] as const)('how long a job may be silent can be set, by its type first: %j', async (options, verdict) => {
  await seedJob(redis, 'a', { age: 2_000 });
  expect(await create(options).explain('a')).toMatchObject({ verdict });
});

test.each([
  [{}, 'keep'],
  [{ clockTolerance: '100s' }, 'fail'],
] as const)('how far a time may be ahead and count can be set: %j', async (options, verdict) => {
  await seedJob(redis, 'a', { age: 100_000, check_in_at: second(200) });
  expect(await create(options).explain('a')).toMatchObject({ verdict });
});

test('a Redis that refuses PING because it cannot save is reached', async () => {
  const fake = await startFakeRedis((name) =>
    name === 'INFO'
      ? infoOf({})
      : name === 'PING'
        ? '-MISCONF Redis is configured to save RDB snapshots\r\n'
        : '+OK\r\n',
  );
  await create({ redis: fake.url }).ping();
  await fake.stop();
});

test('a rescue takes the grace that it is given, and else the one that is set', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-60), holds: new Map([['X', ['a']]]) });
  const { clock, timers } = createHeldClock();
  const reaper = create({ clock, rescue: { grace: 12_345 } });
  void reaper.rescue({ plan: true, grace: 54_321 }).catch(() => undefined);
  await expect.poll(() => timers(54_321), eventually).toBe(1);
  expect(timers(12_345)).toBe(0);
  await reaper.stop({ timeout: 0 });
  const other = createHeldClock();
  const second_ = create({ clock: other.clock, rescue: { grace: 12_345 } });
  void second_.rescue({ plan: true }).catch(() => undefined);
  await expect.poll(() => other.timers(12_345), eventually).toBe(1);
});
