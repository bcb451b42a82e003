/** A planned rescue does what was planned with the entries that were planned, compared byte by byte. A real Redis. */
import { describe, expect, test } from 'vitest';
import type { PlannedChange, PlannedRescue, PoolOutcome, RescueOptions } from '../../../src/index.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, second } from '../../support/jobs.ts';
import { entryOf, idsIn, markOf, seedPool } from '../../support/pools.ts';

const { server, redis, scripts, opened } = await redisFixture();
const list = 't:jobs:X:p:inprogress';
const deaths = JSON.stringify([1, 2, 3].map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]));
const seed = (...ids: string[]) =>
  seedPool(redis, 'p', { heartbeat: second(-100), jobNames: 'X', holds: new Map([['X', ids]]) });
/** The entry of the same job with other bytes. */
const otherEntryOf = (id: string) => entryOf(id).replace('"args":{}', '"args":{"n":1}');

const rescue = async (given: RescueOptions, client = redis, batchSize = 2) => {
  const reaper = opened.create({
    redis: client === redis ? server.url : opened.hold(client),
    rescue: { orphanedAfter: 0, batchSize },
  });
  const pools: PoolOutcome[] = [];
  reaper.on('pool', (outcome) => void pools.push(outcome));
  const { acts = [] } = await reaper.rescue({ grace: 0, ...given });
  await reaper.stop({ timeout: 0 });
  return { pools, acts };
};
const plan = async (): Promise<readonly PlannedChange[]> => (await rescue({ plan: true })).acts;
/** Calls `before` once, before the first call that `isIt` says. */
const onceBefore = (
  isIt: (args: readonly unknown[]) => unknown,
  before: () => Promise<unknown>,
  command: 'evalsha' | 'llen' = 'evalsha',
) => {
  let isDone = false;
  return intercept(redis, command, async (args) => {
    if (isDone || !(await isIt(args))) return;
    isDone = true;
    await before();
  });
};
const isRequeue = (args: readonly unknown[]) => args.includes('t:reaper:recovered') && args.includes('t:jobs:X:lock');
const isQuarantine = (args: readonly unknown[]) => args.includes('t:reaper:quarantine:before:a');
const movedError = (why: string) => ({
  pool: 'p',
  outcome: 'abandoned',
  isMoved: true,
  error: `not as planned: ${why}`,
});

test('a plan names each entry of a dead pool, the newest first, and what is done with it', async () => {
  await seed('a', 'b', 'c', 'd', 'e');
  await redis.hset('t:reaper:recoveries', 'b', deaths);
  const [act] = (await plan()) as PlannedRescue[];
  expect(act).toMatchObject({ entries: { X: 4 }, poison: [{ id: 'b', type: 'X' }] });
  const marks = ['e', 'd', 'c', 'b', 'a'].map((id) => markOf(id === 'b' ? 'q' : 'r', entryOf(id)));
  expect(act?.marks).toEqual({ X: marks.join('') });
});

test('a plan names many entries in their order', async () => {
  const ids = Array.from({ length: 120 }, (_, i) => `j${i}`);
  await seed(...ids);
  const [act] = (await rescue({ plan: true }, redis, 100)).acts as PlannedRescue[];
  const entries = await redis.lrange(list, 0, -1);
  expect(act?.marks).toEqual({ X: entries.map((entry) => markOf('r', entry)).join('') });
});

test.each<[string, (entries: string[]) => string[]]>([
  ['the oldest', ([c = '', b = '']) => [c, b, entryOf('new')]],
  ['the newest', ([, b = '', a = '']) => [entryOf('new'), b, a]],
  ['one in between', ([c = '', , a = '']) => [c, entryOf('new'), a]],
  ['one, for another of its job', ([c = '', b = '']) => [c, b, otherEntryOf('a')]],
  ['two, with each other', ([c = '', b = '', a = '']) => [c, a, b]],
  ['the newest but one, which is gone', ([c = '', , a = '']) => [c, a]],
])('a dead pool of which an entry was exchanged since its plan is left whole: %s', async (_, exchange) => {
  await seed('a', 'b', 'c');
  const acts = await plan();
  const entries = exchange(await redis.lrange(list, 0, -1));
  await redis.del(list);
  await redis.rpush(list, ...entries);
  expect((await rescue({ acts })).pools).toMatchObject([{ ...movedError('it holds other entries of X'), moved: {} }]);
  expect(await redis.lrange(list, 0, -1)).toEqual(entries);
  expect(await redis.exists('t:jobs:X')).toBe(0);
});

test('a dead pool that holds entries of another type since its plan is left whole', async () => {
  await seed('a');
  const acts = await plan();
  await redis.lpush('t:jobs:constructor:p:inprogress', entryOf('x', 'constructor'));
  const { pools } = await rescue({ acts });
  expect(pools).toMatchObject([movedError('it holds 1 entries of constructor, and 0 were planned')]);
  expect(await idsIn(redis, list)).toEqual(['a']);
});

test('a dead pool of which an entry was to be quarantined and is gone is left whole', async () => {
  await seed('a', 'b');
  await redis.hset('t:reaper:recoveries', 'a', deaths);
  const acts = await plan();
  await redis.rpop(list);
  expect((await rescue({ acts })).pools).toMatchObject([movedError('other jobs would be quarantined')]);
  expect(await idsIn(redis, list)).toEqual(['b']);
});

test('entries that are exchanged while their pool is rescued are left, with what is behind them', async () => {
  await seed('a', 'b', 'c', 'd');
  const acts = await plan();
  const client = onceBefore(isRequeue, () => redis.lset(list, -2, entryOf('new')));
  const { pools } = await rescue({ acts }, client);
  expect(pools).toMatchObject([{ ...movedError('it holds other entries of X'), moved: { X: 1 } }]);
  expect(await idsIn(redis, list)).toEqual(['d', 'c', 'new']);
  expect(await idsIn(redis, 't:jobs:X')).toEqual(['a']);
});

test.each(['evalsha', 'llen'] as const)(
  'an entry that comes back after it was requeued is not requeued twice, before %s',
  async (command) => {
    await seed('a', 'b', 'c', 'd');
    const acts = await plan();
    const client = onceBefore(
      async (args) => (command === 'llen' || isRequeue(args)) && (await redis.llen('t:jobs:X')) === 2,
      () => redis.rpush(list, entryOf('b')),
      command,
    );
    const { pools } = await rescue({ acts }, client);
    expect(pools).toMatchObject([{ ...movedError('it holds 3 entries of X, and 2 were planned'), moved: { X: 2 } }]);
    expect(await idsIn(redis, list)).toEqual(['d', 'c', 'b']);
  },
);

test('of a poison job no other entry is quarantined than the planned one', async () => {
  await seed('a', 'b');
  await redis.hset('t:reaper:recoveries', 'a', deaths);
  const acts = await plan();
  const client = onceBefore(isQuarantine, () => redis.lset(list, -1, otherEntryOf('a')));
  expect((await rescue({ acts }, client)).pools).toMatchObject([movedError('it holds other entries of X')]);
  expect(await redis.lrange(list, 0, -1)).toEqual([entryOf('b'), otherEntryOf('a')]);
  expect(await redis.exists('t:reaper:quarantine')).toBe(0);
});

test.each<[string, string, () => Promise<unknown>]>([
  ['an entry that was to be quarantined is not requeued', 'a', () => redis.del('t:reaper:recoveries')],
  ['an entry that was to be requeued is not quarantined', 'x', () => redis.hset('t:reaper:recoveries', 'a', deaths)],
])('%s', async (_, poison, change) => {
  await seed('a', 'b');
  await redis.hset('t:reaper:recoveries', poison, deaths);
  const acts = await plan();
  const { pools } = await rescue({ acts }, onceBefore(isRequeue, change));
  expect(pools).toMatchObject([{ ...movedError('other jobs would be quarantined'), moved: {} }]);
  expect(await idsIn(redis, list)).toEqual(['b', 'a']);
});

test('entries behind one that cannot be quarantined stay, and those before it and of other types are requeued', async () => {
  await seed('a', 'b', 'c');
  await seedPool(redis, 'p', { isRegistered: false, holds: new Map([['Y', ['y']]]) });
  await redis.hset('t:reaper:recoveries', { b: deaths, c: deaths });
  await redis.set('t:dead', 'no zset');
  const acts = await plan();
  const marks = [markOf('-', entryOf('c')), markOf('-', entryOf('b')), markOf('r', entryOf('a'))];
  expect(acts.filter((act) => 'marks' in act)).toMatchObject([
    { entries: { X: 1, Y: 1 }, marks: { X: marks.join(''), Y: markOf('r', entryOf('y', 'Y')) } },
  ]);
  const { pools } = await rescue({ acts });
  expect(pools).toMatchObject([{ pool: 'p', outcome: 'abandoned', moved: { X: 1, Y: 1 } }]);
  expect(pools[0]?.isMoved).toBeUndefined();
  expect(await idsIn(redis, list)).toEqual(['c', 'b']);
});

test('what another reaper has requeued meanwhile is not missed', async () => {
  await seed('a', 'b', 'c', 'd', 'e');
  const acts = await plan();
  const takeThree = () => Promise.all([1, 2, 3].map(() => redis.rpoplpush(list, 't:jobs:X')));
  const { pools } = await rescue({ acts }, onceBefore(isRequeue, takeThree));
  expect(pools).toMatchObject([{ pool: 'p', outcome: 'rescued', moved: { X: 2 } }]);
  expect(await idsIn(redis, 't:jobs:X')).toEqual(['e', 'd', 'c', 'b', 'a']);
});

/** Another reaper takes three entries between the first two reads of the list. */
const takingThree = () => {
  let reads = 0;
  return intercept(redis, 'evalsha', async (args) => {
    const isRead = args.includes(list) && args.includes('t:reaper:recovered') && !args.includes('t:jobs:X:lock');
    if (!isRead || ++reads !== 2) return;
    for (let i = 0; i < 3; i++) await redis.rpoplpush(list, 't:jobs:X');
  });
};

test.each(['plan', 'rescue'])('what another reaper takes while a list is read for a %s is not missed', async (pass) => {
  await seed('a', 'b', 'c', 'd', 'e', 'f');
  const { acts } = await rescue({ plan: true }, pass === 'plan' ? takingThree() : redis);
  const { pools } = await rescue({ acts }, pass === 'rescue' ? takingThree() : redis);
  expect(pools).toMatchObject([{ pool: 'p', outcome: 'rescued', moved: { X: 3 } }]);
  expect(await idsIn(redis, 't:jobs:X')).toEqual(['f', 'e', 'd', 'c', 'b', 'a']);
});

test('what another reaper takes before a step is not missed, even if that is all that the step was for', async () => {
  await seed('a', 'b', 'c', 'd', 'e', 'f');
  const acts = await plan();
  const takeAll = () => Promise.all([1, 2, 3].map(() => redis.rpoplpush(list, 't:jobs:X')));
  const { pools } = await rescue({ acts }, onceBefore(isRequeue, takeAll));
  expect(pools).toMatchObject([{ pool: 'p', outcome: 'rescued', moved: { X: 3 } }]);
});

test('several reapers do a plan at once', async () => {
  const ids = Array.from({ length: 60 }, (_, i) => `j${i}`);
  await seed(...ids);
  const acts = await plan();
  const ends = await Promise.all([1, 2, 3].map(() => rescue({ acts })));
  expect(ends.flatMap(({ pools }) => pools).filter(({ isMoved }) => isMoved)).toEqual([]);
  expect((await idsIn(redis, 't:jobs:X')).sort()).toEqual(ids.sort());
});

test('a planned rescue ends where recoveries cannot be recorded, and requeues no poison job', async () => {
  await seed('a', 'b');
  await redis.hset('t:reaper:recoveries', 'a', deaths);
  const acts = await plan();
  await redis.call('ACL', 'SETUSER', 'some', 'on', '>secret', '~*', '&*', '+@all', '-lpop');
  const user = redis.duplicate({ username: 'some', password: 'secret' });
  const { pools } = await rescue({ acts }, user);
  await redis.call('ACL', 'DELUSER', 'some');
  expect(pools).toMatchObject([
    { outcome: 'abandoned', isMoved: true, moved: {}, error: expect.stringContaining('can recoveries be recorded?') },
  ]);
  expect(await idsIn(redis, list)).toEqual(['b', 'a']);
});

test('entries that were to stay, because one cannot be quarantined, are not requeued though they could be now', async () => {
  await seed('a', 'b');
  await redis.hset('t:reaper:recoveries', 'a', deaths);
  await redis.set('t:dead', 'no sorted set');
  const acts = await plan();
  expect(acts).toMatchObject([{ marks: { X: expect.stringMatching(/^-.{11}-.{11}$/) } }]);
  await redis.del('t:dead', 't:reaper:recoveries');
  const { pools } = await rescue({ acts });
  expect(pools).toMatchObject([{ pool: 'p', outcome: 'abandoned', isMoved: true, moved: {} }]);
  expect(await idsIn(redis, list)).toEqual(['b', 'a']);
});

test('a job that only the marks of an act name is not quarantined', async () => {
  await redis.hset('t:reaper:recoveries', { a: deaths, other: deaths });
  await seedPool(redis, 'gone', { heartbeat: second(-100), holds: new Map([['X', ['other']]]) });
  await rescue({});
  await seed('a', 'b');
  const [act] = (await plan()) as PlannedRescue[];
  const acts = [{ ...(act as PlannedRescue), poison: [{ id: 'other', type: 'X' }] }];
  expect((await rescue({ acts })).pools).toMatchObject([movedError('other jobs would be quarantined')]);
  expect(await redis.hkeys('t:reaper:quarantine')).toEqual(['other']);
});

describe('a step of a planned rescue', () => {
  const stale = String(second(-200));
  const marksOf = (...ids: string[]) => ids.map((id) => markOf('r', entryOf(id))).join('');
  const requeue = async (marks: string, from: number) => {
    await redis.sadd('t:worker_pools', 'p');
    await redis.hset('t:worker_pools:p', 'heartbeat_at', stale);
    const keys = ['', ':lock', ':lock_info'].map((end) => `t:jobs:X${end}`);
    const reply = await scripts.run(
      'requeue',
      [
        ...['t:worker_pools', 't:worker_pools:p', 't:reaper:recoveries', 't:reaper:recovered', 't:reaper:quarantine'],
        ...['t:dead', 't:reaper:rescues:p', list, ...keys],
      ],
      ['p', 100_000, stale, 100, 3, 86_400, '', 'X', marks, from],
    );
    return reply.outcome === 'moved' ? [reply.counts, await idsIn(redis, 't:jobs:X')] : reply;
  };
  const lists = ['e', 'd', 'c', 'b', 'a'];

  test.each<[string, string, number, string[]]>([
    ['requeues what is planned', marksOf(...lists), 0, lists],
    ['of which the rest is not known yet', marksOf('c', 'b', 'a'), 2, ['c', 'b', 'a']],
    ['stops before another entry', marksOf('e', 'd', 'c', 'x', 'a'), 0, ['a']],
    [
      'stops where an entry is to be quarantined',
      marksOf('e', 'd') + markOf('q', entryOf('c')) + marksOf('b', 'a'),
      0,
      ['b', 'a'],
    ],
    ['stops where an entry stays', markOf('-', entryOf('e')) + marksOf('d', 'c', 'b', 'a'), 0, ['d', 'c', 'b', 'a']],
    ['requeues nothing without marks', '', 0, []],
    ['requeues nothing of a list that is longer than planned', marksOf('d', 'c', 'b', 'a'), 0, []],
    ['requeues nothing of a list that has become shorter than the marks know', marksOf('a'), 5, []],
  ])('%s', async (_, marks, from, moved) => {
    await redis.rpush(list, ...lists.map((id) => entryOf(id)));
    expect(await requeue(marks, from)).toEqual([[{ moved: moved.length, left: 5 - moved.length }], moved]);
  });

  test('compares every entry, however many one step takes', async () => {
    const ids = Array.from({ length: 90 }, (_, i) => `j${i}`);
    await redis.rpush(list, ...ids.map((id) => entryOf(id)));
    const reply = await requeue(marksOf(...ids.slice(0, 9), 'x', ...ids.slice(10)), 0);
    expect(reply).toEqual([[{ moved: 80, left: 10 }], ids.slice(10)]);
  });
});
