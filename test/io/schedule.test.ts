/** When the host that has the lease does the next pass. */
import { describe, expect, test } from 'vitest';
import type { Progress, SharedView } from '../../src/io/leader/lease.ts';
import { scheduledPass } from '../../src/machines/types/sweep.ts';
import { createSchedule, type Due, waitFor } from '../../src/reaper/schedule.ts';
import { createTestClock } from '../support/clock.ts';

const progress: Progress = {
  ...{ begun: undefined, isSweeping: false, scanned: 0, total: 0, ended: undefined, rescueEnded: undefined },
};
/** The monotonic clock is at 1,000, that of Redis 500,000 ahead of it. */
const wait = (more: Partial<Progress>, { pass = 'sweep', ...due }: Partial<Due> = {}) => {
  const shared: SharedView = { leader: undefined, progress: { ...progress, ...more }, clockOffset: 500_000 };
  return waitFor({ now: 1_000, firstAt: 5_000, interval: 10_000, hasFailed: false, shared, pass, ...due });
};

test('the first pass is due at its time, or at once if that is past', () => {
  expect([wait({}), wait({}, { pass: 'rescue' }), wait({}, { firstAt: 400 })]).toEqual([4_000, 4_000, 0]);
});

test('the next pass is due an interval after the end of the last one of its kind, by the clock of Redis', () => {
  expect(wait({ ended: 500_200, rescueEnded: 499_000 })).toBe(9_200);
  expect(wait({ ended: 500_200, rescueEnded: 499_000 }, { pass: 'rescue' })).toBe(8_000);
  expect(wait({ ended: 400_000 })).toBe(0);
});

test('a pass is never due later than an interval, even if the clock of Redis was set back', () => {
  expect(wait({ ended: 900_000 })).toBe(10_000);
});

test('a sweep that another host has begun is continued at once, and delays no rescue', () => {
  expect(wait({ isSweeping: true, ended: 500_900 })).toBe(0);
  expect(wait({ isSweeping: true, rescueEnded: 500_900 }, { pass: 'rescue' })).toBe(9_900);
});

test('a pass that failed, or that this host does for itself only, is due an interval later', () => {
  expect(wait({ isSweeping: true }, { hasFailed: true })).toBe(10_000);
  expect(wait({}, { shared: undefined })).toBe(10_000);
});

test('a pass that failed waits from when its wait began, however often the intervals change', () => {
  const clock = createTestClock();
  const rescue = { initialDelay: 0, interval: 20_000, grace: 0, orphanedAfter: 0 };
  const schedule = createSchedule({
    settings: { role: 'auto', sweep: { ...rescue, jitter: 0 }, rescue },
    ...{ clock, random: () => 0.5, isShared: true },
    lease: { seen: () => ({ leader: undefined, progress, clockOffset: 0 }) },
  });
  const delay = () => schedule.rescueDelay({ isFirst: false, hasFailed: true });
  expect(delay()).toBe(20_000);
  clock.advance(15_000);
  expect(delay()).toBe(5_000);
  rescue.interval = 10_000;
  expect(delay()).toBe(0);
});

/** Sweeps every 10 s, the first one after 4 s; rescues every 6 s, the first one after 2 s. */
const scheduleWith = ({ isShared = false, jitter = 0, random = 0.5, more = {} as Partial<Progress> } = {}) => {
  const clock = createTestClock();
  const settings = {
    role: 'auto' as const,
    sweep: { initialDelay: 4_000, interval: 10_000, jitter },
    rescue: { initialDelay: 2_000, interval: 6_000, grace: 0, orphanedAfter: 0 },
  };
  const shared: SharedView = { leader: undefined, progress: { ...progress, ...more }, clockOffset: 0 };
  const lease = { seen: () => shared };
  const schedule = createSchedule({ settings, clock, random: () => random, lease, isShared });
  const state = (isFirst: boolean) => ({ isFirst, hasFailed: false });
  return {
    ...{ clock, schedule, began: clock.now() },
    sweep: (isFirst = false) => schedule.sweepDelay(state(isFirst)),
    rescue: (isFirst = false) => schedule.rescueDelay(state(isFirst)),
    /** When a pass is due, in ms from the beginning. */
    dueAt: (pass: 'sweep' | 'rescue') => {
      const at = schedule.dueAt(pass);
      return at === undefined ? undefined : at - clock.now();
    },
  };
};

describe('a host with a schedule of its own', () => {
  test('does the first pass after its delay, and each later one an interval after that', () => {
    const { clock, sweep, rescue, dueAt } = scheduleWith();
    expect([dueAt('sweep'), dueAt('rescue')]).toEqual([undefined, undefined]);
    expect([sweep(true), rescue(true)]).toEqual([4_000, 2_000]);
    expect([dueAt('sweep'), dueAt('rescue')]).toEqual([4_000, 2_000]);
    clock.advance(1_000);
    expect([sweep(true), rescue(true)]).toEqual([3_000, 1_000]);
    expect([sweep(), rescue()]).toEqual([9_000, 5_000]);
  });

  test('measures an interval from when its wait began, which a pass that starts ends', () => {
    const { clock, schedule, sweep, rescue } = scheduleWith();
    expect([sweep(), rescue()]).toEqual([10_000, 6_000]);
    clock.advance(3_000);
    schedule.passStarted('sweep', { number: scheduledPass, plan: false });
    expect([sweep(), rescue()]).toEqual([10_000, 3_000]);
  });

  test('spreads sweeps, and no rescues, by the jitter', () => {
    for (const [random, factor] of [
      [0, 0.9],
      [0.5, 1],
      [1, 1.1],
    ] as const) {
      const { sweep, rescue } = scheduleWith({ jitter: 0.2, random });
      expect([sweep(), rescue()]).toEqual([10_000 * factor, 6_000]);
      expect(scheduleWith({ jitter: 0.2, random }).sweep(true)).toBe(4_000 * factor);
    }
  });
});

describe('a pass that a caller asks for', () => {
  const request = { number: 1, plan: false };
  test.each([
    ['a plan', { ...request, plan: true }],
    ['a scoped pass', { ...request, scope: {} }],
    ['a plan with a scope', { ...request, plan: true, scope: {} }],
  ])('%s: the scheduled one comes when it would have come', (_, asked) => {
    const { clock, schedule, sweep, dueAt } = scheduleWith();
    sweep();
    clock.advance(4_000);
    schedule.passStarted('sweep', asked);
    clock.advance(1_000);
    expect([sweep(), dueAt('sweep')]).toEqual([5_000, 5_000]);
    // Nor does a second one delay it.
    schedule.passStarted('sweep', asked);
    clock.advance(1_000);
    expect(sweep()).toBe(4_000);
    clock.advance(9_000);
    expect(sweep()).toBe(0);
    schedule.passStarted('sweep', { number: scheduledPass, plan: true, scope: {} });
    expect(sweep()).toBe(10_000);
  });

  test('a whole pass replaces the scheduled one', () => {
    const { clock, schedule, sweep } = scheduleWith();
    sweep();
    clock.advance(4_000);
    schedule.passStarted('sweep', request);
    expect(sweep()).toBe(10_000);
  });

  test('one that is due already is not kept', () => {
    const { clock, schedule, sweep } = scheduleWith();
    sweep();
    clock.advance(10_000);
    schedule.passStarted('sweep', { ...request, plan: true });
    expect(sweep()).toBe(10_000);
  });

  test('before any wait has begun, nothing is kept', () => {
    const { schedule, sweep } = scheduleWith();
    schedule.passStarted('sweep', { ...request, plan: true });
    expect(sweep()).toBe(10_000);
  });
});

describe('hosts that share a schedule', () => {
  test('the first passes are due from the start of the host, which counts once', () => {
    const { clock, schedule, began, sweep, rescue } = scheduleWith({ isShared: true });
    expect(schedule.startedAt()).toBeUndefined();
    clock.advance(500);
    expect([sweep(), rescue()]).toEqual([4_000, 2_000]);
    schedule.start();
    clock.advance(1_000);
    schedule.start();
    expect(schedule.startedAt()).toBe(began + 500);
    expect([sweep(), rescue()]).toEqual([3_000, 1_000]);
  });

  test('a host that does not lead any more has nothing due, and begins its waits anew', () => {
    const { clock, schedule, sweep, rescue, dueAt } = scheduleWith();
    expect([sweep(), rescue()]).toEqual([10_000, 6_000]);
    clock.advance(1_000);
    schedule.clear();
    expect([dueAt('sweep'), dueAt('rescue')]).toEqual([undefined, undefined]);
    expect([sweep(), rescue()]).toEqual([10_000, 6_000]);
  });
});
