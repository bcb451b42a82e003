/** What a user's retry of named hooks waits for, and how much room in flight it reserves. */
import { expect, test } from 'vitest';
import { createInFlightLimiter, type InFlightLimiter } from '../../src/io/hooks/inFlightLimiter.ts';
import { createHookRecords } from '../../src/io/hooks/records.ts';
import { createSendNamed } from '../../src/io/hooks/sendNamed.ts';
import { createTestClock } from '../support/clock.ts';
import { redisFixture } from '../support/fixture.ts';

const { redis, connection, keys, scripts } = await redisFixture();
const endpoint = 'http://a:1';
const settings = { maxRecords: 1_000, breakerThreshold: 3, drainRate: 50, claimDuration: 60_000 };
const claimDuration = 3_600_000;

/** Sends named hooks by their records in Redis, and counts the claims. `during` is called before each claim. */
const sender = (during: (limiter: InFlightLimiter) => void = () => undefined) => {
  const clock = createTestClock();
  const records = createHookRecords({ connection, keys, scripts, settings, clock });
  const sent: string[] = [];
  const limiter = createInFlightLimiter(
    {
      async deliver(claimed) {
        sent.push(claimed.id);
        await records.recordAttempt(claimed, { verb: 'dropped' });
      },
      holdText: () => undefined,
      hurry: () => undefined,
      stop: () => undefined,
      deliverPendingTexts: async () => undefined,
    },
    20,
  );
  let claims = 0;
  const named = createSendNamed({
    records: {
      ...records,
      claim(...args) {
        claims += 1;
        during(limiter);
        return records.claim(...args);
      },
    },
    limiter,
    clock,
    isStopped: () => false,
    fault: (where, error) => {
      throw new Error(`${where}: ${error}`);
    },
  });
  const seed = async (id: string, kind: 'asked' | 'resending') => {
    await redis.hset(keys.hooks, id, `${kind} Error:7 ${endpoint} ${kind === 'asked' ? 0 : 1} 0 0 -`);
    await redis.zadd(keys.dueHooks(endpoint), clock.now() + (kind === 'asked' ? -1_000 : claimDuration), id);
    await redis.sadd(keys.hookEndpoints, endpoint);
    await redis.hset(keys.stats(id), { id, status: 'Error', revision: 7 });
  };
  return { named, clock, sent, seed, claimed: () => claims };
};

test('a retry waits until another host has sent the named hooks that it has claimed', async () => {
  const { named, clock, sent, seed, claimed } = sender();
  await seed('other', 'resending');
  named.add({ id: 'other', endpoint });
  let isOver = false;
  const idle = named.idle().then(() => {
    isOver = true;
  });
  await clock.until(() => isOver || claimed() >= 4);
  expect(isOver).toBe(false);
  // The other host has sent it.
  await redis.hdel(keys.hooks, 'other');
  await redis.zrem(keys.dueHooks(endpoint), 'other');
  await clock.until(() => isOver);
  await idle;
  expect(sent).toEqual([]);
});

test('a retry does not wait for an endpoint with an open breaker, even if another host has claimed a named hook', async () => {
  const { named, clock, sent, seed, claimed } = sender();
  await seed('mine', 'asked');
  await seed('other', 'resending');
  await redis.hset(keys.hookEndpoint(endpoint), { failures: 3, open_until: clock.now() + 600_000 });
  for (const id of ['mine', 'other']) named.add({ id, endpoint });
  let isOver = false;
  void named.idle().then(() => {
    isOver = true;
  });
  await clock.until(() => isOver || claimed() > 1);
  expect([isOver, claimed(), sent]).toEqual([true, 1, []]);
  expect(await redis.hkeys(keys.hooks)).toHaveLength(2);
});

test('a claim reserves room for the named hooks only, and leaves the rest to other endpoints', async () => {
  const free: number[] = [];
  const { named, sent, seed } = sender((limiter) => {
    free.push(limiter.reserve('http://b:1', 100));
    limiter.release('http://b:1', free.at(-1) as number);
  });
  await seed('mine', 'asked');
  named.add({ id: 'mine', endpoint });
  await named.idle();
  expect(sent).toEqual(['mine']);
  // Half of the 19 that are left.
  expect(free).toEqual([10]);
});
