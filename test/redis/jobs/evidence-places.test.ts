/** Where a job that looks hung is looked for: in every queue, and in the lists of pools, by what is known of their deaths. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JobOutcome, Reaper, ReaperOptions } from '../../../src/index.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { createSearch } from '../../../src/io/evidence/search.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { createPools, type Pools } from '../../../src/io/pools/rescue.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';

const { server, redis, opened } = await redisFixture();

const keys = keysOf('t');
const entry = (id: string) => JSON.stringify({ name: 'X', id, t: second(-100_000), args: {} });
const silent = (id: string, fields: Record<string, string | number> = {}) =>
  seedJob(redis, id, { age: 100_000, ...fields });
const pool = async (id: string, age: number, worker = `${id}-w`) => {
  await redis.sadd('t:worker_pools', id);
  await redis.hset(`t:worker_pools:${id}`, { heartbeat_at: second(-age), worker_ids: worker, job_names: 'X' });
};

/** One sweep; what was decided on each job, in words. */
const sweep = (options: Partial<ReaperOptions> = {}, plan = false): Promise<Record<string, string>> =>
  sweepOf(opened.create({ redis: server.url, ...options }), plan);
const sweepOf = async (reaper: Reaper, plan = false): Promise<Record<string, string>> => {
  const words: Record<string, string> = {};
  const note = ({ id, verdict, reason, facts }: JobOutcome) => {
    words[id] = `${verdict} ${reason} ${facts.evidence?.found}`;
  };
  reaper.on('job', note);
  await reaper.sweep({ plan });
  reaper.off('job', note);
  return words;
};

/** What a search finds of jobs; pools of these names are confirmed dead. */
const searchFor = async (
  ids: readonly string[],
  confirmed: readonly string[],
  around: (pools: Pools) => Pools = (p) => p,
) => {
  const connection = { redis, description: '', epoch: () => 1, close: async () => undefined };
  const fixed = { heartbeatAge: 10_000, batch: 1, recovery: { maxRecoveries: 3, windowS: 86_400 }, clock: systemClock };
  const pools = createPools({ connection, keys, scripts: createScripts(redis), jobTypes: [], ...fixed });
  const survey: Pools['readRegistry'] = async (thorough) => {
    const seen = await pools.readRegistry(thorough);
    return {
      ...seen,
      pools: seen.pools.map((state) => ({ ...state, isConfirmedDead: confirmed.includes(state.pool) })),
    };
  };
  const search = createSearch({
    connection,
    keys,
    pools: around({ ...pools, readRegistry: survey }),
    pace: noPace,
    seed: 1,
  });
  const facts = ids.map((id) => ({ id, name: 'X', readAt: 0, stats: 'found', hasHook: false }) as const);
  search.add(facts);
  await search.run();
  return Object.fromEntries(facts.map((each) => [each.id, search.evidenceOf(each).found]));
};

test('fault 102: a job on a pool that only missed a beat, or that is registered nowhere, is kept', async () => {
  await pool('late', 11);
  await pool('offset', 60);
  for (const id of ['late', 'offset', 'unregistered']) {
    await silent(id);
    await redis.rpush(`t:jobs:X:${id}:inprogress`, entry(id));
  }
  expect(await sweep()).toEqual({
    late: 'keep in-queue unconfirmed',
    offset: 'keep in-queue unconfirmed',
    unregistered: 'keep in-queue unconfirmed',
  });
  expect(await redis.hget('t:job_stats:late', 'status')).toBe('Running');
});

test('fault 102: a search distinguishes lists of live pools, of unconfirmed pools and of confirmed dead pools', async () => {
  await pool('live', 0);
  await pool('late', 11);
  await pool('gone', 60);
  for (const id of ['live', 'late', 'gone']) await redis.rpush(`t:jobs:X:${id}:inprogress`, entry(id));
  const ids = ['live', 'late', 'gone'];
  expect(await searchFor(ids, ['gone'])).toEqual({ live: 'held', late: 'unconfirmed', gone: 'left' });
  expect(await searchFor(ids, [])).toEqual({ live: 'held', late: 'unconfirmed', gone: 'unconfirmed' });
});

test('fault 102: on a pool whose death a rescue would confirm now, a Running job is failed and a job that has not begun is kept', async () => {
  await pool('gone', 60);
  await silent('ran');
  await silent('waits', { status: 'Pending' });
  await redis.rpush('t:jobs:X:gone:inprogress', entry('ran'), entry('waits'));
  expect(await sweep()).toEqual({ ran: 'keep in-queue unconfirmed', waits: 'keep in-queue unconfirmed' });
  // A rescue has seen it, and leaves it its grace; by the grace of this reaper it is over soon.
  const reaper = opened.create({ redis: server.url, rescue: { grace: 100 } });
  const rescue = reaper.rescue({ grace: 3_600_000 }).catch(() => undefined);
  await expect.poll(async () => (await reaper.explain('ran')).reason).toBe('hung');
  const words: Record<string, string> = {};
  reaper.on('job', ({ id, verdict, reason, facts }) => {
    words[id] = `${verdict} ${reason} ${facts.evidence?.found}`;
  });
  await reaper.sweep();
  expect(words).toEqual({ ran: 'fail hung left', waits: 'keep in-queue left' });
  // A beat, and it lives.
  await pool('gone', 0);
  expect((await reaper.explain('waits')).facts.evidence?.found).toBe('held');
  await reaper.stop({ timeout: 0 });
  await rescue;
});

test('fault 102: without rescues, the first sweep records a silent pool, and a sweep after its grace fails its job', async () => {
  await pool('gone', 60);
  await silent('ran');
  await redis.rpush('t:jobs:X:gone:inprogress', entry('ran'));
  const reaper = opened.create({ redis: server.url, rescue: { grace: 100 } });
  await reaper.sweep({ plan: true });
  expect(await redis.exists('t:reaper:suspects')).toBe(0);
  await reaper.sweep();
  expect(await redis.hget('t:job_stats:ran', 'status')).toBe('Running');
  await expect.poll(async () => (await reaper.explain('ran')).reason).toBe('hung');
  await reaper.sweep();
  expect(await redis.hget('t:job_stats:ran', 'status')).toBe('Error');
});

test('fault 102: an observation counts if its pool is not confirmed dead, and does not count otherwise', async () => {
  await pool('late', 11);
  await pool('gone', 60);
  for (const id of ['late', 'gone']) {
    await silent(id);
    await redis.hset(`t:worker:${id}-w`, { job_name: 'X', job_id: id, started_at: second(-90_000), args: '' });
  }
  expect(await searchFor(['late', 'gone'], ['gone'])).toEqual({ late: 'observed', gone: 'nowhere' });
  // How long it has run is known of a live pool only.
  expect(await sweep({ runTimeLimitByType: { X: '10s' } })).toMatchObject({ late: 'keep observed observed' });
});

test('fault 102: a list of several possible pools counts as left behind only if each of them is confirmed dead', async () => {
  await pool('web-1:4711', 60);
  await pool('4711', 60);
  await redis.rpush('t:jobs:X:web-1:4711:inprogress', entry('a'));
  expect(await searchFor(['a'], ['web-1:4711', '4711'])).toEqual({ a: 'left' });
  expect(await searchFor(['a'], ['4711'])).toEqual({ a: 'unconfirmed' });
  await pool('web-1:4711', 0);
  expect(await searchFor(['a'], ['4711'])).toEqual({ a: 'held' });
});

test.each([
  ['missing', undefined],
  ['of another case', 'image_scan'],
  ['another type', 'GARBAGE_COLLECTION'],
  ['empty', ''],
])('fault 105: an entry in a queue is found where the name in the stats is %s', async (_, name) => {
  const ids = ['queued', 'held', 'colon', 'nowhere'];
  for (const id of ids) {
    await silent(id, { status: 'Pending' });
    await redis.hdel(`t:job_stats:${id}`, 'name');
    if (name !== undefined) await redis.hset(`t:job_stats:${id}`, { name });
  }
  await pool('p', 0);
  await redis.lpush('t:jobs:IMAGE_SCAN', entry('queued'));
  await redis.lpush('t:jobs:IMAGE_SCAN:p:inprogress', entry('held'));
  await redis.lpush('t:jobs:a:b:c', entry('colon'));
  const expected = {
    queued: 'keep in-queue queue',
    held: 'keep in-queue held',
    colon: 'keep in-queue queue',
    nowhere: 'fail hung nowhere',
  };
  expect(await sweep({}, true)).toEqual(expected);
  const reaper = opened.create({ redis: server.url });
  for (const id of ids) {
    const { verdict, reason, facts, places } = await reaper.explain(id);
    expect(`${verdict} ${reason} ${facts.evidence?.found}`).toBe(expected[id as keyof typeof expected]);
    expect(places).toHaveLength(id === 'nowhere' ? 0 : 1);
  }
  expect(await sweep()).toEqual(expected);
});

test('fault 105: a queue whose name is not UTF-8 is searched too', async () => {
  await redis.lpush(Buffer.from('t:jobs:\xff', 'latin1'), entry('a'));
  await redis.lpush(Buffer.from('t:jobs:\xfe:p:inprogress', 'latin1'), entry('b'));
  expect(await searchFor(['a', 'b'], [])).toEqual({ a: 'queue', b: 'unconfirmed' });
});

test('fault 105: an entry of a type that nothing else names is found while it moves', async () => {
  const moved = await searchFor(['a'], [], (pools) => {
    let surveys = 0;
    return {
      ...pools,
      async readRegistry(thorough) {
        // It is enqueued after the queues were looked for, and fetched after they were walked.
        if (++surveys === 2) await redis.lpush('t:jobs:NEW', entry('a'));
        return pools.readRegistry(thorough);
      },
    };
  });
  expect(moved).toEqual({ a: 'queue' });
});

test('every entry of a long set is found', async () => {
  const ids = Array.from({ length: 600 }, (_, i) => `j${i}`);
  await redis.zadd('t:scheduled', ...ids.flatMap((id) => [1, entry(id)]));
  expect(await searchFor(ids, [])).toEqual(Object.fromEntries(ids.map((id) => [id, 'scheduled'])));
});

test('fault 105: while new queues appear without end, no job counts as found nowhere', async () => {
  let surveys = 0;
  const found = await searchFor(['a'], [], (pools) => ({
    ...pools,
    async readRegistry(thorough) {
      await redis.lpush(`t:jobs:NEW-${surveys++}`, entry('other'));
      return pools.readRegistry(thorough);
    },
  }));
  expect(found).toEqual({ a: 'unreadable' });
});

test('fault 114: a search reads the ids of entries and not their arguments, in every place', async () => {
  const big = 'x'.repeat(1_000_000);
  const bigEntry = (id: string, args: object = {}) => JSON.stringify({ name: 'X', id, t: 1, args: { ...args, big } });
  for (let i = 0; i < 30; i++) await redis.lpush('t:jobs:X', bigEntry(`other-${i}`));
  for (let i = 0; i < 10; i++) await redis.zadd('t:retry', i, bigEntry(`retry-${i}`));
  await redis.rpush('t:jobs:X', bigEntry('queued'));
  await redis.zadd('t:dead', 1, bigEntry('dead'));
  await redis.lpush('t:jobs:Y', bigEntry('nested', { id: 'inner' }));
  await redis.lpush('t:jobs:Y', bigEntry('policy', { _job_kind_periodic_: '7' }));
  const sent = async () => Number(/total_net_output_bytes:(\d+)/.exec(await redis.info('stats'))?.[1]);
  const before = await sent();
  expect(await searchFor(['queued', 'dead', 'nested', 'policy@7', 'policy', 'retry-3'], [])).toEqual({
    queued: 'queue',
    dead: 'dead',
    nested: 'queue',
    'policy@7': 'queue',
    policy: 'nowhere',
    'retry-3': 'retry',
  });
  expect((await sent()) - before).toBeLessThan(100_000);
});

test('fault 114: a script reads a bounded number of bytes, and the next one continues after them', async () => {
  const scripts = createScripts(redis);
  const ids = Array.from({ length: 50 }, (_, i) => `id-${i}`);
  await redis.rpush('t:jobs:X', ...ids.map((id) => JSON.stringify({ name: 'X', id, args: 'x'.repeat(100_000) })));
  const read: string[] = [];
  for (;;) {
    const { isEnd, ids: some } = await scripts.run('read_entries', ['t:jobs:X'], [read.length, 1_000, 1_000_000]);
    expect(some.length).toBeLessThanOrEqual(16);
    read.push(...some);
    if (isEnd) break;
  }
  expect(read).toEqual(ids);
});

test('fault 105: an entry whose id has a lone surrogate belongs to the job that Go tracks by it', async () => {
  await silent('a\ufffdb');
  await silent('p\ufffd@\ufffd');
  await redis.lpush('t:jobs:X', '{"name":"X","id":"a\\ud800b","t":1,"args":null}');
  await redis.zadd('t:retry', 1, '{"name":"X","id":"p\\udc00","t":1,"args":{"_job_kind_periodic_":"\\udfff"}}');
  const expected = { 'a\ufffdb': 'keep in-queue queue', 'p\ufffd@\ufffd': 'keep in-queue retry' };
  expect(await sweep()).toEqual(expected);
});

test('a job is kept if an in-progress list, a queue or a set that may hold it has the wrong type', async () => {
  await silent('a');
  await pool('p', 0);
  for (const key of ['t:jobs:X:p:inprogress', 't:jobs:X', 't:retry', 't:scheduled', 't:dead']) {
    await redis.set(key, 'no list');
    expect([key, await sweep({}, true)]).toEqual([key, { a: 'keep inconclusive unreadable' }]);
    await redis.del(key);
  }
});

test('a job is kept if the reaper lacks the right to read a list that may hold it', async () => {
  await silent('a');
  await redis.lpush('t:jobs:X', entry('other'));
  await redis.call('ACL', 'SETUSER', 'some', 'on', '>pass', '~*', '+@all', '-lrange');
  expect(await sweep({ redis: `redis://some:pass@127.0.0.1:${server.port}` }, true)).toEqual({
    a: 'keep inconclusive unreadable',
  });
  await redis.call('ACL', 'DELUSER', 'some');
});

test('explain counts the entries before a job, and names each place once', async () => {
  await silent('a', { status: 'Pending' });
  await pool('p', 0);
  for (let i = 0; i < 1_500; i++) void redis.lpush('t:jobs:X', entry(i === 1_200 ? 'a' : `other-${i}`));
  await redis.rpush('t:jobs:X:p:inprogress', entry('a'));
  await redis.zadd('t:retry', 77, entry('a'));
  await redis.hset('t:worker:p-w', { job_name: 'X', job_id: 'a', started_at: 5, args: '' });
  const { places } = await opened.create({ redis: server.url }).explain('a');
  expect(places).toEqual([
    { kind: 'queue', type: 'X', ahead: 1_200 },
    { kind: 'in-progress', type: 'X', pool: 'p', isPoolAlive: true },
    { kind: 'retry', at: '1970-01-01T00:01:17.000Z' },
    { kind: 'observed', type: 'X', pool: 'p', isPoolAlive: true, at: '1970-01-01T00:00:05.000Z' },
  ]);
});

/** Somewhere in Redis: a queue, a list of a pool, a sorted set, an observation, or nowhere. */
const place = fc.oneof(
  fc.record({ kind: fc.constant('queue' as const), type: fc.constantFrom('X', 'x', 'IMAGE:SCAN', 'a:p', 'é') }),
  fc.record({
    kind: fc.constant('held' as const),
    type: fc.constantFrom('X', 'IMAGE:SCAN', 'a:p'),
    pool: fc.constantFrom('live', 'late', 'unknown', 'host:1'),
  }),
  fc.record({ kind: fc.constantFrom('scheduled' as const, 'retry' as const, 'dead' as const) }),
  fc.record({ kind: fc.constant('observed' as const), pool: fc.constantFrom('live', 'late', 'unknown') }),
);
const silentJob = fc.record({
  status: fc.constantFrom('Pending', 'Scheduled', 'Running'),
  name: fc.constantFrom(undefined, 'X', 'x', 'IMAGE', 'elsewhere'),
  age: fc.constantFrom(600, 100_000, -100_000),
  places: fc.array(place, { maxLength: 2 }),
});

const put = async (jobs: readonly (typeof silentJob extends fc.Arbitrary<infer T> ? T : never)[]) => {
  await redis.flushall();
  await pool('live', 0);
  await pool('late', 30);
  await pool('host:1', 0);
  for (const [i, { status, name, age, places }] of jobs.entries()) {
    const id = `job-${i}`;
    await seedJob(redis, id, { age, status });
    await redis.hdel(`t:job_stats:${id}`, 'name');
    if (name !== undefined) await redis.hset(`t:job_stats:${id}`, { name });
    for (const at of places) {
      if (at.kind === 'queue') await redis.lpush(`t:jobs:${at.type}`, entry(id));
      else if (at.kind === 'held') await redis.lpush(`t:jobs:${at.type}:${at.pool}:inprogress`, entry(id));
      else if (at.kind === 'observed') {
        await redis.hset(`t:worker:${at.pool}-w`, { job_name: 'X', job_id: id, started_at: 1, args: '' });
      } else await redis.zadd(`t:${at.kind}`, 1, entry(id));
    }
  }
};

test('fault 105: for any contents, explain, a plan and a sweep agree', async () => {
  const reaper = opened.create({ redis });
  await fc.assert(
    fc.asyncProperty(fc.array(silentJob, { minLength: 1, maxLength: 5 }), async (jobs) => {
      await put(jobs);
      const explained: Record<string, string> = {};
      for (const i of jobs.keys()) {
        const { verdict, reason, facts } = await reaper.explain(`job-${i}`);
        explained[`job-${i}`] = `${verdict} ${reason} ${facts.evidence?.found}`;
      }
      expect(await sweepOf(reaper, true)).toEqual(explained);
      expect(await sweepOf(reaper)).toEqual(explained);
      for (const [id, words] of Object.entries(explained)) {
        const isFailed = (await redis.hget(`t:job_stats:${id}`, 'status')) === 'Error';
        expect([id, isFailed]).toEqual([id, words.startsWith('fail')]);
      }
    }),
    { numRuns: 60 },
  );
});
