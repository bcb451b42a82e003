/** How much a page may send: some at once, then one more from time to time, however the clock goes. */
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
    /** How many are let through now. */
    takeAll() {
      let taken = 0;
      for (; allowance.has(1) && taken < 100; taken++) allowance.take();
      return taken;
    },
    has: allowance.has,
  };
};

test('some at once, then one with every refill', () => {
  const { pass, takeAll, has } = create();
  expect(has(4)).toBe(false);
  expect(takeAll()).toBe(3);
  pass(99);
  expect(takeAll()).toBe(0);
  pass(1);
  expect(takeAll()).toBe(1);
  pass(250);
  expect(takeAll()).toBe(2);
  // The rest of the last refill is not lost.
  pass(50);
  expect(takeAll()).toBe(1);
});

test('who was silent for long may not send more at once', () => {
  const { pass, takeAll } = create();
  pass(3_600_000);
  expect(takeAll()).toBe(3);
});

test('a clock that is set back takes nothing away, and refills go on from there', () => {
  const { pass, takeAll } = create();
  pass(-3_600_000);
  expect(takeAll()).toBe(3);
  pass(100);
  expect(takeAll()).toBe(1);
});
