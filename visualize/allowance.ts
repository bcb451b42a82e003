import type { Clock } from '../src/index.ts';

/** How much may be done: `burst` at once, and one more with every `refill` ms. */
export interface Allowance {
  /** Whether so much is left. */
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
      // A clock that was set back goes on from where it is now.
      at = Math.min(now, at + refilled * refill);
      return left >= need;
    },
    take() {
      left -= 1;
    },
  };
};
