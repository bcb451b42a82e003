import { expect, test } from 'vitest';
import { createKeyedMutex } from '../../src/io/hooks/keyedMutex.ts';
import { flush } from '../support/paths.ts';

test('a lock that passes to a waiting caller stays locked, and further callers wait', async () => {
  const mutex = createKeyedMutex();
  const order: string[] = [];
  const acquire = (who: string) =>
    mutex.acquire('k').then((release) => {
      order.push(who);
      return release;
    });
  const releaseFirst = await acquire('first');
  const second = acquire('second');
  releaseFirst();
  const releaseSecond = await second;
  expect(mutex.isLocked('k')).toBe(true);
  const third = acquire('third');
  expect(mutex.isContended('k')).toBe(true);
  await flush();
  expect(order).toEqual(['first', 'second']);
  releaseSecond();
  (await third)();
  expect([order, mutex.isLocked('k')]).toEqual([['first', 'second', 'third'], false]);
});
