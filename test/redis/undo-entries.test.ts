import fc from 'fast-check';
import { expect, test } from 'vitest';
import { redisFixture } from '../support/fixture.ts';
import { ackText, second, seedJob } from '../support/jobs.ts';
import { undoFixture } from '../support/undo.ts';

// Which entries of the audit stream can be undone: one that cannot is refused with its reason, and the others are undone.

const fixture = await redisFixture();
const { redis, keys } = fixture;
const { old, create, entries, entryOf, undo, stats, count } = undoFixture(fixture);

test.each([
  ['refire', 'its endpoint may have got the hook'],
  ['requeue', 'the entries are in the queue, and a worker may have taken them'],
  ['requeue-orphan', 'the entry is in the queue, and a worker may have taken it'],
  ['remove-stale', 'its job had succeeded, so nothing is left to run'],
  ['deregister', 'the pool was dead; a pool that lives registers itself again'],
  ['rebuild-counters', 'counters follow the in-progress lists: the next rescue would rebuild them'],
  ['retry-hook', 'its endpoint may have got the hook'],
  ['something', 'it is not known how to undo something'],
  ['constructor', 'it is not known how to undo constructor'],
  ['__proto__', 'it is not known how to undo __proto__'],
])('a %s cannot be undone, and the answer says why', async (what, reason) => {
  const entry = (await redis.xadd(keys.audit, '*', 'what', what, 'job', 'a')) as string;
  expect(await undo(create(), entry)).toMatchObject({ entry, what, outcome: 'refused', reason });
});

test('an entry that could not hold all facts cannot be undone', async () => {
  await seedJob(redis, 'a', { age: old, ack: 'x'.repeat(5_000) });
  const reaper = create();
  await reaper.sweep();
  expect(await undo(reaper, await entryOf(reaper, 'fail'))).toMatchObject({
    outcome: 'refused',
    reason: 'the entry could not hold all facts of the act',
  });
});

test('an entry with bytes that are no text cannot be undone: they would be written back as others', async () => {
  await seedJob(redis, 'a', { age: old });
  await redis.hset(keys.stats('a'), 'ack', Buffer.from([0xff, 0xfe]));
  const reaper = create();
  await reaper.sweep();
  expect(await undo(reaper, await entryOf(reaper, 'fail'))).toMatchObject({ outcome: 'refused' });
  expect(await stats()).toMatchObject({ status: 'Error' });
});

test('facts in an entry that are no texts are left out, and without a status before none is restored', async () => {
  await redis.hset(keys.stats('a'), { status: 'Error', revision: 1 });
  const facts = ['was', '{"status":{"a":1},"revision":"1"}', 'is', '{"status":"Error","tracked":[2]}'];
  const entry = (await redis.xadd(keys.audit, '*', 'what', 'fail', 'job', 'a', ...facts)) as string;
  const reaper = create();
  expect((await entries(reaper))[0]).toMatchObject({ was: { revision: '1' }, is: { status: 'Error' } });
  expect(await undo(reaper, entry)).toMatchObject({
    outcome: 'refused',
    reason: 'the entry could not hold all facts of the act',
  });
  expect(await stats()).toEqual({ status: 'Error', revision: '1' });
});

test.each(['fail', 'reset'])('a %s without facts writes nothing, also where the job has no stats', async (what) => {
  for (const facts of [[], ['was', '{"revision":"1"}', 'is', '{"revision":"2"}'], ['was', 'no JSON', 'is', '[]']]) {
    const entry = (await redis.xadd(keys.audit, '*', 'what', what, 'job', 'a', ...facts)) as string;
    expect(await undo(create(), entry)).toMatchObject({
      outcome: 'refused',
      reason: 'the entry could not hold all facts of the act',
    });
  }
  expect(await redis.exists(keys.stats('a'), keys.track)).toBe(0);
});

test('a key of another type refuses one entry by its name, and the others are undone', async () => {
  for (const id of ['a', 'b']) await seedJob(redis, id, { age: old });
  const reaper = create();
  await reaper.sweep();
  await redis.del(keys.stats('a'));
  await redis.set(keys.stats('a'), 'odd');
  const ids = (await entries(reaper)).map(({ id }) => id);
  const outcomes = await reaper.audit.undo(ids);
  expect(outcomes.find(({ job }) => job === 'a')).toMatchObject({
    outcome: 'refused',
    reason: expect.stringContaining(`${keys.stats('a')} holds a string`),
  });
  expect(outcomes.find(({ job }) => job === 'b')).toMatchObject({ outcome: 'done' });
});

test('an entry that names another key as kept makes no script read it', async () => {
  await redis.set('t:other', '{"record":"x","members":[]}');
  const fields = ['what', 'drop-quarantined', 'job', 'a', 'is', '{"record":null}', 'kept', 't:other'];
  const entry = (await redis.xadd(keys.audit, '*', ...fields)) as string;
  expect(await undo(create(), entry)).toMatchObject({ outcome: 'refused' });
  expect([await redis.exists('t:other'), await redis.exists(keys.quarantine)]).toEqual([1, 0]);
});

test.each([
  'null',
  '5',
  '{}',
  '{"record":"x","members":5}',
  '{"record":"x","members":[5]}',
  '{"record":"x","members":[["m","abc"]]}',
  '{"record":"x","members":[["m",1e309]]}',
  '{"record":5,"members":[["m","5"]]}',
])('fault 143: a kept text that cannot be used refuses one entry, and the others are undone: %s', async (kept) => {
  await seedJob(redis, 'a', { age: old });
  const reaper = create();
  await reaper.sweep();
  await redis.set(keys.auditKept('x'), kept);
  const fields = ['what', 'drop-quarantined', 'job', 'b', 'is', '{"record":null}', 'kept', keys.auditKept('x')];
  await redis.xadd(keys.audit, '*', ...fields);
  const ids = (await entries(reaper)).map(({ id }) => id);
  for (const plan of [true, false]) {
    expect(await reaper.audit.undo(ids, { plan })).toMatchObject([
      { job: 'b', outcome: 'refused', reason: 'what it needs was kept for 30 days, and is gone' },
      { job: 'a', outcome: plan ? 'planned' : 'done' },
    ]);
  }
  expect([await redis.exists(keys.quarantine), await redis.exists(keys.dead)]).toEqual([0, 0]);
});

test('entries that are not there, and ids that are none', async () => {
  const reaper = create();
  expect(await undo(reaper, '5-0')).toMatchObject({ entry: '5-0', outcome: 'not-found' });
  for (const id of ['abc', '18446744073709551616-0', '1-18446744073709551616', '1-0\n']) {
    await expect(reaper.audit.undo([id])).rejects.toMatchObject({ code: 'invalid-options' });
  }
  expect(await undo(reaper, '18446744073709551615-1')).toMatchObject({ outcome: 'not-found' });
});

test('several entries of one job: a call undoes the newest, and says of the others to try again', async () => {
  await seedJob(redis, 'a', { age: old });
  const reaper = create();
  await reaper.sweep();
  const fail = await entryOf(reaper, 'fail');
  await redis.hdel(keys.stats('a'), 'web_hook_url');
  await redis.hset(keys.stats('a'), 'ack', ackText('Error', Number((await stats()).revision)));
  await reaper.sweep();
  const untrack = await entryOf(reaper, 'untrack');
  const given = [fail, untrack, fail];
  const reason = `one act of a job is undone at a time: try again once ${untrack} is undone`;
  expect(await reaper.audit.undo(given, { plan: true })).toMatchObject([
    { entry: untrack, outcome: 'planned' },
    { entry: fail, outcome: 'refused', reason },
  ]);
  expect(await reaper.audit.undo(given)).toMatchObject([
    { entry: untrack, outcome: 'done' },
    { entry: fail, outcome: 'refused', reason },
  ]);
  expect([(await stats()).status, await count()]).toEqual(['Error', '1']);
  expect(await reaper.audit.undo(given)).toMatchObject([
    { entry: untrack, outcome: 'already-undone' },
    { entry: fail, outcome: 'done' },
  ]);
  expect([(await stats()).status, await count()]).toEqual(['Running', '2']);
});

test('of a job whose newest act has moved, the one before is undone in the same call', async () => {
  await seedJob(redis, 'a', { age: old });
  const reaper = create();
  await reaper.sweep();
  const fail = await entryOf(reaper, 'fail');
  const fields = ['what', 'untrack', 'job', 'a', 'was', '{"count":"7"}', 'is', '{"count":null}'];
  const untrack = (await redis.xadd(keys.audit, '*', ...fields)) as string;
  for (const outcome of ['planned', 'done']) {
    expect(await reaper.audit.undo([fail, untrack], { plan: outcome === 'planned' })).toMatchObject([
      { entry: untrack, outcome: 'moved' },
      { entry: fail, outcome },
    ]);
  }
});

const jobs = ['a', 'b', 'c'] as const;
const changeOfJob = fc.record({
  id: fc.constantFrom(...jobs),
  change: fc.constantFrom('acknowledge an Error', 'lose the endpoint', 'drop the hook', 'check in', 'nothing'),
});
/** What leads to acts on jobs, any number of them on one job, and which of their entries a person wants undone. */
const history = fc.record({
  acks: fc.array(fc.constantFrom('', 'Pending', 'Success'), { minLength: 3, maxLength: 3 }),
  changes: fc.array(changeOfJob, { minLength: 2, maxLength: 6 }),
  isGiven: fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }),
});

test('from any history of acts, an undo does exactly what its plan says', async () => {
  let done = 0;
  await fc.assert(
    fc.asyncProperty(history, async ({ acks, changes, isGiven }) => {
      await redis.flushdb();
      for (const [i, id] of jobs.entries()) {
        const revision = second(-old);
        await seedJob(redis, id, { age: old, revision, ack: acks[i] ? ackText(acks[i], revision) : '' });
      }
      const reaper = create();
      for (const { id, change } of changes) {
        await reaper.sweep();
        const key = keys.stats(id);
        const at = Number((await stats(id)).revision);
        if (change === 'acknowledge an Error') await redis.hset(key, 'ack', ackText('Error', at));
        if (change === 'lose the endpoint') await redis.hdel(key, 'web_hook_url');
        if (change === 'drop the hook') await reaper.hooks.drop({ id });
        if (change === 'check in') await redis.hset(key, 'check_in_at', second(0));
      }
      const given = (await entries(reaper)).map(({ id }) => id).filter((_, i) => isGiven[i] ?? true);
      const plan = await reaper.audit.undo(given, { plan: true });
      const outcomes = await reaper.audit.undo(given);
      const promised = plan.map((each) => (each.outcome === 'planned' ? { ...each, outcome: 'done' as const } : each));
      expect(outcomes).toEqual(promised);
      done += outcomes.filter(({ outcome }) => outcome === 'done').length;
      await reaper.stop();
    }),
    { numRuns: 60 },
  );
  expect(done).toBeGreaterThan(10);
});
