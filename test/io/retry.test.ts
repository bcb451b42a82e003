/** An act is tried three times in all where its error passes, and once where it does not. */
import { expect, test } from 'vitest';
import type { Clock } from '../../src/io/clock.ts';
import { retry } from '../../src/io/redis/retry.ts';

/** A clock whose timers are over at once, and which knows how long they were. */
const createQuickClock = () => {
  const backoff: number[] = [];
  const clock: Clock = {
    now: () => 0,
    setTimeout(fn, ms) {
      backoff.push(ms);
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

test('the third error is thrown unchanged', async () => {
  const { clock, backoff } = createQuickClock();
  const act = failing('one: ECONNRESET', 'two: ECONNRESET', 'three: ECONNRESET', 'four: ECONNRESET');
  await expect(retry(clock, act.attempt)).rejects.toThrow(/^three: ECONNRESET$/);
  expect([act.tries(), backoff]).toEqual([3, [200, 400]]);
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
