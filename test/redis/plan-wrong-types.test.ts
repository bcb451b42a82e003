/** A key of another type: what a plan says of it is what its rescue does, and what the acts of the plan do. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PoolOutcome, RescueOptions } from '../../src/index.ts';
import { singleKeysOf } from '../../src/io/redis/wrongTypes.ts';
import { redisFixture } from '../support/fixture.ts';
import { second, seedJob } from '../support/jobs.ts';
import { entryOf, seedPool } from '../support/pools.ts';

const { server, redis, keys, opened } = await redisFixture();

/** Two dead pools that hold entries of two types, poison jobs, counters that have drifted, and a live pool. */
const seed = async () => {
  await redis.flushall();
  await redis.sadd(keys.knownJobs, 'A', 'B');
  const heartbeat = second(-60);
  const holds = new Map([
    ['A', ['a1', 'a2']],
    ['B', ['b1', 'b2']],
  ]);
  await seedPool(redis, 'dead', { heartbeat, jobNames: 'A,B', holds });
  await seedPool(redis, 'other', { heartbeat, jobNames: 'B', holds: new Map([['B', ['other']]]) });
  await seedPool(redis, 'alive', { heartbeat: second(), jobNames: 'A,B', holds: new Map([['B', ['live']]]) });
  const deaths = JSON.stringify([1, 2, 3].map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]));
  for (const [type, id] of [
    ['A', 'bad'],
    ['B', 'worse'],
  ] as const) {
    await seedJob(redis, id, { status: 'Pending', age: 600 });
    await redis.rpush(keys.inProgress(type, 'dead'), entryOf(id, type), entryOf(`last${id}`, type));
    await redis.hset(keys.recoveries, id, deaths);
    await redis.set(keys.lock(type), 17);
    await redis.hset(keys.lockInfo(type), 'gone', 2);
  }
};

const writes: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
  string: (key) => redis.set(key, 'x'),
  list: (key) => redis.rpush(key, 'x'),
  hash: (key) => redis.hset(key, 'x', 'x'),
  set: (key) => redis.sadd(key, 'x'),
  zset: (key) => redis.zadd(key, 1, 'x'),
  stream: (key) => redis.xadd(key, '*', 'x', 'x'),
};

/** What a pass says, without what must differ between a plan and its act. */
const rescue = async (options: RescueOptions) => {
  const reaper = opened.create({ redis: server.url, rescue: { batchSize: 2, orphanedAfter: 60_000 } });
  const outcomes: PoolOutcome[] = [];
  reaper.on('pool', (outcome) => void outcomes.push(outcome));
  const { pools, ...summary } = await reaper.rescue({ grace: 0, ...options });
  await reaper.stop({ timeout: 0 });
  const { acts = [], changes, entries, quarantined, drift, unreadable } = summary;
  const { planned, rescued, cleaned, ...others } = pools;
  return {
    acts,
    said: {
      ...{ changes, entries, quarantined, drift: drift.map(({ type }) => type).sort() },
      // The same keys: the acts of a plan do not look at counters that they do not rebuild.
      unreadable: [...new Set(unreadable.flatMap((text) => text.split('; ')))].sort(),
      pools: { removed: planned + rescued + cleaned, ...others },
      outcomes: outcomes
        .map(({ outcome, pool, moved, poison, deregistered, error, unreadable: left }) => ({
          outcome: outcome === 'rescued' || outcome === 'cleaned' ? 'planned' : outcome,
          ...{ pool, moved, poison, deregistered, error, left },
        }))
        .sort((a, b) => (a.pool < b.pool ? -1 : 1)),
    },
  };
};

const ofTypes = ['A', 'B'].flatMap((type): [string, string][] => [
  [keys.queue(type), 'list'],
  [keys.lock(type), 'string'],
  [keys.lockInfo(type), 'hash'],
  [keys.inProgress(type, 'dead'), 'list'],
  [keys.inProgress(type, 'other'), 'list'],
]);
const cases: readonly (readonly [key: string, needed: string])[] = [
  ...ofTypes,
  ...singleKeysOf(keys),
  [keys.heartbeat('dead'), 'hash'],
  [keys.heartbeat('alive'), 'hash'],
  [keys.stats('bad'), 'hash'],
  [keys.beforeQuarantine('bad'), 'string'],
];

const planThenAct = async (isApplied: boolean) => {
  const plan = await rescue({ plan: true });
  const act = await rescue(isApplied ? { acts: plan.acts } : {});
  expect({ isApplied, ...act.said }).toEqual({ isApplied, ...plan.said });
  return plan.said;
};

test.each(cases)(
  'fault 123: with %s of another type than %s, a rescue and the acts of its plan do what the plan says',
  async (key, needed) => {
    for (const [i, [type, write]] of Object.entries(writes).entries()) {
      if (type === needed) continue;
      await seed();
      await redis.del(key);
      await write(key);
      await planThenAct(i % 2 === 0);
    }
  },
);

test('fault 123: so it is with several keys of other types', async () => {
  const types = Object.keys(writes);
  const some = fc.uniqueArray(fc.tuple(fc.constantFrom(...cases), fc.constantFrom(...types)), {
    selector: ([[key]]) => key,
    ...{ minLength: 2, maxLength: 5 },
  });
  await fc.assert(
    fc.asyncProperty(some, fc.boolean(), async (spoiled, isApplied) => {
      await seed();
      for (const [[key, needed], type] of spoiled) {
        if (type === needed) continue;
        await redis.del(key);
        await writes[type]?.(key);
      }
      await planThenAct(isApplied);
    }),
    { numRuns: 40, endOnFailure: false },
  );
});

test('fault 123: a plan says that a pool would be abandoned, and why, and counts only the entries that would be requeued', async () => {
  await seed();
  await redis.del(keys.queue('A'));
  await redis.set(keys.queue('A'), 'x');
  const why = `${keys.queue('A')}: holds a string, where a list is needed; the reaper does not touch it: rename or delete it`;
  const { pools, entries, outcomes } = await planThenAct(true);
  expect({ pools, entries }).toMatchObject({ pools: { removed: 2, abandoned: 1 }, entries: 4 });
  expect(outcomes.find(({ pool }) => pool === 'dead')).toEqual({
    ...{ pool: 'dead', outcome: 'abandoned', moved: { B: 3 }, poison: [{ id: 'worse', type: 'B', pool: 'dead' }] },
    ...{ deregistered: undefined, error: `entries are left where they are: ${why}`, left: [why] },
  });
});
