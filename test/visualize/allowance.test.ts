/** The rate limit of a page: a burst, then one message after each refill time, also when the clock is set back. */
import { expect, test } from 'vitest';
import { createAllowance } from '../../visualize/allowance.ts';

const create = () => {
  let now = 1_000_000;
  const clock = { now: () => now, setTimeout: () => undefined, clearTimeout: () => undefined };
  const allowance = createAllowance(clock, 3, 100);
  return {
    pass(ms: number) {
      now += ms;
    },
    /** Uses all that is left, and returns how many that was. */
    takeAll() {
      let taken = 0;
      for (; allowance.has(1) && taken < 100; taken++) allowance.take();
      return taken;
    },
    has: allowance.has,
  };
};

test('a burst is allowed, then one use after each refill', () => {
  const { pass, takeAll, has } = create();
  expect(has(4)).toBe(false);
  expect(takeAll()).toBe(3);
  pass(99);
  expect(takeAll()).toBe(0);
  pass(1);
  expect(takeAll()).toBe(1);
  pass(250);
  expect(takeAll()).toBe(2);
  // The rest of the time before counts for the next refill.
  pass(50);
  expect(takeAll()).toBe(1);
});

test('a long silence does not allow a larger burst', () => {
  const { pass, takeAll } = create();
  pass(3_600_000);
  expect(takeAll()).toBe(3);
});

test('a clock that is set back takes no uses away, and refills go on from its new time', () => {
  const { pass, takeAll } = create();
  pass(-3_600_000);
  expect(takeAll()).toBe(3);
  pass(100);
  expect(takeAll()).toBe(1);
});
