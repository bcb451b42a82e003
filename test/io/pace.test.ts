import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBatchSize } from '../../src/io/jobs/batchSize.ts';
import { createPace } from '../../src/io/jobs/pace.ts';
import { createTestClock } from '../support/clock.ts';

const flush = () => new Promise((resolve) => setImmediate(resolve));
/** Whether a promise is fulfilled by now. */
const isDone = async (promise: Promise<unknown>) => {
  let done = false;
  promise.then(() => {
    done = true;
  });
  await flush();
  return done;
};

describe('the share of a sweep', () => {
  test('a script waits until Redis has had its rest after the ones before it', async () => {
    const clock = createTestClock();
    const pace = createPace(clock, 0.25);
    // 1 ms is free. The next 2 ms cost 2.5 of Redis, and 10 of time.
    await pace.turn(1_000);
    await pace.turn(2_000);
    const third = pace.turn(500);
    clock.advance(9);
    expect(await isDone(third)).toBe(false);
    clock.advance(1);
    expect(await isDone(third)).toBe(true);
  });

  test('scripts that ask at the same time wait for each other', async () => {
    const clock = createTestClock();
    const pace = createPace(clock, 0.5);
    await pace.turn(1_000);
    const turns = [pace.turn(800), pace.turn(800), pace.turn(800)];
    const done = async () => (await Promise.all(turns.map(isDone))).filter(Boolean).length;
    for (const count of [1, 1, 2, 2, 3]) {
      expect(await done()).toBe(count);
      clock.advance(1);
    }
  });

  test('a script that has cost more than expected makes the later ones wait longer, one that has cost less shorter', async () => {
    for (const [extra, ms] of [
      [400, 12],
      [-800, 6],
    ] as const) {
      const clock = createTestClock();
      const pace = createPace(clock, 0.25);
      await pace.turn(3_000);
      pace.correct(extra);
      const next = pace.turn(1);
      clock.advance(ms - 1);
      expect(await isDone(next)).toBe(false);
      clock.advance(1);
      expect(await isDone(next)).toBe(true);
    }
  });

  test('a long rest saves up no more than a short one', async () => {
    const clock = createTestClock();
    const pace = createPace(clock, 0.25);
    clock.advance(3_600_000);
    await pace.turn(2_000);
    expect(await isDone(pace.turn(1))).toBe(false);
  });

  test('with a share of 1 nothing waits', async () => {
    const pace = createPace(createTestClock(), 1);
    for (let i = 0; i < 10; i++) await pace.turn(1_000_000);
    pace.correct(1_000_000);
    await pace.turn(1);
  });

  test('for any scripts, what has run never exceeds the share of the time by more than the free part and one script', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0.01, 0.1, 0.25, 0.9),
        fc.array(
          fc.record({ expected: fc.nat(3_000), more: fc.integer({ min: -3_000, max: 3_000 }), rest: fc.nat(20) }),
          {
            maxLength: 30,
          },
        ),
        async (share, scripts) => {
          const clock = createTestClock();
          const pace = createPace(clock, share);
          const began = clock.now();
          let spent = 0;
          for (const { expected, more, rest } of scripts) {
            await clock.untilSettled(pace.turn(expected), 1);
            expect(1.25 * spent).toBeLessThanOrEqual(1_250 + (clock.now() - began) * 1_000 * share + 1e-3);
            const cost = Math.max(0, expected + more);
            spent += cost;
            pace.correct(cost - expected);
            clock.advance(rest);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('how many items a script gets', () => {
  const sizeAfter = (...scripts: readonly (readonly [items: number, us: number | undefined])[]) => {
    const size = createBatchSize(100, 500);
    for (const [items, us] of scripts) size.learn(items, us);
    return size.next();
  };

  test('as many as it may at first, and where Redis does not say what scripts cost', () => {
    expect(sizeAfter()).toBe(100);
    expect(sizeAfter([100, undefined], [100, undefined])).toBe(100);
  });

  test('fewer, so that it takes as long as it may', () => {
    expect(sizeAfter([100, 1_000])).toBe(50);
    expect(sizeAfter([100, 1_000], [50, 500], [50, 500])).toBe(50);
  });

  test('no fewer than ten, or than the most, however slow Redis is, and no more than the most', () => {
    expect(sizeAfter([100, 1_000_000])).toBe(10);
    expect(sizeAfter([100, 1])).toBe(100);
    expect(sizeAfter([100, 0])).toBe(100);
    const small = createBatchSize(3, 500);
    small.learn(100, 1_000_000);
    expect(small.next()).toBe(3);
  });

  test('what scripts cost lately counts most', () => {
    const slow = Array.from({ length: 10 }, () => [100, 5_000] as const);
    const quick = Array.from({ length: 20 }, () => [100, 500] as const);
    expect(sizeAfter(...quick, ...slow.slice(0, 2))).toBeLessThan(25);
    expect(sizeAfter(...slow, ...quick)).toBeGreaterThan(90);
  });

  test('a script of a few items, most of whose cost is its own, does not count', () => {
    expect(sizeAfter([100, 600], [1, 200], [2, 200], [9, 200])).toBe(83);
  });

  test('for any scripts, the next one is expected to take no longer than it may, unless it is the smallest', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 10, max: 500 }), fc.nat(20_000)), { minLength: 1 }),
        (scripts) => {
          const size = createBatchSize(500, 500);
          for (const [items, us] of scripts) size.learn(items, us);
          const next = size.next();
          expect(next).toBeGreaterThanOrEqual(10);
          expect(next === 10 || size.costOf(next) <= 500 + 1e-9).toBe(true);
        },
      ),
    );
  });
});
