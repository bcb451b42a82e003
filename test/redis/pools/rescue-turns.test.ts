import { expect, test } from 'vitest';
import { createSignal, systemClock } from '../../../src/io/clock.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { inTurns } from '../../../src/io/pools/turns.ts';
import type { RunAnswered } from '../../../src/io/redis/answered.ts';
import type { Connection } from '../../../src/io/redis/connection.ts';
import { kindOfRedisError } from '../../../src/io/redis/errors.ts';
import type { Outage } from '../../../src/io/redis/outages.ts';
import type { Scripts } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second } from '../../support/jobs.ts';

// Redis runs all scripts that have come on a connection before it serves another client: a rescue of many pools sends few at once.

const { redis, connection, keys, scripts } = await redisFixture();
const heartbeat = String(second(-60));
const names = Array.from({ length: 6 }, (_, i) => `p${i}`);
const suspectOf = (pool: string) => ({ pool, heartbeat, types: ['X'], evidence: '', disruptions: 0, at: 0 });
const entryOf = (pool: string, i: number) => `{"name":"X","id":"${pool}-${i}","t":1700000000,"args":null}`;
const hold = async (count: number) => {
  for (const pool of names) {
    await redis.sadd(keys.pools, pool);
    await redis.hset(keys.heartbeat(pool), 'heartbeat_at', heartbeat);
    for (let i = 0; i < count; i++) await redis.lpush(keys.inProgress('X', pool), entryOf(pool, i));
  }
};

/** The steps of a rescue, and the scripts that they begin, with the most at a time. */
const createCounted = () => {
  const began: string[] = [];
  let [open, most] = [0, 0];
  const counted: Scripts = {
    ...scripts,
    run: (async (...call: Parameters<Scripts['run']>) => {
      began.push(call[0]);
      open += 1;
      most = Math.max(most, open);
      return await scripts.run(...call).finally(() => {
        open -= 1;
      });
    }) as Scripts['run'],
  };
  const pools = createPools({
    ...{ connection, keys, scripts: counted, clock: systemClock, jobTypes: [], heartbeatAge: 10_000, batch: 5 },
    recovery: { maxRecoveries: 3, windowS: 86_400 },
  });
  return { pools, began, most: () => most };
};

test('of the scripts of all pools two are on their way at once', async () => {
  await hold(12);
  const { pools, began, most } = createCounted();
  const replies = await Promise.all(names.map((pool) => pools.requeue(suspectOf(pool), ['X'], { entries: 12 })));
  expect(replies).toEqual(names.map(() => ({ outcome: 'moved', counts: [{ moved: 10, left: 2 }] })));
  expect(await redis.llen(keys.queue('X'))).toBe(60);
  expect(began).toEqual(Array(12).fill('requeue'));
  expect(most()).toBe(2);
});

test('the scripts that remove dead pools take the same turns', async () => {
  await hold(0);
  const { pools, began, most } = createCounted();
  await Promise.all(names.map((pool) => pools.deregister(suspectOf(pool), ['X'])));
  expect(await redis.scard(keys.pools)).toBe(0);
  expect(began).toEqual(names.map(() => 'deregister_pool'));
  expect(most()).toBe(2);
});

/** Five scripts, of which the first two are on their way when `during` runs. Then these end as it says. */
const fiveWith = async (during: () => Promise<unknown> | undefined, on: Partial<Connection> = {}) => {
  let now = 0;
  const gate = createSignal();
  const began: string[] = [];
  const run = inTurns(
    (async (name: string) => {
      began.push(name);
      if (began.length <= 2) await gate.promise;
      return (await during()) ?? name;
    }) as RunAnswered,
    { ...connection, ...on },
    () => now,
  );
  const ask = async (name: string) => run(name as 'requeue', [], [], undefined);
  const calls = ['a', 'b', 'c', 'd', 'e'].map(ask);
  return {
    began,
    ask,
    pass: (ms: number) => {
      now += ms;
    },
    async end() {
      gate.resolve();
      const results = await Promise.allSettled(calls);
      return results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason));
    },
  };
};

test.each([
  'Connection is closed.',
  'NOREPLICAS Not enough good replicas to write.',
  "OOM command not allowed when used memory > 'maxmemory'.",
  "READONLY You can't write against a read only replica.",
])('after a disruption those that wait do not run, but the next ones do: %s', async (message) => {
  const error = new Error(message);
  let isOver = false;
  const { began, ask, end } = await fiveWith(() => (isOver ? undefined : Promise.reject(error)));
  expect(await end()).toEqual(Array(5).fill(error));
  expect(began).toEqual(['a', 'b']);
  isOver = true;
  expect(await ask('f')).toBe('f');
});

test.each(['epoch', 'outage'] as const)('nor do they if the connection was lost, by its %s', async (seenBy) => {
  let isLost = false;
  const outage = { reason: 'gone', since: 0 } as unknown as Outage;
  const { began, ask, end } = await fiveWith(() => undefined, {
    epoch: () => (isLost && seenBy === 'epoch' ? 2 : 1),
    outage: () => (isLost && seenBy === 'outage' ? outage : undefined),
  });
  isLost = true;
  const [a, b, ...others] = await end();
  // Those on their way were sent again.
  expect([a, b]).toEqual(['a', 'b']);
  expect(others.map(kindOfRedisError)).toEqual(Array(3).fill('transient'));
  expect(began).toEqual(['a', 'b']);
  if (seenBy === 'outage') isLost = false;
  expect(await ask('f')).toBe('f');
});

test('nor if they have waited for more than 2 s', async () => {
  const { began, ask, pass, end } = await fiveWith(() => undefined);
  pass(2_000);
  const late = ask('f');
  pass(1);
  const error = new Error('Redis took more than 2 s for the scripts of other pools');
  expect(await end()).toEqual(['a', 'b', error, error, error]);
  expect(await late).toBe('f');
  expect(began).toEqual(['a', 'b', 'f']);
});

test('a script that fails for its own pool stops no other', async () => {
  const error = new Error('ERR something else');
  let calls = 0;
  const { began, end } = await fiveWith(() => (++calls === 1 ? Promise.reject(error) : undefined));
  expect(await end()).toEqual([error, 'b', 'c', 'd', 'e']);
  expect(began).toEqual(['a', 'b', 'c', 'd', 'e']);
});
