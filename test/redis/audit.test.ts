import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import type { AuditEntry, AuditFilter, Reaper } from '../../src/index.ts';
import { redisFixture } from '../support/fixture.ts';
import { ackText, loseReplies, second, seedJob } from '../support/jobs.ts';

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

test('facts that are too long are cut, and ids that do not fit are left out', async () => {
  await seedJob(redis, 'odd', { age: old, ack: 'x'.repeat(5_000) });
  const ids = Array.from({ length: 100 }, (_, i) => `${String(i).padStart(3, '0')}${'x'.repeat(97)}`);
  for (const id of ids) await seedJob(redis, id, { status: 'Success', web_hook_url: endpoint });
  const reaper = create({ sweep: { pageSize: 5_000 } });
  await reaper.sweep();
  const entries = await entriesOf(reaper);
  const refire = entries.find(({ what }) => what === 'refire');
  expect(refire?.count).toBe(100);
  expect(refire?.jobs?.length).toBe(29);
  for (const [, fields] of await redis.xrange(keys.audit, '-', '+')) {
    expect(fields.join('').length).toBeLessThan(6_000);
  }
});

test.each([
  ['fail', { age: old }, 'Error'],
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
  await expect(entriesOf(ann, { id: '' })).rejects.toMatchObject({ code: 'invalid-options' });
  await expect(entriesOf(ann, { since: 'yesterday' })).rejects.toMatchObject({ code: 'invalid-options' });
});

test('more entries than one command reads are listed once each', async () => {
  for (let i = 0; i < 1_200; i++) await redis.xadd(keys.audit, '*', 'what', 'fail', 'job', `j${i}`);
  const entries = await entriesOf(create());
  expect(entries.map(({ job }) => job)).toEqual(Array.from({ length: 1_200 }, (_, i) => `j${1_199 - i}`));
});
