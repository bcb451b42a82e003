/** One key of the wrong type is named, and stops nothing but what needs it. */
import { describe, expect, test } from 'vitest';
import type { PoolOutcome, Reaper } from '../../src/index.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { redisFixture } from '../support/fixture.ts';
import { second, seedJob } from '../support/jobs.ts';
import { idsIn, seedPool } from '../support/pools.ts';

const { server, redis, keys, opened } = await redisFixture();

const create = (): Reaper => opened.create({ redis: server.url });
const held = (type: string, pool = 'dead') => idsIn(redis, keys.inProgress(type, pool));
const queued = (type: string) => idsIn(redis, keys.queue(type));

/** A dead pool that holds entries of two types, another one, a live one, and a tracked job. */
const seed = async () => {
  await redis.sadd(keys.knownJobs, 'A', 'B');
  const heartbeat = second(-60);
  await seedPool(redis, 'dead', { heartbeat, jobNames: 'A,B', holds: new Map([...entries('a'), ...entries('b')]) });
  await seedPool(redis, 'other', { heartbeat, jobNames: 'B', holds: new Map([['B', ['other']]]) });
  await seedPool(redis, 'alive', { heartbeat: second(), jobNames: 'A,B', holds: new Map([['B', ['live']]]) });
  await seedJob(redis, 'job', { age: 5 });
};
const entries = (name: 'a' | 'b'): Map<string, string[]> => new Map([[name.toUpperCase(), [`${name}1`, `${name}2`]]]);

/** Makes a key hold what no program of the namespace writes there. */
const spoil = async (key: string) => {
  await redis.del(key);
  if ([keys.lock('A'), keys.maxConcurrency('A'), keys.probe].includes(key)) await redis.sadd(key, 'x');
  else await redis.set(key, 'x');
};

const rescue = async () => {
  const reaper = create();
  const outcomes = new Map<string, PoolOutcome>();
  reaper.on('pool', (outcome) => void outcomes.set(outcome.pool, outcome));
  const summary = await reaper.rescue({ grace: 0 });
  const status = await reaper.status();
  await reaper.tracked();
  return { summary, outcomes, status };
};
const named = (key: string) =>
  expect.arrayContaining([expect.stringMatching(`^${key.replaceAll('.', '\\.')}: holds a`)]);

/** What is requeued all the same: of the dead pool's `A` and `B`, and of the other pool's `B`; and whether `dead` is left. */
const cases: readonly [key: string, requeued: { A: boolean; B: boolean; other: boolean; isSettled: boolean }][] = [
  [keys.queue('A'), { A: false, B: true, other: true, isSettled: false }],
  [keys.lock('A'), { A: true, B: true, other: true, isSettled: true }],
  [keys.lockInfo('A'), { A: true, B: true, other: true, isSettled: true }],
  [keys.maxConcurrency('A'), { A: true, B: true, other: true, isSettled: true }],
  [keys.inProgress('A', 'dead'), { A: false, B: true, other: true, isSettled: false }],
  [keys.knownJobs, { A: true, B: true, other: true, isSettled: true }],
  // Nothing can be said of a pool whose heartbeat cannot be written: it may live.
  [keys.pools, { A: false, B: false, other: false, isSettled: false }],
  [keys.heartbeat('dead'), { A: false, B: false, other: true, isSettled: false }],
  ...[
    keys.track,
    keys.retry,
    keys.scheduled,
    keys.dead,
    keys.hooks,
    keys.parkedHooks,
    keys.hookEndpoints,
    keys.observed,
    keys.recoveries,
    keys.recovered,
    keys.quarantine,
    keys.progress,
    keys.suspects,
    keys.lease,
    keys.probe,
  ]
    .map((key) => [key, { A: true, B: true, other: true, isSettled: true }] as const)
    .map(([key, all]) => [key, all] as [string, typeof all]),
];

describe.each(cases)('fault 108: %s of the wrong type', (key, requeued) => {
  test('is named by a rescue and by status, and everything else goes on', async () => {
    await seed();
    await spoil(key);
    const before = await redis.dumpBuffer(key);
    const { summary, outcomes, status } = await rescue();
    expect(summary.unreadable).toEqual(named(key));
    expect(status.unreadable).toEqual(named(key));

    const others = requeued.other ? ['other'] : [];
    const isSpoiled = (spoiled: string) => key === spoiled;
    if (!isSpoiled(keys.queue('A'))) expect((await queued('A')).sort()).toEqual(requeued.A ? ['a1', 'a2'] : []);
    expect((await queued('B')).sort()).toEqual([...(requeued.B ? ['b1', 'b2'] : []), ...others].sort());
    if (!isSpoiled(keys.inProgress('A', 'dead'))) expect((await held('A')).length).toBe(requeued.A ? 0 : 2);
    expect((await held('B')).length).toBe(requeued.B ? 0 : 2);
    expect(await held('B', 'alive')).toEqual(['live']);
    if (!isSpoiled(keys.pools)) {
      expect(await redis.sismember(keys.pools, 'dead')).toBe(requeued.isSettled ? 0 : 1);
      expect(await redis.sismember(keys.pools, 'other')).toBe(requeued.other ? 0 : 1);
    }
    const leaves = requeued.B && !requeued.A;
    if (leaves)
      expect(outcomes.get('dead')).toMatchObject({ outcome: 'abandoned', unreadable: named(key), entries: 2 });
    // The key itself is left as it is, and what is right of the counters is made right.
    expect(await redis.dumpBuffer(key)).toEqual(before);
    expect(await redis.get(keys.lock('B'))).toBe(requeued.B ? '1' : key === keys.pools ? '4' : '3');
  });
});

test.each([
  [keys.hooks, { isTracked: true, verdict: 'refire', hook: undefined }],
  [keys.track, { isTracked: false, verdict: 'refire', action: expect.stringContaining('is not tracked') }],
])('fault 108: explain says what it can of a job though %s is of the wrong type', async (key, said) => {
  for (const id of ['job', 'odd-\\xff']) {
    await redis.flushall();
    await seedJob(redis, id, { status: 'Success', web_hook_url: 'http://127.0.0.1:1/x' });
    await spoil(key);
    expect(await create().explain(id)).toMatchObject(said);
  }
});

test('fault 108: a key that is of the right type again lets the next rescue do the rest', async () => {
  await seed();
  await spoil(keys.queue('A'));
  expect((await rescue()).summary).toMatchObject({ entries: 3, pools: { rescued: 1, abandoned: 1 } });
  await redis.del(keys.queue('A'));
  expect((await rescue()).summary).toMatchObject({ entries: 2, pools: { rescued: 1, abandoned: 0 }, unreadable: [] });
  expect((await queued('A')).sort()).toEqual(['a1', 'a2']);
  expect(await redis.smembers(keys.pools)).toEqual(['alive']);
});

test('fault 108: a queue of the wrong type keeps no entries of the types that are requeued before it', async () => {
  await seed();
  await spoil(keys.queue('B'));
  const { outcomes } = await rescue();
  expect(outcomes.get('dead')).toMatchObject({
    outcome: 'abandoned',
    moved: { A: 2 },
    unreadable: named(keys.queue('B')),
  });
  expect((await queued('A')).sort()).toEqual(['a1', 'a2']);
});

test('fault 108: a plan names it too, and what it would leave', async () => {
  await seed();
  await spoil(keys.inProgress('A', 'dead'));
  const summary = await create().rescue({ plan: true, grace: 0 });
  expect(summary).toMatchObject({ entries: 3, unreadable: named(keys.inProgress('A', 'dead')) });
});

test('fault 108: counters of other types are rebuilt where those of one cannot be', async () => {
  await seed();
  await redis.set(keys.lock('B'), 17);
  await spoil(keys.lockInfo('A'));
  const { summary } = await rescue();
  expect(summary.drift).toMatchObject([{ type: 'B', lockBefore: expect.any(String) }]);
  expect(await redis.get(keys.lock('B'))).toBe('1');
  // The lock of a type whose lock_info cannot be read is left too: the two must agree.
  expect(await redis.get(keys.lock('A'))).toBe('0');
  await redis.set(keys.lock('A'), 9);
  expect((await rescue()).summary.unreadable).toEqual(named(keys.lockInfo('A')));
  expect(await redis.get(keys.lock('A'))).toBe('9');
});

describe('fault 107, 108: nothing of a script is done where a part of it cannot be', () => {
  const deregister = () =>
    createScripts(redis).run(
      'deregister_pool',
      [
        keys.pools,
        keys.heartbeat('p'),
        keys.rescueNote('p'),
        ...['A', 'B'].flatMap((type) => [keys.inProgress(type, 'p'), keys.lockInfo(type)]),
      ],
      ['p', 10_000, ''],
    );
  const rebuild = (client = redis) =>
    createScripts(client).run(
      'rebuild_counters',
      [keys.lock('A'), keys.lockInfo('A'), keys.inProgress('A', 'p'), keys.inProgress('A', 'q')],
      ['p', 'q'],
    );
  const stateOf = async () => {
    const names = (await redis.keys('*')).sort();
    return Promise.all(names.map(async (name) => [name, (await redis.dumpBuffer(name))?.toString('base64')]));
  };
  const seedScripts = async () => {
    await redis.sadd(keys.pools, 'p');
    await redis.hset(keys.heartbeat('p'), 'host', 'h');
    for (const type of ['A', 'B']) await redis.hset(keys.lockInfo(type), { p: 3, q: 1 });
    await redis.set(keys.lock('A'), 9);
    await redis.rpush(keys.inProgress('A', 'q'), 'x', 'y');
  };

  test.each([keys.pools, keys.heartbeat('p'), keys.inProgress('B', 'p')])('deregister_pool: %s', async (key) => {
    await seedScripts();
    await spoil(key);
    const before = await stateOf();
    await expect(deregister()).rejects.toThrow(`WRONGTYPE ${key} holds a`);
    expect(await stateOf()).toEqual(before);
  });

  test('deregister_pool passes over a lock_info that is not a hash, and removes the rest', async () => {
    await seedScripts();
    await redis.del(keys.inProgress('A', 'q'));
    await spoil(keys.lockInfo('A'));
    expect(await deregister()).toEqual({ outcome: 'traces' });
    expect([await redis.hgetall(keys.lockInfo('B')), await redis.scard(keys.pools)]).toEqual([{ q: '1' }, 0]);
  });

  test.each([
    ['lock', keys.lock('A')],
    ['lock_info', keys.lockInfo('A')],
  ])('rebuild_counters: the %s, which the error names', async (_, key) => {
    await seedScripts();
    await spoil(key);
    const before = await stateOf();
    await expect(rebuild()).rejects.toThrow(`WRONGTYPE ${key} holds a`);
    expect(await stateOf()).toEqual(before);
  });

  test('rebuild_counters counts a list of the wrong type as empty', async () => {
    await seedScripts();
    await spoil(keys.inProgress('A', 'p'));
    await rebuild();
    expect([await redis.get(keys.lock('A')), await redis.hgetall(keys.lockInfo('A'))]).toEqual(['2', { q: '2' }]);
  });

  test.each([
    ['rebuild_counters', ['get', 'set', 'hgetall', 'hset', 'hdel', 'llen'], rebuild],
    ['deregister_pool', ['sismember', 'srem', 'hget', 'del', 'hdel', 'llen'], undefined],
  ] as const)('%s: each right that is missing', async (name, rights, run) => {
    for (const right of rights) {
      await redis.flushall();
      await seedScripts();
      if (name === 'deregister_pool') await redis.del(keys.inProgress('A', 'q'));
      await redis.call('ACL', 'SETUSER', 'lacking', 'reset', 'on', '>pass', '~t:*', '+@all', `-${right}`);
      const client = opened.hold(redis.duplicate({ username: 'lacking', password: 'pass' }));
      const before = await stateOf();
      const step =
        run === undefined
          ? createScripts(client).run(
              'deregister_pool',
              [keys.pools, keys.heartbeat('p'), keys.rescueNote('p'), keys.inProgress('A', 'p'), keys.lockInfo('A')],
              ['p', 10_000, ''],
            )
          : run(client);
      await expect(step).rejects.toThrow(new RegExp(`NOPERM.* ${right} on t:`, 'i'));
      expect(await stateOf()).toEqual(before);
    }
  });
});
