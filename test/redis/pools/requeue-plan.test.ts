/** What a plan says about the entries of a dead pool, where a step fails or the pool comes alive. */
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, second } from '../../support/jobs.ts';
import { seedPool } from '../../support/pools.ts';

const { redis, opened, connection, keys } = await redisFixture();
const died = second(-600);
const suspect = { pool: 'p', heartbeat: String(died), types: ['X'], evidence: '', disruptions: 0, at: 0 };
const poolsOf = (client = redis) =>
  createPools({
    connection: { ...connection, redis: client },
    keys,
    scripts: createScripts(client),
    jobTypes: [],
    heartbeatAge: 10_000,
    batch: 3,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: systemClock,
  });
const seedEntries = (...ids: string[]) => seedPool(redis, 'p', { heartbeat: died, holds: new Map([['X', ids]]) });
/** Calls `before` before each step of a plan. */
const beforeSteps = (before: () => unknown) =>
  opened.hold(
    intercept(redis, 'evalsha', async (args) => {
      if (args.includes(keys.recovered)) await before();
    }),
  );

test('a plan counts the entries before a job that cannot be quarantined, without the poison jobs among them', async () => {
  await seedEntries('a', 'b', 'poison', 'c', 'refused', 'd');
  const recoveries = [1, 2, 3].map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]);
  for (const id of ['poison', 'refused']) await redis.hset(keys.recoveries, id, JSON.stringify(recoveries));
  await redis.set('text', 'no hash');
  const keysFor = async (id: string) => (id === 'refused' ? [['text', 'hash'] as const] : []);
  const unreadable = expect.stringContaining('text: holds a string, where a hash is needed');
  expect(await poolsOf().plan(suspect, keysFor)).toEqual({
    outcome: 'dead',
    held: [{ type: 'X', entries: 3, poison: ['poison'], marks: expect.any(String), unreadable }],
  });
  await redis.del('text');
  expect(await poolsOf().plan(suspect, keysFor)).toMatchObject({
    held: [{ type: 'X', entries: 4, poison: ['poison', 'refused'] }],
  });
});

test('a pool that comes alive during a plan is alive', async () => {
  await seedEntries('a', 'b', 'c');
  const client = beforeSteps(() => redis.hset(keys.heartbeat('p'), 'heartbeat_at', second()));
  expect(await poolsOf(client).plan(suspect, async () => [])).toEqual({ outcome: 'alive' });
});

test('an outage fails a plan, and does not count as a key of another type', async () => {
  await seedEntries('a');
  const client = beforeSteps(() => {
    throw new Error('Connection is closed.');
  });
  await expect(poolsOf(client).plan(suspect, async () => [])).rejects.toThrow('Connection is closed.');
});
