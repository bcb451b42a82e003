/** Fault 112: the time of day may jump. What is late, how long something took and when the next pass comes may not. */
import { afterEach, expect, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { Clock, ReaperOptions } from '../../src/index.ts';
import { readOptions } from '../../src/options.ts';
import { healthOf } from '../../src/reaper/health.ts';
import { waitFor } from '../../src/reaper/schedule.ts';
import { createRunningClock } from '../support/clock.ts';
import { redisFixture } from '../support/fixture.ts';
import { startRedis } from '../support/redisServer.ts';

const hour = 3_600_000;
const { server, opened } = await redisFixture();
afterEach(() => {
  vi.restoreAllMocks();
});

/** A clock whose time of day jumps when the test says so; the rest passes when the test says so. */
const createJumpingClock = () => {
  const began = Date.now();
  const simulated = new SimulatedClock();
  let jumped = 0;
  return {
    now: () => began + simulated.now() + jumped,
    monotonic: () => simulated.now(),
    setTimeout: (fn: () => void, ms: number) => simulated.setTimeout(fn, ms),
    clearTimeout: (id: unknown) => simulated.clearTimeout(id as number),
    jump(ms: number) {
      jumped += ms;
    },
    pass: (ms: number) => simulated.increment(ms),
  } satisfies Clock & Record<string, unknown>;
};
const quick: Partial<ReaperOptions> = {
  sweep: { initialDelay: 0, interval: 50 },
  rescue: { initialDelay: 0, interval: 50, grace: 0 },
};

/** How the time of day goes back by an hour. */
const stepsBack: Readonly<Record<string, () => { clock?: Clock; step(): void }>> = {
  'that of the system': () => ({
    step() {
      const now = Date.now;
      vi.spyOn(Date, 'now').mockImplementation(() => now() - hour);
    },
  }),
  'that of a clock with no monotonic time': () => {
    const clock = createRunningClock();
    return { clock, step: () => clock.putAhead(-hour) };
  },
};
test.each(
  Object.keys(stepsBack).flatMap((whose) => (['auto', 'always'] as const).map((role) => [whose, role] as const)),
)('health turns red on a dead Redis though the time of day, %s, went back an hour (role %s)', async (whose, role) => {
  const redis = await startRedis();
  const { clock, step } = (stepsBack[whose] as () => { clock?: Clock; step(): void })();
  const reaper = opened.create({ redis: redis.url, role, ...quick, ...(clock === undefined ? {} : { clock }) });
  reaper.start();
  await vi.waitUntil(() => reaper.health().lastSweepAt && reaper.health().lastRescueAt);
  // On a busy machine, passes that are due every 50 ms are late now and then.
  await vi.waitUntil(() => reaper.health().ok);
  await redis.kill();
  step();
  await vi.waitUntil(() => reaper.health().detail.includes('sweep overdue'));
  expect(reaper.health().ok).toBe(false);
  await redis.stop();
});

test.each([
  ['forward', hour],
  ['back', -hour],
])('health stays green when the time of day jumps %s, shows the new time, and passes keep coming', async (_, jump) => {
  const clock = createJumpingClock();
  const reaper = opened.create({ redis: server.url, clock, sweep: { initialDelay: 0, interval: 60_000 } });
  const ended = { sweep: 0, rescue: 0 };
  reaper.on('sweep', () => void ended.sweep++);
  reaper.on('rescue', () => void ended.rescue++);
  const holds = new Promise((resolve) => reaper.on('leader', resolve));
  reaper.start();
  await holds;
  clock.pass(5_000);
  await vi.waitUntil(() => ended.sweep === 1 && ended.rescue === 1);
  clock.jump(jump);
  const health = reaper.health();
  expect(health).toMatchObject({ ok: true, detail: 'all passes are on time' });
  for (const shown of [health.lastSweepAt, health.lastRescueAt]) {
    expect(Math.abs(Date.parse(shown as string) - clock.now())).toBeLessThanOrEqual(5_000);
  }
  for (const rescues of [2, 3]) {
    clock.pass(10_000);
    await vi.waitUntil(() => ended.rescue === rescues);
  }
  clock.pass(60_000);
  await vi.waitUntil(() => ended.sweep === 2);
  expect(reaper.health().ok).toBe(true);
});

test.each([hour, -hour])('a sweep takes no longer and no shorter for a jump of %i ms in its middle', async (jump) => {
  const clock = createJumpingClock();
  await server.client.hset('t:job_track:inprogress', { a: 2, b: 2 });
  await server.client.rpush('t:jobs:X:dead:inprogress', 'entry');
  const reaper = opened.create({ redis: server.url, clock });
  reaper.on('job', () => clock.jump(jump));
  reaper.on('pool', () => clock.jump(jump));
  expect((await reaper.sweep()).durationMs).toBe(0);
  expect((await reaper.rescue({ grace: 0 })).durationMs).toBe(0);
});

test('a pass is due an interval after the last one at the latest, though the clock of Redis went back since', () => {
  const progress = { begun: 0, isSweeping: false, scanned: 0, total: 0, ended: 10 * hour, rescueEnded: 10 * hour };
  const shared = { leader: undefined, clockOffset: 0, progress };
  for (const pass of ['sweep', 'rescue'] as const) {
    expect(waitFor({ pass, now: 9 * hour, firstAt: 0, interval: 10_000, hasFailed: false, shared })).toBe(10_000);
  }
});

test('health turns red in time though the clock of Redis went back an hour since the last pass of any host', () => {
  const { sweep, rescue } = readOptions({ redis: 'redis://h', namespace: 't' });
  const at = 10 * hour;
  const progress = { begun: at, isSweeping: false, scanned: 0, total: 0, ended: at, rescueEnded: at };
  const leader = { host: 'h:1', since: at, until: at - hour + 10_000, isThisOne: true };
  const healthAt = (now: number) =>
    healthOf({
      ...{ now, timeOfDay: now, startedAt: 0, lastSweepAt: at, lastRescueAt: at, sweep, rescue },
      shared: { leader, clockOffset: -hour, progress },
    });
  expect(healthAt(at + 50_000).ok).toBe(true);
  expect(healthAt(at + 50_001)).toMatchObject({ ok: false, detail: expect.stringContaining('rescue overdue') });
});
