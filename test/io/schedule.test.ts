/** When the host that has the lease does the next pass. */
import { expect, test } from 'vitest';
import type { Progress, SharedView } from '../../src/io/leader/lease.ts';
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
