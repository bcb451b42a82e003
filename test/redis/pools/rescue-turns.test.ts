import { expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
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

/** The steps of a rescue, whose nth script runs as `runs` says. */
const poolsWith = (...runs: readonly ((script: () => Promise<unknown>) => Promise<unknown>)[]) => {
  const [began, lost]: [string[], unknown[]] = [[], []];
  let [open, most] = [0, 0];
  const counted: Scripts = {
    ...scripts,
    run: (async (...call: Parameters<Scripts['run']>) => {
      began.push(call[0]);
      open += 1;
      most = Math.max(most, open);
      const run = runs[began.length - 1] ?? ((script) => script());
      return await run(() => scripts.run(...call)).finally(() => {
        open -= 1;
      });
    }) as Scripts['run'],
  };
  const pools = createPools({
    ...{ connection, keys, scripts: counted, clock: systemClock, jobTypes: [], heartbeatAge: 10_000, batch: 5 },
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    onLostReply: (error) => void lost.push(error),
  });
  return { pools, began, lost, most: () => most };
};
/** The outcomes of one step for each pool. */
const requeueAll = async ({ requeue }: ReturnType<typeof createPools>, entries: number) => {
  const results = await Promise.allSettled(names.map((pool) => requeue(suspectOf(pool), ['X'], { entries })));
  return results.map((result) => (result.status === 'fulfilled' ? result.value.outcome : result.reason));
};
/** How many entries each pool has left. Which script comes first depends on what is read before. */
const lefts = async () =>
  (await Promise.all(names.map((pool) => redis.llen(keys.inProgress('X', pool))))).sort((a, b) => a - b);
const few = 4;

test('of the scripts of all pools two are on their way at once', async () => {
  await hold(12);
  const { pools, began, most } = poolsWith();
  expect(await requeueAll(pools, 12)).toEqual(names.map(() => 'moved'));
  expect(await lefts()).toEqual(names.map(() => 2));
  expect(began).toEqual(Array(12).fill('requeue'));
  expect(most()).toBe(2);
});

test('the scripts that remove dead pools take the same turns', async () => {
  await hold(0);
  const { pools, began, most } = poolsWith();
  await Promise.all(names.map((pool) => pools.deregister(suspectOf(pool), ['X'])));
  expect(await redis.scard(keys.pools)).toBe(0);
  expect(began).toEqual(names.map(() => 'deregister_pool'));
  expect(most()).toBe(2);
});

test('when the connection fails a script, those that wait do not run; the next ones do', async () => {
  await hold(few);
  const error = new Error('Connection is closed.');
  const { pools, began, lost } = poolsWith(() => Promise.reject(error));
  // The second was on its way.
  expect((await requeueAll(pools, few)).sort()).toEqual([...Array(5).fill(error), 'moved']);
  expect(await lefts()).toEqual([0, ...Array(5).fill(few)]);
  expect(began).toEqual(['requeue', 'requeue']);
  expect(lost).toEqual([]);
  expect(await requeueAll(pools, few)).toEqual(names.map(() => 'moved'));
  expect(await lefts()).toEqual(names.map(() => 0));
});

test('a script that fails for its own pool stops no other', async () => {
  await hold(few);
  const error = new Error('ERR something else');
  const { pools } = poolsWith(() => Promise.reject(error));
  expect((await requeueAll(pools, few)).sort()).toEqual([error, ...Array(5).fill('moved')]);
  expect(await lefts()).toEqual([...Array(5).fill(0), few]);
});
