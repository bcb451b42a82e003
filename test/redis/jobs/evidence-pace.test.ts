/** What the search for the entries of jobs that look hung leaves of Redis to others, and how it ends. */
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { PassError } from '../../../src/index.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { createSearch } from '../../../src/io/evidence/search.ts';
import type { Pace } from '../../../src/io/jobs/pace.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { seedJob } from '../../support/jobs.ts';

const { server, redis, opened, keys } = await redisFixture();

const [queue, held] = [keys.queue('X'), keys.inProgress('X', 'p')];
const entry = (id: string) => JSON.stringify({ name: 'X', id, t: 1 });
const seed = (list: string, count: number) =>
  redis.rpush(list, ...Array.from({ length: count }, (_, i) => entry(`j${i}`)));

/** What a turn costs that only calls a script, and one that scans for lists, in µs. */
const [callCost, scanCost] = [40, 550];

/** A search, with what it asks of its pace, in order, and the parts that it reads. */
const searchOf = (
  client: Redis = redis,
  { onTurn, onPart }: { onTurn?: (parts: number) => unknown; onPart?: (kind: string) => unknown } = {},
) => {
  const turns: (number | 'cost')[] = [];
  const costs: number[] = [];
  const parts: { readonly kind: string; readonly size: number }[] = [];
  const pace: Pace = {
    scriptTime: 500,
    async turn(us) {
      turns.push(us);
      onTurn?.(parts.length);
    },
    correct(us) {
      turns.push('cost');
      costs.push(us);
    },
  };
  const connection = { redis: client, description: '', epoch: () => 1, close: async () => undefined };
  const fixed = { heartbeatAge: 10_000, batch: 1, recovery: { maxRecoveries: 3, windowS: 86_400 }, clock: systemClock };
  const pools = createPools({ connection, keys, scripts: createScripts(client), jobTypes: [], ...fixed });
  let states = 0;
  const search = createSearch({
    ...{ connection, keys, pools, pace, seed: 1 },
    visitor: {
      entries({ kind }, ids) {
        parts.push({ kind, size: ids.length });
        onPart?.(kind);
      },
    },
    recorder: { recordStates: async () => void states++ },
  });
  const find = (id: string) => {
    const job = { id, name: 'X', readAt: 0, stats: 'found', hasHook: false } as const;
    search.add([job]);
    return () => search.evidenceOf(job).found;
  };
  const sizesOf = (kind: string) => parts.filter((part) => part.kind === kind).map(({ size }) => size);
  return { search, find, turns, costs, parts, sizesOf, states: () => states };
};

test('each part is read in its turn, and counts with what it has cost Redis', async () => {
  await seed(queue, 2_000);
  await redis.zadd(keys.retry, ...Array.from({ length: 300 }, (_, i) => [1, entry(`r${i}`)]).flat());
  const { search, turns, costs, parts } = searchOf();
  await search.run();
  expect(turns).toEqual(parts.flatMap(() => [callCost, 'cost']));
  expect(parts.length).toBeGreaterThan(5);
  expect(Math.min(...costs)).toBeGreaterThan(0);
});

test('a script gets so many entries of a queue that it takes about its time', async () => {
  await seed(queue, 2_000);
  const { search, costs, parts, sizesOf } = searchOf();
  await search.run();
  const first = parts.findIndex(({ size }) => size > 0);
  expect(sizesOf('queue')[0]).toBe(100);
  const costOfEntry = (costs[first] as number) / 100;
  expect(sizesOf('queue')[1]).toBe(Math.max(10, Math.min(500, Math.floor(500 / costOfEntry))));
});

test('for a user who may not run INFO, entries count with what they usually cost', async () => {
  await seed(queue, 250);
  await redis.acl('SETUSER', 'blind', 'on', 'nopass', '~*', '+@all', '-info');
  const blind = new Redis(server.url, { username: 'blind', password: 'any' });
  try {
    const { search, costs, parts, sizesOf } = searchOf(blind);
    await search.run();
    expect(sizesOf('queue')).toEqual([100, 100, 50]);
    expect(costs).toEqual(parts.map(({ size }) => 5 * size));
  } finally {
    blind.disconnect();
    await redis.acl('DELUSER', 'blind');
  }
});

test('looking for lists among many other keys waits too', async () => {
  await seed(queue, 10);
  await redis.mset(Object.fromEntries(Array.from({ length: 3_500 }, (_, i) => [`other:${i}`, ''])));
  const { search, turns } = searchOf();
  await search.run();
  // Twice about 3,500 keys, of which the last part is followed by no other.
  expect(turns.filter((turn) => turn === scanCost).length).toBeGreaterThanOrEqual(8);
  expect(turns[0]).toBe(scanCost);
});

test('a list of work in progress is read at once if it is not long, for its entries end anywhere in it', async () => {
  await seed(held, 400);
  const { search, sizesOf } = searchOf();
  await search.run();
  expect(new Set(sizesOf('held'))).toEqual(new Set([400]));
});

test.each([100, 400, 1_000])(
  'in a long list of work in progress none is passed over while %i before it end, and nothing waits',
  async (ends) => {
    let readings = 0;
    const onPart = (kind: string) => {
      // The list is there when it is read for the second time. Commands that are sent here come before the next part.
      if (kind === 'scheduled') void seed(held, 1_700);
      if (kind === 'held' && readings++ === 0) void redis.ltrim(held, ends, -1);
    };
    const { search, find, turns, sizesOf } = searchOf(redis, { onPart });
    const found = Array.from({ length: 1_700 - ends }, (_, i) => find(`j${ends + i}`));
    await search.run();
    expect(new Set(found.map((place) => place()))).toEqual(new Set(['unconfirmed']));
    expect(sizesOf('held').length).toBeGreaterThan(2);
    // The list, three sets, and the queue of the type.
    expect(turns.filter((turn) => turn !== 'cost')).toHaveLength(5);
  },
);

test('in a list whose entries all change between two parts, any entry may be', async () => {
  let parts = 0;
  const onPart = (kind: string) => {
    if (kind === 'held') void redis.del(held);
    if (kind === 'held' || kind === 'scheduled')
      void redis.rpush(held, ...Array.from({ length: 1_200 }, (_, i) => entry(`${parts}-${i}`)));
    parts += 1;
  };
  const { search, find } = searchOf(redis, { onPart });
  const found = find('elsewhere');
  await search.run();
  expect(found()).toBe('unreadable');
});

test('a long list of entries without ids is read to its end', async () => {
  await redis.rpush(held, ...Array.from({ length: 1_200 }, (_, i) => `{"n":${i}}`), entry('last'));
  const { search, find } = searchOf();
  const [last, other] = [find('last'), find('elsewhere')];
  await search.run();
  expect([last(), other()]).toEqual(['unconfirmed', 'nowhere']);
});

test('an aborted search reads no further, and records no pools', async () => {
  await seed(queue, 2_000);
  const controller = new AbortController();
  const { search, find, parts, states } = searchOf(redis, { onTurn: (parts) => parts === 6 && controller.abort() });
  find('j7');
  await expect(search.run(controller.signal)).rejects.toThrow('aborted');
  expect(parts).toHaveLength(6);
  expect(states()).toBe(0);
});

test('an aborted search looks for no further lists', async () => {
  await redis.mset(Object.fromEntries(Array.from({ length: 3_500 }, (_, i) => [`other:${i}`, ''])));
  const controller = new AbortController();
  const { search, turns } = searchOf(redis, { onTurn: () => controller.abort() });
  await expect(search.run(controller.signal)).rejects.toThrow('aborted');
  expect(turns).toEqual([scanCost]);
});

test('a sweep that is aborted in its search leaves none behind', async () => {
  await seedJob(redis, 'j7', { age: 100_000 });
  await seed(queue, 5_000);
  await redis.config('RESETSTAT');
  const clock = createTestClock();
  const reaper = opened.create({ redis: server.url, clock, sweep: { maxRedisShare: 0.01 } });
  const calls = async (command: string) =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await redis.info('commandstats'))?.[1] ?? 0);
  const controller = new AbortController();
  const sweep = reaper.sweep({ signal: controller.signal }).catch((error) => error);
  await clock.until(async () => (await calls('lrange')) > 10, 1);
  controller.abort();
  expect(await sweep).toBeInstanceOf(PassError);
  const read = await calls('lrange');
  for (let i = 0; i < 50; i++) {
    clock.advance(60_000);
    await reaper.ping();
  }
  // One part was on its way, in up to seven reads.
  expect(await calls('lrange')).toBeLessThanOrEqual(read + 7);
  expect(await redis.exists(keys.suspects)).toBe(0);
});
