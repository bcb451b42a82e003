import { SimulatedClock } from 'xstate';
import type { Clock } from '../../src/index.ts';
import { patience } from './patience.ts';

/** A clock that begins at the time it is, and on which hours pass when the test says so. */
export interface TestClock extends Clock {
  advance(ms: number): void;
  /** Advances in steps of `step` ms until something is so. */
  until(isSo: () => unknown, step?: number): Promise<void>;
}

export const createTestClock = (): TestClock => {
  const began = Date.now();
  const simulated = new SimulatedClock();
  return {
    now: () => began + simulated.now(),
    setTimeout: (fn, timeout) => simulated.setTimeout(fn, timeout),
    clearTimeout: (id) => simulated.clearTimeout(id as number),
    advance: (ms) => simulated.increment(ms),
    async until(isSo, step = 100) {
      const deadline = performance.now() + patience;
      while (!(await isSo())) {
        if (performance.now() > deadline) throw new Error('waited in vain');
        simulated.increment(step);
        // What the passing of time has set off may do its work.
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
};

/** A clock that runs by itself, and can be put ahead. */
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
