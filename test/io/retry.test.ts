/** An act is tried three times in all where its error passes, for longer where Redis is busy, and once where it does not pass. */
import { expect, test } from 'vitest';
import type { Clock } from '../../src/io/clock.ts';
import { retry } from '../../src/io/redis/retry.ts';

/** A clock whose timers are over at once, and which knows how long they were. */
const createQuickClock = () => {
  const backoff: number[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    setTimeout(fn, ms) {
      backoff.push(ms);
      now += ms;
      queueMicrotask(fn);
      return undefined;
    },
    clearTimeout: () => undefined,
  };
  return { clock, backoff };
};

const failing = (...errors: string[]) => {
  let tries = 0;
  const attempt = async () => {
    const error = errors[tries++];
    if (error !== undefined) throw new Error(error);
    return 'done';
  };
  return { attempt, tries: () => tries };
};

test('two transient errors are retried, after 200 and 400 ms', async () => {
  const { clock, backoff } = createQuickClock();
  const act = failing('read ECONNRESET', "READONLY You can't write against a read only replica.");
  expect(await retry(clock, act.attempt)).toBe('done');
  expect([act.tries(), backoff]).toEqual([3, [200, 400]]);
});

test('the third error is thrown, with its text', async () => {
  const { clock, backoff } = createQuickClock();
  const act = failing('one: ECONNRESET', 'two: ECONNRESET', 'three: ECONNRESET', 'four: ECONNRESET');
  await expect(retry(clock, act.attempt)).rejects.toThrow(/^three: ECONNRESET$/);
  expect([act.tries(), backoff]).toEqual([3, [200, 400]]);
});

test.each([
  'BUSY Redis is busy running a script.',
  'LOADING Redis is loading the dataset in memory',
  'MASTERDOWN Link with MASTER is down',
])('a Redis that takes no commands now is asked for 15 s: %s', async (error) => {
  const { clock, backoff } = createQuickClock();
  expect(await retry(clock, failing(...Array(9).fill(error)).attempt)).toBe('done');
  expect(backoff).toEqual([200, 400, 800, ...Array(6).fill(1_600)]);
  const started = clock.now();
  const never = retry(clock, failing(...Array(99).fill(error)).attempt);
  await expect(never).rejects.toMatchObject({ code: 'redis-busy', message: error });
  expect(clock.now() - started).toBeLessThanOrEqual(15_000);
});

test.each([
  ["NOPERM this user has no permissions to run the 'xadd' command", 'ACL SETUSER'],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'find it with TYPE'],
  ['OOM command not allowed', 'OOM'],
  ['something else', 'something else'],
])('an error that does not pass is thrown at once, with what to do: %s', async (error, advice) => {
  const { clock, backoff } = createQuickClock();
  const act = failing(error);
  await expect(retry(clock, act.attempt)).rejects.toThrow(advice);
  expect([act.tries(), backoff]).toEqual([1, []]);
});
