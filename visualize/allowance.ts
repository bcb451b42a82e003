import type { Clock } from '../src/reaper/inspection.ts';

/** A rate limit: `burst` uses at once, and one more after every `refill` ms. */
export interface Allowance {
  /** Whether this many uses are left. */
  has(need: number): boolean;
  take(): void;
}

export const createAllowance = (clock: Clock, burst: number, refill: number): Allowance => {
  let left = burst;
  let at = clock.now();
  return {
    has(need) {
      const now = clock.now();
      const refilled = Math.max(0, Math.floor((now - at) / refill));
      left = Math.min(burst, left + refilled);
      // If the clock was set back, refills go on from its new time.
      at = Math.min(now, at + refilled * refill);
      return left >= need;
    },
    take() {
      left -= 1;
    },
  };
};
