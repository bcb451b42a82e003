/** Calls that are made for several items. */
import { expect, test } from 'vitest';
import { createBatcher } from '../../src/io/hooks/batcher.ts';

/** Calls that wait for the test. */
const createCalls = (maxItems = 100) => {
  const calls: { key: string; items: readonly number[]; end: (results: readonly string[]) => void }[] = [];
  const failures: ((error: Error) => void)[] = [];
  const add = createBatcher(
    (key, items: readonly number[]) =>
      new Promise<readonly string[]>((end, fail) => {
        calls.push({ key, items, end });
        failures.push(fail);
      }),
    maxItems,
  );
  const made = () => calls.map(({ key, items }) => [key, ...items]);
  /** Waits until so many calls were made, and ends the last of them. */
  const end = async (count: number) => {
    await expect.poll(() => calls.length).toBe(count);
    const last = calls.at(-1);
    last?.end(last.items.map((item) => `${last.key}${item}`));
  };
  return { add, made, end, failLast: (error: Error) => failures.at(-1)?.(error), calls };
};

test('the items of one turn share a call, each gets its own result, and other keys have calls of their own', async () => {
  const { add, made, end } = createCalls();
  const results = [add('a', 1), add('a', 2)];
  await end(1);
  expect(await Promise.all(results)).toEqual(['a1', 'a2']);
  const other = [add('b', 3), add('a', 4)];
  await expect.poll(made).toHaveLength(3);
  expect(made()).toEqual([
    ['a', 1, 2],
    ['b', 3],
    ['a', 4],
  ]);
  await end(3);
  expect(await other[1]).toBe('a4');
});

test('what comes while a call is in progress waits for its end, in order, and shares the next ones', async () => {
  const { add, made, end } = createCalls(2);
  const results = [add('a', 1)];
  await expect.poll(made).toHaveLength(1);
  results.push(add('a', 2), add('a', 3), add('a', 4));
  for (const count of [1, 2, 3]) await end(count);
  expect(await Promise.all(results)).toEqual(['a1', 'a2', 'a3', 'a4']);
  expect(made()).toEqual([
    ['a', 1],
    ['a', 2, 3],
    ['a', 4],
  ]);
});

test('all items of a call that fails fail with it, and the next call is made all the same', async () => {
  const { add, made, end, failLast } = createCalls(2);
  const results = Promise.allSettled([add('a', 1), add('a', 2), add('a', 3)]);
  await expect.poll(made).toHaveLength(1);
  failLast(new Error('no Redis'));
  await end(2);
  const failed = { status: 'rejected', reason: new Error('no Redis') };
  expect(await results).toEqual([failed, failed, { status: 'fulfilled', value: 'a3' }]);
});
