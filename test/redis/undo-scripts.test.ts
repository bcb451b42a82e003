import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { redisFixture } from '../support/fixture.ts';
import { ackText, second } from '../support/jobs.ts';
import { ttlFrom } from '../support/ttl.ts';

// The rules of the scripts that undo an act, where a person would have to be very quick to see them.

const { redis, scripts, keys } = await redisFixture();
const origin = 'http://a:1';
const at = second(-3_600);
const [stats, due] = [keys.stats('p@1'), keys.dueHooks(origin)];
const record = (kind: string, state = `Error:${at}`) => `${kind} ${state} ${origin} 1 5 5 500`;
const before = { status: 'Running', revision: String(at), update_time: String(at - 9), tracked: '2' };
const failed = { status: 'Error', update_time: String(at), tracked: '1' };
const seed = async (hook: string) => {
  await redis.hset(stats, { status: 'Error', revision: at, update_time: at, run_at: 77 });
  await redis.hset(keys.track, 'p@1', 1);
  if (hook !== '') await redis.hset(keys.hooks, 'p@1', hook);
};
const hookKeys = [keys.hooks, keys.parkedHooks, due];
const undoStatus = (seen: string, was: object = before, is: object = failed) =>
  scripts.run(
    'undo_status',
    [stats, keys.track, ...hookKeys],
    ['p@1', JSON.stringify(was), JSON.stringify(is), seen, '1-0'],
  );

test('an undo is refused if the record of the hook is not the one that the caller has read', async () => {
  await seed(record('pending'));
  expect(await undoStatus('')).toEqual({
    outcome: 'moved',
    moved: [{ fact: 'hook', expected: '', found: record('pending') }],
  });
  expect(await redis.hget(stats, 'status')).toBe('Error');
  expect(await redis.hget(keys.hooks, 'p@1')).toBe(record('pending'));
});

test.each([
  [60_000, { outcome: 'sending' }],
  [-60_000, { outcome: 'done', hook: 'tried' }],
])('a claim that ends %i ms from now', async (ms, reply) => {
  await seed(record('sending'));
  await redis.zadd(due, Date.now() + ms, 'p@1');
  expect(await undoStatus(record('sending'))).toEqual(reply);
});

test('an undo counts as a sign of life, however long ago the act was', async () => {
  await seed('');
  expect(await undoStatus('')).toEqual({ outcome: 'done', hook: 'none' });
  expect(Number(await redis.hget(stats, 'update_time'))).toBeGreaterThan(at);
});

test.each(['pending', 'parked'])('a %s hook of the undone state is removed from its set too', async (kind) => {
  await seed(record(kind));
  await redis.zadd(kind === 'parked' ? keys.parkedHooks : due, 5, 'p@1');
  expect(await undoStatus(record(kind))).toEqual({ outcome: 'done', hook: 'tried' });
  expect(await redis.exists(keys.hooks, keys.parkedHooks, due)).toBe(0);
});

test('a fact that the act has removed counts as left, and one that the job did not have is removed', async () => {
  await seed('');
  await redis.hset(stats, 'ack', ackText('Error', at));
  const was = { ...before, check_in_at: '5' };
  const is = { ...failed, check_in_at: null };
  expect(await undoStatus('', was, is)).toEqual({ outcome: 'done', hook: 'sent' });
  expect(await redis.hexists(stats, 'ack')).toBe(0);
});

test.each([
  ['of an older state', ackText('Running', at)],
  ['of another attempt', ackText('Error', at - 5)],
  ['that cannot be read', '[]'],
])('an acknowledgement %s that came since the act stays', async (_, ack) => {
  await seed(record('pending'));
  await redis.hset(stats, 'ack', ack);
  expect(await undoStatus(record('pending'))).toEqual({ outcome: 'done', hook: 'tried' });
  expect(await redis.hget(stats, 'ack')).toBe(ack);
});

const entry = '{"name":"X","id":"p","t":1}';
const member = '{"name":"X","id":"p","t":1,"fails":1}';
const quarantined = (...entries: string[][]) => JSON.stringify({ at, recoveries: [[at, 'q', '']], entries });
const digest = (text: string) => createHash('sha1').update(text).digest('hex');
const undoQuarantine = (stored: string, { type = 'X', seen = '' } = {}) =>
  scripts.run(
    'undo_quarantine',
    [
      ...[stats, keys.track, ...hookKeys, keys.quarantine, keys.dead, keys.queue(type), keys.recoveries],
      keys.executions('p'),
    ],
    ['p@1', JSON.stringify(before), JSON.stringify({ ...failed, record: digest(stored) }), seen, '1-0', type],
  );
const seedQuarantine = async (stored: string, hook = '') => {
  await seed(hook);
  await redis.hset(keys.quarantine, 'p@1', stored);
  await redis.zadd(keys.dead, at, member);
  await redis.zadd(keys.executions('p'), -1, 'p@1');
};

test('an execution that runs again is not done any more, and its pending hook is removed', async () => {
  const stored = quarantined(['X', entry, member]);
  await seedQuarantine(stored, record('pending'));
  expect(await undoQuarantine(stored, { seen: record('pending') })).toEqual({ outcome: 'done', hook: 'tried' });
  expect(await redis.zscore(keys.executions('p'), 'p@1')).toBe('77');
  expect(await redis.hget(keys.hooks, 'p@1')).toBeNull();
  expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([entry]);
});

test('an execution that has another time keeps it', async () => {
  const stored = quarantined(['X', entry, member]);
  await seedQuarantine(stored);
  await redis.zadd(keys.executions('p'), 5, 'p@1');
  await undoQuarantine(stored);
  expect(await redis.zscore(keys.executions('p'), 'p@1')).toBe('5');
});

test('only the last entry of a record is requeued, and only to the queue of its own type', async () => {
  const stored = quarantined(['Y', 'other', 'other in dead'], ['X', entry, member]);
  await seedQuarantine(stored);
  expect(await undoQuarantine(stored, { type: 'Y' })).toMatchObject({
    outcome: 'moved',
    moved: [{ fact: 'quarantine' }],
  });
  expect(await undoQuarantine(stored)).toEqual({ outcome: 'done', hook: 'none' });
  expect(await redis.exists(keys.queue('Y'))).toBe(0);
  expect(JSON.parse((await redis.hget(keys.quarantine, 'p@1')) as string).entries).toEqual([
    ['Y', 'other', 'other in dead'],
  ]);
});

test('a quarantine to which an entry was added since is not undone', async () => {
  const stored = quarantined(['X', entry, member]);
  await seedQuarantine(quarantined(['X', entry, member], ['X', entry, 'another']));
  expect(await undoQuarantine(stored)).toMatchObject({ outcome: 'moved', moved: [{ fact: 'quarantine' }] });
  expect(await redis.exists(keys.queue('X'))).toBe(0);
});

test('a quarantine that was restored expires as any other', async () => {
  const kept = keys.auditKept('token');
  await redis.set(kept, JSON.stringify({ record: quarantined(['X', entry, member]), members: [[member, String(at)]] }));
  const reply = await scripts.run(
    'undo_drop_quarantined',
    [keys.quarantine, keys.dead, kept, keys.recoveries, keys.recovered],
    ['p@1', '', '1-0'],
  );
  expect(reply).toEqual({ outcome: 'done' });
  expect(await redis.exists(keys.recoveries, keys.recovered)).toBe(0);
  expect(await redis.ttl(keys.quarantine)).toEqual(ttlFrom(90 * 86_400));
  expect(await redis.zscore(keys.dead, member)).toBe(String(at));
});

test('an acknowledgement of a job without a revision counts as one of revision 0', async () => {
  await redis.hset(stats, { status: 'Error', update_time: at, ack: ackText('Error', 0) });
  await redis.hset(keys.track, 'p@1', 1);
  const { revision: _, ...was } = before;
  expect(await undoStatus('', was)).toEqual({ outcome: 'done', hook: 'sent' });
  expect(await redis.hmget(stats, 'status', 'ack')).toEqual(['Running', null]);
});

test('recoveries that count again are joined with those since the drop, and are forgotten with them', async () => {
  const kept = keys.auditKept('token');
  const [older, newer] = [`[[${at},"q",""]]`, `[[${at + 5},"r",""]]`];
  const dropped = { record: quarantined(['X', entry, member]), members: [[member, String(at)]], recoveries: older };
  await redis.set(kept, JSON.stringify(dropped));
  await redis.hset(keys.recoveries, 'p@1', newer);
  await scripts.run(
    'undo_drop_quarantined',
    [keys.quarantine, keys.dead, kept, keys.recoveries, keys.recovered],
    ['p@1', '', '1-0'],
  );
  expect(await redis.hget(keys.recoveries, 'p@1')).toBe(`[[${at},"q",""],[${at + 5},"r",""]]`);
  expect(await redis.lrange(keys.recovered, 0, -1)).toEqual([expect.stringMatching(/^\d{10}\np@1$/)]);
  for (const key of [keys.recoveries, keys.recovered]) expect(await redis.ttl(key)).toEqual(ttlFrom(30 * 86_400));
});
