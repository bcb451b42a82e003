import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createStalls } from '../../src/io/hooks/http/stalls.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

let at = 0;
beforeEach(() => {
  at = 0;
});
/** Has time pass without a timer, as where this process does not run. */
const holdUp = (ms: number) => {
  at += ms;
  vi.spyOn(performance, 'now').mockReturnValue(at);
};

test.each([
  [200, 501, true],
  [200, 500, false],
  [3_000, 1_501, true],
  [3_000, 1_500, false],
  [60_000, 2_001, true],
  [60_000, 2_000, false],
])('a time limit of %i ms and a process that is held up for %i ms: it was stalled: %s', (limit, ms, wasStalled) => {
  const watch = createStalls().watch(limit);
  holdUp(ms);
  expect(watch.wasStalled()).toBe(wasStalled);
});

test('a process that runs was not stalled, however long it waits', () => {
  const watch = createStalls().watch(60_000);
  vi.advanceTimersByTime(60_000);
  expect(watch.wasStalled()).toBe(false);
});

test('it is known after a shorter stall too, and of every request that waited', () => {
  const stalls = createStalls();
  const watches = [stalls.watch(3_000), stalls.watch(3_000)];
  holdUp(1_501);
  const later = stalls.watch(3_000);
  holdUp(1_500);
  expect(watches.map((watch) => watch.wasStalled())).toEqual([true, true]);
  expect(later.wasStalled()).toBe(false);
});

test('what came before a request is not held against it, though nothing was watched meanwhile', () => {
  const stalls = createStalls();
  stalls.watch(1_000).end();
  holdUp(10_000);
  expect(stalls.watch(1_000).wasStalled()).toBe(false);
});

test('there is a timer only while requests are watched', () => {
  const stalls = createStalls();
  const watches = [stalls.watch(1_000), stalls.watch(1_000)];
  expect(vi.getTimerCount()).toBe(1);
  watches[0]?.end();
  expect(vi.getTimerCount()).toBe(1);
  watches[1]?.end();
  expect(vi.getTimerCount()).toBe(0);
  stalls.watch(1_000);
  expect(vi.getTimerCount()).toBe(1);
});
