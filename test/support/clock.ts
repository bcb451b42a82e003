import { vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { Clock } from '../../src/index.ts';
import { waitLimit } from './waitLimit.ts';

/** A clock that starts with the current time and is advanced by the test. */
export interface TestClock extends Clock {
  advance(ms: number): void;
  /** Advances in steps of `step` ms until the condition is true. */
  until(isSo: () => unknown, step?: number): Promise<void>;
  /** Advances in steps of `step` ms until the promise is settled, and returns its value. */
  untilSettled<T>(promise: Promise<T>, step?: number): Promise<T>;
}

export const createTestClock = (): TestClock => {
  const began = Date.now();
  const simulated = new SimulatedClock();
  const until = async (isSo: () => unknown, step = 100) => {
    const deadline = performance.now() + waitLimit;
    while (!(await isSo())) {
      if (performance.now() > deadline) throw new Error('the condition did not become true');
      simulated.increment(step);
      // Lets run what the new time has triggered.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return {
    now: () => began + simulated.now(),
    setTimeout: (fn, timeout) => simulated.setTimeout(fn, timeout),
    clearTimeout: (id) => simulated.clearTimeout(id as number),
    advance: (ms) => simulated.increment(ms),
    until,
    async untilSettled(promise, step) {
      let isSettled = false;
      const settled = promise.finally(() => {
        isSettled = true;
      });
      settled.catch(() => undefined); // The caller receives the error.
      await until(() => isSettled, step);
      return settled;
    },
  };
};

/** A clock that runs, and that a test can set ahead. */
export const createRunningClock = (): Clock & { putAhead(ms: number): void } => {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    setTimeout: (fn, timeout) => setTimeout(fn, timeout),
    clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
    putAhead(ms) {
      ahead += ms;
    },
  };
};

/** Counts the timers that are set on a clock from now on. What it returns says how many of them had this length, in ms. */
export const countTimers = (clock: Pick<Clock, 'setTimeout'>): ((length: number, tolerance?: number) => number) => {
  const set = vi.spyOn(clock, 'setTimeout');
  return (length, tolerance = 0) => set.mock.calls.filter(([, ms]) => Math.abs(ms - length) <= tolerance).length;
};
