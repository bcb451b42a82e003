import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { createCounters } from '../../../src/io/pools/counters.ts';
import type { Connection } from '../../../src/io/redis/connection.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { createTestClock } from '../../support/clock.ts';
import { everySchedule } from '../../support/everySchedule.ts';
import { redisFixture } from '../../support/fixture.ts';
import { repliesOf } from '../../support/states.ts';
import { turnTaking } from '../../support/turnTaking.ts';

// Counters of a type that many pools hold entries of are rebuilt in steps: what others do between two steps must not make them
// wrong, and a step that is cut off is made good by the next pass.

const { redis, keys, upstream } = await redisFixture();

const pools = ['p', 'q', 'r'];
const held = (pool: string) => keys.inProgress('X', pool);
const connectionOf = (client: Redis): Connection => ({
  redis: client,
  description: '',
  epoch: () => 1,
  close: async () => undefined,
});
const countersOf = (client: Redis, maxListsPerStep: number, scripts = createScripts(client)) =>
  createCounters({
    connection: connectionOf(client),
    keys,
    scripts,
    clock: createTestClock(),
    readNames: async () => ({ readList: (type, pool) => ({ type, pool }) }),
    maxListsPerStep,
  });
const recount = (client = redis, maxListsPerStep = 1) => countersOf(client, maxListsPerStep).recount(['X']);

/** What the counters say, and what they should. */
const counters = async () => {
  const lengths = await Promise.all(pools.map((pool) => redis.llen(held(pool))));
  const fields = await redis.hgetall(keys.lockInfo('X'));
  return {
    lock: Number((await redis.get(keys.lock('X'))) ?? 0),
    fields: pools.map((pool) => Number(fields[pool] ?? 0)),
    truth: { lock: lengths.reduce((a, b) => a + b), fields: lengths },
  };
};
const seed = () =>
  repliesOf(
    redis
      .multi()
      .flushall()
      .sadd(keys.pools, ...pools)
      .rpush(keys.queue('X'), 'c')
      .rpush(held('p'), 'a')
      .rpush(held('q'), 'b')
      .set(keys.lock('X'), 7)
      .hset(keys.lockInfo('X'), { p: 4, q: 1, r: 2 }),
  );

test('fault 148: several steps give the same counters as one step, and report by how much they were off', async () => {
  await seed();
  const inSteps = await recount();
  const after = await redis.hgetall(keys.lockInfo('X'));
  await seed();
  expect(await recount(redis, 500)).toEqual(inSteps);
  expect(inSteps.drift).toEqual([{ type: 'X', lockBefore: '7', lock: '2', fields: 2, size: { lock: 5, lockInfo: 5 } }]);
  expect(await redis.hgetall(keys.lockInfo('X'))).toEqual(after);
  expect(await recount()).toEqual({ drift: [], unreadable: [], locks: new Map([['X', ['2', '2']]]) });
});

test('a step of a recount compares 200 lists at most, for all of them may be wrong', async () => {
  const many = Array.from({ length: 501 }, (_, i) => `p${i}`);
  for (const pool of many) await redis.rpush(held(pool), 'a');
  await redis.hset(keys.lockInfo('X'), Object.fromEntries(many.map((pool) => [pool, 2])));
  const lists: number[] = [];
  const real = createScripts(redis);
  const run: typeof real.run = (name, ...call) => {
    if (name === 'recount_pools') lists.push(call[0].length - 1);
    return real.run(name, ...call);
  };
  const { drift } = await countersOf(redis, 500, { ...real, run }).recount(['X']);
  expect(lists).toEqual([200, 200, 101]);
  expect(drift).toEqual([
    { type: 'X', lockBefore: '0', lock: '501', fields: 501, size: { lock: -501, lockInfo: 501 } },
  ]);
  expect(await redis.hgetall(keys.lockInfo('X'))).toEqual(Object.fromEntries(many.map((pool) => [pool, '1'])));
});

test('fault 148: a lock that is missing, empty or no number, and fields that are none', async () => {
  for (const lock of [undefined, '', 'nothing', '007', '-3', ' 2', '2.0']) {
    await seed();
    if (lock === undefined) await redis.del(keys.lock('X'));
    else await redis.set(keys.lock('X'), lock);
    await redis.hset(keys.lockInfo('X'), { q: 'none' });
    const planned = await countersOf(redis, 1).recount(['X'], { plan: true });
    expect(planned.drift[0]?.lockBefore).toBe(lock ?? '0');
    expect({ acts: [], ...(await recount()) }).toEqual(planned);
    expect(await redis.get(keys.lock('X'))).toBe('2');
    expect(await redis.hgetall(keys.lockInfo('X'))).toEqual({ p: '1', q: '1' });
  }
});

test('fault 148: opening a recount keeps the characters of the lock, its TTL and how Go reads it', async () => {
  await redis.set(keys.lock('X'), '41', 'EX', 100);
  const scripts = createScripts(redis);
  expect(await scripts.run('open_recount', [keys.lock('X'), keys.recount('X')], ['mine'])).toEqual({
    ...{ outcome: 'opened', lock: '41' },
  });
  expect(await redis.get(keys.lock('X'))).toBe('41');
  expect(await redis.ttl(keys.lock('X'))).toBeGreaterThan(90);
  expect(await redis.incr(keys.lock('X'))).toBe(42);
  // From then on the sum that was counted is not believed.
  expect(await scripts.run('close_recount', [keys.lock('X'), keys.recount('X')], ['mine', 7])).toEqual({
    outcome: 'overtaken',
    lock: '42',
  });
  expect(await redis.get(keys.lock('X'))).toBe('42');
});

test('fault 148: beside fetch and finish of other pools, in every order and with every crash point, counters never get worse', async () => {
  await recount(redis, 2); // Loads the scripts: every run must be alike.
  let [runs, repaired] = [0, 0];
  for (const drifted of [true, false]) {
    runs += await everySchedule({
      reset: async () => {
        await seed();
        if (drifted) return;
        await redis.set(keys.lock('X'), 2);
        await redis.hset(keys.lockInfo('X'), { p: 1, q: 1 });
        await redis.hdel(keys.lockInfo('X'), 'r');
      },
      body: (command) => [
        recount(turnTaking(redis, command, 'a'), 2),
        (async () => {
          // A finish where the lists were counted already, a fetch where they were not, and the other way round.
          await command('g', 'finish', () => upstream.finish('X', 'p', 'a'));
          await command('g', 'fetch', () => upstream.fetch('X', 'r'));
        })(),
      ],
      check: async (trace) => {
        const { lock, fields, truth } = await counters();
        // The lock is as far off as it was, or right.
        expect([truth.lock, truth.lock + (drifted ? 5 : 0)]).toContain(lock);
        if (!drifted) expect(fields).toEqual(truth.fields);
        if (drifted && lock === truth.lock) repaired += 1;
        if (!trace.some((step) => step.includes('dies'))) expect(fields).toEqual(truth.fields);
        // The next pass makes all right, wherever this one was cut off.
        await recount();
        const after = await counters();
        expect({ lock: after.lock, fields: after.fields }).toEqual(after.truth);
      },
      crashes: true,
    });
  }
  expect(runs).toBeGreaterThan(100);
  expect(repaired).toBeGreaterThan(0);
});

test('fault 148: two simultaneous recounts beside a fetch keep their marks apart', async () => {
  const scripts = createScripts(redis);
  const open = (token: string) =>
    scripts.run('open_recount', [keys.lock('X'), keys.recount('X')], [token]) as Promise<unknown>;
  const close = (token: string, sum: number) =>
    scripts.run('close_recount', [keys.lock('X'), keys.recount('X')], [token, sum]) as Promise<unknown>;
  const count = async () => (await counters()).truth.lock;
  await open('x');
  const runs = await everySchedule({
    reset: async () => {
      await seed();
      await redis.set(keys.lock('X'), 2);
    },
    body: (command) => [
      ...['a', 'b'].map(async (who) => {
        await command(who, 'open', () => open(who));
        const sum = (await command(who, 'count', count)) as number;
        await command(who, 'close', () => close(who, sum));
      }),
      command('g', 'fetch', () => upstream.fetch('X', 'r')),
    ],
    check: async () => {
      const { lock, truth } = await counters();
      expect(lock).toBe(truth.lock);
    },
    crashes: false,
  });
  expect(runs).toBeGreaterThan(20);
});

test('fault 148: 20,000 pools, each with an entry, and 100,000 stale fields: rebuilt by one recount', async () => {
  const many = 20_000;
  const seedMany = `
    for i = 1, ${many} do
      redis.call('RPUSH', KEYS[1] .. 'p' .. i .. ':inprogress', '{"name":"X","id":"' .. i .. '","t":1}')
    end
    for i = 1, 120000 do redis.call('HSET', KEYS[2], 'p' .. i, i % 3) end
    redis.call('SADD', KEYS[3], 'alive')
    redis.call('HSET', KEYS[4], 'heartbeat_at', redis.call('TIME')[1], 'job_names', 'X', 'worker_ids', '')`;
  await redis.eval(seedMany, 4, 't:jobs:X:', keys.lockInfo('X'), keys.pools, keys.heartbeat('alive'));
  await redis.set(keys.lock('X'), 5);
  // The lists belong to pools that no one knows: they are counted, as those of pools that are found by their counters.
  const found = await countersOf(redis, 500).recount(['X']);
  expect(found).toMatchObject({ unreadable: [], drift: [{ type: 'X', lockBefore: '5', lock: String(many) }] });
  expect(await redis.get(keys.lock('X'))).toBe(String(many));
  expect(await redis.hlen(keys.lockInfo('X'))).toBe(many);
  expect(await redis.hget(keys.lockInfo('X'), 'p2')).toBe('1');
});
