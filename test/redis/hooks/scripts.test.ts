import { describe, expect, test } from 'vitest';
import type { ScriptName } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { ttlFrom } from '../../support/ttl.ts';

// What each script of a hook answers and writes, rule by rule (150: behavior that no test proved). Times are of a clock that
// the tests give, in ms.

const { redis, scripts } = await redisFixture();

const origin = 'http://a:1';
const other = 'http://b:1';
const hooks = 't:reaper:hooks';
const parked = 't:reaper:hooks:parked';
const origins = 't:reaper:hooks:origins';
const dueOf = (of: string) => `t:reaper:hooks:due:${of}`;
const due = dueOf(origin);
const endpoint = `t:reaper:hooks:endpoint:${origin}`;
const statsOf = (id: string) => `t:job_stats:${id}`;
const track = 't:job_track:inprogress';
const day = 86_400_000;
/** Now. */
const at = 1_000_000_000;
const s = Math.floor(at / 1_000);

const run = (name: ScriptName, keys: readonly string[], args: readonly (string | number)[]) =>
  scripts.run(name, keys, args);
const outcome = async (...call: Parameters<typeof run>) => ((await run(...call)) as { outcome: string }).outcome;
const record = (id = 'j') => redis.hget(hooks, id);
const dueAt = async (id = 'j') => {
  const score = await redis.zscore(due, id);
  return score === null ? null : Number(score);
};
const parkedAt = async (id = 'j') => {
  const score = await redis.zscore(parked, id);
  return score === null ? null : Number(score);
};
const write = async (text: string, score?: number, id = 'j') => {
  await redis.hset(hooks, id, text);
  if (score !== undefined) await redis.zadd(text.startsWith('parked') ? parked : due, score, id);
};
const job = (status: string, revision = 100, more: Record<string, string | number> = {}, id = 'j') =>
  redis.hset(statsOf(id), { id, status, revision, ...more });
const pending = (state: string, to = origin) => `pending ${state} ${to} 0 0 0 -`;

describe('a sweep that enqueues hooks', () => {
  type Job = readonly [id: string, state: string, to?: string];
  const enqueue = async (jobs: readonly Job[], { most = 1_000, withStats = false, now = at } = {}) => {
    const to = [...new Set(jobs.map(([, , hookEndpoint = origin]) => hookEndpoint))];
    const reply = scripts.run(
      'enqueue_hooks',
      [hooks, parked, origins, ...to.map(dueOf), ...(withStats ? jobs.map(([id]) => statsOf(id)) : [])],
      [
        ...[now, most, to.length, ...to],
        ...jobs.flatMap(([id, state, hookEndpoint = origin]) => [id, state, to.indexOf(hookEndpoint) + 1]),
      ],
    );
    return (await reply).changes.map((change) => (change.outcome === 'refused' ? change.error : change.outcome));
  };

  test('makes a record of each, which is due now, in keys that expire', async () => {
    expect(
      await enqueue([
        ['j', 'Running:100'],
        ['k', 'Success:7', other],
      ]),
    ).toEqual(['enqueued', 'enqueued']);
    expect(await redis.hgetall(hooks)).toEqual({ j: pending('Running:100'), k: pending('Success:7', other) });
    expect([await dueAt(), await redis.zscore(dueOf(other), 'k')]).toEqual([at, String(at)]);
    expect((await redis.smembers(origins)).sort()).toEqual([origin, other]);
    for (const key of [hooks, origins, due, dueOf(other)]) expect(await redis.ttl(key)).toEqual(ttlFrom(7_776_000));
  });

  test('leaves a record of this state as it is, also when it was given up', async () => {
    await write(`pending Running:100 ${origin} 3 4 5 503`, at + 9_000);
    expect(await enqueue([['j', 'Running:100']])).toEqual(['already-pending']);
    expect([await record(), await dueAt()]).toEqual([`pending Running:100 ${origin} 3 4 5 503`, at + 9_000]);
    await write(`parked Running:100 ${origin} 3 4 5 503`, at);
    await redis.zrem(due, 'j');
    expect(await enqueue([['j', 'Running:100']], { withStats: true })).toEqual(['parked']);
    expect([await record(), await dueAt(), await parkedAt()]).toEqual([
      `parked Running:100 ${origin} 3 4 5 503`,
      null,
      at,
    ]);
  });

  test('begins again with another state, unless it is being sent', async () => {
    await write(`pending Running:100 ${origin} 3 4 5 503`, at + 9_000);
    expect(await enqueue([['j', 'Success:100']])).toEqual(['enqueued']);
    expect([await record(), await dueAt()]).toEqual([pending('Success:100'), at]);
    for (const kind of ['sending', 'resending']) {
      await write(`${kind} Running:100 ${origin} 3 4 5 503`, at + 9_000);
      expect(await enqueue([['j', 'Success:100']])).toEqual(['already-pending']);
      expect([await record(), await dueAt()]).toEqual([`${kind} Running:100 ${origin} 3 4 5 503`, at + 9_000]);
    }
  });

  test('takes what is parked up again for another state, but not by an older read than that', async () => {
    await write(`parked Success:100 ${origin} 3 4 5 400`, at);
    await job('Success');
    expect(await enqueue([['j', 'Running:100']])).toEqual(['unclear']);
    expect(await enqueue([['j', 'Running:100']], { withStats: true })).toEqual(['parked']);
    expect([(await record())?.split(' ')[0], await parkedAt()]).toEqual(['parked', at]);
    await job('Error', 101);
    expect(await enqueue([['j', 'Error:101']], { withStats: true })).toEqual(['enqueued']);
    expect([await record(), await dueAt(), await parkedAt()]).toEqual([pending('Error:101'), at, null]);
  });

  test('sends a state that is not a status whatever is parked', async () => {
    await write(`parked none:0 ${origin} 3 4 5 400`, at);
    expect(await enqueue([['j', 'reported:0']])).toEqual(['enqueued']);
  });

  test.each(['pending', 'sending', 'asked'])(
    'fault 150: queues a %s record again whose queue was evicted, later than any claim lasts',
    async (kind) => {
      await write(`${kind} Running:100 ${origin} 1 4 4 -`);
      expect(await enqueue([['j', 'Running:100']])).toEqual(['already-pending']);
      expect([await record(), await dueAt()]).toEqual([`${kind} Running:100 ${origin} 1 4 4 -`, at + 60_000]);
      expect(await enqueue([['j', 'Running:100']], { now: at + 5_000 })).toEqual(['already-pending']);
      expect(await dueAt()).toBe(at + 60_000);
    },
  );

  test('queues no record again that is parked, or of another endpoint', async () => {
    await write(`parked Running:100 ${origin} 1 4 4 -`, at);
    await write(`pending Running:100 ${other} 0 0 0 -`, undefined, 'k');
    expect(
      await enqueue([
        ['j', 'Running:100'],
        ['k', 'Running:100'],
      ]),
    ).toEqual(['parked', 'already-pending']);
    expect(await redis.exists(due)).toBe(0);
  });

  test('fault 150: defers what exceeds the limit, and nothing that has a record', async () => {
    for (let i = 0; i < 120; i++) await write(pending('Running:1'), at, `old${i}`);
    expect(
      await enqueue(
        [
          ['j', 'Running:1'],
          ['k', 'Running:1'],
          ['l', 'Running:1'],
        ],
        { most: 122 },
      ),
    ).toEqual(['enqueued', 'enqueued', 'deferred']);
    expect(await redis.hlen(hooks)).toBe(122);
    expect(
      await enqueue(
        [
          ['old0', 'Success:1'],
          ['m', 'Running:1'],
        ],
        { most: 122 },
      ),
    ).toEqual(['enqueued', 'deferred']);
  });

  test('fault 150: lets an endpoint with few hooks exceed the limit by a quarter, and no other', async () => {
    for (let i = 0; i < 100; i++) await write(pending('Running:1'), at, `old${i}`);
    const jobs = Array.from({ length: 26 }, (_, i) => [`new${i}`, 'Running:1', other] as const);
    expect(await enqueue([['j', 'Running:1']], { most: 100 })).toEqual(['deferred']);
    expect(await enqueue(jobs, { most: 100 })).toEqual([...Array.from({ length: 25 }, () => 'enqueued'), 'deferred']);
  });

  test('enqueues all except those whose queue is of another type, and replies an error for each of these', async () => {
    await redis.set(due, 'x');
    const [j, k] = (await enqueue([
      ['j', 'Running:100'],
      ['k', 'Running:100', other],
    ])) as string[];
    expect(j).toMatch(/^WRONGTYPE .*holds a string/);
    expect(k).toBe('enqueued');
    expect(await redis.hkeys(hooks)).toEqual(['k']);
    expect(await redis.smembers(origins)).toEqual([other]);
  });

  test('enqueues the hooks of a page of some thousand jobs, the last one too', async () => {
    const jobs = Array.from({ length: 2_500 }, (_, i) => [`j${i}`, 'Running:1'] as const);
    expect(new Set((await enqueue(jobs, { most: 10_000 })) as string[])).toEqual(new Set(['enqueued']));
    expect([await redis.hlen(hooks), await redis.zcard(due)]).toEqual([2_500, 2_500]);
  });
});

describe('a change of one job', () => {
  const change = (state: readonly [string, number], most = 1_000) =>
    run('set_status', [statsOf('j'), track, hooks, parked, origins, due], [...state, 'j', origin, at, most]);

  test('takes up what was parked, and is deferred beyond the bound', async () => {
    await job('Pending');
    await write(`parked Pending:100 ${origin} 3 4 5 400`, at);
    await change(['Running', 100]);
    expect([await record(), await dueAt(), await parkedAt()]).toEqual([pending('Running:100'), at, null]);
    await redis.hdel(hooks, 'j');
    for (let i = 0; i < 100; i++) await write(pending('Running:1'), at, `old${i}`);
    await change(['Success', 100], 100);
    expect(await record()).toBeNull();
  });

  test('queues a record again whose queue was evicted', async () => {
    await job('Running');
    await write(`sending Running:100 ${origin} 1 4 4 -`);
    await change(['Success', 100]);
    expect([(await record())?.split(' ')[0], await dueAt()]).toEqual(['sending', at + 60_000]);
  });
});

describe('a claim', () => {
  const claim = async (
    ids: readonly string[],
    { most = 10, threshold = 2, rate = 50, now = at, lease = 40_000, of = origin } = {},
  ) => {
    const reply = await scripts.run(
      'claim_hooks',
      [hooks, dueOf(of), `t:reaper:hooks:endpoint:${of}`, origins, ...ids.map(statsOf)],
      [now, lease, most, threshold, rate, of, ...ids],
    );
    return { wait: reply.wait ?? -1, breaker: reply.breaker, until: reply.until, taken: reply.hooks, next: reply.next };
  };

  test('takes what is due, as it is now, and holds it', async () => {
    await job('Running', 100, { web_hook_url: `${origin}/x` });
    await write(pending('Running:100'), at);
    const { wait, breaker, until, taken } = await claim(['j']);
    expect([wait, breaker, until]).toEqual([40_000, 'closed', at + 40_000]);
    const [, , , stats] = taken[0] ?? [];
    expect([taken[0]?.slice(0, 3), stats?.slice(0, 4)]).toEqual([
      ['j', 'pending', 1],
      ['j', false, false, false],
    ]);
    expect(stats).toContain(`${origin}/x`);
    expect([await record(), await dueAt()]).toEqual([`sending Running:100 ${origin} 1 ${s} ${s} -`, at + 40_000]);
    expect((await claim(['j'])).taken).toEqual([]);
  });

  test('counts attempts from the first one on, and those of another change again', async () => {
    await job('Running');
    await write(`pending Running:100 ${origin} 3 4 5 503`, at);
    await claim(['j']);
    expect(await record()).toBe(`sending Running:100 ${origin} 4 4 ${s} 503`);
    await write(`asked Pending:100 ${origin} 3 4 5 503`, at);
    expect((await claim(['j'])).taken[0]?.slice(0, 3)).toEqual(['j', 'asked', 1]);
    expect(await record()).toBe(`resending Running:100 ${origin} 1 ${s} ${s} 503`);
    expect((await claim(['j'], { now: at + 40_000 })).taken[0]?.slice(0, 3)).toEqual(['j', 'asked', 2]);
  });

  test('takes no more than there is room for, and nothing that is not due', async () => {
    for (const id of ['a', 'b', 'c']) {
      await job('Running', 100, {}, id);
      await write(pending('Running:100'), id === 'c' ? at + 1 : at, id);
    }
    expect((await claim(['a', 'b', 'c'], { most: 1 })).taken.map(([id]) => id)).toEqual(['a']);
    const { taken, wait } = await claim(['a', 'b', 'c']);
    expect([taken.map(([id]) => id), wait]).toEqual([['b'], 1]);
  });

  test('names the hooks that are due next, up to twice as many as there was room for', async () => {
    for (const [i, id] of ['a', 'b', 'c', 'd', 'e'].entries()) {
      await job('Running', 100, {}, id);
      await write(pending('Running:100'), id === 'e' ? at + 1 : at - 9 + i, id);
    }
    expect((await claim(['a'], { most: 1 })).next).toEqual(['b', 'c']);
    expect((await claim(['b'])).next).toEqual(['c', 'd']);
    expect((await claim(['c', 'd'])).next).toEqual([]);
  });

  test('takes a hook once that is named twice', async () => {
    await job('Running');
    await write(pending('Running:100'), at);
    expect((await claim(['j', 'j'])).taken.map(([id]) => id)).toEqual(['j']);
  });

  test('fault 150: takes nothing that is parked, of another endpoint, or without a record, and asks for it no more', async () => {
    await redis.sadd(origins, origin, other);
    await write(pending('Running:100', other), at, 'moved');
    await redis.hset(hooks, 'parked', `parked Running:100 ${origin} 1 4 4 400`);
    await redis.zadd(due, at, 'parked', at, 'gone');
    for (const id of ['moved', 'parked', 'gone']) await job('Running', 100, {}, id);
    expect(await claim(['moved', 'parked', 'gone'])).toMatchObject({ wait: -1, breaker: 'closed', taken: [] });
    expect([await redis.exists(due), await redis.smembers(origins)]).toEqual([0, [other]]);
    expect(await record('moved')).toBe(pending('Running:100', other));
  });

  test('keeps an endpoint that is owed something', async () => {
    await redis.sadd(origins, origin);
    await write(pending('Running:100'), at + 5);
    await claim(['j']);
    expect(await redis.smembers(origins)).toEqual([origin]);
  });

  test('returns no stats if they are gone or of another type, and any status as it is', async () => {
    await write(pending('Running:100'), at);
    expect((await claim(['j'])).taken[0]).toEqual(['j', 'pending', 1]);
    await redis.set(statsOf('k'), 'x');
    await write(pending('Running:100'), at, 'k');
    expect((await claim(['k'])).taken[0]).toEqual(['k', 'pending', 1]);
    await job('Odd one', 100, {}, 'l');
    await write(pending('Running:100'), at, 'l');
    await claim(['l']);
    expect(await record('l')).toBe(`sending Odd_one:100 ${origin} 1 ${s} ${s} -`);
  });

  test('returns bytes that are not UTF-8 as U+FFFD, and each text of the other hooks as it is', async () => {
    await job('Running', 100, { parameters: '{"a":"ä\\"\\n"}' });
    await job('Running', 100, {}, 'k');
    await redis.hset(statsOf('k'), 'parameters', Buffer.from('{"a":"\xff"}', 'latin1'));
    for (const id of ['j', 'k']) await write(pending('Running:100'), at, id);
    const { taken } = await claim(['j', 'k']);
    expect(taken.map(([id, , , stats]) => [id, stats?.[16]])).toEqual([
      ['j', '{"a":"ä\\"\\n"}'],
      ['k', '{"a":"\uFFFD"}'],
    ]);
  });

  test('is refused while the circuit is open, and lets one probe through when it has been open for long enough', async () => {
    for (const id of ['a', 'b']) {
      await job('Running', 100, {}, id);
      await write(pending('Running:100'), at, id);
    }
    await redis.hset(endpoint, { failures: 2, opens: 1, open_until: at + 500 });
    expect(await claim(['a', 'b'])).toMatchObject({ wait: 500, breaker: 'open', taken: [] });
    const first = await claim(['a', 'b'], { now: at + 500 });
    expect([first.breaker, first.taken.map(([id]) => id)]).toEqual(['probing', ['a']]);
    expect(await claim(['a', 'b'], { now: at + 1_000 })).toMatchObject({ wait: 39_500, breaker: 'open', taken: [] });
    expect((await claim(['a', 'b'], { now: at + 40_500 })).breaker).toBe('probing');
    await redis.hset(endpoint, { failures: 1 });
    expect((await claim(['a', 'b'], { now: at + 1_000 })).breaker).toBe('closed');
  });

  test('fault 104: does not wait for times that were written before the clock of Redis went back', async () => {
    for (const id of ['a', 'b']) {
      await job('Running', 100, {}, id);
      await write(pending('Running:100'), at, id);
    }
    await redis.hset(endpoint, { failures: 2, opens: 1, open_until: at + 600_000 });
    expect((await claim(['a'])).breaker).toBe('open');
    await redis.hset(endpoint, { open_until: at + 600_001 });
    expect((await claim(['a'])).breaker).toBe('probing');
    await redis.del(endpoint);
    await redis.hset(endpoint, { tokens: '0', tokens_at: at + 3_600_000 });
    const { breaker, taken } = await claim(['b']);
    expect([breaker, taken.map(([id]) => id)]).toEqual(['draining', ['b']]);
    expect(await redis.hget(endpoint, 'tokens_at')).toBe(String(at));
  });

  test('fault 104: takes hooks whose times are of before the clock of Redis went back', async () => {
    const hour = 3_600_000;
    const times: Record<string, readonly [text: string, score: number]> = {
      first: [pending('Running:100'), at + 60_001],
      retried: [`pending Running:100 ${origin} 2 ${s + 3_500} ${s + 3_600} 503`, at + hour],
      claimed: [`sending Running:100 ${origin} 1 ${s + 3_600} ${s + 3_600} -`, at + hour + 40_000],
      // These wait as usual: one that was queued again, a retry that the endpoint has asked to come late, and what cannot be read.
      again: [pending('Running:100'), at + 60_000],
      later: [`pending Running:100 ${origin} 1 ${s} ${s + 1} 503`, at + hour],
      junk: ['junk', at + hour],
    };
    for (const [id, [text, score]] of Object.entries(times)) {
      await job('Running', 100, {}, id);
      await write(text, score, id);
    }
    const { taken } = await claim(['first', 'retried', 'claimed', 'again', 'later']);
    expect(taken.map(([id, , attempt]) => [id, attempt])).toEqual([
      ['first', 1],
      ['retried', 3],
    ]);
    // Its deadline starts again: it must not be retried for an hour longer.
    expect(await record('retried')).toBe(`sending Running:100 ${origin} 3 ${s} ${s} 503`);
    // Its host may be sending it.
    expect([await record('claimed'), await dueAt('claimed')]).toEqual([
      `sending Running:100 ${origin} 1 ${s + 3_600} ${s} -`,
      at + 40_000,
    ]);
    expect((await claim(['claimed'], { now: at + 39_999 })).taken).toEqual([]);
    expect((await claim(['claimed'], { now: at + 40_000 })).taken.map(([id]) => id)).toEqual(['claimed']);
    expect(await Promise.all(['again', 'later', 'junk'].map((id) => dueAt(id)))).toEqual([
      at + 60_000,
      at + hour,
      at + hour,
    ]);
  });

  test('fault 104: a claim of before the clock went back that lasts for minutes ends once', async () => {
    await job('Running');
    await write(`sending Running:100 ${origin} 1 ${s + 3_600} ${s + 3_600} -`, at + 4_000_000);
    const lease = 100_000;
    await claim([], { lease });
    await claim([], { lease, now: at + 30_000 });
    expect(await dueAt()).toBe(at + lease);
  });

  test('fault 104: names the other hooks of before the clock went back, so that the next claim takes them', async () => {
    for (const id of ['a', 'b', 'c']) {
      await job('Running', 100, {}, id);
      await write(pending('Running:100'), at + 3_600_000, id);
    }
    const { taken, wait, next } = await claim(['a'], { most: 1 });
    expect([taken.map(([id]) => id), wait, next]).toEqual([['a'], 0, ['b']]);
  });

  test('is limited to the drain rate after a recovery, until the queue is empty', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    for (const id of ids) {
      await job('Running', 100, {}, id);
      await write(pending('Running:100'), at, id);
    }
    await redis.hset(endpoint, { tokens: '1', tokens_at: String(at) });
    const said = async (now: number) => {
      const { wait, breaker, taken } = await claim(ids, { now });
      return [breaker, taken.length, wait];
    };
    expect(await said(at)).toEqual(['draining', 1, 0]);
    expect(await said(at)).toEqual(['draining', 0, 20]);
    expect(await said(at + 20)).toEqual(['draining', 1, 0]);
    expect(await said(at + 35)).toEqual(['draining', 0, 5]);
    // An hour later: no more than a tenth of a second's worth.
    await redis.zadd(due, 'XX', at + day, 'a', at + day, 'b');
    expect(await said(at + 3_600_000)).toEqual(['draining', 5, 40_000]);
    expect(await said(at + 3_600_100)).toEqual(['closed', 0, 39_900]);
    expect(await redis.hmget(endpoint, 'tokens', 'tokens_at')).toEqual([null, null]);
  });

  test('keeps nothing of the stats in its answer', async () => {
    await job('Running', 100, { parameters: 'secret' });
    await write(pending('Running:100'), at);
    const call = () =>
      scripts.run(
        'claim_hooks',
        [hooks, due, endpoint, origins, statsOf('j')],
        [at, 40_000, 10, 2, 50, origin, 'j'],
        undefined,
        { key: 'answer', token: 'x' },
      );
    await call();
    expect(await redis.get('answer')).not.toContain('secret');
    expect(await redis.pttl('answer')).toBeGreaterThan(0);
    expect(await redis.pttl('answer')).toBeLessThanOrEqual(40_000);
    expect((await call()).hooks[0]).toEqual(['j', 'pending', 1, 'unread']);
  });
});

describe('what becomes of a hook that was claimed', () => {
  const claimEnd = at + 40_000;
  const sending = (state = 'Running:100', first = s, answer = '-', kind = 'sending') =>
    write(`${kind} ${state} ${origin} 1 ${first} ${s} ${answer}`, claimEnd);
  const delivered = async (status = 'Running', revision = 100, checkInAt = 0) => {
    const reply = await scripts.run(
      'record_delivered',
      [track, hooks, due, endpoint, statsOf('j')],
      [at, 'j', claimEnd, status, revision, checkInAt, ''],
    );
    return reply.hooks[0]?.outcome;
  };
  const failed = (
    answer = '503',
    { delay = 1_000, deadline = day, health = 'failing', openFor = 30_000, now = at, end = claimEnd } = {},
  ) =>
    outcome(
      'record_failed',
      [statsOf('j'), hooks, parked, due, endpoint],
      [now, 'j', end, answer, delay, deadline, 'given-up', health, 2, openFor],
    );
  const park = (reason: string, health: 'alive' | 'unknown') =>
    outcome('park_hook', [statsOf('j'), hooks, parked, due, endpoint], [at, 'j', claimEnd, reason, health]);
  const drop = (checkInAt: number) =>
    outcome('remove_hook', [statsOf('j'), hooks, due, endpoint], [at, 'j', claimEnd, checkInAt]);

  describe('delivered', () => {
    test('it is confirmed, and nothing is left of it', async () => {
      await Promise.all([job('Running'), sending()]);
      expect(await delivered()).toBe('done');
      expect(await redis.hget(statsOf('j'), 'ack')).toBe('{"status":"Running","revision":100,"check_in_at":0}');
      expect([await record(), await dueAt()]).toEqual([null, null]);
    });

    test.each([
      ['has another status', { status: 'Success' }],
      ['has begun again', { revision: 101 }],
      ['has reported', { check_in_at: 6 }],
    ])('it is due again where the job %s meanwhile', async (_, change) => {
      await Promise.all([job('Running', 100, { check_in_at: 5 }), sending()]);
      await redis.hset(statsOf('j'), change);
      expect(await delivered('Running', 100, 5)).toBe('changed');
      expect((await record())?.split(' ').slice(0, 2)).toEqual([
        'pending',
        `${'status' in change ? 'Success' : 'Running'}:${'revision' in change ? 101 : 100}`,
      ]);
      expect(await dueAt()).toBe(at);
    });

    test.each(['1e99', '99999999999999999999', '6.5', 'x'])(
      'it is done although check_in_at is %s, which is not a time',
      async (checkInAt) => {
        await Promise.all([job('Running', 100, { check_in_at: checkInAt }), sending()]);
        expect(await delivered('Running', 100, 0)).toBe('done');
      },
    );

    test('nothing is left of it where the job is gone', async () => {
      await sending();
      expect(await delivered()).toBe('done');
      expect([await record(), await redis.exists(statsOf('j'))]).toEqual([null, 0]);
    });

    test('it is confirmed where the stats have lost their status', async () => {
      await Promise.all([job('Running', 100, { name: 'X' }), sending()]);
      await redis.hdel(statsOf('j'), 'status', 'revision');
      expect(await delivered()).toBe('changed');
      expect(await redis.hexists(statsOf('j'), 'ack')).toBe(1);
    });

    test('it is confirmed by a host that is late, which leaves what another holds', async () => {
      await Promise.all([job('Running'), sending()]);
      await redis.zadd(due, claimEnd + 1, 'j');
      expect(await delivered()).toBe('expired');
      expect(await redis.hexists(statsOf('j'), 'ack')).toBe(1);
      expect([(await record())?.split(' ')[0], await dueAt()]).toEqual(['sending', claimEnd + 1]);
    });

    test('several are recorded by one call, and stats of another type hinder their own hook only', async () => {
      const ids = ['done', 'odd', 'changed', 'late'];
      for (const id of ids) {
        await Promise.all([job('Running', 100, {}, id), write(`sending Running:100 ${origin} 1 1 1 -`, claimEnd, id)]);
      }
      await redis.set(statsOf('odd'), 'x');
      await redis.hset(statsOf('changed'), 'revision', 101);
      await redis.zadd(due, claimEnd + 1, 'late');
      const reply = await scripts.run(
        'record_delivered',
        [track, hooks, due, endpoint, ...ids.map(statsOf)],
        [at, ...ids.flatMap((id) => [id, claimEnd, 'Running', 100, 0, ''])],
      );
      expect(reply.hooks).toEqual([
        { outcome: 'done' },
        { outcome: 'refused', error: expect.stringMatching(/^WRONGTYPE t:job_stats:odd /) },
        { outcome: 'changed' },
        { outcome: 'expired' },
      ]);
      expect(await Promise.all(ids.map((id) => dueAt(id)))).toEqual([null, claimEnd, at, claimEnd + 1]);
      expect(await redis.hkeys(hooks)).toEqual(['odd', 'changed', 'late']);
      const acks = ['done', 'late'].map((id) => redis.hexists(statsOf(id), 'ack'));
      expect(await Promise.all(acks)).toEqual([1, 1]);
    });

    test('its endpoint has recovered: the rate is limited if its circuit was open', async () => {
      await Promise.all([job('Running'), sending()]);
      await redis.hset(endpoint, { failures: 1, failing_since: at, answer: '503' });
      await delivered();
      expect(await redis.hgetall(endpoint)).toEqual({ answer: '503' });
      await sending();
      await redis.hset(endpoint, { failures: 3, opens: 2, open_until: at, probe_until: at, failing_since: at });
      await delivered();
      expect(await redis.hgetall(endpoint)).toEqual({ answer: '503', tokens: '1', tokens_at: String(at) });
      expect(await redis.ttl(endpoint)).toEqual(ttlFrom(7_776_000));
    });
  });

  describe('failed', () => {
    test.each([
      ['sending', 'pending'],
      ['resending', 'asked'],
    ])('a record in the state %s is %s again, and due after the given delay', async (kind, then) => {
      await sending('Running:100', s, '-', kind);
      expect(await failed('503')).toBe('pending');
      expect([await record(), await dueAt()]).toEqual([`${then} Running:100 ${origin} 1 ${s} ${s} 503`, at + 1_000]);
    });

    test('it is given up when it has failed for too long, and forgotten in time', async () => {
      await Promise.all([job('Running'), sending('Running:100', s - 86_400)]);
      expect(await failed()).toBe('parked');
      expect((await record())?.split(' ')).toEqual([
        'parked',
        'Running:100',
        origin,
        '1',
        String(s - 86_400),
        String(s),
        'given-up',
      ]);
      expect([await dueAt(), await parkedAt(), await redis.ttl(parked)]).toEqual([null, at, ttlFrom(7_776_000)]);
    });

    test('a change that came meanwhile has time of its own', async () => {
      await Promise.all([job('Success'), sending('Running:100', s - 86_400)]);
      expect(await failed()).toBe('changed');
      expect([await record(), await dueAt(), await parkedAt()]).toEqual([pending('Success:100'), at, null]);
    });

    test('fault 150: an endpoint may ask for a later attempt, but not for one after the deadline', async () => {
      await sending('Running:100', s - 86_000);
      await failed('429', { delay: day, health: 'alive' });
      expect(await dueAt()).toBe((s - 86_000) * 1_000 + day);
      await sending('Running:100', s - 86_000);
      await failed('429', { delay: 7, health: 'alive' });
      expect(await dueAt()).toBe(at + 7);
    });

    const minutes = 600_000;
    test.each(['404', '410'])(
      'fault 150: %s has its ten minutes after an outage, and no more than once',
      async (answer) => {
        await sending('Running:100', s - 7_200, '503');
        expect(await failed(answer, { deadline: minutes, health: 'alive' })).toBe('pending');
        expect((await record())?.split(' ').slice(4)).toEqual([String(s), String(s), answer]);

        await Promise.all([job('Running'), sending('Running:100', s - 600, answer)]);
        expect(await failed(answer, { deadline: minutes, health: 'alive' })).toBe('parked');
        await sending('Running:100', s - 7_200, answer === '404' ? '410' : '404');
        expect(await failed(answer, { deadline: minutes, health: 'alive' })).toBe('parked');
      },
    );

    test('another answer has no time of its own', async () => {
      await Promise.all([job('Running'), sending('Running:100', s - 86_400, '404')]);
      expect(await failed('503')).toBe('parked');
    });

    test('its endpoint opens its breaker at its limit, for twice as long each time, ten minutes at most', async () => {
      const open = async (now: number) => {
        await sending();
        await failed('503', { now });
        const [opens, until] = await redis.hmget(endpoint, 'opens', 'open_until');
        return [opens, until === null ? null : Number(until) - now];
      };
      expect(await open(at)).toEqual([null, null]);
      expect(await open(at + 1)).toEqual(['1', 30_000]);
      expect(await redis.hget(endpoint, 'failing_since')).toBe(String(at));
      // In flight when it opened.
      expect(await open(at + 2)).toEqual(['1', 29_999]);
      await redis.hset(endpoint, { probe_until: at + 40_000, tokens: '1', tokens_at: at });
      expect(await open(at + 30_001)).toEqual(['2', 60_000]);
      expect(await redis.hmget(endpoint, 'probe_until', 'tokens', 'tokens_at')).toEqual([null, null, null]);
      await redis.hset(endpoint, { opens: 30, open_until: at });
      expect(await open(at + 90_001)).toEqual(['31', 600_000]);
      expect(await redis.ttl(endpoint)).toEqual(ttlFrom(7_776_000));
    });

    test('a late host records that the endpoint failed, and changes nothing of the hook', async () => {
      await sending();
      await redis.zadd(due, claimEnd + 1, 'j');
      expect(await failed('503')).toBe('expired');
      expect(await redis.hget(endpoint, 'failures')).toBe('1');
      expect(await failed('404', { health: 'alive' })).toBe('expired');
      expect([(await record())?.split(' ')[0], await redis.hget(endpoint, 'failures')]).toEqual(['sending', '1']);
    });

    test('an endpoint that answers is not failing', async () => {
      await sending();
      await redis.hset(endpoint, { failures: 1 });
      await failed('404', { health: 'alive' });
      expect(await redis.hexists(endpoint, 'failures')).toBe(0);
    });
  });

  describe('not sent', () => {
    test('it is parked with its reason, and the endpoint that refused it is back', async () => {
      await Promise.all([job('Running'), sending()]);
      await redis.hset(endpoint, { failures: 1 });
      expect(await park('400', 'alive')).toBe('parked');
      expect((await record())?.split(' ')[6]).toBe('400');
      expect([await dueAt(), await parkedAt(), await redis.exists(endpoint)]).toEqual([null, at, 0]);
    });

    test('the next probe does not wait for the claim of one that was not sent', async () => {
      await Promise.all([job('Running'), sending()]);
      await redis.hset(endpoint, { failures: 3, probe_until: claimEnd });
      expect(await park('not-allowed', 'unknown')).toBe('parked');
      expect(await redis.hgetall(endpoint)).toEqual({ failures: '3' });
      await sending();
      await redis.hset(endpoint, { failures: 3, probe_until: claimEnd + 7 });
      expect(await drop(0)).toBe('done');
      expect(await redis.hget(endpoint, 'probe_until')).toBe(String(claimEnd + 7));
    });

    test.each([
      ['parked', () => park('400', 'alive')],
      ['dropped', () => drop(5)],
    ])('%s: a job that has changed meanwhile is due again', async (_, call) => {
      await Promise.all([job('Success'), sending()]);
      expect(await call()).toBe('changed');
      expect([await record(), await dueAt()]).toEqual([pending('Success:100'), at]);
    });

    test('dropped: a later check-in is due; the one that was claimed and a job that is gone are not', async () => {
      await Promise.all([job('Running', 100, { check_in_at: 6 }), sending()]);
      expect(await drop(5)).toBe('changed');
      await sending();
      expect(await drop(6)).toBe('done');
      expect([await record(), await dueAt()]).toEqual([null, null]);
      await Promise.all([redis.del(statsOf('j')), sending()]);
      expect(await drop(5)).toBe('done');
    });
  });
});

describe('what a user asks for', () => {
  const move = async (verb: 'retry' | 'drop', seen?: string) =>
    outcome(`${verb}_hook`, [hooks, parked, origins, due], [at, 'j', seen ?? (await record()) ?? '']);
  const given = `parked Running:100 ${origin} 9 4 5 503`;

  test('sent again, it begins again', async () => {
    await write(given, at - 7);
    expect(await move('retry')).toBe('done');
    expect([await record(), await dueAt(), await parkedAt()]).toEqual([
      `asked Running:100 ${origin} 0 0 0 503`,
      at,
      null,
    ]);
    expect(await redis.smembers(origins)).toEqual([origin]);
    for (const key of [hooks, origins, due]) expect(await redis.ttl(key)).toEqual(ttlFrom(7_776_000));
  });

  test('dropped, it is parked, so that no sweep sends it', async () => {
    await write(`pending Running:100 ${origin} 9 4 5 503`, at);
    expect(await move('drop')).toBe('done');
    expect([await record(), await dueAt(), await parkedAt()]).toEqual([
      `parked Running:100 ${origin} 9 4 5 dropped`,
      null,
      at,
    ]);
  });

  test('a changed record is left alone, and a record that is gone too', async () => {
    await write(given, at);
    expect(await move('retry', `${given}x`)).toBe('overtaken');
    await redis.del(hooks);
    expect(await move('retry', given)).toBe('overtaken');
    expect([await dueAt(), await redis.exists(hooks)]).toEqual([null, 0]);
  });

  test.each(['sending', 'resending'])('is not done while it is %s, and is when that claim is over', async (kind) => {
    await write(`${kind} Running:100 ${origin} 1 4 4 -`, at + 1);
    expect(await move('retry')).toBe('overtaken');
    await redis.zadd(due, at, 'j');
    expect(await move('retry')).toBe('done');
  });
});

test('what was parked long ago is forgotten, some at a time, and nothing else', async () => {
  for (const [id, when] of Object.entries({ a: at - day, b: at - day - 1, c: at - day + 1 })) {
    await write(`parked Running:100 ${origin} 9 4 5 503`, when, id);
  }
  const forget = async (most: number) => (await scripts.run('forget_parked', [hooks, parked], [at, day, most])).count;
  expect(await forget(1)).toBe(1);
  expect([(await redis.hkeys(hooks)).sort(), await redis.zrange(parked, '0', '-1')]).toEqual([
    ['a', 'c'],
    ['a', 'c'],
  ]);
  expect([await forget(100), await forget(100)]).toEqual([1, 0]);
  expect([await redis.hkeys(hooks), await redis.zrange(parked, '0', '-1')]).toEqual([['c'], ['c']]);
});

test('what cannot be read, or is not parked, is not forgotten', async () => {
  for (const [id, text] of Object.entries({
    a: 'not a record',
    b: pending('Running:100'),
    c: `parked Running:100 ${origin} 9 4 5 503`,
  })) {
    await write(text, at - day, id);
    await redis.zadd(parked, at - day, id);
  }
  expect((await scripts.run('forget_parked', [hooks, parked], [at, day, 100])).count).toBe(1);
  expect([(await redis.hkeys(hooks)).sort(), await redis.exists(parked)]).toEqual([['a', 'b'], 0]);
});
