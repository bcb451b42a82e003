/** A plan lists what the act that follows it does, item by item, and changes nothing. A real Redis. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PoolOutcome, ReaperOptions, RescueChange, RescueOptions, RescueSummary } from '../../src/index.ts';
import { redisFixture } from '../support/fixture.ts';
import { ackText, second, seedJob, seedWithHook } from '../support/jobs.ts';
import { entryOf } from '../support/pools.ts';
import { ttlFrom } from '../support/ttl.ts';

// A hash table has no fixed order, and its dump none either: small hashes stay lists. (Redis 7 knows that name as well.)
const { server, opened } = await redisFixture('--hash-max-ziplist-value', '4096');

/** What a reaper remembers of its own looks and answers; all else must be as it was after a plan. */
const isMemory = (key: string) => /:reaper:(suspects|observed|workers:|unobserved:|answers:|probe)/.test(key);
const dump = async () => {
  const keys = (await server.client.keys('*')).filter((key) => !isMemory(key)).sort();
  return Object.fromEntries(
    await Promise.all(keys.map(async (key) => [key, (await server.client.dumpBuffer(key))?.toString('base64')])),
  );
};

interface Pass
  extends Pick<RescueSummary, 'acts' | 'changes' | 'drift' | 'entries' | 'quarantined' | 'orphaned' | 'finished'> {
  readonly outcomes: readonly { readonly [Field in keyof PoolOutcome]?: PoolOutcome[Field] | undefined }[];
}
/** One rescue, by a reaper of its own. */
const rescueOf = async (what: boolean | RescueOptions, options: Partial<ReaperOptions> = {}, grace = 0) => {
  const reaper = opened.create({ redis: server.url, rescue: { orphanedAfter: 0, batchSize: 3 }, ...options });
  const outcomes: PoolOutcome[] = [];
  reaper.on('pool', (outcome) => void outcomes.push(outcome));
  const summary = await reaper.rescue({ ...(typeof what === 'boolean' ? { plan: what } : what), grace });
  await reaper.stop({ timeout: 0 });
  return { summary, outcomes };
};
/** The same: what it says, without what may differ. */
const rescue = async (
  what: boolean | RescueOptions,
  options: Partial<ReaperOptions> = {},
  grace = 0,
): Promise<Pass> => {
  const { summary, outcomes } = await rescueOf(what, options, grace);
  const { acts = [], changes, drift, entries, quarantined, orphaned, finished, suspended } = summary;
  expect(suspended).toBeUndefined();
  return {
    ...{ acts, changes },
    drift: drift.toSorted((a, b) => (a.type < b.type ? -1 : 1)),
    ...{ entries, quarantined, orphaned, finished },
    outcomes: outcomes
      .map(({ pool, moved, poison, deregistered, evidence }) => ({ pool, moved, poison, deregistered, evidence }))
      .sort((a, b) => (a.pool < b.pool ? -1 : 1)),
  };
};

/**
 * The plan, then the act: a rescue, or one that does the acts of the plan. Both are compared, and the plan must change nothing.
 */
const planThenAct = async (
  options?: Partial<ReaperOptions>,
  grace?: number,
  isApplied = false,
): Promise<readonly RescueChange[]> => {
  const before = await dump();
  const plan = await rescue(true, options, grace);
  expect(await dump()).toEqual(before);
  const act = await rescue(isApplied ? { acts: plan.acts ?? [] } : false, options, grace);
  const ageless = ({ outcomes, acts: _, ...rest }: Pass) => ({
    ...rest,
    outcomes: outcomes.map(({ evidence: _, ...outcome }) => outcome),
  });
  expect(ageless(act)).toEqual(ageless(plan));
  if (plan.changes.length === 0) expect(await dump()).toEqual(before);
  for (const change of plan.changes) {
    if (change.act !== 'lock') continue;
    expect((await server.client.get(`t:jobs:${change.type}:lock`)) ?? '0').toBe(change.after);
  }
  return plan.changes;
};

const recoveriesOf = (most: number) =>
  JSON.stringify([1, 2, 3].slice(0, most).map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]));
const recoveries = recoveriesOf(3);
const fewRecoveries = recoveriesOf(2);
const types = ['X', 'odd [*] ü'];
const poolNames = ['web-1', 'p*?', 'dead pool', 'live-1'];

/** One entry of a list: what it is decides what becomes of it. */
/**
 * Jobs that several pools hold: `shared` was recovered once less than may be, `deadly` as often as may be, `half` so too, once
 * of them from the pool that is written last, as it is now. So was `retried`, of which a person has taken an entry from `dead` since.
 */
const sharedKinds: readonly Kind[] = ['shared', 'deadly', 'half', 'retried'];
const kinds = [
  'job',
  'poison',
  'shared',
  'deadly',
  'half',
  'retried',
  'no JSON',
  'no id',
  'stale',
  'orphan',
  'running',
] as const;
type Kind = (typeof kinds)[number];
const pool = fc.record({
  state: fc.constantFrom('alive', 'alive', 'old', 'no heartbeat', 'unregistered', 'gone'),
  held: fc.array(fc.record({ type: fc.constantFrom(...types), kind: fc.constantFrom<Kind>(...kinds) }), {
    maxLength: 8,
  }),
  counted: fc.array(fc.option(fc.constantFrom('0', '1', '2', '7', '-3', 'x', ''), { nil: undefined }), {
    minLength: types.length,
    maxLength: types.length,
  }),
});
const state = fc.record({
  pools: fc.array(pool, { minLength: 1, maxLength: poolNames.length }),
  locks: fc.array(fc.option(fc.constantFrom('0', '1', '5', '-2', 'x', ''), { nil: undefined }), {
    minLength: types.length,
    maxLength: types.length,
  }),
  wrong: fc.oneof(
    { weight: 3, arbitrary: fc.constant('') },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        ...['jobs:X', 'jobs:X:lock', 'jobs:X:lock_info', 'jobs:X:web-1:inprogress', 'dead', 'retry', 'known_jobs'],
        ...['reaper:recoveries', 'reaper:quarantine', 'worker_pools:web-1', 'job_track:inprogress'],
      ),
    },
  ),
});

const write = async ({ pools, locks, wrong }: typeof state extends fc.Arbitrary<infer T> ? T : never) => {
  const { client } = server;
  await client.flushall();
  let jobs = 0;
  for (const [i, { state: kindOfPool, held, counted }] of pools.entries()) {
    const name = poolNames[i] as string;
    if (kindOfPool !== 'unregistered' && kindOfPool !== 'gone') await client.sadd('t:worker_pools', name);
    if (kindOfPool === 'alive' || kindOfPool === 'old' || kindOfPool === 'unregistered') {
      await client.hset(`t:worker_pools:${name}`, {
        heartbeat_at: kindOfPool === 'alive' ? second(5) - 5 : second(-100),
        job_names: types.join(','),
        worker_ids: `w${i}`,
      });
      await client.hset(`t:worker:w${i}`, { job_name: 'X', job_id: `run${i}`, started_at: second(-50), args: '' });
    }
    for (const { type, kind } of held) {
      const id = kind === 'running' ? `run${i}` : sharedKinds.includes(kind) ? kind : `j${++jobs}`;
      const text = kind === 'no JSON' ? `{"id":"${id}` : kind === 'no id' ? `{"name":"${id}"}` : entryOf(id, type);
      await client.lpush(`t:jobs:${type}:${name}:inprogress`, text);
      if (kind === 'poison') await client.hset('t:reaper:recoveries', id, recoveries);
      if (kind === 'shared') await client.hset('t:reaper:recoveries', id, fewRecoveries);
      if (kind === 'deadly') await client.hset('t:reaper:recoveries', id, recoveries);
      if (kind === 'half' || kind === 'retried') {
        const beat = (await client.hget(`t:worker_pools:${name}`, 'heartbeat_at')) ?? '';
        const before = JSON.parse(kind === 'half' ? fewRecoveries : recoveries);
        const all = [...before, [second(-3_500), name, beat]];
        await client.hset('t:reaper:recoveries', id, JSON.stringify(all));
        if (kind === 'retried') {
          const record = { at: second(-3_400), recoveries: all.slice(0, 1), entries: [['X', 'taken', 'taken']] };
          await client.hset('t:reaper:quarantine', id, JSON.stringify(record));
        }
      }
      if (kind === 'stale') await seedJob(client, id, { status: 'Success', age: 600 });
      if (kind === 'orphan' || kind === 'poison' || sharedKinds.includes(kind)) {
        await seedJob(client, id, { status: 'Pending', age: 600 });
      }
    }
    for (const [n, count] of counted.entries()) {
      if (count !== undefined) await client.hset(`t:jobs:${types[n]}:lock_info`, name, count);
    }
  }
  for (const [n, lock] of locks.entries()) if (lock !== undefined) await client.set(`t:jobs:${types[n]}:lock`, lock);
  if (wrong === '') return;
  await client.del(`t:${wrong}`);
  if (wrong.endsWith(':lock')) await client.lpush(`t:${wrong}`, 'x');
  else await client.set(`t:${wrong}`, 'wrong');
};

test('fault 123: from any state, a rescue right after its plan, or its acts, do exactly what the plan lists', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(state, fc.boolean(), async (given, isApplied) => {
      await write(given);
      for (const { act } of await planThenAct({}, 0, isApplied)) seen.add(act);
    }),
    { numRuns: 100, endOnFailure: false },
  );
  expect([...seen].sort()).toEqual([
    ...['deregister', 'finish', 'lock', 'lock_info', 'quarantine', 'requeue', 'requeue-orphan'],
  ]);
});

test('fault 123: a plan names counters, entries by pool and type, poison jobs and the traces of a dead pool', async () => {
  const { client } = server;
  await client.sadd('t:worker_pools', 'dead');
  await client.hset('t:worker_pools:dead', { heartbeat_at: second(-100), job_names: 'X', worker_ids: '' });
  await client.rpush('t:jobs:X:dead:inprogress', entryOf('a'), entryOf('bad'), entryOf('b'));
  await client.hset('t:reaper:recoveries', 'bad', recoveries);
  await client.hset('t:jobs:X:lock_info', 'dead', 7, 'gone', 2);
  await client.set('t:jobs:X:lock', 9);
  await client.hset('t:jobs:Y:lock_info', 'dead', 0);
  await client.set('t:jobs:Y:lock', 4);
  expect(await planThenAct()).toEqual([
    {
      act: 'deregister',
      pool: 'dead',
      isRegistered: true,
      hasHeartbeat: true,
      lockInfo: ['X', 'Y'],
    },
    { act: 'deregister', pool: 'gone', isRegistered: false, hasHeartbeat: false, lockInfo: ['X'] },
    { act: 'lock', type: 'X', before: '9', after: '0' },
    { act: 'lock', type: 'Y', before: '4', after: '0' },
    { act: 'lock_info', type: 'X', fields: 2 },
    { act: 'quarantine', id: 'bad', type: 'X', pool: 'dead' },
    { act: 'requeue', pool: 'dead', type: 'X', entries: 2 },
  ]);
  expect(await client.zcard('t:dead')).toBe(1);
});

test('fault 123: the same with a grace, and a plan promises nothing after an entry that cannot be quarantined', async () => {
  const { client } = server;
  await client.rpush('t:jobs:X:dead:inprogress', entryOf('first'), entryOf('bad'), entryOf('last'));
  await client.hset('t:reaper:recoveries', 'bad', recoveries);
  await client.set('t:dead', 'wrong');
  expect(await planThenAct({}, 20)).toEqual([
    { act: 'lock', type: 'X', before: '0', after: '2' },
    { act: 'lock_info', type: 'X', fields: 1 },
    { act: 'requeue', pool: 'dead', type: 'X', entries: 1 },
  ]);
});

test('fault 123: a job that several dead pools hold is requeued from all of them as planned, and not from the next one', async () => {
  const { client } = server;
  await client.hset('t:reaper:recoveries', 'j', fewRecoveries);
  for (const pool of ['a', 'b', 'c']) await client.rpush(`t:jobs:X:${pool}:inprogress`, entryOf('j'), entryOf(pool));
  expect((await planThenAct()).filter(({ act }) => act === 'requeue' || act === 'quarantine')).toEqual(
    ['a', 'b', 'c'].map((pool) => ({ act: 'requeue', pool, type: 'X', entries: 2 })),
  );
  expect(JSON.parse((await client.hget('t:reaper:recoveries', 'j')) as string)).toHaveLength(5);
  await client.rpush('t:jobs:X:d:inprogress', entryOf('j'));
  expect(await planThenAct()).toContainEqual({ act: 'quarantine', id: 'j', type: 'X', pool: 'd' });
});

const liveAndDead = async () => {
  const { client } = server;
  for (const [i, name] of ['live-1', 'live-2', 'dead-1', 'dead-2'].entries()) {
    await client.sadd('t:worker_pools', name);
    await client.hset(`t:worker_pools:${name}`, {
      heartbeat_at: name.startsWith('live') ? second() : second(-100),
      job_names: 'X',
      worker_ids: `w${i}`,
    });
    await client.hset(`t:worker:w${i}`, { job_name: 'X', job_id: `run${i}`, started_at: second(-50), args: '' });
    await client.rpush(`t:jobs:X:${name}:inprogress`, entryOf('bad'));
  }
  await client.hset('t:reaper:recoveries', 'bad', recoveries);
};

test.each([
  ['at once', { orphanedAfter: 0 }, 0],
  ['after a grace', { orphanedAfter: 0 }, 20],
  ['at a second look, when the dead pools are done', { orphanedAfter: 300 }, 20],
])(
  'fault 123: a poison job that dead and live pools hold is quarantined from all of them, %s',
  async (_, options, grace) => {
    const { client } = server;
    for (const status of ['Pending', 'Error']) {
      await client.flushall();
      await liveAndDead();
      await seedJob(client, 'bad', { status: 'Pending', age: 600 });
      if (status === 'Error') await client.hset('t:job_stats:bad', { status, update_time: second(-30) });
      const changes = await planThenAct({ rescue: options }, grace);
      const pools = changes.flatMap((change) => (change.act === 'quarantine' ? [change.pool] : []));
      expect(pools).toEqual(['dead-1', 'dead-2', ...(status === 'Pending' ? ['live-1', 'live-2'] : [])]);
      for (const pool of pools) expect(await client.exists(`t:jobs:X:${pool}:inprogress`)).toBe(0);
      expect(await client.ttl('t:reaper:quarantine:before:bad')).toEqual(status === 'Pending' ? ttlFrom(86_400) : -2);
    }
  },
);

test('fault 123: a sign of life after a quarantine counts as one', async () => {
  const { client } = server;
  await liveAndDead();
  await seedJob(client, 'bad', { status: 'Pending', age: 600 });
  const reaper = opened.create({ redis: server.url, rescue: { orphanedAfter: 60_000 } });
  await reaper.rescue({ grace: 0 });
  await client.hset('t:job_stats:bad', 'check_in_at', second());
  const records = async () => Object.values(await client.hgetall('t:reaper:unobserved:live-1'));
  expect(await records()).toEqual([expect.stringContaining(' Pending|')]);
  await reaper.rescue({ grace: 0 });
  expect(await records()).toEqual([expect.stringContaining(' Error|')]);
});

const noCounters = ['1e3', '0x10', ' 5', '5 ', '-0', '007', '', '+1', '1.0', 'abc', '\t', '99999999999999999999'];
const oddCounters = [...noCounters, '9007199254740993', '9223372036854775807', '-1', '1e400', 'inf', '-inf', 'nan'];
test.each(oddCounters)(
  'fault 123: a lock of %j is read as a valid counter, and listed as it was, in a plan, in its rescue and in its acts',
  async (lock) => {
    const { client } = server;
    for (const [isUsable, isApplied] of [true, false].flatMap((a) => [true, false].map((b) => [a, b]))) {
      await client.flushall();
      await client.rpush('t:jobs:X:dead:inprogress', entryOf('a'), entryOf('b'));
      await client.set('t:jobs:X:lock', lock);
      if (!isUsable) await client.set('t:jobs:X:lock_info', 'wrong');
      const changes = await planThenAct({}, 0, isApplied);
      const after = lock === '007' && !isUsable ? '5' : '0';
      expect(changes).toContainEqual({ act: 'lock', type: 'X', before: lock, after });
      expect(await client.get('t:jobs:X:lock')).toBe(after);
    }
  },
);

test.each(oddCounters)(
  'fault 123: counters of %j without an entry are listed, and set right as planned',
  async (odd) => {
    const { client } = server;
    for (const isApplied of [true, false]) {
      await client.flushall();
      await client.set('t:jobs:X:lock', odd);
      await client.hset('t:jobs:X:lock_info', 'gone', odd, 'other', '0');
      await client.sadd('t:known_jobs', 'X');
      expect(await planThenAct({}, 0, isApplied)).toEqual(
        expect.arrayContaining([
          { act: 'lock', type: 'X', before: odd, after: '0' },
          { act: 'lock_info', type: 'X', fields: 1 },
        ]),
      );
      expect(await client.get('t:jobs:X:lock')).toBe('0');
      expect(await client.hexists('t:jobs:X:lock_info', 'gone')).toBe(0);
    }
  },
);

test('fault 123: counters that are another text of the same number, or none, are not as planned', async () => {
  const { client } = server;
  const all = ['0', '', '-0', 'abc', '00'];
  const write = async (odd: string) => {
    await client.flushall();
    await client.sadd('t:known_jobs', 'X');
    await client.rpush('t:jobs:X:dead:inprogress', entryOf('a'));
    await client.set('t:jobs:X:lock', odd);
    await client.hset('t:jobs:X:lock_info', 'dead', odd);
  };
  for (const key of ['lock', 'lock_info']) {
    for (const [before, now] of all.flatMap((a) => all.map((b) => [a, b] as const))) {
      await write(before);
      const { acts = [] } = (await rescueOf(true)).summary;
      await (key === 'lock' ? client.set('t:jobs:X:lock', now) : client.hset('t:jobs:X:lock_info', 'dead', now));
      const counters = acts.filter((act) => 'act' in act && act.act === 'rebuild-counters');
      const { applied } = (await rescueOf({ acts: counters })).summary;
      expect(applied).toMatchObject(
        before === now ? { done: counters, left: [] } : { done: [], left: [{ isMoved: true }] },
      );
    }
  }
});

test('fault 123: a counted pool whose name is not UTF-8: its type is left and named, in one step and in several', async () => {
  const { client } = server;
  const pool = Buffer.from([0x70, 0xff]);
  await client.rpush('t:jobs:X:dead:inprogress', entryOf('a'));
  for (const others of [0, 1_500]) {
    await client.hset('t:jobs:X:lock_info', pool, 3, 'p\uFFFD', 1);
    for (let i = 0; i < others; i++) await client.hset('t:jobs:X:lock_info', `gone${i}`, 1);
    await client.set('t:jobs:X:lock', 7);
    const { summary } = await rescueOf(true);
    expect(summary.unreadable).toContainEqual(expect.stringContaining('t:jobs:X:lock_info: counts a pool whose name'));
    expect(summary.drift).toEqual([]);
    expect((await rescueOf(false)).summary.unreadable).toEqual(summary.unreadable);
    expect(await client.hgetBuffer('t:jobs:X:lock_info', pool)).toEqual(Buffer.from('3'));
  }
});

test('fault 146: lists and pools whose names are not UTF-8 stay as they are, and each pass names them', async () => {
  const { client } = server;
  const [a, other] = [entryOf('a'), entryOf('b')];
  const list = Buffer.from('t:jobs:X:p\xff:inprogress', 'latin1');
  await client.sadd('t:worker_pools', Buffer.from([0x70, 0xff]), 'p\uFFFD');
  await client.lpush(list, a);
  await client.lpush('t:jobs:X:p\uFFFD:inprogress', other);
  await client.srem('t:worker_pools', 'p\uFFFD');
  for (const plan of [true, false, true, false]) {
    const { summary } = await rescueOf(plan);
    expect(summary.unreadable).toEqual([
      't:worker_pools: holds p\\xff, a name that is invalid UTF-8, and is ignored: remove it (SREM)',
      't:jobs:X:p\\xff:inprogress: its name is not valid UTF-8; skipped: rename the key (RENAME)',
    ]);
  }
  expect(await client.lrange(list, 0, -1)).toEqual([a]);
  expect(await client.lrange('t:jobs:X', 0, -1)).toEqual([other]);
  await client.rename(list, 't:jobs:X:p:inprogress');
  await client.srem('t:worker_pools', Buffer.from([0x70, 0xff]));
  expect((await rescueOf(false)).summary).toMatchObject({ entries: 1, unreadable: [] });
});

test('fault 146: names in a registry that are not UTF-8 are reported once in each pass, and add no suspect and no type', async () => {
  const { client } = server;
  const broken = (text: string) => Buffer.from(text, 'latin1');
  await client.sadd('t:worker_pools', 'live');
  await client.hset('t:worker_pools:live', { heartbeat_at: second() + 1, worker_ids: 'w' });
  await client.hset('t:worker_pools:live', 'job_names', broken('X,H\xff,Y'));
  await client.hset(broken('t:worker_pools:p\xff'), 'heartbeat_at', second(-100));
  await client.sadd('t:known_jobs', broken('K\xff'), 'X');
  for (const pool of ['p\xff', 'p\xfe', 'q\xff']) await client.hset('t:jobs:X:lock_info', broken(pool), 1);
  await client.hset('t:jobs:X:lock_info', 'gone', 1);
  for (const pool of ['l\xff', 'l\xfe']) await client.lpush(broken(`t:jobs:X:${pool}:inprogress`), entryOf('a'));
  await client.set(broken('t:jobs:T\xff:lock'), 1);
  const left = async () =>
    Promise.all([
      client.hgetallBuffer('t:jobs:X:lock_info').then(({ gone: _, ...rest }) => rest),
      client.smembers('t:known_jobs'),
      client.llen(broken('t:jobs:X:l\xff:inprogress')),
      client.exists(broken('t:worker_pools:p\xff')),
    ]);
  const before = await left();
  for (const plan of [true, false, true, false]) {
    const { summary, outcomes } = await rescueOf(plan);
    expect(summary.unreadable.toSorted()).toEqual([
      't:jobs:T\\xff:lock: its name is not valid UTF-8; skipped: rename the key (RENAME)',
      't:jobs:X:l\\xfe:inprogress: its name is not valid UTF-8; skipped: rename the key (RENAME)',
      't:jobs:X:l\\xff:inprogress: its name is not valid UTF-8; skipped: rename the key (RENAME)',
      't:jobs:X:lock_info: counts a pool whose name is invalid UTF-8 (p\\xfe, p\\xff, q\\xff); this key and the lock are not rebuilt: remove that field (HDEL)',
      't:known_jobs: holds K\\xff, a name that is invalid UTF-8, and is ignored: remove it (SREM)',
      't:worker_pools:live: job_names holds H\\xff, a name that is not valid UTF-8; skipped: rename the type',
    ]);
    expect(outcomes.filter(({ pool }) => pool !== 'gone')).toEqual([]);
    expect(await left()).toEqual(before);
  }
  expect(await client.hexists('t:jobs:X:lock_info', 'gone')).toBe(0);
  const names = (await client.keys('*')).filter((key) => key.includes('suspects'));
  for (const key of names) expect(Object.keys(await client.hgetall(key))).toEqual([]);
});

/** One sweep: each job with its verdict, its reason and whether it is, or would be, done. */
const sweep = async (plan: boolean): Promise<string[]> => {
  const reaper = opened.create({ redis: server.url, hooks: { maxRecords: 2, timeout: 1 } });
  const items: string[] = [];
  const done = ['planned', 'done', 'enqueued'];
  reaper.on('job', ({ id, verdict, reason, outcome }) =>
    items.push([id, verdict, reason, done.includes(outcome) ? 'done' : outcome].join(' ')),
  );
  await reaper.sweep({ plan });
  await reaper.stop({ timeout: 0 });
  return items.sort();
};

test('fault 123: from any state, a sweep right after its plan does exactly what the plan lists', async () => {
  const kinds = ['healthy', 'final', 'behind', 'hung', 'unacknowledged', 'parked', 'no stats', 'malformed'] as const;
  const withHooks = ['pending', 'asked', 'sending', 'resending'] as const;
  // No one listens there: a hook that is sent fails, and waits.
  const hook = { web_hook_url: 'http://127.0.0.1:1/x' };
  const fields = {
    healthy: {},
    final: { status: 'Success', ack: ackText('Success', second(-600)) },
    behind: { ack: ackText('Success', second(-500)) },
    hung: { age: 100_000 },
    unacknowledged: { status: 'Success', ...hook },
    parked: { status: 'Success', ...hook },
    'no stats': {},
    malformed: { status: 'Odd' },
  };
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...kinds, ...withHooks, 'changed since'), { minLength: 1, maxLength: 12 }),
      async (jobs) => {
        await server.client.flushall();
        for (const [i, kind] of jobs.entries()) {
          const id = `j${i}`;
          const known = withHooks.find((one) => one === kind);
          if (known !== undefined) await seedWithHook(server.client, id, known);
          else if (kind === 'changed since') await seedWithHook(server.client, id, 'pending', { state: 'Running:1' });
          const own = kinds.find((one) => one === kind);
          if (own === undefined) continue;
          const at = await seedJob(server.client, id, {
            ...(kind === 'healthy' ? { ack: ackText('Running', second(-600)) } : {}),
            ...fields[own],
          });
          if (kind === 'no stats') await server.client.del(`t:job_stats:${id}`);
          if (kind !== 'parked') continue;
          const record = `parked Success:${at} http://127.0.0.1:1 1 ${at} ${at} 400`;
          await server.client.hset('t:reaper:hooks', id, record);
          await server.client.zadd('t:reaper:hooks:parked', Date.now(), id);
        }
        const before = await dump();
        const plan = await sweep(true);
        expect(await dump()).toEqual(before);
        expect(await sweep(false)).toEqual(plan);
        for (const item of plan) seen.add(item.split(' ').slice(1).join(' '));
      },
    ),
    // Of so many unacknowledged jobs, some are deferred.
    {
      numRuns: 30,
      examples: [
        [['parked', ...Array.from({ length: 7 }, () => 'unacknowledged' as const)]],
        [[...withHooks, 'changed since']],
      ],
    },
  );
  expect([...seen]).toEqual(
    expect.arrayContaining(
      ['already-pending', 'parked', 'done', 'deferred'].map((end) => `refire unacknowledged ${end}`),
    ),
  );
});
