import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ReplyOf, ScriptName } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second } from '../../support/jobs.ts';

// What each script that only reads answers, how an entry is found again, and what a recount does in one step, rule by rule
// (150: behavior that no test proved).

const { redis, scripts } = await redisFixture();

const pools = 't:worker_pools';
const heartbeat = 't:worker_pools:p';
const heldOf = (pool: string) => `t:jobs:X:${pool}:inprogress`;
const held = heldOf('p');
const lock = 't:jobs:X:lock';
const lockInfo = 't:jobs:X:lock_info';
const recoveries = 't:reaper:recoveries';
const stale = String(second(-200));
const maxAge = 100_000;

const run = <Name extends ScriptName>(
  name: Name,
  keys: readonly string[],
  args: readonly (string | number)[] = [],
): Promise<ReplyOf<Name>> => scripts.run(name, keys, args);
const enqueuedAt = second(-60);
const entry = (id: string, more = '') => `{"name":"X","id":"${id}","t":${enqueuedAt},"args":{}${more}}`;
const sha1 = (text: string | Buffer) => createHash('sha1').update(text).digest('hex');
const allOf = async () =>
  Promise.all((await redis.keys('*')).sort().map(async (key) => [key, await redis.dumpBuffer(key)]));

describe('what a list holds', () => {
  const read = async (from = 0, most = 100, bytes = 1_000_000) => {
    const { isEnd, entries } = await run('read_held', [held], [from, most, bytes]);
    return [isEnd, entries] as const;
  };

  test('is read from the tail on, part by part, each entry by the SHA-1 of its bytes', async () => {
    const ids = Array.from({ length: 50 }, (_, i) => `j${i}`);
    await redis.lpush(held, ...ids.map((id) => entry(id)));
    const readings = ids.map((id) => [sha1(entry(id)), id, 0]);
    expect(await read()).toEqual([true, readings]);
    expect(await read(0, 20)).toEqual([false, readings.slice(0, 20)]);
    expect(await read(20, 30)).toEqual([true, readings.slice(20)]);
    expect(await read(50)).toEqual([true, []]);
  });

  test('is read by the bytes that were asked for, however large its entries are', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `j${i}`);
    await redis.lpush(held, ...ids.map((id) => entry(id, `,"x":"${'x'.repeat(5_000)}"`)));
    const [isEnd, found] = await read(0, 40, 86_000);
    expect([isEnd, found.map(([, id]) => id)]).toEqual([false, ids.slice(0, 33)]);
  });

  test.each([
    ['{"name":"X","id":"a","t":1,"args":{}}', 'a'],
    ['{"name":"X","id":"a","t":1,"id":"b"}', 'b'],
    ['{"name":"X","id":"a","t":1,"\\u0069d":"b"}', 'b'],
    ['{"name":"X","id":"a","t":1,"i\\u0064":"b"}', 'b'],
    ['{"name":"a\\"b","id":"a","t":1}', 'a'],
    ['{ "id" : "a" }', 'a'],
    ['{"name":"X","id":"p","args":{"_job_kind_periodic_":"7"}}', 'p@7'],
    ['{"name":"X","id":"p","args":{"_job_kind_periodic_":7}}', 'p@7'],
    ['{"name":"X","id":"p","args":{"_job_kind_periodic_":7.5}}', 'p'],
    ['{"name":"X","id":"p","args":{"_job_kind_periodic_":null}}', 'p'],
    ['{"name":"X","id":"p","args":null}', 'p'],
    ['{"name":"X","id":"p@7","args":{}}', 'p@7'],
    ['{"name":"X","id":"a\\ud800b","t":1}', 'a\uFFFDb'],
    ['{"name":"X","id":"\\ud83d\\ude00","t":1}', '😀'],
    ['{"name":"X","id":"é\\t","t":1}', 'é\t'],
    ['{"name":"X","id":"","t":1}', ''],
    ['{"name":"X","id":7}', ''],
    ['{"name":"X"}', ''],
    ['null', ''],
    ['no JSON {"name":"X","id":"a",', ''],
    ['', ''],
  ])('the job of the entry %s: %s', async (text, id) => {
    await redis.lpush(held, text);
    const [, [[digest, found, isHex] = ['', '', 0]]] = await read();
    expect([digest, isHex === 1 ? String(Buffer.from(found, 'hex')) : found]).toEqual([sha1(text), id]);
  });

  test('an id that is not UTF-8 is returned as bytes', async () => {
    const text = Buffer.concat([Buffer.from('{"name":"X","id":"a'), Buffer.from([0xff]), Buffer.from('"}')]);
    await redis.lpush(held, text);
    expect(await read()).toEqual([true, [[sha1(text), '61ff', 1]]]);
  });
});

describe('an entry is found again', () => {
  const ended = second(-61);
  const stats = 't:job_stats:j';
  /** Whether the entry of the job, known by that place from the tail, is found. */
  const findAt = async (place: number | string, text = entry('j')) => {
    const { outcome } = await scripts.plan(
      'finish_entry',
      [pools, heartbeat, held, lock, lockInfo, stats],
      ['p', maxAge, `${sha1(text)}:${place}`, 'j', ended, '5', 60, ''],
    );
    return outcome;
  };
  beforeEach(async () => {
    await redis.sadd(pools, 'p');
    await redis.hset(heartbeat, 'heartbeat_at', second(0));
    await redis.hset(stats, { status: 'Success', update_time: ended, revision: 5 });
  });

  test('at its place, and nearer to the tail, where others have gone; not farther from it', async () => {
    await redis.rpush(held, 'x', entry('j'), 'y');
    expect(await Promise.all([1, 2, 3, 4].map((place) => findAt(place)))).toEqual(['gone', 'done', 'done', 'done']);
  });

  test('by its bytes, and by nothing else', async () => {
    await redis.rpush(held, entry('j', ',"x":1'));
    expect(await findAt(1)).toBe('gone');
    for (const place of ['', '0', '-1', 'x']) expect(await findAt(place, entry('j', ',"x":1'))).toBe('gone');
  });

  test('within 256 places', async () => {
    await redis.rpush(held, entry('j'), 'x');
    expect([await findAt(257), await findAt(258)]).toEqual(['done', 'gone']);
  });

  test('within a million bytes', async () => {
    const large = 'x'.repeat(400_000);
    await redis.rpush(held, large, large, entry('j'));
    expect(await findAt(3)).toBe('done');
    await redis.lpush(held, large);
    expect(await findAt(4)).toBe('gone');
  });
});

describe('what workers say', () => {
  const worker = (name: string) => `t:worker:${name}`;
  const read = async (bytes = 10_000, ...names: string[]) =>
    (await run('read_observations', names.map(worker), [bytes])).observations;

  test.each([
    ['a', '', 'a'],
    ['a', '{}', 'a'],
    ['p', '{"_job_kind_periodic_":"7"}', 'p@7'],
    ['p', 'no JSON', 'p'],
    ['p', 'null', 'p'],
  ])('of %j with args %j is of the job %s', async (id, args, job) => {
    await redis.hset(worker('w'), { job_id: id, job_name: 'X', started_at: 7, args });
    expect(await read(10_000, 'w')).toEqual([[job, 'X', '7']]);
  });

  test('is nothing where there is no id, and unreadable where it is not a hash', async () => {
    await redis.hset(worker('v'), { job_id: '', args: '{}' });
    await redis.set(worker('u'), 'x');
    await redis.hset(worker('t'), 'job_id', 'j');
    expect(await read(10_000, 'w', 'v', 'u', 't')).toEqual(['', '', 'unreadable', ['j', '', '']]);
  });

  test('is read by the bytes that were asked for', async () => {
    const args = 'x'.repeat(600);
    for (const name of ['a', 'b', 'c', 'd']) await redis.hset(worker(name), { job_id: name, args });
    expect(await read(1_000, 'a', 'b', 'c', 'd')).toHaveLength(2);
  });
});

describe('a plan', () => {
  test('says what counters would become, as a rebuild does, and writes nothing', async () => {
    await redis.rpush(held, 'a', 'b');
    await redis.set(heldOf('r'), 'no list');
    await redis.set(lock, 7);
    await redis.hset(lockInfo, { p: 1, q: 3 });
    const keys = [lock, lockInfo, ...['p', 'q', 'r', 's'].map(heldOf)];
    const before = await allOf();
    const plan = await run('read_drift', keys, ['p', 'q', 'r', 's']);
    const before7 = { outcome: 'rebuilt', lockBefore: '7', lock: '2', fields: 2, off: { lock: 5, lockInfo: 4 } };
    expect(plan).toEqual(before7);
    expect(await allOf()).toEqual(before);
    await redis.del(heldOf('r'));
    expect(await run('rebuild_counters', keys, ['p', 'q', 'r', 's'])).toEqual(plan);
    expect(await run('read_drift', keys, ['p', 'q', 'r', 's'])).toEqual({
      ...{ outcome: 'rebuilt', lockBefore: '2', lock: '2', fields: 0 },
      off: { lock: 0, lockInfo: 0 },
    });
  });

  test('asks for pools that only a counter names, and for steps where there are many', async () => {
    await redis.hset(lockInfo, { p: 1, r: 1 });
    expect(await run('read_drift', [lock, lockInfo, held], ['p'])).toEqual({ outcome: 'unknown', pools: ['r'] });
    await redis.hset(lockInfo, Object.fromEntries(Array.from({ length: 998 }, (_, i) => [`x${i}`, 1])));
    expect(await run('read_drift', [lock, lockInfo, held], ['p'])).toMatchObject({ pools: { length: 999 } });
    await redis.hset(lockInfo, 'one more', 1);
    expect(await run('read_drift', [lock, lockInfo, held], ['p'])).toEqual({ outcome: 'many' });
  });

  const often = JSON.stringify(Array.from({ length: 3 }, (_, i) => [second(-3_600 + i), `old${i}`, stale]));
  const plan = async (offset: number, count: number, seen = stale, pass = '') => {
    const reply = await run(
      'plan_requeue',
      [...[pools, heartbeat, held, 't:jobs:X', recoveries], ...['t:reaper:recovered', 't:reaper:quarantine', 't:dead']],
      ['p', maxAge, seen, offset, count, 3, 86_400, pass],
    );
    return reply.outcome === 'alive' ? reply.outcome : [reply.count, ...reply.poison];
  };
  const seed = async () => {
    await redis.sadd(pools, 'p');
    await redis.hset(heartbeat, 'heartbeat_at', stale);
    await redis.rpush(held, entry('d'), entry('poison'), entry('c'), entry('b'), entry('a'));
    await redis.hset(recoveries, 'poison', often);
  };

  test('says where in the list of a dead pool the entries of poison jobs are, some at a time', async () => {
    await seed();
    const before = await allOf();
    expect(await plan(0, 100)).toEqual([5, 1, 'poison']);
    expect(await plan(0, 1)).toEqual([1]);
    expect(await plan(1, 3)).toEqual([3, 0, 'poison']);
    expect(await plan(5, 3)).toEqual([0]);
    expect(await allOf()).toEqual(before);
  });

  test('does not count what the same pass has recovered from another pool', async () => {
    await seed();
    const byPass = [...JSON.parse(often).slice(1), [second(-60), 'other', stale, 'this']];
    await redis.hset(recoveries, 'poison', JSON.stringify(byPass));
    expect(await plan(0, 100, stale, 'this')).toEqual([5]);
    expect(await plan(0, 100, stale, 'another')).toEqual([5, 1, 'poison']);
  });

  test('says nothing of a pool that lives', async () => {
    await seed();
    expect(await plan(0, 100, String(second(-205)))).toBe('alive');
  });

  test('takes no job for a poison job whose recoveries count no longer, or cannot be read', async () => {
    await seed();
    // Somebody has taken it from dead since.
    await redis.hset(
      't:reaper:quarantine',
      'poison',
      JSON.stringify({ at: second(-60), recoveries: JSON.parse(often), entries: [['X', 'a', 'taken']] }),
    );
    expect(await plan(0, 100)).toEqual([5]);
    await redis.del(recoveries);
    await redis.set(recoveries, 'x');
    expect(await plan(0, 100)).toEqual([5]);
  });

  test('looks at eight million bytes a step, and goes on from there', async () => {
    await seed();
    await redis.lpush(held, ...Array.from({ length: 20 }, (_, i) => entry(`${i}`, `,"x":"${'x'.repeat(900_000)}"`)));
    const [seen = 0] = (await plan(0, 100)) as number[];
    expect(seen).toBe(16);
    expect(await plan(seen, 100)).toEqual([9, 5, 'poison']);
  });
});

describe('one step of a recount', () => {
  const step = async (...ids: string[]) => {
    const { entries, fields, off } = await run('recount_pools', [lockInfo, ...ids.map(heldOf)], ids);
    return [entries, fields, off];
  };

  test('makes the fields of its pools right, and leaves the others and the lock', async () => {
    await redis.rpush(held, 'a', 'b');
    await redis.rpush(heldOf('r'), 'c');
    await redis.set(heldOf('u'), 'no list');
    await redis.set(lock, 7);
    await redis.hset(lockInfo, { p: 1, q: 3, s: 0, t: 9, u: 2 });
    expect(await step('p', 'q', 'r', 's', 'u')).toEqual([3, 4, 7]);
    expect([await redis.get(lock), await redis.hgetall(lockInfo)]).toEqual(['7', { p: '2', r: '1', t: '9' }]);
    expect(await step('p', 'q', 'r', 's', 'u')).toEqual([3, 0, 0]);
  });

  test('sets the lock if no client has written it since, and leaves no token', async () => {
    const open = (token: string) => run('open_recount', [lock, 't:mark'], [token]);
    const close = (token: string, sum: number) => run('close_recount', [lock, 't:mark'], [token, sum]);
    expect(await open('a')).toEqual({ outcome: 'opened', lock: '0' });
    expect(await redis.pttl('t:mark')).toBeGreaterThan(0);
    expect(await close('a', 3)).toEqual({ outcome: 'set', before: '0', lock: '3' });
    expect([await redis.get(lock), await redis.exists('t:mark')]).toEqual(['3', 0]);
    await open('a');
    await open('b');
    expect(await close('a', 4)).toEqual({ outcome: 'overtaken', lock: '3' });
    expect(await close('b', 5)).toEqual({ outcome: 'set', before: '3', lock: '5' });
    await redis.set(lock, '');
    // The second one as after a lost reply.
    for (const _ of [1, 2]) expect(await open('c')).toEqual({ outcome: 'opened', lock: '' });
    expect(await close('c', 0)).toEqual({ outcome: 'set', before: '', lock: '0' });
    expect(await redis.get(lock)).toBe('0');
  });
});
