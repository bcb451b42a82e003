import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createScripts, type ReplyOf, type ScriptName, type Scripts } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { judgedFingerprint, second } from '../../support/jobs.ts';
import { ttlFrom } from '../../support/ttl.ts';

// What each script of pools and entries answers and writes, rule by rule (150: behavior that no test proved).

const { redis, scripts } = await redisFixture();
const thisRun = /run_id:(\w+)/.exec(await redis.info('server'))?.[1] ?? '';

const pools = 't:worker_pools';
const heartbeat = 't:worker_pools:p';
const heldOf = (pool: string) => `t:jobs:X:${pool}:inprogress`;
const held = heldOf('p');
const queue = 't:jobs:X';
const lock = 't:jobs:X:lock';
const lockInfo = 't:jobs:X:lock_info';
const recoveries = 't:reaper:recoveries';
const recovered = 't:reaper:recovered';
const quarantine = 't:reaper:quarantine';
const beforeQuarantine = 't:reaper:quarantine:before:j';
const dead = 't:dead';
const stats = 't:job_stats:j';
const track = 't:job_track:inprogress';
const executions = 't:executions:p';
const hookKeys = ['t:reaper:hooks', 't:reaper:hooks:parked', 't:reaper:hooks:origins', 't:reaper:hooks:due:http://a:1'];
const workers = 't:reaper:workers:p';
const unobserved = 't:reaper:unobserved:p';
const observation = (worker: string) => `t:worker:${worker}`;

const run = <Name extends ScriptName>(
  name: Name,
  keys: readonly string[],
  args: readonly (string | number)[] = [],
): Promise<ReplyOf<Name>> => scripts.run(name, keys, args);
/** The outcome of a script whose reply has no values that matter here. */
const outcomeOf = async (reply: Promise<{ readonly outcome: string }>) => (await reply).outcome;
const enqueuedAt = second(-60);
const entry = (id: string, more = '') => `{"name":"X","id":"${id}","t":${enqueuedAt},"args":{}${more}}`;
/** Age of a heartbeat below which a pool lives, in ms; that of one that is stale, in s. Long, for a test may stand still. */
const maxAge = 100_000;
const stale = String(second(-200));
/** A pool whose list holds entries, the last of which was taken first. */
const pool = async (beat: string | number | undefined, ...entries: string[]) => {
  await redis.sadd(pools, 'p', 'q');
  if (beat !== undefined) await redis.hset(heartbeat, { heartbeat_at: beat, worker_ids: 'w,v' });
  if (entries.length > 0) await redis.rpush(held, ...entries);
  await redis.set(lock, entries.length + 1);
  await redis.hset(lockInfo, { p: entries.length, q: 1 });
};
const counters = async () => [await redis.get(lock), await redis.hget(lockInfo, 'p')];
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');
/** An entry as scripts identify it: its SHA-1 and its index from the end of the list. */
const placed = (text: string, place = 1) => `${sha1(text)}:${place}`;
const died = (...times: readonly (readonly [at: number, pool: string, beat: string])[]) => JSON.stringify(times);
const often = (times = 3, at = enqueuedAt - 3_540) =>
  died(...Array.from({ length: times }, (_, i) => [at + i, `old${i}`, stale] as const));

const note = 't:reaper:rescues:p';
const sharedKeys = [pools, heartbeat, recoveries, recovered, quarantine, dead, note];
const requeueKeys = [...sharedKeys, held, queue, lock, lockInfo];
/** Gives `alive`, or how many were moved, how many are left, and the poison job and the fault where there are any. */
const requeue = async (seen = stale, { batch = 1_000, most = 3, window = 86_400 } = {}) => {
  const reply = await run('requeue', requeueKeys, ['p', maxAge, seen, batch, most, window, '', 'X']);
  if (reply.outcome === 'alive') return reply.outcome;
  const { counts, poison, uncounted } = reply;
  const { moved, left } = counts[0] ?? {};
  return uncounted !== '' ? [moved, left, poison, uncounted] : poison !== '' ? [moved, left, poison] : [moved, left];
};
const deregister = (seen = stale) =>
  outcomeOf(
    run(
      'deregister_pool',
      [pools, heartbeat, note, held, lockInfo, 't:jobs:Y:p:inprogress', 't:jobs:Y:lock_info'],
      ['p', maxAge, seen],
    ),
  );
/** Of one of its types. */
const clearCounts = () => run('clear_counts', [pools, heartbeat, held, lockInfo], ['p', maxAge, stale]);

describe('fault 150: a pool lives', () => {
  const now = () => second(0);
  const beats: readonly [string, () => string | number | undefined, (beat: string) => string, string][] = [
    ['with a young heartbeat', () => now() - 20, (beat: string) => beat, 'alive'],
    ['with one that is ahead within its rounding', () => now() + 1, (beat: string) => beat, 'alive'],
    ['with one that has moved, however old', () => now() - 200, () => String(now() - 205), 'alive'],
    ['with one that has moved, however far ahead', () => now() + 9_999, () => String(now() + 9_990), 'alive'],
    ['with one that has come', () => now() - 200, () => '', 'alive'],
    ['not with an old one', () => now() - 101, (beat: string) => beat, 'dead'],
    ['not with one that is far ahead', () => now() + 60, (beat: string) => beat, 'dead'],
    ['not with one that is not a number', () => 'x', (beat: string) => beat, 'dead'],
    ['not without one', () => undefined, () => '', 'dead'],
    ['not without the one that was seen', () => undefined, () => stale, 'dead'],
  ];
  test.each(beats)('%s', async (_, beat, seen, outcome) => {
    const text = beat();
    await pool(text, entry('j'));
    expect(await requeue(seen(String(text)))).toEqual(outcome === 'alive' ? 'alive' : [1, 0]);
    expect(await redis.llen(held)).toBe(outcome === 'alive' ? 1 : 0);
    expect(await deregister(seen(String(text)))).toBe(outcome === 'alive' ? 'alive' : 'deregistered');
    expect(await redis.sismember(pools, 'p')).toBe(outcome === 'alive' ? 1 : 0);
    if (outcome !== 'alive') expect(await deregister(seen(String(text)))).toBe('gone');
  });

  test('not with a young heartbeat where it is not registered', async () => {
    const beat = now();
    await pool(beat, entry('j'));
    await redis.srem(pools, 'p');
    expect(await requeue(String(beat))).toEqual([1, 0]);
    expect(await redis.llen(held)).toBe(0);
  });
});

describe('a requeue', () => {
  test('notes for a day that the pool was rescued, which shows its death where nothing else does', async () => {
    await redis.rpush(held, entry('j'));
    expect(await requeue('')).toEqual([1, 0]);
    expect(await redis.ttl(note)).toBeGreaterThan(86_000);
    expect([await deregister(''), await deregister('')]).toEqual(['deregistered', 'gone']);
  });

  test('moves the same bytes in the order in which the Go side pops and pushes them', async () => {
    await pool(stale, 'c', entry('b'), entry('a'));
    await redis.rpush(queue, 'first');
    expect(await requeue()).toEqual([3, 0]);
    expect(await redis.lrange(queue, 0, -1)).toEqual(['c', entry('b'), entry('a'), 'first']);
  });

  test('moves a batch, however many there are', async () => {
    const entries = Array.from({ length: 250 }, (_, i) => entry(`j${i}`));
    await pool(stale, ...entries);
    expect(await requeue(stale, { batch: 120 })).toEqual([120, 130]);
    expect(await counters()).toEqual(['131', '130']);
    expect(await redis.lrange(held, 0, -1)).toEqual(entries.slice(0, 130));
    expect(await redis.lrange(queue, 0, -1)).toEqual(entries.slice(130));
    expect(await requeue()).toEqual([130, 0]);
    expect(await redis.lrange(queue, 0, -1)).toEqual(entries);
  });

  test.each([
    ['5', '4'],
    ['1', '0'],
    ['0', '0'],
    ['-3', '0'],
    [undefined, '0'],
    ['x', '0'],
  ])('fault 150: takes a lock of %s down by what it moved, and never below zero', async (before, after) => {
    await pool(stale, entry('j'));
    if (before === undefined) await redis.del(lock, lockInfo);
    else await redis.set(lock, before);
    await requeue();
    expect(await counters()).toEqual([after, '0']);
  });

  test.each([lock, lockInfo])('is not held back by %s of another type, and leaves that', async (key) => {
    await pool(stale, entry('j'));
    await redis.del(key);
    await redis.sadd(key, 'x');
    expect(await requeue()).toEqual([1, 0]);
    expect(await redis.smembers(key)).toEqual(['x']);
  });

  test('that moves nothing writes nothing', async () => {
    await pool(stale);
    const change = { key: 'answer', token: 'x' };
    await scripts.run('requeue', requeueKeys, ['p', maxAge, stale, 10, 3, 86_400, '', 'X'], undefined, change);
    expect(await redis.exists('answer', queue)).toBe(0);
    expect(await redis.get(lock)).toBe('1');
  });

  describe('of several types', () => {
    const ofType = (type: string, id: string) => `{"name":"${type}","id":"${id}","t":${enqueuedAt},"args":{}}`;
    const keysOf = (type: string) => ['p:inprogress', '', 'lock', 'lock_info'].map((end) => keyOf(type, end));
    const keyOf = (type: string, end: string) => `t:jobs:${type}${end && ':'}${end}`;
    const types = ['X', 'Y', 'Z'];
    const move = (batch = 1_000) =>
      run('requeue', [...sharedKeys, ...types.flatMap(keysOf)], ['p', maxAge, stale, batch, 3, 86_400, '', ...types]);
    /** Two entries of X, one of Y, two of Z; each lock counts an entry of another pool, too. */
    const poolOfThree = async () => {
      await redis.sadd(pools, 'p');
      await redis.hset(heartbeat, { heartbeat_at: stale });
      for (const [type, ids] of Object.entries({ X: ['b', 'a'], Y: ['c'], Z: ['e', 'd'] })) {
        await redis.rpush(keyOf(type, 'p:inprogress'), ...ids.map((id) => ofType(type, id)));
        await redis.set(keyOf(type, 'lock'), ids.length + 1);
        await redis.hset(keyOf(type, 'lock_info'), { p: ids.length, q: 1 });
      }
    };
    /** Of each type: how many entries are in the queue, the lock, and what the pool holds by lock_info. */
    const stateOf = () =>
      Promise.all(
        types.map(async (type) => [
          await redis.llen(keyOf(type, '')),
          await redis.get(keyOf(type, 'lock')),
          await redis.hget(keyOf(type, 'lock_info'), 'p'),
        ]),
      );

    test('moves the entries of each to its queue, and its counters follow', async () => {
      await poolOfThree();
      expect(await move()).toMatchObject({
        counts: [
          { moved: 2, left: 0 },
          { moved: 1, left: 0 },
          { moved: 2, left: 0 },
        ],
      });
      expect(await stateOf()).toEqual([
        [2, '1', '0'],
        [1, '1', '0'],
        [2, '1', '0'],
      ]);
      expect((await redis.hkeys(recoveries)).sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
      expect((await redis.lrange(recovered, 0, -1)).map((line) => line.split('\n').slice(1))).toEqual([
        ['a', 'b', 'c', 'd', 'e'],
      ]);
    });

    test.each([
      [1, [[1, 1]]],
      [2, [[2, 0]]],
      [
        4,
        [
          [2, 0],
          [1, 0],
          [1, 1],
        ],
      ],
    ])('moves %i entries in all, and begins no type after that', async (batch, counts) => {
      await poolOfThree();
      expect(await move(batch)).toMatchObject({ counts: counts.map(([moved, left]) => ({ moved, left })) });
      expect((await stateOf()).map(([queued]) => queued)).toEqual([0, 1, 2].map((i) => counts[i]?.[0] ?? 0));
    });

    test('stops at a poison job of one of them', async () => {
      await poolOfThree();
      await redis.hset(recoveries, 'c', often(3));
      expect(await move()).toMatchObject({
        counts: [
          { moved: 2, left: 0 },
          { moved: 0, left: 1 },
        ],
        poison: 'c',
      });
      expect(await stateOf()).toEqual([
        [2, '1', '0'],
        [0, '2', '1'],
        [0, '3', '2'],
      ]);
    });

    test('passes over those whose lists are empty', async () => {
      await poolOfThree();
      await redis.del(keyOf('X', 'p:inprogress'), keyOf('Y', 'p:inprogress'));
      expect(await move()).toMatchObject({ counts: [{ moved: 0, left: 0 }, { moved: 0, left: 0 }, { moved: 2 }] });
    });

    test('reads few of the next one at once, however small the entries before were', async () => {
      await poolOfThree();
      await redis.rpush(keyOf('X', 'p:inprogress'), ...Array.from({ length: 38 }, (_, i) => ofType('X', `x${i}`)));
      await redis.rpush(keyOf('Y', 'p:inprogress'), ...Array.from({ length: 39 }, () => 'y'.repeat(600_000)));
      expect(await move()).toMatchObject({
        counts: [
          { moved: 40, left: 0 },
          { moved: 16, left: 24 },
        ],
      });
    });

    test('changes nothing where a key of one of them has another type, and names it', async () => {
      await poolOfThree();
      await redis.set(keyOf('Z', ''), 'x');
      await expect(move()).rejects.toThrow(`WRONGTYPE ${keyOf('Z', '')} holds a string, where a list is needed`);
      expect(await redis.exists(keyOf('X', ''), keyOf('Y', ''))).toBe(0);
    });
  });

  test.each([
    { bytes: 1_400, moved: 100 },
    { bytes: 3_600, moved: 48 },
    { bytes: 20_000, moved: 16 },
  ])('of a batch of 100 with $bytes bytes each, $moved are moved by one script', async ({ bytes, moved }) => {
    const large = Array.from({ length: 120 }, (_, i) => entry(`j${i}`, `,"x":"${'x'.repeat(bytes)}"`));
    await pool(stale, ...large);
    expect(await requeue(stale, { batch: 100 })).toEqual([moved, 120 - moved]);
    expect(await redis.lrange(held, 0, -1)).toEqual(large.slice(0, 120 - moved));
  });

  test('records the recoveries of the largest batch', async () => {
    await pool(stale, ...Array.from({ length: 5_000 }, (_, i) => entry(`j${i}`)));
    expect(await requeue(stale, { batch: 5_000 })).toEqual([5_000, 0]);
    expect(await redis.hlen(recoveries)).toBe(5_000);
  });

  test('records each recovery with its death, for as long as they count', async () => {
    await pool(stale, entry('j'), entry('k'), entry('é'));
    await requeue();
    const noted = Object.entries(await redis.hgetall(recoveries)).map(([id, text]) => [id, JSON.parse(text)]);
    expect(Object.fromEntries(noted)).toEqual({
      j: [[expect.any(Number), 'p', stale]],
      k: [[expect.any(Number), 'p', stale]],
    });
    expect((await redis.lindex(recovered, 0))?.split('\n').slice(1)).toEqual(['k', 'j']);
    for (const key of [recoveries, recovered]) expect(await redis.ttl(key)).toEqual(ttlFrom(86_400));
  });

  test.each([recoveries, recovered])('goes on with %s of another type, and says so', async (key) => {
    await pool(stale, entry('j'));
    await redis.set(key, 'x');
    expect(await requeue()).toEqual([1, 0, '', expect.stringContaining(`${key} holds a string`)]);
  });
});

describe('how often a job was recovered', () => {
  test('stops before its entry at the bound, and what was taken before it goes back', async () => {
    await pool(stale, entry('after'), entry('j'), entry('before'));
    await redis.hset(recoveries, 'j', often(2));
    expect(await requeue()).toEqual([3, 0]);
    await redis.flushall();
    await pool(stale, entry('after'), entry('j'), entry('before'));
    await redis.hset(recoveries, 'j', often(3));
    expect(await requeue()).toEqual([1, 2, 'j']);
    expect(await redis.lrange(held, 0, -1)).toEqual([entry('after'), entry('j')]);
  });

  const now = second(0);
  test.each([
    ['beyond the window', often(9, now - 90_000), 1],
    ['of this very death', died([now - 9, 'p', stale], [now - 8, 'p', stale], [now - 7, 'p', stale]), 1],
    ['of other deaths of this pool', died([now - 9, 'p', '1'], [now - 8, 'p', '2'], [now - 7, 'p', '3']), 0],
    [
      'of other pools with this heartbeat',
      died([now - 9, 'a', stale], [now - 8, 'b', stale], [now - 7, 'c', stale]),
      0,
    ],
    ['that cannot be read', 'x', 1],
  ] as const)('is counted without those %s, where they are that', async (_, text, moved) => {
    await pool(stale, entry('j'));
    await redis.hset(recoveries, 'j', text);
    expect((await requeue())[0]).toBe(moved);
  });

  test('counts two deaths without a heartbeat a minute apart, and one within a minute once', async () => {
    await pool(undefined, entry('j'));
    await redis.hset(recoveries, 'j', died([second(-5), 'p', '']));
    expect(await requeue('', { most: 1 })).toEqual([1, 0]);
    expect(JSON.parse((await redis.hget(recoveries, 'j')) ?? '')).toHaveLength(1);
    await redis.del(queue);
    await pool(undefined, entry('j'));
    await redis.hset(recoveries, 'j', died([second(-90), 'p', '']));
    expect(await requeue('', { most: 1 })).toEqual([0, 1, 'j']);
  });

  test('keeps when a death was recorded, where some of its entries come later', async () => {
    await pool(stale, entry('j'));
    const noted = died([second(-9), 'p', stale]);
    await redis.hset(recoveries, 'j', noted);
    expect(await requeue(stale, { most: 1 })).toEqual([1, 0]);
    expect(await redis.hget(recoveries, 'j')).toBe(noted);
  });

  test('counts one death once where a list holds an entry twice', async () => {
    await pool(stale, entry('j'), entry('j'));
    expect(await requeue(stale, { most: 1 })).toEqual([2, 0]);
    expect(JSON.parse((await redis.hget(recoveries, 'j')) ?? '')).toHaveLength(1);
  });

  test.each([
    ['breaks off', '{"name":"X","id":"j",'],
    ['has a number that ends with a point', entry('j', ',"x":1.')],
    ['has a number that begins with 0', entry('j', ',"x":01')],
    ['has a number that ends with an e', entry('j', ',"x":1e')],
    ['has a comma at its end', entry('j', ',')],
    ['has an escape that is none', entry('j', ',"x":"\\x"')],
    ['has a line break in a string', entry('j', ',"x":"\n"')],
    ['has a bracket too many', `${entry('j')}}`],
    ['has a list that ends as an object', entry('j', ',"x":[}')],
  ])('counts for no entry that %s', async (_, broken) => {
    await pool(stale, broken);
    await redis.hset(recoveries, 'j', often(9));
    expect((await requeue())[0]).toBe(1);
    expect(await redis.lrange(queue, 0, -1)).toEqual([broken]);
  });

  test.each(['null', 'true', 'false', '-0', '-12.5E-7', '1e+9', '[]', '{}', '[1,{"a":[]}]', '"\\ud83d\\ude00"'])(
    'counts for an entry with %s in it',
    async (value) => {
      await pool(stale, entry('j', `,"x":${value}`));
      await redis.hset(recoveries, 'j', often(9));
      expect(await requeue()).toEqual([0, 1, 'j']);
    },
  );

  test.each([
    ['a second id', entry('j', ',"id":"k"'), 'k'],
    ['a second id with an escape', entry('j', ',"\\u0069d":"k"'), 'k'],
    ['an id in its args', '{"name":"X","id":"j","t":1,"args":{"id":"k"}}', 'j'],
    ['an id as a value', '{"name":"X","id":"j","t":1,"args":["id"]}', 'j'],
    ['quotes in its args', '{"name":"X","id":"j","t":1,"args":{"a":"\\"id\\":{","b":["\\\\"]}}', 'j'],
    ['an execution of a policy', '{"name":"X","id":"j","t":1,"args":{"_job_kind_periodic_":"7"}}', 'j@7'],
    ['an execution with a number', '{"name":"X","id":"j","t":1,"args":{"_job_kind_periodic_":7}}', 'j@7'],
  ])('fault 150: counts for the job of an entry with %s', async (_, text, id) => {
    await pool(stale, text);
    await requeue();
    expect(await redis.hkeys(recoveries)).toEqual([id]);
  });

  test('is forgotten after the window, a job that was recovered again since excepted', async () => {
    const old = second(-90_000);
    await redis.hset(recoveries, {
      gone: often(1, old),
      again: died([old, 'x', '1'], [second(-9), 'y', '2']),
      young: often(1),
    });
    await redis.rpush(recovered, `${old}\ngone\nagain`, `${second(-3_600)}\nyoung`);
    await pool(stale, entry('j'));
    await requeue();
    expect((await redis.hkeys(recoveries)).sort()).toEqual(['again', 'j', 'young']);
    expect((await redis.lrange(recovered, 0, -1)).map((line) => line.split('\n')[1])).toEqual(['young', 'j']);
  });
});

describe('a pool that is dead', () => {
  test('leaves nothing of itself once its lists are empty', async () => {
    await pool(stale);
    await redis.hset('t:jobs:Y:lock_info', { p: 1, q: 2 });
    expect(await deregister()).toBe('deregistered');
    expect([await redis.smembers(pools), await redis.exists(heartbeat)]).toEqual([['q'], 0]);
    expect([await redis.hgetall(lockInfo), await redis.hgetall('t:jobs:Y:lock_info')]).toEqual([
      { q: '1' },
      { q: '2' },
    ]);
  });

  test.each([held, 't:jobs:Y:p:inprogress'])(
    'fault 150: keeps its place as long as %s holds an entry',
    async (list) => {
      await pool(stale);
      await redis.rpush(list, entry('j'));
      expect(await deregister()).toBe('entries');
      expect([(await redis.smembers(pools)).sort(), await redis.hget(lockInfo, 'p')]).toEqual([['p', 'q'], '0']);
    },
  );

  test.each([
    ['with counts', { p: 3, q: 1 }],
    ['with a count of 0', { p: 0, q: 1 }],
    ['without counts', { q: 1 }],
  ])('%s and many types loses those of some types in a step, and stays registered', async (_, counts) => {
    await pool(stale);
    await redis.del(lockInfo);
    await redis.hset(lockInfo, counts);
    expect(await clearCounts()).toEqual({ outcome: 'cleared' });
    expect([await redis.hgetall(lockInfo), (await redis.smembers(pools)).sort()]).toEqual([{ q: '1' }, ['p', 'q']]);
  });

  test('with many types keeps its counts if it beats again', async () => {
    await pool(second(0));
    const before = await redis.hgetall(lockInfo);
    expect(await clearCounts()).toEqual({ outcome: 'alive' });
    expect(await redis.hgetall(lockInfo)).toEqual(before);
  });

  test('with many types keeps the counts of those whose lists hold entries', async () => {
    await pool(stale, entry('j'));
    const before = await redis.hgetall(lockInfo);
    expect(await clearCounts()).toEqual({ outcome: 'entries' });
    expect(await redis.hgetall(lockInfo)).toEqual(before);
  });

  test('goes though a lock_info is of another type', async () => {
    await pool(stale);
    await redis.del(lockInfo);
    await redis.set(lockInfo, 'x');
    expect(await deregister()).toBe('deregistered');
    expect(await redis.get(lockInfo)).toBe('x');
  });
});

describe('counters that are rebuilt', () => {
  /** Gives the lock before and after, how many fields were wrong, and by how much both were; or the pools that were not named. */
  const rebuild = async (...ids: string[]) => {
    const reply = await run('rebuild_counters', [lock, lockInfo, ...ids.map(heldOf)], ids);
    if (reply.outcome !== 'rebuilt') return reply;
    return [reply.lockBefore, reply.lock, reply.fields, reply.off.lock, reply.off.lockInfo];
  };

  test('are what the lists say, and the answer says by how much they were off', async () => {
    await redis.rpush(held, 'a', 'b');
    await redis.rpush(heldOf('r'), 'c');
    await redis.set(lock, 7);
    await redis.hset(lockInfo, { p: 1, q: 3, r: 2, s: 0 });
    expect(await rebuild('p', 'q', 'r', 's')).toEqual(['7', '3', 3, 4, 5]);
    expect([await redis.get(lock), await redis.hgetall(lockInfo)]).toEqual(['3', { p: '2', r: '1', s: '0' }]);
    expect(await rebuild('p', 'q', 'r', 's')).toEqual(['3', '3', 0, 0, 0]);
  });

  test('as a plan says: only if the lock and the same fields are wrong by as much, whatever entries come and go', async () => {
    const drift = async () => {
      const reply = await run('read_drift', [lock, lockInfo, held, heldOf('q')], ['p', 'q', '']);
      return (reply.outcome === 'rebuilt' && reply.fingerprint) || '';
    };
    const apply = (planned: string) =>
      run('rebuild_counters', [lock, lockInfo, held, heldOf('q')], ['p', 'q', planned]);
    await redis.rpush(held, 'a');
    await redis.set(lock, 4);
    await redis.hset(lockInfo, { p: 3 });
    const planned = await drift();
    expect(planned).toMatch(/^[0-9a-f]{40}$/);
    // As a fetch does, in each of the pools.
    await redis.rpush(held, 'b');
    await redis.rpush(heldOf('q'), 'c');
    await redis.set(lock, 6);
    await redis.hset(lockInfo, { p: 4, q: 1 });
    expect(await drift()).toBe(planned);
    for (const other of [
      { p: 3, q: 3 },
      { p: 2, q: 3 },
      { p: 4, q: 'x' },
      { p: 5, q: 1 },
      { p: 'x', q: 1 },
    ]) {
      await redis.hset(lockInfo, other);
      expect(await apply(planned)).toEqual({ outcome: 'moved' });
      expect(await redis.hgetall(lockInfo)).toEqual({ p: `${other.p}`, q: `${other.q}` });
    }
    await redis.hset(lockInfo, { p: 4, q: 1 });
    for (const other of ['5', '7', 'x']) {
      await redis.set(lock, other);
      expect(await apply(planned)).toEqual({ outcome: 'moved' });
      expect(await redis.get(lock)).toBe(other);
    }
    await redis.set(lock, 6);
    expect(await apply(planned)).toMatchObject({ outcome: 'rebuilt', lockBefore: '6', lock: '3', fields: 1 });
    expect([await redis.get(lock), await redis.hgetall(lockInfo)]).toEqual(['3', { p: '2', q: '1' }]);
    expect(await apply(planned)).toEqual({ outcome: 'moved' });
    // A count that is no number is wrong in its own way.
    await redis.del(held, heldOf('q'), lock, lockInfo);
    await redis.hset(lockInfo, { p: 'x' });
    const noNumber = await drift();
    await redis.hset(lockInfo, { p: 'y' });
    expect(await apply(noNumber)).toEqual({ outcome: 'moved' });
  });

  test('a lock that is too high with nothing held, or too low', async () => {
    await redis.set(lock, 2);
    expect(await rebuild('p')).toEqual(['2', '0', 0, 2, 0]);
    expect(await redis.get(lock)).toBe('0');
    await redis.rpush(held, 'a');
    expect(await rebuild('p')).toEqual(['0', '1', 1, -1, 1]);
    expect([await redis.get(lock), await redis.hgetall(lockInfo)]).toEqual(['1', { p: '1' }]);
  });

  test('fault 150: are left as they are where a field has no list given, which is asked for', async () => {
    await redis.rpush(held, 'a');
    await redis.rpush(heldOf('r'), 'c');
    await redis.set(lock, 2);
    await redis.hset(lockInfo, { p: 1, r: 1 });
    expect(await rebuild('p')).toEqual({ outcome: 'unknown', pools: ['r'] });
    expect([await redis.get(lock), await redis.hgetall(lockInfo)]).toEqual(['2', { p: '1', r: '1' }]);
  });
});

describe('an orphaned entry', () => {
  const at = 50_000_000;
  const signs = (status: string, updated: number | string, revision: number | string) =>
    `${status}|${updated}||${revision}`;
  const began = second(-600);
  const field = 'f';
  /** A live pool whose workers were seen at another job since. */
  const orphaned = async (
    status = 'Running',
    updated: number | string = began,
    more: { entry?: string; since?: number } = {},
  ) => {
    await pool(second(0), 'other', more.entry ?? entry('j'));
    await redis.hset(stats, { status, update_time: updated, revision: began });
    await redis.hset(unobserved, field, `${more.since ?? at - 40_000} ${signs(status, updated, began)}`);
    await redis.hset(workers, { at: at - 5_000, run: thisRun });
    for (const worker of ['w', 'v']) await seen(worker, {});
  };
  const seen = (worker: string, { after = at - 30_000, started = began + 60, job = 'other' }) =>
    redis.hset(workers, `w:${worker}`, `${after} 1 ${started} - ${job}`);
  const requeueOrphan = ({
    text = entry('j'),
    place = 1,
    id = 'j',
    form = 'run' as 'run' | 'plan',
    given = ['w', 'v'],
    moves = '',
    memory = '',
    by = scripts,
  } = {}) => {
    const call: Scripts['plan'] = form === 'plan' ? by.plan : by.run;
    return outcomeOf(
      call(
        'requeue_orphan',
        [
          ...[
            pools,
            heartbeat,
            held,
            queue,
            lock,
            lockInfo,
            stats,
            recoveries,
            recovered,
            quarantine,
            dead,
            beforeQuarantine,
            workers,
            unobserved,
          ],
          ...given.map(observation),
        ],
        ['p', maxAge, placed(text, place), id, field, 30_000, at, 3, 86_400, memory, moves, '', ...given],
      ),
    );
  };

  test('goes back to its queue, with its counters and its recovery', async () => {
    await orphaned();
    expect(await requeueOrphan()).toBe('requeued');
    expect([await redis.lrange(queue, 0, -1), await redis.lrange(held, 0, -1)]).toEqual([[entry('j')], ['other']]);
    expect([await counters(), await redis.exists(unobserved)]).toEqual([['2', '1'], 0]);
    expect(await redis.hkeys(recoveries)).toEqual(['j']);
  });

  test.each([
    ['of a pool that is dead', () => redis.hset(heartbeat, 'heartbeat_at', stale), 'dead'],
    ['of a pool with another worker', () => redis.hset(heartbeat, 'worker_ids', 'w,v,u'), 'changed'],
    ['of a pool that names no workers', () => redis.hset(heartbeat, 'worker_ids', ''), 'undecided'],
    ['that is gone', () => redis.del(held), 'gone'],
    ['that a worker observes', () => redis.hset(observation('w'), { job_id: 'j', args: '' }), 'observed'],
    ['beside an observation that cannot be read', () => redis.set(observation('v'), 'x'), 'undecided'],
    [
      'that is not unobserved for long enough',
      () => redis.hset(unobserved, field, `${at - 29_999} ${signs('Running', began, began)}`),
      'early',
    ],
    ['whose job has shown a sign of life', () => redis.hset(stats, 'check_in_at', 7), 'early'],
    ['whose job has a new revision', () => redis.hset(stats, 'revision', 7), 'early'],
    ['of which nothing is known', () => redis.del(unobserved), 'early'],
    ['known to another process of Redis', () => redis.hset(workers, 'run', 'other'), 'early'],
    ['known since a time to come', () => redis.hset(workers, 'at', at + 1), 'early'],
    ['with a worker that was never seen', () => redis.hdel(workers, 'w:v'), 'undecided'],
    ['with a worker that was never at a job', () => seen('v', { job: '' }), 'undecided'],
    ['with a worker that was last seen at this job', () => seen('v', { job: 'j' }), 'undecided'],
    ['with a worker that was seen elsewhere before', () => seen('v', { after: at - 40_001 }), 'undecided'],
    ['with a worker whose other job began before', () => seen('v', { started: began - 1 }), 'undecided'],
  ] as const)('stays where it is: %s', async (_, change, reply) => {
    await orphaned();
    await change();
    expect(await requeueOrphan()).toBe(reply);
    expect([await redis.exists(queue), await redis.get(lock)]).toEqual([0, '3']);
  });

  test('needs no proof while its job waits', async () => {
    for (const [status, reply] of [
      ['Pending', 'requeued'],
      ['Scheduled', 'requeued'],
      ['Stopped', 'undecided'],
      ['Success', 'early'],
    ]) {
      await redis.flushall();
      await orphaned(status);
      await redis.hdel(workers, 'w:v');
      expect([status, await requeueOrphan()]).toEqual([status, reply]);
    }
  });

  test.each([
    [0, 'requeued'],
    [10, 'requeued'],
    [11, 'undecided'],
    [undefined, 'undecided'],
  ])('of a job in Error %s s after it failed last', async (after, reply) => {
    const text = entry('j', after === undefined ? '' : `,"failed_at":${began - after}`);
    await orphaned('Error', began, { entry: text });
    await redis.hdel(workers, 'w:v');
    expect(await requeueOrphan({ text })).toBe(reply);
  });

  test('of a job that runs is not an Error of the attempt before, though it failed once', async () => {
    const text = entry('j', `,"failed_at":${began}`);
    await orphaned('Running', began, { entry: text });
    await redis.hdel(workers, 'w:v');
    expect(await requeueOrphan({ text })).toBe('undecided');
  });

  test('of a job with a time far ahead goes by its workers, of one a little ahead it does not', async () => {
    await orphaned('Running', second(9_999));
    expect(await requeueOrphan()).toBe('requeued');
    await redis.flushall();
    await orphaned('Running', second(200));
    expect(await requeueOrphan()).toBe('undecided');
  });

  test('of an execution is observed if a worker runs it, or runs its policy and does not say which execution', async () => {
    const text = '{"name":"X","id":"j","t":1,"args":{"_job_kind_periodic_":"7"}}';
    await orphaned('Running', began, { entry: text });
    await redis.hset(observation('w'), { job_id: 'j', args: '' });
    expect(await requeueOrphan({ text, id: 'j@7' })).toBe('observed');
    await redis.hset(observation('w'), { job_id: 'j', args: '{"_job_kind_periodic_":"7"}' });
    expect(await requeueOrphan({ text, id: 'j@7' })).toBe('observed');
    await redis.hset(observation('w'), { job_id: 'j', args: '{"_job_kind_periodic_":"8"}' });
    expect(await requeueOrphan({ text, id: 'j@7' })).toBe('requeued');
  });

  test('of an execution stays while a worker may run it: this one, or one of its policy that the worker did not name', async () => {
    const text = '{"name":"X","id":"j","t":1,"args":{"_job_kind_periodic_":"7"}}';
    for (const [job, reply] of [
      ['j@7', 'undecided'],
      ['j', 'undecided'],
      ['j@8', 'requeued'],
    ] as const) {
      await redis.flushall();
      await orphaned('Running', began, { entry: text });
      await seen('v', { job });
      expect([job, await requeueOrphan({ text, id: 'j@7' })]).toEqual([job, reply]);
    }
  });

  test('of a job that was not written since its last recovery needs no workers, however far its host’s clock is behind', async () => {
    const last = at / 1_000 - 1_000;
    // A heartbeat that is 30 s old may be one of a clock that is 30 s behind.
    for (const [age, reply] of [
      [20, 'undecided'],
      [5_000, 'requeued'],
    ] as const) {
      await redis.flushall();
      await orphaned();
      await redis.hset(heartbeat, 'heartbeat_at', second(-30));
      await redis.hset(stats, { update_time: last - age, revision: last - 5_000 });
      await redis.hset(unobserved, field, `${at - 40_000} Running|${last - age}||${last - 5_000}`);
      await redis.hset(recoveries, 'j', died([last, 'old', '1']));
      await redis.del(workers);
      await redis.hset(workers, { at: at - 5_000, run: thisRun });
      expect([age, await requeueOrphan()]).toEqual([age, reply]);
    }
  });

  test('is not proven without the right to INFO, because a restart of Redis would not be seen', async () => {
    await orphaned();
    await redis.hset(workers, 'run', '');
    await redis.acl('SETUSER', 'blind', 'on', 'nopass', '~*', '+@all', '-info');
    const blind = redis.duplicate({ username: 'blind', password: 'any', enableReadyCheck: false });
    try {
      expect(await requeueOrphan({ by: createScripts(blind) })).toBe('early');
    } finally {
      blind.disconnect();
    }
  });

  test('of another job than was asked for is left', async () => {
    await orphaned();
    expect(await requeueOrphan({ id: 'k' })).toBe('undecided');
  });

  test.each(['\u0905', 'é', '😀', '\uFFFD', '"\\/\b\f\n\r\t'])(
    'is known by its id %j, written with escapes',
    async (id) => {
      const escaped = [...Array(id.length).keys()]
        .map((i) => `\\u${id.charCodeAt(i).toString(16).padStart(4, '0')}`)
        .join('');
      for (const written of [escaped, JSON.stringify(id).slice(1, -1)]) {
        await redis.flushall();
        const text = `{"t":1,"id":"${written}"}`;
        await orphaned('Running', began, { entry: text });
        expect(await requeueOrphan({ text, id })).toBe('requeued');
      }
    },
  );

  test('with a lone surrogate in its id is known as Go reads it', async () => {
    const text = '{"t":1,"id":"\\ud800j"}';
    await orphaned('Running', began, { entry: text });
    expect(await requeueOrphan({ text, id: '\uFFFDj' })).toBe('requeued');
  });

  test.each([
    ['"7"', 'j@7'],
    ['7', 'j@7'],
    ['7.5', 'j'],
    ['9007199254740993', 'j'],
    ['null', 'j'],
  ])('with the epoch %s is one of the job %s', async (epoch, id) => {
    const text = `{"id":"j","epoch":1,"args":{"\\u005fjob_kind_periodic_":${epoch}},"_job_kind_periodic_":"8"}`;
    await orphaned('Running', began, { entry: text });
    expect(await requeueOrphan({ text, id })).toBe('requeued');
  });

  test.each(['{"t":1,"id":""}', '{"t":1}', '{"t":1,"id":7}', '[]', '"id"', 'x'])(
    'without an id is left: %s',
    async (text) => {
      await orphaned('Running', began, { entry: text });
      expect(await requeueOrphan({ text, id: '' })).toBe('undecided');
    },
  );

  test('is only reported in a plan', async () => {
    await orphaned();
    const memory = JSON.stringify({
      workers: await redis.hgetall(workers),
      unobserved: await redis.hgetall(unobserved),
    });
    expect(await requeueOrphan({ form: 'plan', memory })).toBe('requeued');
    expect([await redis.llen(held), await redis.exists(queue)]).toEqual([2, 0]);
  });

  test('of a job that was lost too often is a poison job', async () => {
    await orphaned();
    await redis.hset(recoveries, 'j', often(3));
    expect(await requeueOrphan()).toBe('poison');
    expect(await redis.exists(queue)).toBe(0);
  });
});

describe('the observation of a live pool', () => {
  const at = 50_000_000;
  const observedKeys = [workers, unobserved, observation('w'), observation('v'), stats, beforeQuarantine];
  const observedAt = (now: number, memory = '') => [now, 604_800, memory, 2, 'w', 'v', 'f'];
  const look = (now: number) => run('observe_pool', observedKeys, observedAt(now));
  const planAt = (now: number, memory = '') => scripts.plan('observe_pool', observedKeys, observedAt(now, memory));
  const observe = (worker: string, job: string, started: number, checkin = '') =>
    redis.hset(observation(worker), { job_id: job, started_at: started, checkin, checkin_at: checkin, args: '' });

  test('keeps since when an entry is unobserved, until its job shows a sign of life', async () => {
    await redis.hset(stats, { status: 'Running', update_time: 5, revision: 4 });
    const sinceAt = async (now: number) => (await look(now)).unobserved.f?.split(' ')[0];
    expect([await sinceAt(at), await sinceAt(at + 10)]).toEqual([String(at), String(at)]);
    await redis.hset(stats, 'revision', 9);
    expect([await sinceAt(at + 20), await sinceAt(at + 30)]).toEqual([String(at + 20), String(at + 20)]);
    expect(await redis.hgetall(unobserved)).toEqual({ f: `${at + 20} Running|5||9` });
    for (const key of [workers, unobserved]) expect(await redis.ttl(key)).toEqual(ttlFrom(604_800));
  });

  test('keeps what each worker reported last, and after which observation it was written', async () => {
    await observe('w', 'a', 10);
    const said = async (now: number) => (await look(now)).workers['w:w'];
    expect(await said(at)).toBe('0 1 10 - a');
    expect(await said(at + 1)).toBe('0 1 10 - a');
    await observe('w', 'b', 20);
    expect(await said(at + 2)).toBe(`${at + 1} 1 20 - b`);
    expect(await said(at + 3)).toBe(`${at + 1} 1 20 - b`);
    await observe('w', 'b', 20, '7');
    expect(await said(at + 4)).toBe(`${at + 3} 1 20 7 b`);
    await redis.del(observation('w'));
    expect(await said(at + 5)).toBe(`${at + 3} 0 20 7 b`);
    await observe('w', 'b', 20, '7');
    expect(await said(at + 6)).toBe(`${at + 5} 1 20 7 b`);
    await observe('w', 'late', 19);
    expect(await said(at + 7)).toBe(`${at + 5} 1 20 7 b`);
    expect((await look(at + 8)).workers['w:v']).toBe('0 0 - - ');
  });

  test('forgets workers that are gone, and all that another process of Redis knew', async () => {
    await redis.hset(stats, { status: 'Running', update_time: 5, revision: 4 });
    await observe('w', 'a', 10);
    await look(at);
    await redis.hset(workers, 'w:gone', '0 0 - - ');
    await redis.hset(unobserved, 'gone', `${at} x`);
    await look(at + 1);
    expect(await redis.hexists(workers, 'w:gone')).toBe(0);
    await observe('w', 'b', 20);
    expect((await look(at + 1)).workers['w:w']).toBe(`${at + 1} 1 20 - b`);
    await redis.hset(workers, 'run', 'other');
    expect((await look(at + 2)).unobserved.f?.split(' ')[0]).toBe(String(at + 2));
    expect([await redis.hkeys(unobserved), (await look(at + 3)).workers['w:w']]).toEqual([['f'], '0 1 20 - b']);
  });

  test('in a plan goes on from the observation before, and writes nothing', async () => {
    await redis.hset(stats, { status: 'Running', update_time: 5, revision: 4 });
    const first = await planAt(at);
    const next = await planAt(at + 9, JSON.stringify(first));
    expect(next.unobserved.f?.split(' ')[0]).toBe(String(at));
    expect(await redis.exists(workers, unobserved)).toBe(0);
  });
});

describe('the entry of a job that has succeeded', () => {
  const ended = second(-61);
  const justNow = second(0);
  const finish = (
    { updated = String(ended), revision = '5', moves = '', id = 'j' } = {},
    call: Scripts['plan'] = scripts.run,
  ) =>
    outcomeOf(
      call(
        'finish_entry',
        [pools, heartbeat, held, lock, lockInfo, stats, observation('w'), observation('v')],
        ['p', maxAge, placed(entry('j')), id, updated, revision, 60, moves],
      ),
    );
  const succeeded = async (more: Record<string, string | number> = {}) => {
    await pool(second(0), 'other', entry('j'));
    await redis.hset(stats, { status: 'Success', update_time: ended, revision: 5, ...more });
    await redis.hset(observation('w'), { job_id: 'j', args: '' });
    await redis.hset(observation('v'), { job_id: 'k', args: '' });
  };

  test('is removed, with its counters and the observation that named it', async () => {
    await succeeded();
    expect(await finish()).toBe('done');
    expect([await redis.lrange(held, 0, -1), await counters()]).toEqual([['other'], ['2', '1']]);
    expect([await redis.exists(observation('w')), await redis.exists(observation('v'))]).toEqual([0, 1]);
    expect(await finish()).toBe('gone');
    expect(await counters()).toEqual(['2', '1']);
  });

  test.each([
    ['is another one than the entry’s', {}, { id: 'k' }],
    ['is another status', { status: 'Running' }, {}],
    ['has ended again', { update_time: ended - 1 }, {}],
    ['is another attempt', { revision: 6 }, {}],
    ['has ended a moment ago', { update_time: justNow }, { updated: String(justNow) }],
  ])('stays where the job %s', async (_, more, judged) => {
    await succeeded(more);
    expect(await finish(judged)).toBe('overtaken');
    expect(await redis.llen(held)).toBe(2);
  });

  test('stays in a pool that is dead, and in a plan', async () => {
    await succeeded();
    expect(await finish({}, scripts.plan)).toBe('done');
    await redis.hset(heartbeat, 'heartbeat_at', stale);
    expect(await finish()).toBe('dead');
    expect([await redis.llen(held), await redis.exists(observation('w'))]).toEqual([2, 1]);
    expect(await finish({ moves: stale })).toBe('done');
  });
});

describe('a poison job', () => {
  const fingerprint = () => judgedFingerprint(redis, stats);
  const ofJob = async (id: string, judged?: string) => [3, 86_400, 'X', id, judged ?? (await fingerprint())] as const;
  const hook = ['http://a:1', 5_000, 100] as const;
  const lastKeys = (execution: boolean) => [...hookKeys, beforeQuarantine, ...(execution ? [executions] : [])];
  const isolate = async ({ id = 'j', judged = undefined as string | undefined, execution = false } = {}) =>
    run(
      'quarantine_entry',
      [
        ...[pools, heartbeat, held, note, lock, lockInfo, dead, recoveries, quarantine, stats, track],
        ...lastKeys(execution),
      ],
      ['p', maxAge, stale, ...(await ofJob(id, judged)), ...hook],
    );
  const isolateOrphan = async (place: string) =>
    run(
      'quarantine_orphan',
      [
        ...[held, lock, lockInfo, dead, recoveries, quarantine, stats, track, ...lastKeys(false)],
        ...[pools, heartbeat, workers, unobserved, observation('w'), observation('v')],
      ],
      ['p', place, ...(await ofJob('j')), ...hook, '', maxAge, 'f', 30_000, '', '', 'w', 'v'],
    );
  /** An entry that no worker of the live pool has run for a minute. */
  const orphaned = async () => {
    await poison();
    await redis.hset(heartbeat, 'heartbeat_at', second(0));
    const since = Date.now() - 60_000;
    await redis.hset(unobserved, 'f', `${since} Running|5||5`);
    const other = `${since} 1 10 - other`;
    await redis.hset(workers, { at: since, run: thisRun, 'w:w': other, 'w:v': other });
  };
  const poison = async (status = 'Running', text = entry('j')) => {
    await pool(stale, 'other', text);
    await redis.hset(recoveries, 'j', often(3));
    await redis.hset(stats, { status, revision: 5, update_time: 5, web_hook_url: 'http://a:1' });
    await redis.hset(track, 'j', 2);
  };

  test('goes to dead as gocraft writes it, its status is Error, and its hook is enqueued', async () => {
    await poison();
    const [before, death] = [JSON.parse(often(3)), expect.arrayContaining(['p', stale])];
    expect(await isolate()).toEqual({ outcome: 'quarantined', recoveries: [...before, death] });
    const [member = '', score = ''] = await redis.zrange(dead, '0', '-1', 'WITHSCORES');
    expect(JSON.parse(member)).toEqual({
      ...JSON.parse(entry('j')),
      fails: 1,
      err: expect.stringContaining('lost it 4 times within 24 h'),
      failed_at: Number(score),
    });
    expect([await redis.lrange(held, 0, -1), await counters()]).toEqual([['other'], ['2', '1']]);
    expect([await redis.hget(stats, 'status'), await redis.hget(track, 'j')]).toEqual(['Error', '1']);
    expect(await redis.hget('t:reaper:hooks', 'j')).toBe('pending Error:5 http://a:1 0 0 0 -');
    expect(await redis.ttl(quarantine)).toEqual(ttlFrom(7_776_000));
  });

  test('fault 128: forgets recoveries that a person has made up for: its new record says nothing of them', async () => {
    await poison();
    const all = JSON.parse(often(4));
    await redis.hset(recoveries, 'j', JSON.stringify(all));
    const record = { at: 1, recoveries: all.slice(0, 1), entries: [['X', 'taken', 'taken']] };
    await redis.hset(quarantine, 'j', JSON.stringify(record));
    expect(await isolate()).toMatchObject({ outcome: 'quarantined', recoveries: { length: 4 } });
    expect(JSON.parse((await redis.hget(recoveries, 'j')) as string)).toEqual(all.slice(1));
  });

  test.each(['Success', 'Stopped', 'Error'])('keeps %s', async (status) => {
    await poison(status);
    await isolate();
    expect([await redis.hget(stats, 'status'), await redis.hget(track, 'j')]).toEqual([status, '2']);
    expect(await redis.exists('t:reaper:hooks')).toBe(0);
  });

  test('of a pool that has left no other trace shows its death too', async () => {
    await poison();
    await redis.lpop(held);
    await isolate();
    await redis.del(pools, heartbeat);
    expect([await deregister(''), await deregister('')]).toEqual(['deregistered', 'gone']);
  });

  const others: readonly [string, () => unknown, Parameters<typeof isolate>[0], string][] = [
    ['of a pool that lives', () => redis.hset(heartbeat, 'heartbeat_at', second(0)), {}, 'alive'],
    ['whose entry is gone', () => redis.del(held), {}, 'gone'],
    ['of another id', () => undefined, { id: 'k' }, 'gone'],
    ['that may be recovered', () => redis.hset(recoveries, 'j', often(2)), {}, 'below-limit'],
    ['that has changed', () => undefined, { judged: 'x' }, 'overtaken'],
  ];
  test.each(others)('stays where it is: one %s', async (_, change, args, reply) => {
    await poison();
    await change();
    expect(await isolate(args)).toEqual({ outcome: reply });
    expect([await redis.exists(dead), await redis.hget(stats, 'status')]).toEqual([0, 'Running']);
  });

  test('of a live pool is taken by its bytes, wherever it is in the list', async () => {
    await orphaned();
    await redis.rpush(held, entry('k'));
    expect(await isolateOrphan(placed(entry('j', ',"x":1'), 2))).toEqual({ outcome: 'gone' });
    expect(await redis.exists(dead)).toBe(0);
    expect(await isolateOrphan(placed(entry('j'), 2))).toMatchObject({ outcome: 'quarantined' });
    expect(await redis.lrange(held, 0, -1)).toEqual(['other', entry('k')]);
    expect([await redis.hget(stats, 'status'), await redis.zcard(dead)]).toEqual(['Error', 1]);
    // The same bytes may come back: then their wait starts again.
    expect(await redis.hexists(unobserved, 'f')).toBe(0);
  });

  test.each([
    ['a worker is observed with it', () => redis.hset(observation('v'), { job_id: 'j', job_name: 'X', args: '' })],
    ['its job shows a sign of life', () => redis.hset(stats, 'check_in_at', 6)],
    ['its pool has got a worker', () => redis.hset(heartbeat, 'worker_ids', 'w,v,new')],
    ['its pool has died', () => redis.hset(heartbeat, 'heartbeat_at', stale)],
  ])('of a live pool stays where it is if %s meanwhile', async (_, change) => {
    await orphaned();
    await change();
    expect(await isolateOrphan(placed(entry('j')))).toEqual({ outcome: 'gone' });
    expect([await redis.lrange(held, 0, -1), await redis.exists(dead)]).toEqual([['other', entry('j')], 0]);
    expect(await redis.hget(stats, 'status')).toBe('Running');
  });

  test('marks its execution as done, and makes none', async () => {
    await poison();
    await redis.zadd(executions, 5, 'j');
    await isolate({ execution: true });
    expect(await redis.zscore(executions, 'j')).toBe('-1');
    await redis.flushall();
    await poison();
    await isolate({ execution: true });
    expect(await redis.exists(executions)).toBe(0);
  });

  test.each([
    ['3', 4],
    ['9007199254740991', 9_007_199_254_740_992],
    ['9007199254740992', 1],
    ['-1', 1],
    ['"3"', 1],
  ])('with %s failures has one more, and its other bytes', async (fails, after) => {
    const text = `{ "err":"x", "name":"X","id":"j","fails":${fails},"failed_at":1,"args":{"a":1.50,"b":"\\u0041"}}`;
    await poison('Running', text);
    await isolate();
    const [member = ''] = await redis.zrange(dead, '0', '-1');
    expect(JSON.parse(member).fails).toBe(after);
    expect(member).toContain('"args":{"a":1.50,"b":"\\u0041"}}');
    expect(member.match(/"(err|fails|failed_at)":/g)).toHaveLength(3);
    expect(JSON.parse(member).failed_at).toBeGreaterThan(1);
  });

  describe('in quarantine', () => {
    const inDead = '{"name":"X","id":"j","fails":1}';
    const record = (entries: readonly (readonly string[])[] = [['X', entry('j'), inDead]], since = often(3)) =>
      JSON.stringify({ at: enqueuedAt, recoveries: JSON.parse(since), entries });
    const put = async (text = record(), members = [inDead]) => {
      await redis.hset(quarantine, 'j', text);
      for (const member of members) await redis.zadd(dead, 5, member);
      await redis.hset(recoveries, 'j', often(3));
    };
    const leave = async (verb: 'release' | 'drop' | 'forget', seen?: string, queues = [queue]) =>
      outcomeOf(
        run(
          `${verb}_quarantined`,
          [quarantine, dead, recoveries, ...(verb === 'release' ? queues : [])],
          ['j', seen ?? sha1((await redis.hget(quarantine, 'j')) ?? ''), ''],
        ),
      );

    test('released, each entry is in the queue of its type as it was, and nothing else is left', async () => {
      const second = '{"name":"Y","id":"j","fails":1}';
      await put(
        record([
          ['X', entry('j'), inDead],
          ['Y', 'raw', second],
        ]),
        [inDead, second],
      );
      expect(await leave('release', undefined, [queue, 't:jobs:Y'])).toBe('done');
      expect([await redis.lrange(queue, 0, -1), await redis.lrange('t:jobs:Y', 0, -1)]).toEqual([
        [entry('j')],
        ['raw'],
      ]);
      expect(await redis.exists(dead, quarantine, recoveries)).toBe(0);
    });

    test('dropped, it is gone', async () => {
      await put();
      expect(await leave('drop')).toBe('done');
      expect(await redis.keys('*')).toEqual([]);
    });

    test.each(['release', 'drop', 'forget'] as const)(
      'fault 150: is not left by %s once it is another than was seen',
      async (verb) => {
        await put();
        expect(await leave(verb, sha1('other'))).toBe('overtaken');
        expect([await redis.hexists(quarantine, 'j'), await redis.zcard(dead), await redis.exists(queue)]).toEqual([
          1, 1, 0,
        ]);
      },
    );

    test('is not requeued a second time if a user has taken it out of dead', async () => {
      await put(record(), []);
      expect(await leave('release')).toBe('gone');
      expect(await redis.exists(queue, quarantine)).toBe(0);
    });

    test('is not forgotten while something of it is in dead', async () => {
      await put();
      expect(await leave('forget')).toBe('overtaken');
      await redis.del(dead);
      expect(await leave('forget')).toBe('done');
      expect(await redis.exists(quarantine)).toBe(0);
    });

    test('and taken by somebody: deaths since then count, those before do not', async () => {
      await put(record(), []);
      const since = [second(-9), 'new', '7'];
      await redis.hset(recoveries, 'j', JSON.stringify([...JSON.parse(often(3)), since]));
      await leave('forget');
      expect(JSON.parse((await redis.hget(recoveries, 'j')) ?? '')).toEqual([since]);
    });

    test('counts for a second entry of the job, until somebody takes the first', async () => {
      await put();
      await pool(stale, entry('j'));
      expect(await requeue()).toEqual([0, 1, 'j']);
      await redis.del(dead);
      expect(await requeue()).toEqual([1, 0]);
    });

    test('keeps a second entry beside the first, but not beside one that somebody has taken', async () => {
      await poison();
      await put(
        record([
          ['X', 'taken', 'taken'],
          ['X', 'kept', inDead],
        ]),
      );
      // The deaths of its record count no longer, since one was taken.
      const others = ['a', 'b', 'c'].map((name) => [second(-9), name, '7'] as const);
      await redis.hset(recoveries, 'j', died(...others));
      await isolate();
      const { entries } = JSON.parse((await redis.hget(quarantine, 'j')) ?? '') as { entries: string[][] };
      expect(entries.map(([, original]) => original)).toEqual(['kept', entry('j')]);
    });

    test('of no use any more goes when another comes: after a month, if nothing of it is in dead', async () => {
      const old = second(-2_592_100);
      await redis.hset(quarantine, {
        gone: JSON.stringify({ at: old, recoveries: [], entries: [['X', 'a', 'a']] }),
        there: JSON.stringify({ at: old, recoveries: [], entries: [['X', 'b', inDead]] }),
        young: JSON.stringify({ at: second(-2_500_000), recoveries: [], entries: [['X', 'a', 'a']] }),
        broken: 'x',
        half: '{"recoveries":[]}',
      });
      await redis.zadd(dead, 5, inDead);
      await poison();
      await isolate();
      expect((await redis.hkeys(quarantine)).sort()).toEqual(['j', 'there', 'young']);
    });

    test('is shown without what only its worker should see', async () => {
      await put();
      const {
        cursor,
        records: [shown],
      } = await run('read_quarantine', [quarantine, dead], ['0', 10]);
      expect([cursor, shown]).toEqual([
        '0',
        ['j', sha1(record()), enqueuedAt, true, ['X'], JSON.parse(often(3)), [true]],
      ]);
      await redis.del(dead);
      const find = (id: string) => run('find_quarantined', [quarantine, dead], [id]);
      expect(await find('j')).toEqual({
        outcome: 'found',
        record: ['j', sha1(record()), enqueuedAt, false, ['X'], JSON.parse(often(3)), [false]],
      });
      expect(await find('k')).toEqual({ outcome: 'not-found' });
    });
  });
});

describe('a search', () => {
  const readFrom = (from: number, most: number, bytes = 10_000) =>
    scripts.run('read_entries', [queue], [from, most, bytes]);
  const found = (ids: readonly string[], isEnd: boolean) => ({ outcome: 'read', isEnd, ids, us: expect.any(Number) });

  test('reads whose entries a list holds part by part, to its last one', async () => {
    const ids = Array.from({ length: 25 }, (_, i) => `j${i}`);
    await redis.rpush(queue, ...ids.map((id) => entry(id)));
    expect(await readFrom(0, 10)).toEqual(found(ids.slice(0, 10), false));
    expect(await readFrom(10, 10)).toEqual(found(ids.slice(10, 20), false));
    expect(await readFrom(20, 10)).toEqual(found(ids.slice(20), true));
    expect(await readFrom(20, 5)).toEqual(found(ids.slice(20), true));
    expect(await readFrom(25, 10)).toEqual(found([], true));
  });

  test('reads a list by the bytes that were asked for, however large its entries are', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `j${i}`);
    await redis.rpush(queue, ...ids.map((id) => entry(id, `,"x":"${'x'.repeat(5_000)}"`)));
    // The size of the first ones is unknown.
    expect(await readFrom(0, 40, 100)).toEqual(found(ids.slice(0, 16), false));
    expect(await readFrom(0, 40, 86_000)).toEqual(found(ids.slice(0, 33), false));
    expect(await readFrom(24, 40, 100)).toEqual(found(ids.slice(24), true));
  });

  test.each([
    ['a second id', entry('j', ',"id":"k"'), 'k'],
    ['an escaped second id', entry('j', ',"\\u0069d":"k"'), 'k'],
    ['an execution of a policy', '{"name":"X","id":"j","args":{"_job_kind_periodic_":"7"}}', 'j@7'],
    ['another beginning', '{"id":"j","name":"X"}', 'j'],
    ['no id', '{"name":"X"}', ''],
  ])('knows the job of an entry with %s', async (_, text, id) => {
    await redis.rpush(queue, text);
    expect(await readFrom(0, 10)).toEqual(found([id], true));
  });

  test('reads a set by the bytes that were asked for, however large some entries are', async () => {
    const large = `{"name":"X","id":"large","args":"${'x'.repeat(5_000)}"}`;
    await redis.zadd(dead, -1, large, ...Array.from({ length: 300 }, (_, i) => [i, entry(`j${i}`)]).flat());
    const found = new Set<string>();
    const parts: number[] = [];
    let cursor = '0';
    do {
      const { cursor: next, ids } = await scripts.run('scan_entries', [dead], [cursor, 300, 1_000]);
      for (const id of ids) found.add(id);
      parts.push(ids.length);
      cursor = next;
    } while (cursor !== '0');
    expect(found.size).toBe(301);
    // Where the large one stands differs from one Redis to the next: its part is short, and others are not.
    expect(Math.max(...parts)).toBeGreaterThan(10);
    expect(Math.max(...parts)).toBeLessThan(60);
  });

  test('reads a set with the scores of its entries, part by part', async () => {
    const ids = Array.from({ length: 500 }, (_, i) => `j${i}`);
    for (const [i, id] of ids.entries()) await redis.zadd(dead, i, entry(id));
    const scan = (cursor: string, most: number) => scripts.run('scan_entries', [dead], [cursor, most, 1e6]);
    const found = new Map<string, number | undefined>();
    let cursor = '0';
    do {
      const { cursor: next, ids: entries, scores } = await scan(cursor, 50);
      expect(entries.length).toBeGreaterThanOrEqual(next === '0' ? 0 : 50);
      expect(entries.length).toBeLessThan(200);
      for (const [i, text] of entries.entries()) found.set(text, scores[i]);
      cursor = next;
    } while (cursor !== '0');
    expect(found).toEqual(new Map(ids.map((id, i) => [id, i])));
  });
});
