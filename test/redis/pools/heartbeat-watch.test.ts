/** Which heartbeats are read between two rescue passes, and when a pool counts as stale. */
import { expect, test } from 'vitest';
import { createHeartbeatWatch } from '../../../src/io/pools/heartbeatWatch.ts';
import type { PoolState } from '../../../src/io/pools/poolState.ts';
import { createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second } from '../../support/jobs.ts';
import { flush } from '../../support/paths.ts';

const { redis, keys } = await redisFixture();
/** Long, so that no heartbeat gets too old while a slow machine runs a test. */
const heartbeatAge = 600_000;
const readsSoFar = async () => Number(/cmdstat_hmget:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
const stateOf = (pool: string, heartbeat: number, age: number) =>
  ({ pool, heartbeat: String(heartbeat), age, isFresh: true }) as PoolState;

/** Watches these pools. `isStale`: whether one of them was reported. */
const watch = async (states: readonly PoolState[]) => {
  await redis.config('RESETSTAT');
  const clock = createTestClock();
  const watching = createHeartbeatWatch({ redis, keys, heartbeatAge, clock });
  watching.keep(states, clock.now());
  let isStale = false;
  const begin = () => {
    isStale = false;
    void watching.untilStale(new AbortController().signal).then(() => {
      isStale = true;
    });
  };
  begin();
  await flush();
  return { clock, begin, isStale: () => isStale };
};

test('only a heartbeat that should have been replaced is read', async () => {
  for (const pool of ['a', 'b']) await redis.hset(keys.heartbeat(pool), 'heartbeat_at', second());
  const { clock, isStale } = await watch([stateOf('a', second(-599), 599_000), stateOf('b', second(), 0)]);
  await clock.until(async () => (await readsSoFar()) > 0);
  expect([isStale(), await readsSoFar()]).toEqual([false, 1]);
});

test('a heartbeat that was replaced is read again when the next one should be there', async () => {
  await redis.hset(keys.heartbeat('a'), 'heartbeat_at', second());
  const { clock, isStale } = await watch([stateOf('a', second(-599), 599_000)]);
  await clock.until(async () => (await readsSoFar()) === 1);
  expect(isStale()).toBe(false);
  await clock.until(async () => (await readsSoFar()) === 2, 10_000);
});

test('a pool that was found stale is not watched: the pass has judged it', async () => {
  const old = second(-3_600);
  await redis.hset(keys.heartbeat('a'), 'heartbeat_at', old);
  const { clock, isStale } = await watch([{ ...stateOf('a', old, 3_600_000), isFresh: false }]);
  clock.advance(heartbeatAge);
  await flush();
  expect([isStale(), await readsSoFar()]).toEqual([false, 0]);
});

test('a pool whose heartbeat was not replaced is reported once', async () => {
  const old = second(-3_600);
  await redis.hset(keys.heartbeat('a'), 'heartbeat_at', old);
  const { clock, begin, isStale } = await watch([stateOf('a', old, 599_000)]);
  await clock.until(isStale);
  begin();
  await flush();
  clock.advance(heartbeatAge);
  await flush();
  expect([isStale(), await readsSoFar()]).toEqual([false, 1]);
});
