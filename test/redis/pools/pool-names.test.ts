/** Job types and pools are named by others: both may hold colons, and anything else. */
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { Reaper, ReaperOptions } from '../../../src/index.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { readListName, typeProvenBy } from '../../../src/io/redis/keyNames.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { countTimers, createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second } from '../../support/jobs.ts';
import { entryOf, idsIn, seedPool } from '../../support/pools.ts';

const { server, redis, opened, scripts } = await redisFixture();

const create = (options: Partial<ReaperOptions> = {}): Reaper => opened.create({ redis: server.url, ...options });
const holds = (type: string, ...ids: string[]) => new Map([[type, ids]]);
const list = (type: string, pool: string) => `t:jobs:${type}:${pool}:inprogress`;
const old = () => second(-600);

describe('fault 103: a name is read by the types and pools that are known', () => {
  const known = (types: string[], pools: string[] = []) => ({ types: new Set(types), pools: new Set(pools) });
  test.each([
    ['one colon: only one way to read it', 'A:p', known([]), { type: 'A', pool: 'p' }],
    ['a pool with a colon', 'A:web-1:4711', known(['A'], ['web-1:4711']), { type: 'A', pool: 'web-1:4711' }],
    ['a type with a colon', 'mail:send:p', known(['mail:send'], ['p']), { type: 'mail:send', pool: 'p' }],
    ['both', 'mail:send:h:1', known(['mail:send'], ['h:1']), { type: 'mail:send', pool: 'h:1' }],
    ['only the type is known', 'A:web-1:4711', known(['A']), { type: 'A', pool: 'web-1:4711' }],
    ['only the pool is known', 'A:web-1:4711', known([], ['4711']), { type: 'A:web-1', pool: '4711' }],
    ['both known beats one known', 'A:b:c', known(['A', 'A:b'], ['c']), { type: 'A:b', pool: 'c' }],
    ['nothing is known', 'A:b:c', known([]), 'several'],
    ['two types are known, no pool', 'A:b:c', known(['A', 'A:b']), 'several'],
    ['the type of the one, the pool of the other', 'A:b:c', known(['A'], ['c']), 'several'],
    ['two types and two pools are known', 'A:b:c', known(['A', 'A:b'], ['b:c', 'c']), 'several'],
    ['a type that another begins with', 'AB:c:d', known(['A', 'AB']), { type: 'AB', pool: 'c:d' }],
    ['parts that are empty', '::', known([]), 'none'],
    ['a pool named lock', 'A:lock', known([]), { type: 'A', pool: 'lock' }],
    ['a pool named inprogress', 'A:inprogress', known([]), { type: 'A', pool: 'inprogress' }],
  ])('%s', (_, middle, names, reading) => {
    expect(readListName(`${middle}:inprogress`, names)).toEqual(reading);
  });

  test('a queue whose type is named like a list is a queue where the type is known', () => {
    expect(readListName('A:p:inprogress', known(['A:p:inprogress']))).toBeUndefined();
    expect(readListName('A:p:inprogress', known(['A:p:inprogress', 'A'], ['p']))).toBe('several');
    expect(readListName('inprogress', known([]))).toBeUndefined();
    expect(readListName('A:inprogress', known([]))).toBeUndefined();
  });

  test.each([
    ['A', 'list', 'A'],
    ['A:lock', 'list', 'A:lock'],
    ['A:inprogress', 'list', 'A:inprogress'],
    ['A:p:inprogress', 'list', undefined],
    ['A:lock', 'string', 'A'],
    ['x:lock:lock', 'string', 'x:lock'],
    ['A:lock_info', 'hash', 'A'],
    ['A:lock_info', 'string', undefined],
    ['A:max_concurrency', 'string', 'A'],
    ['A:paused', 'string', undefined],
    [':lock', 'string', undefined],
    ['', 'list', undefined],
  ])('%s as a %s proves the type %s', (name, holdsType, type) => expect(typeProvenBy(name, holdsType)).toBe(type));
});

test('fault 103: the entry of a live pool whose id has a colon is never touched', async () => {
  await seedPool(redis, 'web-1:4711', { heartbeat: second(), jobNames: 'IMAGE_SCAN', holds: holds('IMAGE_SCAN', 'a') });
  expect(await create().rescue({ grace: 0 })).toMatchObject({ alive: 1, suspects: 0, entries: 0, drift: [] });
  expect(await idsIn(redis, list('IMAGE_SCAN', 'web-1:4711'))).toEqual(['a']);
  expect(await redis.get('t:jobs:IMAGE_SCAN:lock')).toBe('1');
  expect(await redis.hgetall('t:jobs:IMAGE_SCAN:lock_info')).toEqual({ 'web-1:4711': '1' });
  expect(await redis.keys('t:jobs:IMAGE_SCAN:web-1*')).toEqual([list('IMAGE_SCAN', 'web-1:4711')]);
});

test('fault 103: a pool that has fetched before its first heartbeat is known by its counter', async () => {
  await seedPool(redis, 'web-1:4711', { isRegistered: false, holds: holds('IMAGE_SCAN', 'a') });
  const clock = new SimulatedClock();
  const timers = countTimers(clock);
  const ended = create({ clock }).rescue();
  await expect.poll(() => timers(15_000)).toBe(1);
  await seedPool(redis, 'web-1:4711', { heartbeat: second(), jobNames: 'IMAGE_SCAN' });
  clock.increment(15_000);
  expect(await ended).toMatchObject({ suspects: 1, pools: { alive: 1 }, entries: 0 });
  expect(await idsIn(redis, list('IMAGE_SCAN', 'web-1:4711'))).toEqual(['a']);
});

test.each([
  ['registered', { heartbeat: old(), jobNames: 'IMAGE_SCAN' }, []],
  ['registered, and nothing else', {}, []],
  ['unregistered, its type in known_jobs', { isRegistered: false, isCounted: false }, ['IMAGE_SCAN']],
  ['unregistered, named by lock_info', { isRegistered: false }, []],
  ['unregistered, named by lock_info, and another type fits too', { isRegistered: false }, ['IMAGE_SCAN:web-1']],
  ['unregistered, with its heartbeat', { isRegistered: false, isCounted: false, heartbeat: old() }, []],
])('fault 103: entries of a dead pool whose id has a colon go to the right queue: %s', async (_, pool, knownJobs) => {
  await seedPool(redis, 'web-1:4711', { ...pool, holds: holds('IMAGE_SCAN', 'a', 'b') });
  if (knownJobs.length > 0) await redis.sadd('t:known_jobs', ...knownJobs);
  expect(await create().rescue({ grace: 0 })).toMatchObject({ entries: 2, pools: { rescued: 1 }, unreadable: [] });
  expect((await idsIn(redis, 't:jobs:IMAGE_SCAN')).sort()).toEqual(['a', 'b']);
  expect(await redis.keys('t:jobs:IMAGE_SCAN:web*')).toEqual([]);
  expect([await redis.get('t:jobs:IMAGE_SCAN:lock'), await redis.smembers('t:worker_pools')]).toEqual(['0', []]);
});

test('fault 103: types given in the options count as known', async () => {
  await seedPool(redis, 'h:1', { isRegistered: false, isCounted: false, holds: holds('GIVEN', 'a') });
  expect(await create().rescue({ grace: 0 })).toMatchObject({ entries: 0 });
  expect(await create({ jobTypes: ['GIVEN'] }).rescue({ grace: 0 })).toMatchObject({ entries: 1, unreadable: [] });
  expect(await idsIn(redis, 't:jobs:GIVEN')).toEqual(['a']);
});

test('fault 103: odd names of types and pools are taken as they are', async () => {
  const names = ['A*', '[B]?', 'C\\', 'lock', 'inprogress', 'x:lock', 'mail:send', 'mail', '{c}', ' d ', 'é:ü'];
  await redis.sadd('t:known_jobs', ...names);
  for (const [i, type] of names.entries()) {
    await seedPool(redis, `dead ${i}*?[`, { heartbeat: old(), holds: holds(type, `dead-${i}`) });
    await seedPool(redis, `live:${i}`, { heartbeat: second(), jobNames: type, holds: holds(type, `live-${i}`) });
  }
  const summary = await create().rescue({ grace: 0 });
  expect(summary).toMatchObject({ entries: names.length, alive: names.length, drift: [], unreadable: [] });
  for (const [i, type] of names.entries()) {
    expect(await idsIn(redis, list(type, `live:${i}`))).toEqual([`live-${i}`]);
    expect(await redis.get(`t:jobs:${type}:lock`)).toBe('1');
  }
});

describe('fault 103: what stays ambiguous is named and left', () => {
  const key = list('A:b', 'c');
  const left = async (options: Partial<ReaperOptions> = {}) => {
    const before = await redis.lrange(key, 0, -1);
    const reaper = create(options);
    const summary = await reaper.rescue({ grace: 0 });
    expect(await redis.lrange(key, 0, -1)).toEqual(before);
    expect(summary.unreadable).toEqual([expect.stringContaining(key)]);
    expect((await reaper.status()).unreadable).toEqual([expect.stringContaining(key)]);
    return summary;
  };

  test('nothing of it is known', async () => {
    await seedPool(redis, 'c', { isRegistered: false, isCounted: false, holds: holds('A:b', 'a') });
    expect(await left()).toMatchObject({ entries: 0, suspects: 0 });
  });

  test('two types are known, and no pool', async () => {
    await redis.sadd('t:known_jobs', 'A', 'A:b');
    await seedPool(redis, 'c', { isRegistered: false, isCounted: false, holds: holds('A:b', 'a') });
    expect(await left()).toMatchObject({ entries: 0 });
  });

  test('the dead pool that it may be of keeps its place, and its other entries are requeued', async () => {
    await redis.sadd('t:known_jobs', 'A', 'A:b', 'X');
    await seedPool(redis, 'c', { heartbeat: old(), holds: holds('A:b', 'a') });
    await seedPool(redis, 'c', { holds: holds('X', 'x') });
    await seedPool(redis, 'b:c', { heartbeat: second(), jobNames: 'A' });
    const summary = await left();
    expect(summary).toMatchObject({ entries: 1, pools: { abandoned: 1 }, drift: [] });
    expect(await idsIn(redis, 't:jobs:X')).toEqual(['x']);
    expect((await redis.smembers('t:worker_pools')).sort()).toEqual(['b:c', 'c']);
    expect(await redis.get('t:jobs:A:b:lock')).toBe('1');
  });
});

test('fault 103: a list is not taken from the pool that it is of by another one that is dead', async () => {
  // `4711` is dead; were it of the type `IMAGE_SCAN:web-1`, its list would have the name of the live pool's.
  await seedPool(redis, 'web-1:4711', { heartbeat: second(), jobNames: 'IMAGE_SCAN', holds: holds('IMAGE_SCAN', 'a') });
  // The same both times: one that moves, if only by a second, is that of a live pool.
  const heartbeat = old();
  await seedPool(redis, '4711', { heartbeat, holds: holds('X', 'x') });
  const summary = await create().rescue({ grace: 0 });
  expect(summary).toMatchObject({ entries: 1, pools: { rescued: 1 }, unreadable: [], drift: [] });
  await redis.sadd('t:known_jobs', 'IMAGE_SCAN:web-1');
  await seedPool(redis, '4711', { heartbeat, holds: holds('X', 'y') });
  expect(await create().rescue({ grace: 0 })).toMatchObject({ entries: 1, pools: { abandoned: 1 } });
  expect(await idsIn(redis, list('IMAGE_SCAN', 'web-1:4711'))).toEqual(['a']);
  expect(await redis.get('t:jobs:IMAGE_SCAN:lock')).toBe('1');
});

test('fault 103: a pool that comes up during the grace makes the list of another one ambiguous', async () => {
  await redis.sadd('t:known_jobs', 'A:b');
  await seedPool(redis, 'c', { heartbeat: old(), holds: holds('A:b', 'a') });
  const clock = new SimulatedClock();
  const timers = countTimers(clock);
  const ended = create({ clock }).rescue();
  await expect.poll(() => timers(15_000)).toBe(1);
  await seedPool(redis, 'b:c', { heartbeat: second(), jobNames: 'A', holds: holds('A', 'live') });
  clock.increment(15_000);
  expect(await ended).toMatchObject({ entries: 0, pools: { abandoned: 1 } });
  expect((await idsIn(redis, list('A', 'b:c'))).sort()).toEqual(['a', 'live']);
});

test('a type that is named like a key of another one is requeued in a step of its own', async () => {
  await seedPool(redis, 'p', { heartbeat: old() });
  await redis.sadd('t:known_jobs', 'X', 'X:lock');
  await redis.rpush(list('X', 'p'), entryOf('a'));
  await redis.rpush(list('X:lock', 'p'), entryOf('b'));
  const pools = createPools({
    connection: { redis, description: '', epoch: () => 1, close: async () => undefined },
    keys: keysOf('t'),
    scripts,
    jobTypes: [],
    heartbeatAge: 10_000,
    batch: 10,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: createTestClock(),
  });
  const heartbeat = (await redis.hget('t:worker_pools:p', 'heartbeat_at')) ?? '';
  const types = ['X', 'X:lock'];
  const suspect = { pool: 'p', heartbeat, types, evidence: '', disruptions: 0, at: 0 };
  // The lock of X would be there before its name is needed for a queue.
  expect(await pools.requeue(suspect, types)).toMatchObject({ counts: [{ moved: 1, left: 0 }] });
  expect(await redis.hkeys('t:reaper:recoveries')).toEqual(['a']);
  expect(await pools.requeue(suspect, types.slice(1))).toMatchObject({
    outcome: 'refused',
    reason: expect.stringContaining('t:jobs:X:lock: holds a string'),
  });
  expect(await redis.llen(list('X:lock', 'p'))).toBe(1);
});

test('fault 103: status counts an entry once, for the pool that has it', async () => {
  await redis.sadd('t:known_jobs', 'A', 'mail:send');
  await seedPool(redis, 'web-1:4711', { heartbeat: second(), jobNames: 'A', holds: holds('A', 'a') });
  await redis.lpush('t:jobs:mail:send', entryOf('queued', 'mail:send'));
  const { queues, pools, unreadable } = await create().status();
  expect(queues).toMatchObject([
    { type: 'A', inProgress: 1, drift: 0 },
    { type: 'mail:send', queued: 1, inProgress: 0 },
  ]);
  expect(pools).toMatchObject([{ pool: 'web-1:4711', isAlive: true, inProgress: 1 }]);
  expect(unreadable).toEqual([]);
});

test.each(['Pending', 'Success'])(
  'fault 103: a %s entry is not taken from the live pool that runs it by another live one',
  async (status) => {
    // Were the list that of the pool `b`, no worker of which says that it runs the job, its type would be `a:x`.
    for (const [pool, jobNames, worker] of [
      ['b', 'a:x', 'w1'],
      ['x:b', 'a', 'w2'],
    ] as const) {
      await seedPool(redis, pool, { heartbeat: second(), jobNames, holds: pool === 'b' ? new Map() : holds('a', 'j') });
      await redis.hset(`t:worker_pools:${pool}`, { heartbeat_at: second(), worker_ids: worker });
      await redis.zadd('t:reaper:observed', second(), pool);
    }
    await redis.hset('t:worker:w2', { job_name: 'a', job_id: 'j', started_at: second(-90), args: '' });
    await redis.hset('t:job_stats:j', { id: 'j', status, update_time: second(-100), revision: second(-100) });
    const clock = createTestClock();
    for (let i = 0; i < 4; i++) {
      await redis.hset('t:worker:w1', { job_name: 'a:x', job_id: `k${i}`, started_at: second(i), args: '' });
      const summary = await create({ clock }).rescue({ grace: 0 });
      expect(summary).toMatchObject({ alive: 2, orphaned: 0, finished: 0 });
      expect(summary.unreadable).toEqual([expect.stringContaining(list('a', 'x:b'))]);
      clock.advance(15_000);
    }
    expect(await idsIn(redis, list('a', 'x:b'))).toEqual(['j']);
    expect([await redis.exists('t:worker:w2'), await redis.get('t:jobs:a:lock')]).toEqual([1, '1']);
  },
);
