import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { QuarantinedJob, QuarantineRecord, Reaper, ReaperOptions } from '../../../src/index.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { type HookEndpoint, startHookEndpoint } from '../../support/hookEndpoint.ts';
import { intercept, judgedFingerprint, second, seedJob } from '../../support/jobs.ts';

const { server, redis, opened, keys, upstream } = await redisFixture();

const create = (options: Partial<ReaperOptions> = {}): Reaper => opened.create({ redis: server.url, ...options });
const entryOf = (id: string, more = '') => `{"name":"X","id":"${id}","t":1700000000,"args":{"secret":"s3cret"}${more}}`;
/** A pool that has died with this entry in its hands, as gocraft's fetch put it there. */
const dieWith = async (pool: string, entry: string, type = 'X') => {
  await redis.sadd(keys.pools, pool);
  await redis.hset(keys.heartbeat(pool), { heartbeat_at: second(-60), job_names: type });
  await redis.lpush(keys.queue(type), entry);
  expect(await upstream.fetch(type, pool)).toBe(entry);
};
/** What the next pool takes from the queue, and dies of. */
const takeAndDie = async (pool: string, type = 'X') => {
  await redis.sadd(keys.pools, pool);
  await redis.hset(keys.heartbeat(pool), { heartbeat_at: second(-60), job_names: type });
  return upstream.fetch(type, pool);
};
/** Notes recoveries of a job as if they had been made `agesS` seconds ago, each from a pool of its own. */
const seedRecoveries = async (id: string, agesS: readonly number[]) => {
  await redis.hset(keys.recoveries, id, JSON.stringify(agesS.map((age, i) => [second(-age), `q${i}`, second(-age)])));
  await redis.rpush(keys.recovered, `${second(-Math.min(...agesS))}\n${id}`);
};
const recordsOf = async (reaper: Reaper, filter = {}): Promise<QuarantineRecord[]> => {
  const all: QuarantineRecord[] = [];
  for await (const page of reaper.quarantine.list(filter)) all.push(...page);
  return all;
};
const deadMembers = () => redis.zrange(keys.dead, '0', '-1');
const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const failedAs = (entry: string) =>
  new RegExp(
    `^${escaped(entry.slice(0, -1))},"fails":1,"err":"jobservice-reaper: quarantined, for its worker died or lost it 4 times within 24 h","failed_at":\\d+}$`,
  );
const recovered = (count: number) => Array.from({ length: count }, (_, i) => 600 * (count - i));

test('a job whose workers die goes back three times, then to dead as gocraft writes it, and its status is Error', async () => {
  const at = await seedJob(redis, 'bad');
  const reaper = create();
  const events: QuarantinedJob[] = [];
  reaper.on('quarantine', (event) => void events.push(event));
  await dieWith('p0', entryOf('bad'));
  for (let death = 0; death < 3; death++) {
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1, quarantined: 0 });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('bad')]);
    expect(await takeAndDie(`p${death + 1}`)).toBe(entryOf('bad'));
  }
  const from = second();
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 0, quarantined: 1, pools: { rescued: 1 } });
  const until = second();
  expect(await redis.llen(keys.queue('X'))).toBe(0);
  const [member, score] = (await redis.zrange(keys.dead, '0', '-1', 'WITHSCORES')) as [string, string];
  expect(member).toMatch(failedAs(entryOf('bad')));
  expect(JSON.parse(member).failed_at).toBe(Number(score));
  expect([Number(score) >= from, Number(score) <= until]).toEqual([true, true]);
  expect(await redis.hmget(keys.stats('bad'), 'status', 'revision')).toEqual(['Error', String(at)]);
  expect(await redis.ttl(keys.stats('bad'))).toBeGreaterThan(604_000);
  expect(await redis.hget(keys.track, 'bad')).toBe('1');
  expect([await redis.get(keys.lock('X')), await redis.exists(keys.lockInfo('X'))]).toEqual(['0', 0]);
  const pools = ['p0', 'p1', 'p2', 'p3'];
  expect(events).toMatchObject([{ id: 'bad', type: 'X', recoveries: pools.map((pool) => ({ pool })) }]);
  expect(await recordsOf(reaper)).toMatchObject([
    { id: 'bad', types: ['X'], isInDead: true, recoveries: pools.map((pool) => ({ pool })) },
  ]);
});

test('its hook is sent', async () => {
  const hookEndpoint: HookEndpoint = await startHookEndpoint();
  await seedJob(redis, 'bad', { web_hook_url: hookEndpoint.url });
  await seedRecoveries('bad', recovered(3));
  await dieWith('p', entryOf('bad'));
  const reaper = create();
  await reaper.rescue({ grace: 0 });
  await reaper.hooks.quiet();
  expect(hookEndpoint.hooks.map(({ body }) => [body.job_id, body.status])).toEqual([['bad', 'Error']]);
  expect(await redis.hget(keys.track, 'bad')).toBeNull();
  await hookEndpoint.stop();
});

test('the entries behind it are requeued, of its type and of others, and the counters match the lists', async () => {
  await seedRecoveries('bad', recovered(3));
  await dieWith('p', entryOf('first'));
  for (const id of ['bad', 'last']) {
    await redis.lpush(keys.queue('X'), entryOf(id));
    await upstream.fetch('X', 'p');
  }
  await redis.lpush(keys.queue('Y'), entryOf('other'));
  await upstream.fetch('Y', 'p');
  expect(await create().rescue({ grace: 0 })).toMatchObject({ entries: 3, quarantined: 1, drift: [] });
  expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('last'), entryOf('first')]);
  expect(await redis.llen(keys.queue('Y'))).toBe(1);
  expect(await deadMembers()).toEqual([expect.stringMatching(failedAs(entryOf('bad')))]);
});

test.each([
  ['is not JSON', '{"name":"X","id":"odd",'],
  ['has no id', '{"name":"X","t":1}'],
  ['has an id that is not text', '{"name":"X","id":7}'],
  ['has an id of other bytes than printable ASCII', '{"name":"X","id":"\\u00e9"}'],
])('an entry that %s is always requeued, and never quarantined', async (_, entry) => {
  const reaper = create();
  await seedRecoveries('odd', recovered(9));
  await dieWith('p0', entry);
  for (let death = 1; death < 6; death++) {
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1, quarantined: 0 });
    expect(await takeAndDie(`p${death}`)).toBe(entry);
  }
  expect(await redis.hkeys(keys.recoveries)).toEqual(['odd']);
});

test('recoveries count within the window only, and what is older is forgotten', async () => {
  await seedRecoveries('bad', [90_000, 87_000, 600, 300]);
  await seedRecoveries('old', [90_000]);
  await redis.del(keys.recovered);
  await redis.rpush(keys.recovered, `${second(-90_000)}\nbad\nold\ngone`, `${second(-300)}\nbad`);
  await dieWith('p', entryOf('bad'));
  const reaper = create();
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1, quarantined: 0 });
  const [text = '', old] = await redis.hmget(keys.recoveries, 'bad', 'old');
  expect(JSON.parse(text as string).map(([, pool]: [number, string]) => pool)).toEqual(['q2', 'q3', 'p']);
  expect(old).toBeNull();
  await takeAndDie('p2');
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ quarantined: 1 });
});

test('how often, and within which time, can be set', async () => {
  const reaper = create({ rescue: { maxRecoveries: 1, recoveryWindow: '1800s' } });
  await seedRecoveries('bad', [3_600]);
  await dieWith('p', entryOf('bad'));
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1, quarantined: 0 });
  await takeAndDie('p2');
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ quarantined: 1 });
  expect((await deadMembers())[0]).toContain('died or lost it 2 times within 0.5 h');
  for (const key of [keys.recoveries, keys.recovered]) {
    const ttl = await redis.ttl(key);
    expect(ttl).toBeGreaterThan(1_700);
    expect(ttl).toBeLessThanOrEqual(1_800);
  }
  expect(await redis.ttl(keys.quarantine)).toBeGreaterThan(7_770_000);
});

describe('one death counts once', () => {
  const requeue = (pool: string, heartbeat: string) =>
    createScripts(redis).run(
      'requeue',
      [
        keys.pools,
        keys.heartbeat(pool),
        keys.recoveries,
        keys.recovered,
        keys.quarantine,
        keys.dead,
        keys.rescueNote(pool),
        keys.inProgress('X', pool),
        keys.queue('X'),
        keys.lock('X'),
        keys.lockInfo('X'),
      ],
      [pool, 10_000, heartbeat, 10, 3, 86_400, '', 'X'],
    );
  const countOf = async (id: string) => JSON.parse((await redis.hget(keys.recoveries, id)) ?? '[]').length;

  test('where a list holds a job twice: both go back, though its third recovery is the last', async () => {
    await seedRecoveries('bad', recovered(2));
    await dieWith('p', entryOf('bad'));
    await redis.lpush(keys.inProgress('X', 'p'), entryOf('bad', ',"unique":true'));
    expect(await create({ rescue: { batchSize: 1 } }).rescue({ grace: 0 })).toMatchObject({
      entries: 2,
      quarantined: 0,
    });
    expect(await countOf('bad')).toBe(3);
  });

  test.each([
    ['with the same heartbeat, however long ago', '123', 7_200, 1],
    ['without a heartbeat, within a minute', '', 30, 1],
    ['without a heartbeat, after more than a minute', '', 90, 2],
  ])('%s', async (_, heartbeat, age, count) => {
    if (heartbeat !== '') await redis.hset(keys.heartbeat('p'), 'heartbeat_at', heartbeat);
    await redis.hset(keys.recoveries, 'bad', JSON.stringify([[second(-age), 'p', heartbeat]]));
    await redis.rpush(keys.inProgress('X', 'p'), entryOf('bad'));
    expect(await requeue('p', heartbeat)).toMatchObject({ outcome: 'moved', counts: [{ moved: 1, left: 0 }] });
    expect(await countOf('bad')).toBe(count);
  });
});

describe('the status of a job that is quarantined', () => {
  const quarantine = async (id: string, entry = entryOf(id)) => {
    await seedRecoveries(id, recovered(3));
    // One pool that dies twice, a second apart, would be one that lives: its heartbeat moves.
    await dieWith(`of ${id}`, entry);
    expect(await create().rescue({ grace: 0 })).toMatchObject({ quarantined: 1 });
  };

  test.each(['Success', 'Stopped', 'Error'])('stays %s where it is that already', async (status) => {
    await seedJob(redis, 'bad', { status });
    const before = await redis.hgetall(keys.stats('bad'));
    await quarantine('bad');
    expect(await redis.hgetall(keys.stats('bad'))).toEqual(before);
    expect(await redis.hget(keys.track, 'bad')).toBe('2');
  });

  test('writes no record without stats, or with stats that cannot be read', async () => {
    await quarantine('bad');
    expect(await redis.exists(keys.stats('bad'))).toBe(0);
    await redis.set(keys.stats('worse'), 'no hash');
    await quarantine('worse');
    expect(await redis.get(keys.stats('worse'))).toBe('no hash');
  });

  test('of a periodic execution is that of the execution, which is marked as done for its policy', async () => {
    await seedJob(redis, 'policy@1700000000');
    await seedJob(redis, 'policy', { kind: 'Periodic', status: 'Scheduled' });
    await redis.zadd(keys.executions('policy'), 1_700_000_000, 'policy@1700000000');
    await quarantine(
      'policy@1700000000',
      '{"name":"X","id":"policy","t":1,"args":{"_job_kind_periodic_":"1700000000"}}',
    );
    expect(await redis.hget(keys.stats('policy@1700000000'), 'status')).toBe('Error');
    expect(await redis.hget(keys.stats('policy'), 'status')).toBe('Scheduled');
    expect(await redis.zscore(keys.executions('policy'), 'policy@1700000000')).toBe('-1');
  });

  test('a job that ends between the reading and the quarantine keeps its result', async () => {
    await seedJob(redis, 'bad');
    await seedRecoveries('bad', recovered(3));
    await dieWith('p', entryOf('bad'));
    let calls = 0;
    const client = opened.hold(
      intercept(redis, 'evalsha', async (args) => {
        // Of all scripts only this one has the dead entries and the stats.
        if (args.includes(keys.dead) && args.includes(keys.stats('bad')) && calls++ === 0) {
          await redis.hset(keys.stats('bad'), 'status', 'Success');
        }
      }),
    );
    expect(await create({ redis: client }).rescue({ grace: 0 })).toMatchObject({ quarantined: 1 });
    expect(calls).toBeGreaterThanOrEqual(2);
    expect(await redis.hget(keys.stats('bad'), 'status')).toBe('Success');
  });

  test('an orphaned entry that a worker begins between the judgment and the quarantine stays with it', async () => {
    const entry = `{"name":"X","id":"bad","t":${second(60)},"args":{}}`;
    await seedJob(redis, 'bad', { status: 'Pending' });
    await seedRecoveries('bad', recovered(3));
    await redis.sadd(keys.pools, 'p');
    await redis.hset(keys.heartbeat('p'), { heartbeat_at: second(), job_names: 'X', worker_ids: 'w' });
    await redis.lpush(keys.queue('X'), entry);
    expect(await upstream.fetch('X', 'p')).toBe(entry);
    // A pool of which no worker was ever observed is not judged.
    await redis.hset(keys.worker('w'), { job_name: 'X', job_id: 'other', started_at: second(-60), args: '' });
    let isBegun = false;
    const client = opened.hold(
      intercept(redis, 'evalsha', async (args) => {
        if (isBegun || !args.includes(keys.dead) || !args.includes(keys.track)) return;
        isBegun = true;
        await redis.hset(keys.worker('w'), { job_name: 'X', job_id: 'bad', started_at: second(), args: '' });
        await redis.hset(keys.stats('bad'), 'status', 'Running');
      }),
    );
    const reaper = create({ redis: client, rescue: { orphanedAfter: 0 } });
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ quarantined: 0, orphaned: 0 });
    expect(isBegun).toBe(true);
    expect(await redis.lrange(keys.inProgress('X', 'p'), 0, -1)).toEqual([entry]);
    expect(await redis.hget(keys.stats('bad'), 'status')).toBe('Running');
  });
});

/** Runs the script alone, with everything in place unless said otherwise. */
const quarantineOne = async ({ id = 'bad' } = {}) => {
  const scripts = createScripts(redis);
  const judged = await judgedFingerprint(redis, keys.stats(id));
  const scriptKeys = [
    ...[keys.pools, keys.heartbeat('p')],
    ...[keys.inProgress('X', 'p'), keys.rescueNote('p'), keys.lock('X'), keys.lockInfo('X'), keys.dead],
    ...[keys.recoveries, keys.quarantine],
    ...[keys.stats(id), keys.track, keys.hooks, keys.parkedHooks, keys.hookEndpoints, keys.dueHooks('')],
    keys.beforeQuarantine(id),
  ];
  return scripts.run('quarantine_entry', scriptKeys, ['p', 10_000, '', 3, 86_400, 'X', id, judged, '', '', 100]);
};

describe('the script checks again', () => {
  const beat = () =>
    redis.multi().sadd(keys.pools, 'p').hset(keys.heartbeat('p'), { heartbeat_at: second(), job_names: 'X' }).exec();
  const isUntouched = async () => {
    expect(await redis.lrange(keys.inProgress('X', 'p'), 0, -1)).toEqual([entryOf('other'), entryOf('bad')]);
    expect(await redis.exists(keys.dead, keys.quarantine)).toBe(0);
  };
  beforeEach(async () => {
    await redis.rpush(keys.inProgress('X', 'p'), entryOf('other'), entryOf('bad'));
    await redis.set(keys.lock('X'), 2);
    await seedRecoveries('bad', recovered(3));
  });

  test('whether the pool is dead', async () => {
    await beat();
    expect(await quarantineOne()).toEqual({ outcome: 'alive' });
    await isUntouched();
  });

  test('whether the entry is there, and is that of the job', async () => {
    await seedRecoveries('other', recovered(3));
    expect(await quarantineOne({ id: 'other' })).toEqual({ outcome: 'gone' });
    await isUntouched();
  });

  test('whether the job has been recovered as often as may be', async () => {
    await seedRecoveries('bad', recovered(2));
    expect(await quarantineOne()).toEqual({ outcome: 'below-limit' });
    await isUntouched();
  });

  test('whether Redis takes writes: under memory pressure nothing at all is written', async () => {
    await seedJob(redis, 'bad');
    await redis.config('SET', 'maxmemory', '1');
    try {
      await expect(quarantineOne()).rejects.toThrow('OOM');
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    await isUntouched();
    expect(await redis.hget(keys.stats('bad'), 'status')).toBe('Running');
  });
});

test('a key of ours that is of another type holds no entry back', async () => {
  await redis.set(keys.recovered, 'no list');
  await redis.set(keys.recoveries, 'no hash');
  await dieWith('p', entryOf('bad'));
  expect(await create().rescue({ grace: 0 })).toMatchObject({ entries: 1, pools: { rescued: 1 } });
});

describe('the bytes of an entry', () => {
  const space = fc.stringMatching(/^[ \t\n]{0,2}$/);
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }).map((value) => JSON.stringify(value)),
    fc.constantFrom(
      '"\\u0066ails"',
      '"a\\/b"',
      '"\\\\"',
      '"\\\\\\""',
      '"}],{\\"fails\\":1"',
      '"\\ud83d\\ude00 \u2028"',
      '"\u007f"',
    ),
  );
  const number = fc.oneof(
    fc.bigInt({ min: 0n, max: 10n ** 40n }).map(String),
    fc.constantFrom('-0', '1e400', '1.50', '0.1E-7', '18446744073709551616', '-9007199254740993'),
  );
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      text,
      number,
      fc.constantFrom('true', 'false', 'null', '{}', '[ ]'),
      fc.array(tie('value'), { maxLength: 3 }).map((all) => `[${all.join(' , ')}]`),
      fc
        .array(fc.tuple(fc.oneof(text, fc.constantFrom('"fails"', '"err"', '"failed_at"', '"id"')), tie('value')), {
          maxLength: 3,
        })
        .map((all) => `{${all.map(([key, one]) => `${key}: ${one}`).join(',')}}`),
    ),
  }));
  const names = ['fails', 'err', 'failed_at'] as const;
  const member = fc.oneof(
    fc.record({ key: fc.constantFrom('"name"', '"t"', '"args"', '"unique_key"', '"\\u0061rgs"', '"Fails"'), value }),
    fc.record({ key: fc.constantFrom('"fails"', '"f\\u0061ils"'), value: fc.oneof(value, fc.nat().map(String)) }),
    fc.record({ key: fc.constantFrom('"err"', '"failed_at"'), value }),
  );
  const layout = fc.record({
    before: fc.array(member, { maxLength: 4 }),
    after: fc.array(member, { maxLength: 4 }),
    spaces: fc.array(space, { minLength: 5, maxLength: 5 }),
  });

  test('are left as they are, whatever they hold, save the three values that gocraft writes; a release restores them', async () => {
    await fc.assert(
      fc.asyncProperty(layout, async ({ before, after, spaces }) => {
        const [a, b, c, d, e] = spaces as [string, string, string, string, string];
        const members = [...before, { key: '"id"', value: '"bad"' }, ...after];
        const write = (all: readonly { key: string; value: string }[], more = '') =>
          `${a}{${b}${all.map(({ key, value }) => `${key}${c}:${d}${value}`).join(`${e},${a}`)}${more}${e}}${b}`;
        const entry = write(members);
        await redis.flushall();
        await redis.rpush(keys.inProgress('X', 'p'), entry);
        await seedRecoveries('bad', recovered(3));
        expect(await quarantineOne()).toMatchObject({ recoveries: { length: 4 } });

        const [dead = '', score] = await redis.zrange(keys.dead, '0', '-1', 'WITHSCORES');
        const last = (name: string) => members.findLastIndex(({ key }) => JSON.parse(key) === name);
        const fails = members[last('fails')]?.value ?? '';
        const isCount = /^\d+$/.test(fails) && BigInt(fails) < 2n ** 53n;
        const values = {
          fails: String(isCount ? BigInt(fails) + 1n : 1),
          err: '"jobservice-reaper: quarantined, for its worker died or lost it 4 times within 24 h"',
          failed_at: score as string,
        };
        const expected = write(
          members.map(({ key, value }, i) => {
            const name = names.find((one) => last(one) === i);
            return { key, value: name === undefined ? value : values[name] };
          }),
          names
            .filter((name) => last(name) < 0)
            .map((name) => `,"${name}":${values[name]}`)
            .join(''),
        );
        expect(dead).toBe(expected);

        const reaper = create();
        expect(await reaper.quarantine.release({ id: 'bad' })).toEqual({ done: 1, gone: 0 });
        await reaper.stop();
        expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entry]);
      }),
      { numRuns: 200 },
    );
  });

  test('that are not valid UTF-8 are left as they are too', async () => {
    const entry = Buffer.concat([
      Buffer.from('{"name":"X","id":"bad","args":{"a":"'),
      Buffer.from([0xff, 0xc3]),
      Buffer.from('"}}'),
    ]);
    await redis.rpush(keys.inProgress('X', 'p'), entry);
    await seedRecoveries('bad', recovered(3));
    await create().rescue({ grace: 0 });
    const [dead] = (await redis.zrangeBuffer(keys.dead, '0', '-1')) as [Buffer];
    expect(dead.subarray(0, entry.length - 1)).toEqual(entry.subarray(0, -1));
    await create().quarantine.release({ id: 'bad' });
    expect(await redis.lrangeBuffer(keys.queue('X'), 0, -1)).toEqual([entry]);
  });
});

describe('what a user does with it', () => {
  let reaper: Reaper;
  beforeEach(async () => {
    reaper = create();
    for (const [pool, type, id] of [
      ['p1', 'X', 'a'],
      ['p2', 'X', 'b'],
      ['p3', 'Y', 'c'],
    ] as const) {
      await seedRecoveries(id, recovered(3));
      await dieWith(pool, entryOf(id), type);
    }
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ quarantined: 3 });
  });
  /** gocraft's retry of one dead job: out of `dead`, its failures forgotten, into its queue. */
  const retryUpstream = async (id: string) => {
    const member = (await deadMembers()).find((one) => JSON.parse(one).id === id) as string;
    const { fails: _f, err: _e, failed_at: _a, ...job } = JSON.parse(member);
    await redis.multi().zrem(keys.dead, member).lpush(keys.queue('X'), JSON.stringify(job)).exec();
  };

  test("a user sees since when, how often and from which pools, and nothing of the job's data", async () => {
    const all = await recordsOf(reaper);
    expect(all.map(({ id }) => id).sort()).toEqual(['a', 'b', 'c']);
    expect(all.find(({ id }) => id === 'a')).toMatchObject({
      types: ['X'],
      quarantinedAt: expect.stringMatching(/Z$/),
      isInDead: true,
      recoveries: ['q0', 'q1', 'q2', 'p1'].map((pool) => ({ pool, recoveredAt: expect.stringMatching(/Z$/) })),
    });
    expect(JSON.stringify(all)).not.toContain('s3cret');
    expect((await recordsOf(reaper, { type: 'Y' })).map(({ id }) => id)).toEqual(['c']);
    expect((await recordsOf(reaper, { id: 'b', type: 'Y' })).map(({ id }) => id)).toEqual([]);
  });

  test('released, it runs again as it was, and its deaths are forgotten; a plan only counts', async () => {
    expect(await reaper.quarantine.release({ type: 'X' }, { plan: true })).toEqual({ done: 2, gone: 0 });
    expect(await redis.zcard(keys.dead)).toBe(3);
    expect(await reaper.quarantine.release({ id: 'a' })).toEqual({ done: 1, gone: 0 });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('a')]);
    expect((await deadMembers()).map((one) => JSON.parse(one).id).sort()).toEqual(['b', 'c']);
    expect(await reaper.quarantine.release({ id: 'a' })).toEqual({ done: 0, gone: 0 });
    await takeAndDie('p9');
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1, quarantined: 0 });
  });

  test('under memory pressure nothing is released, and nothing is lost', async () => {
    await redis.config('SET', 'maxmemory', '1');
    try {
      await expect(reaper.quarantine.release({ id: 'a' })).rejects.toThrow('OOM');
    } finally {
      await redis.config('SET', 'maxmemory', '0');
    }
    expect([await redis.zcard(keys.dead), await redis.hlen(keys.quarantine)]).toEqual([3, 3]);
    expect(await reaper.quarantine.release({ id: 'a' })).toEqual({ done: 1, gone: 0 });
  });

  test('dropped, it is gone for good', async () => {
    expect(await reaper.quarantine.drop({ type: 'X' })).toEqual({ done: 2, gone: 0 });
    expect((await deadMembers()).map((one) => JSON.parse(one).id)).toEqual(['c']);
    expect((await recordsOf(reaper)).map(({ id }) => id)).toEqual(['c']);
    expect(await redis.llen(keys.queue('X'))).toBe(0);
  });

  test.each(['release', 'drop'] as const)('what gocraft has retried is not requeued again by %s', async (verb) => {
    await retryUpstream('a');
    expect(await reaper.quarantine[verb]({ type: 'X' })).toEqual({ done: 1, gone: 1 });
    const queued = (await redis.lrange(keys.queue('X'), 0, -1)).map((entry) => JSON.parse(entry).id).sort();
    expect(queued).toEqual(verb === 'release' ? ['a', 'b'] : ['a']);
    expect((await recordsOf(reaper)).map(({ id }) => id)).toEqual(['c']);
  });

  test('a job that gocraft has retried is listed one more time, then its record is removed', async () => {
    await retryUpstream('a');
    const planner = create({ plan: true });
    for (const shown of [planner, reaper]) {
      expect(await recordsOf(shown, { id: 'a' })).toMatchObject([{ id: 'a', isInDead: false }]);
    }
    expect(await recordsOf(reaper, { id: 'a' })).toEqual([]);
    expect(await recordsOf(reaper)).toHaveLength(2);
    expect(await planner.quarantine.release({})).toEqual({ done: 2, gone: 0 });
    expect(await redis.zcard(keys.dead)).toBe(2);
  });

  test('a record of a month ago is removed with the next quarantine, if its entry is gone', async () => {
    for (const id of ['a', 'b']) {
      const record = JSON.parse((await redis.hget(keys.quarantine, id)) as string);
      await redis.hset(keys.quarantine, id, JSON.stringify({ ...record, at: second(-2_700_000) }));
    }
    await retryUpstream('a');
    await retryUpstream('c');
    await seedRecoveries('d', recovered(3));
    await dieWith('p9', entryOf('d'), 'Z');
    await reaper.rescue({ grace: 0 });
    expect((await redis.hkeys(keys.quarantine)).sort()).toEqual(['b', 'c', 'd']);
  });

  /** Two dead pools hold an entry of the same poison job, each of its own type: a rescue quarantines both. */
  const quarantineTwice = async () => {
    for (const [type, more] of [
      ['X', ''],
      ['Y', ',"unique":true'],
    ] as const) {
      await seedRecoveries('twice', recovered(3));
      await dieWith(`p-${type}`, entryOf('twice', more), type);
    }
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ quarantined: 2 });
  };

  test('both entries of a job are quarantined, and both are requeued', async () => {
    await quarantineTwice();
    expect(await recordsOf(reaper, { id: 'twice' })).toMatchObject([{ isInDead: true }]);
    expect(await reaper.quarantine.release({ id: 'twice' })).toEqual({ done: 1, gone: 0 });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('twice')]);
    expect(await redis.lrange(keys.queue('Y'), 0, -1)).toEqual([entryOf('twice', ',"unique":true')]);
  });

  test('fault 124: of a job with two entries only that of the named type is requeued, and the other one later', async () => {
    await quarantineTwice();
    expect(await recordsOf(reaper, { id: 'twice' })).toMatchObject([{ isInDead: true }]);
    expect(await reaper.quarantine.release({ id: 'twice', type: 'Y' }, { plan: true })).toEqual({ done: 1, gone: 0 });
    expect(await reaper.quarantine.release({ id: 'twice', type: 'Y' })).toEqual({ done: 1, gone: 0 });
    expect(await redis.llen(keys.queue('X'))).toBe(0);
    expect(await redis.lrange(keys.queue('Y'), 0, -1)).toEqual([entryOf('twice', ',"unique":true')]);
    expect(await recordsOf(reaper, { id: 'twice' })).toMatchObject([{ types: ['X'], typesInDead: ['X'] }]);
    expect((await deadMembers()).filter((one) => JSON.parse(one).id === 'twice')).toHaveLength(1);
    expect(await reaper.quarantine.release({ type: 'X', id: 'twice' })).toEqual({ done: 1, gone: 0 });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('twice')]);
    expect(await recordsOf(reaper, { id: 'twice' })).toEqual([]);
  });

  test('fault 124: of a job with two entries only that of the named type is dropped', async () => {
    await quarantineTwice();
    const before = await deadMembers();
    expect(await reaper.quarantine.drop({ id: 'twice', type: 'Y' }, { plan: true })).toEqual({ done: 1, gone: 0 });
    expect(await deadMembers()).toEqual(before);
    expect(await reaper.quarantine.drop({ id: 'twice', type: 'Y' })).toEqual({ done: 1, gone: 0 });
    expect(await deadMembers()).toEqual(before.filter((one) => !one.includes('"unique"')));
    expect(await recordsOf(reaper, { id: 'twice' })).toMatchObject([{ types: ['X'], typesInDead: ['X'] }]);
    expect(await reaper.quarantine.release({ id: 'twice' })).toEqual({ done: 1, gone: 0 });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entryOf('twice')]);
    expect(await redis.llen(keys.queue('Y'))).toBe(0);
  });

  test('fault 124: a queue of the wrong type keeps its jobs in quarantine, and no others; a plan reports it too', async () => {
    await redis.set(keys.queue('Y'), 'wrong');
    for (const plan of [true, false]) {
      const done: string[] = [];
      const move = reaper.quarantine.release({}, { plan, onRecord: ({ id }) => void done.push(id) });
      await expect(move).rejects.toThrow(keys.queue('Y'));
      expect(done.sort()).toEqual(['a', 'b']);
      expect(await redis.llen(keys.queue('X'))).toBe(plan ? 0 : 2);
      expect((await recordsOf(reaper)).map(({ id }) => id).sort()).toEqual(plan ? ['a', 'b', 'c'] : ['c']);
    }
    await redis.del(keys.queue('Y'));
    expect(await reaper.quarantine.release({}, { plan: true })).toEqual({ done: 1, gone: 0 });
    expect(await reaper.quarantine.release({})).toEqual({ done: 1, gone: 0 });
  });
});

describe('fault 143: what cannot be read among', () => {
  const good = (id: string) => ({
    at: second(),
    recoveries: [[second(), 'p', '1']],
    entries: [['X', entryOf(id), `dead ${id}`]],
  });
  test.each<[string, string, boolean]>([
    ['an endless time', '{"at":1e309,"recoveries":[[5,"p","1"]],"entries":[["X","{}","D"]]}', true],
    ['a time that is a text', '{"at":"x","recoveries":[[5,"p","1"]],"entries":[["X","{}","D"]]}', true],
    ['an endless recovery', '{"at":5,"recoveries":[[1e309,"p","1"]],"entries":[["X","{}","D"]]}', true],
    ['recoveries that are none', '{"at":5,"recoveries":{"a":[null]},"entries":[["X","{}","D"]]}', true],
    ['no entry', '{"at":5,"recoveries":[[5,"p","1"]],"entries":[]}', false],
    ['a part of an entry', '{"at":5,"recoveries":[[5,"p","1"]],"entries":[["X"]]}', false],
    ['numbers as an entry', '{"at":5,"recoveries":[[5,"p","1"]],"entries":[["X","{}","D"],[1,2,3]]}', false],
    ['null as an entry', '{"at":5,"recoveries":[null],"entries":[null]}', false],
    ['no list of entries', '{"at":5,"recoveries":[[5,"p","1"]]}', false],
  ])('the records of the quarantine does not stop the others: %s', async (_, text, isReadable) => {
    await redis.hset(keys.quarantine, { odd: text, good: JSON.stringify(good('good')) });
    await redis.zadd(keys.dead, 5, 'dead good', 5, 'D');
    const reaper = create();
    const ids = (await recordsOf(reaper)).map(({ id }) => id).sort();
    expect(ids).toEqual(isReadable ? ['good', 'odd'] : ['good']);
    expect(await recordsOf(reaper, { id: 'odd' })).toHaveLength(isReadable ? 1 : 0);
    for (const plan of [true, false]) {
      expect(await reaper.quarantine.release({}, { plan })).toEqual({ done: ids.length, gone: 0 });
    }
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toContain(entryOf('good'));
    expect(await redis.hkeys(keys.quarantine)).toEqual(isReadable ? [] : ['odd']);
  });

  const odd = [
    '[1e309,"p","1"]',
    `[${second()},"p",1e309]`,
    `[${second()},"p","1",1e309]`,
    `[${second()},{"a":1e309},"1"]`,
    '["1e309","p","1"]',
    'null',
  ];
  test.each(odd)('the recoveries of a job stops no rescue, and does not count: %s', async (one) => {
    const counted = one.includes(',"1",1e309');
    await seedRecoveries('odd-record', recovered(2));
    const known = (await redis.hget(keys.recoveries, 'odd-record')) ?? '';
    await redis.hset(keys.recoveries, 'odd-record', `[${one},${known.slice(1)}`);
    await dieWith('dead', entryOf('odd-record'));
    await dieWith('dead', entryOf('other'));
    const reaper = create();
    const expected = counted ? { entries: 1, quarantined: 1 } : { entries: 2, quarantined: 0 };
    expect(await reaper.rescue({ grace: 0, plan: true })).toMatchObject(expected);
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ ...expected, pools: { rescued: 1, abandoned: 0 } });
    if (counted) return;
    // The next two deaths are the fourth and the fifth: one goes back, the next one is poison.
    expect(JSON.parse((await redis.hget(keys.recoveries, 'odd-record')) ?? '')).toHaveLength(3);
    await redis.del(keys.queue('X'));
    await dieWith('dead-again', entryOf('odd-record'));
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 0, quarantined: 1, pools: { abandoned: 0 } });
    expect(await recordsOf(reaper, { id: 'odd-record' })).toMatchObject([{ recoveries: { length: 4 } }]);
  });
});
