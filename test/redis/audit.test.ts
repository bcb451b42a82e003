import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { AuditEntry, AuditFilter, Reaper } from '../../src/index.ts';
import { createRecorder } from '../../src/io/redis/audit.ts';
import { createScripts, FencedError } from '../../src/io/redis/scripts.ts';
import { redisFixture } from '../support/fixture.ts';
import { ackText, loseReplies, second, seedJob } from '../support/jobs.ts';
import { ttlFrom } from '../support/ttl.ts';

// Every act leaves exactly one entry of the audit stream, in the step of the act.

const { redis, server, opened, keys } = await redisFixture();
const endpoint = 'http://127.0.0.1:1/hook';
const create = (options: object = {}) => opened.create({ redis: server.url, ...options });
const entriesOf = async (reaper: Reaper, filter: AuditFilter = {}): Promise<AuditEntry[]> => {
  const all: AuditEntry[] = [];
  for await (const page of reaper.audit.list(filter)) all.push(...page);
  return all;
};
const who = `${hostname()}:${process.pid}`;
const old = 100_000;

/** A job for each verdict that acts. */
const seedAll = async () => {
  const at = await seedJob(redis, 'hung', { age: old, web_hook_url: endpoint, parameters: '{"password":"s3cret"}' });
  await seedJob(redis, 'behind', { ack: ackText('Success', second(-600)), revision: second(-600) });
  await seedJob(redis, 'ended', { status: 'Success', ack: ackText('Success', second(-600)), revision: second(-600) });
  await seedJob(redis, 'owed', { status: 'Success', web_hook_url: endpoint });
  await seedJob(redis, 'fine', { ack: ackText('Running', second(-600)) });
  return at;
};

test('a sweep leaves one entry for each act, with who, why, and the facts before and after', async () => {
  const at = await seedAll();
  const reaper = create({ audit: { operator: 'ann' } });
  await reaper.sweep();
  const entries = await entriesOf(reaper);
  expect(entries.map(({ what }) => what).sort()).toEqual(['fail', 'refire', 'reset', 'untrack']);
  const of = (what: string) => entries.find((entry) => entry.what === what);
  for (const entry of entries) {
    expect(entry).toMatchObject({ who: `${who} ann`, pass: expect.stringMatching(/^sweep\/[\w-]{12}$/), isCut: false });
    expect(new Date(entry.at).getTime()).toBe(Number(entry.id.split('-')[0]));
  }
  expect(new Set(entries.map(({ pass }) => pass)).size).toBe(1);
  expect(of('fail')).toMatchObject({
    job: 'hung',
    why: 'hung',
    was: { status: 'Running', revision: String(at), update_time: String(at), tracked: '2' },
    is: { status: 'Error', update_time: await redis.hget(keys.stats('hung'), 'update_time'), tracked: '1' },
  });
  expect(of('reset')).toMatchObject({
    job: 'behind',
    was: { status: 'Running', tracked: '2' },
    is: { status: 'Success' },
  });
  expect(of('untrack')).toMatchObject({
    job: 'ended',
    was: { status: 'Success', tracked: '2' },
    is: { tracked: null },
  });
  expect(of('refire')).toMatchObject({ count: 1, jobs: ['owed'], why: 'unacknowledged', was: {}, is: {} });
});

test('a sweep that finds nothing to do, and a plan, leave no entry', async () => {
  await seedAll();
  await create().sweep({ plan: true });
  expect(await redis.exists(keys.audit)).toBe(0);
  const reaper = create();
  await reaper.sweep();
  // What the first one has reset is untracked by the second one.
  await reaper.sweep();
  const before = await redis.xlen(keys.audit);
  await reaper.sweep();
  expect(await redis.xlen(keys.audit)).toBe(before);
});

test('the scheduled passes of a leader leave entries too, and a host without the lease leaves none', async () => {
  await seedAll();
  const reaper = create({ sweep: { initialDelay: 0 }, rescue: { initialDelay: 0 } });
  const swept = new Promise((resolve) => reaper.on('sweep', resolve));
  reaper.start();
  await swept;
  await reaper.stop();
  const acts = (await redis.xrange(keys.audit, '-', '+')).map(([, fields]) => fields[fields.indexOf('what') + 1]);
  expect(acts.sort()).toEqual(['fail', 'refire', 'reset', 'untrack']);

  await redis.del(keys.audit);
  await redis.hset(keys.track, 'gone', 2);
  const recorder = createRecorder({ keys, maxEntries: 100, onRefused: () => undefined });
  const untrack = createScripts(redis, () => true, recorder).run(
    'untrack',
    [keys.stats('gone'), keys.track],
    ['gone', 'nothing'],
    { lease: keys.lease, token: '1' },
    undefined,
    { pass: 'sweep/x' },
  );
  await expect(untrack).rejects.toThrow(FencedError);
  expect([await redis.exists(keys.audit), await redis.hget(keys.track, 'gone')]).toEqual([0, '2']);
});

test('worker hosts leave no entry', async () => {
  const job = await create().lifecycle.save({ id: 'a', name: 'X' });
  await job.run();
  await job.fail();
  await job.reset();
  expect(await redis.exists(keys.audit)).toBe(0);
});

test('no entry holds a parameter or the path of a hook URL', async () => {
  await seedAll();
  await create().sweep();
  const text = JSON.stringify(await redis.xrange(keys.audit, '-', '+'));
  expect(text).not.toContain('s3cret');
  expect(text).not.toContain('/hook');
});

test('audit.maxEntries bounds the stream, and 0 records nothing', async () => {
  for (let i = 0; i < 500; i++) await seedJob(redis, `j${i}`, { age: old });
  await create({ audit: { maxEntries: 50 } }).sweep();
  // Redis trims whole nodes of its own size, of 100 entries at most.
  expect(await redis.xlen(keys.audit)).toBeLessThan(50 + 100);
  await redis.flushall();
  await seedAll();
  const summary = await create({ audit: { maxEntries: 0 } }).sweep();
  expect(summary.verdicts).toMatchObject({ fail: 1, reset: 1, untrack: 1 });
  expect(await redis.exists(keys.audit)).toBe(0);
});

test.each([0, 100])(
  'a job whose id looks like a context is untracked all the same, with %i entries',
  async (maxEntries) => {
    const ids = ['audit:', 'audit:9\tme\tsweep/x\twhy\t\t', 'once:x'];
    for (const id of ids) await redis.hset(keys.track, id, 2);
    const reaper = create({ audit: { maxEntries } });
    const errors: string[] = [];
    reaper.on('error', ({ message }) => errors.push(message));
    expect((await reaper.sweep()).outcomes).toEqual({ done: ids.length });
    expect(errors).toEqual([]);
    expect(await redis.exists(keys.track)).toBe(0);
    expect((await entriesOf(reaper)).map(({ job }) => job).sort()).toEqual(maxEntries === 0 ? [] : ids);
  },
);

test('facts that are too long are cut, and ids that do not fit are left out', async () => {
  await seedJob(redis, 'odd', { age: old, ack: 'x'.repeat(5_000) });
  const ids = Array.from({ length: 100 }, (_, i) => `${String(i).padStart(3, '0')}${'x'.repeat(97)}`);
  for (const id of ids) await seedJob(redis, id, { status: 'Success', web_hook_url: endpoint });
  // All of them in one page.
  const reaper = create({ sweep: { pageSize: 5_000, maxRedisShare: 1 } });
  await reaper.sweep();
  const entries = await entriesOf(reaper);
  const refire = entries.find(({ what }) => what === 'refire');
  expect(refire?.count).toBe(100);
  expect(refire?.jobs?.length).toBe(29);
  expect(entries.find(({ what }) => what === 'fail')).toMatchObject({ job: 'odd', was: {}, isCut: true });
  for (const [, fields] of await redis.xrange(keys.audit, '-', '+')) {
    expect(fields.join('').length).toBeLessThan(4_000);
  }
});

test.each([
  ['fail', { age: old }, 'fail_job'],
  ['reset', { ack: ackText('Success', second(-600)), revision: second(-600) }, 'Success'],
] as const)('%s: an act whose reply was lost leaves one entry', async (what, fields, argument) => {
  await seedJob(redis, 'a', fields);
  const client = loseReplies(redis, [keys.stats('a'), argument], { times: 2 });
  opened.hold(client);
  const reaper = create({ redis: client });
  await reaper.sweep();
  expect(client.lost).toBe(2);
  expect((await entriesOf(reaper)).map((entry) => [entry.what, entry.job])).toEqual([[what, 'a']]);
});

test('untrack: an act whose reply was lost leaves one entry', async () => {
  const revision = second(-600);
  await seedJob(redis, 'a', { status: 'Success', ack: ackText('Success', revision), revision });
  const client = loseReplies(redis, [keys.stats('a'), keys.track, 'a'], { times: 2 });
  opened.hold(client);
  const reaper = create({ redis: client });
  await reaper.sweep();
  expect(client.lost).toBe(2);
  expect((await entriesOf(reaper)).map((entry) => [entry.what, entry.job])).toEqual([['untrack', 'a']]);
});

test('a stream of another type stops no act: it is reported once, with the name of the key', async () => {
  await seedAll();
  await redis.set(keys.audit, 'odd');
  const reaper = create();
  const errors: string[] = [];
  reaper.on('error', ({ where, message }) => errors.push(`${where}: ${message}`));
  const { outcomes } = await reaper.sweep();
  expect(outcomes).toMatchObject({ done: 3, enqueued: 1 });
  expect(errors).toEqual([`recording acts: WRONGTYPE ${keys.audit} holds a string, where a stream is needed`]);
  expect(await redis.get(keys.audit)).toBe('odd');
  await expect(entriesOf(reaper)).rejects.toThrow('WRONGTYPE');
  await expect(reaper.audit.undo(['1-0'])).rejects.toThrow(
    `${keys.audit}: holds a string, where a stream is needed; the reaper does not touch it: rename or delete it`,
  );
});

test('a stream that can take no more ids stops no act: it is reported once, with the name of the key', async () => {
  await seedAll();
  const last = '18446744073709551615-18446744073709551615';
  await redis.xadd(keys.audit, last, 'what', 'fail');
  const reaper = create();
  const errors: string[] = [];
  reaper.on('error', ({ where, message }) => errors.push(`${where}: ${message}`));
  expect((await reaper.sweep()).outcomes).toMatchObject({ done: 3, enqueued: 1 });
  expect(errors).toEqual([expect.stringContaining(`recording acts: ${keys.audit}: ERR The stream has exhausted`)]);
  expect(await entriesOf(reaper)).toMatchObject([{ id: last, at: expect.stringMatching(/^unix \d+$/), what: 'fail' }]);
});

test('ids that would read as several, or fill an entry alone, are counted and not listed', async () => {
  const ids = ['a\nb', 'x'.repeat(4_000), 'c'];
  for (const id of ids) await seedJob(redis, id, { status: 'Success', web_hook_url: endpoint });
  const reaper = create();
  await reaper.sweep();
  expect(await entriesOf(reaper)).toMatchObject([{ what: 'refire', count: 3, jobs: ['c'] }]);
  expect(await entriesOf(reaper, { id: 'b' })).toEqual([]);
});

test('entries are listed the newest first, by job, by who, by time and up to a limit', async () => {
  await seedAll();
  const ann = create({ audit: { operator: 'ann' } });
  await ann.sweep();
  const [newest] = await entriesOf(ann, { limit: 1 });
  const all = await entriesOf(ann);
  expect(newest).toEqual(all[0]);
  expect(all.map(({ id }) => id)).toEqual(
    all
      .map(({ id }) => id)
      .sort()
      .reverse(),
  );
  expect((await entriesOf(ann, { id: 'hung' })).map(({ what }) => what)).toEqual(['fail']);
  expect((await entriesOf(ann, { id: 'owed' })).map(({ what }) => what)).toEqual(['refire']);
  for (const name of [`${who} ann`, who, hostname(), 'ann']) expect(await entriesOf(ann, { who: name })).toEqual(all);
  expect(await entriesOf(ann, { who: 'bob' })).toEqual([]);
  expect(await entriesOf(ann, { pool: 'p' })).toEqual([]);
  const { at } = all[0] as AuditEntry;
  const after = new Date(new Date(at).getTime() + 1);
  expect(await entriesOf(ann, { until: at, since: all.at(-1)?.at ?? '' })).toEqual(all);
  expect(await entriesOf(ann, { since: after })).toEqual([]);
  expect(await entriesOf(ann, { since: new Date(-1) })).toEqual(all);
  expect(await entriesOf(ann, { until: new Date(-1) })).toEqual([]);
  await expect(entriesOf(ann, { id: '' })).rejects.toMatchObject({ code: 'invalid-options' });
  await expect(entriesOf(ann, { since: 'yesterday' })).rejects.toMatchObject({ code: 'invalid-options' });
});

test('more entries than one command reads are listed once each', async () => {
  for (let i = 0; i < 1_200; i++) await redis.xadd(keys.audit, '*', 'what', 'fail', 'job', `j${i}`);
  const entries = await entriesOf(create());
  expect(entries.map(({ job }) => job)).toEqual(Array.from({ length: 1_200 }, (_, i) => `j${1_199 - i}`));
  expect(await entriesOf(create(), { limit: 700 })).toEqual(entries.slice(0, 700));
});

describe('pools', () => {
  const dead = second(-5_000);
  const entryOf = (id: string) => JSON.stringify({ name: 'X', id, t: second(), args: { token: 's3cret' } });
  const rescuing = (options: object = {}) =>
    create({ rescue: { grace: 0, heartbeatTimeout: 600_000, orphanedAfter: 20, maxRecoveries: 1, ...options } });
  const seedDead = async (pool: string, ...ids: string[]) => {
    await redis.sadd(keys.knownJobs, 'X');
    await redis.sadd(keys.pools, pool);
    await redis.hset(keys.heartbeat(pool), { heartbeat_at: dead, job_names: 'X', worker_ids: `${pool}-w` });
    await redis.rpush(keys.inProgress('X', pool), ...ids.map(entryOf));
    await redis.set(keys.lock('X'), ids.length);
    await redis.hset(keys.lockInfo('X'), pool, ids.length);
  };

  test('a rescue leaves one entry for each step: entries requeued, pool deregistered, counters rebuilt', async () => {
    await seedDead('p', 'a', 'b', 'c');
    await redis.set(keys.lock('X'), 9);
    const reaper = rescuing();
    await reaper.rescue();
    const entries = await entriesOf(reaper);
    const pass = expect.stringMatching(/^rescue\/[\w-]{8}$/);
    const of = (what: string) => entries.filter((entry) => entry.what === what);
    expect(of('requeue')).toMatchObject([
      { what: 'requeue', why: 'dead-pool', pool: 'p', type: 'X', count: 3, jobs: ['c', 'b', 'a'], pass },
    ]);
    expect(of('deregister')).toMatchObject([
      {
        ...{ what: 'deregister', why: 'dead-pool', pool: 'p', pass },
        was: { heartbeat_at: String(dead), registered: 'yes' },
        is: { heartbeat_at: null, registered: null },
      },
    ]);
    // Before or after the entries are requeued: it was 6 too high.
    const [rebuilt] = of('rebuild-counters');
    expect(rebuilt).toMatchObject({ why: 'drift', type: 'X', pass });
    expect(Number(rebuilt?.was.lock) - Number(rebuilt?.is.lock)).toBe(6);
    expect(entries).toHaveLength(3);
    expect(new Set(entries.map((entry) => entry.pass)).size).toBe(1);
    expect(await entriesOf(reaper, { pool: 'p', id: 'b' })).toMatchObject([{ what: 'requeue' }]);
    expect(JSON.stringify(await redis.xrange(keys.audit, '-', '+'))).not.toContain('s3cret');
  });

  test.each([0, 1_001])('an empty lock that was set to 0 is on record, with %i fields of lock_info', async (fields) => {
    await redis.sadd(keys.knownJobs, 'X');
    await redis.set(keys.lock('X'), '');
    for (let i = 0; i < fields; i++) await redis.hset(keys.lockInfo('X'), `gone${i}`, 0);
    const reaper = rescuing();
    await reaper.rescue();
    const rebuilt = (await entriesOf(reaper)).filter(({ what }) => what === 'rebuild-counters');
    expect(rebuilt).toMatchObject([{ type: 'X', was: { lock: '' }, is: { lock: '0' } }]);
  });

  test('a requeue of several types leaves an entry for each', async () => {
    await seedDead('p', 'a', 'b');
    await redis.rpush(keys.inProgress('Y', 'p'), '{"name":"Y","id":"y","t":1}');
    const reaper = rescuing();
    await reaper.rescue();
    const requeued = (await entriesOf(reaper)).filter(({ what }) => what === 'requeue');
    expect(requeued.map(({ type, count, jobs }) => [type, count, jobs])).toEqual([
      ['Y', 1, ['y']],
      ['X', 2, ['b', 'a']],
    ]);
  });

  test('a rescue that finds nothing to do, and a plan, leave no entry', async () => {
    await seedDead('p', 'a');
    await rescuing().rescue({ plan: true });
    expect(await redis.exists(keys.audit)).toBe(0);
    const reaper = rescuing();
    await reaper.rescue();
    const before = await redis.xlen(keys.audit);
    await reaper.rescue();
    expect(await redis.xlen(keys.audit)).toBe(before);
  });

  test('a quarantine, its release and its drop leave an entry each, and keep entries apart from the stream', async () => {
    const reaper = rescuing();
    for (const [pool, ids] of [
      ['p1', ['a', 'b']],
      ['p2', ['a', 'b']],
    ] as const) {
      for (const id of ids) await seedJob(redis, id, { age: 1 });
      await seedDead(pool, ...ids);
      await reaper.rescue();
    }
    expect(await entriesOf(reaper, { pool: 'p2', id: 'a' })).toMatchObject([
      {
        what: 'quarantine',
        why: 'poison',
        job: 'a',
        type: 'X',
        was: { status: 'Running', tracked: '2' },
        is: { status: 'Error', tracked: '1', record: expect.stringMatching(/^[0-9a-f]{40}$/) },
      },
    ]);
    await redis.del(keys.audit);
    await reaper.quarantine.release({ id: 'a' }, { plan: true });
    await reaper.quarantine.release({ id: 'a' });
    await reaper.quarantine.drop({ id: 'b' });
    const entries = await entriesOf(reaper);
    expect(entries).toMatchObject([
      { what: 'drop-quarantined', why: 'asked', job: 'b', pass: 'command', count: 1, is: { record: null } },
      { what: 'release-quarantined', why: 'asked', job: 'a', pass: 'command', count: 1, is: { record: null } },
    ]);
    expect(JSON.stringify([entries, await redis.xrange(keys.audit, '-', '+')])).not.toContain('s3cret');
    const kept = await redis.keys(keys.auditKept('*'));
    expect(kept).toHaveLength(1);
    expect(await redis.ttl(kept[0] as string)).toEqual(ttlFrom(30 * 86_400));
    expect(await redis.get(kept[0] as string)).toContain('s3cret');
  });

  test('an orphaned entry and a stale one leave an entry each', async () => {
    await redis.sadd(keys.knownJobs, 'X');
    await redis.sadd(keys.pools, 'live');
    await redis.hset(keys.heartbeat('live'), { heartbeat_at: second(), job_names: 'X', worker_ids: 'w' });
    await redis.hset(keys.worker('w'), { job_name: 'X', job_id: 'running', started_at: second(), args: '' });
    await redis.rpush(keys.inProgress('X', 'live'), ...['running', 'orphan', 'ended'].map(entryOf));
    await seedJob(redis, 'orphan', { age: 1, status: 'Pending' });
    await seedJob(redis, 'ended', { status: 'Success' });
    const reaper = rescuing();
    await reaper.rescue();
    const entries = (await entriesOf(reaper)).filter(({ job }) => job !== undefined);
    expect(entries.map(({ what, why, job, pool, type }) => [what, why, job, pool, type]).sort()).toEqual([
      ['remove-stale', 'job-succeeded', 'ended', 'live', 'X'],
      ['requeue-orphan', 'orphaned', 'orphan', 'live', 'X'],
    ]);
  });

  test('a step of a rescue whose reply was lost leaves one entry', async () => {
    await seedDead('p', 'a', 'b');
    const client = loseReplies(redis, [keys.queue('X')]);
    opened.hold(client);
    const reaper = opened.create({ redis: client, rescue: { grace: 0, heartbeatTimeout: 600_000 } });
    await reaper.rescue();
    expect(client.lost).toBe(1);
    expect((await entriesOf(reaper)).filter(({ what }) => what === 'requeue')).toMatchObject([{ count: 2 }]);
  });

  test('a stream of another type stops no rescue', async () => {
    await seedDead('p', 'a');
    await redis.set(keys.audit, 'odd');
    const reaper = rescuing();
    const errors: string[] = [];
    reaper.on('error', ({ where }) => errors.push(where));
    const { pools } = await reaper.rescue();
    expect(pools).toMatchObject({ rescued: 1 });
    expect(errors).toContain('recording acts');
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toHaveLength(1);
  });
});

test('a hook that is retried or dropped leaves an entry with its record before and after', async () => {
  await seedJob(redis, 'a', { status: 'Success', web_hook_url: endpoint });
  const reaper = create();
  const record = `parked Success:1 http://127.0.0.1:1 3 5 6 404`;
  await redis.hset(keys.hooks, 'a', record);
  await redis.zadd(keys.parkedHooks, 1_000, 'a');
  await reaper.hooks.retry({ id: 'a' }, { plan: true });
  expect(await redis.exists(keys.audit)).toBe(0);
  await reaper.hooks.drop({ id: 'a' });
  expect(await entriesOf(reaper)).toMatchObject([
    {
      what: 'drop-hook',
      job: 'a',
      pass: 'command',
      was: { hook: record, parked: '1000' },
      is: { hook: 'parked Success:1 http://127.0.0.1:1 3 5 6 dropped' },
    },
  ]);
});
