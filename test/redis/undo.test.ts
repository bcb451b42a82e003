import { describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../src/index.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { everySchedule } from '../support/everySchedule.ts';
import { redisFixture } from '../support/fixture.ts';
import { ackText, loseReplies, second, seedJob } from '../support/jobs.ts';
import { readState, writeState } from '../support/states.ts';
import { turnTaking } from '../support/turnTaking.ts';
import { undoFixture } from '../support/undo.ts';

// An undo gives a job, a hook or an entry what it had before an act, if nothing has moved since. Each is one script.

const fixture = await redisFixture();
const { redis, opened, keys, upstream } = fixture;
const { endpoint, old, create, entries, entryOf, undo, stateOf, stats, count, isNow, hook, failed, pendingError } =
  undoFixture(fixture);

describe('a fail', () => {
  test('undone: the job has its status, count and acknowledgement again, and no time to live', async () => {
    const { reaper, at, entry } = await failed();
    expect(await stats()).toMatchObject({ status: 'Error' });
    expect(await undo(reaper, entry)).toEqual({ entry, what: 'fail', job: 'a', outcome: 'done', notes: [] });
    expect(await stats()).toMatchObject({ status: 'Running', revision: String(at), update_time: isNow });
    expect((await stats()).ack).toBe(ackText('Running', at));
    expect([await count(), await redis.ttl(keys.stats('a'))]).toEqual(['2', -1]);
  });

  test('the next sweep keeps the job: the undo counts as a sign of life', async () => {
    const { reaper, entry } = await failed();
    await undo(reaper, entry);
    expect((await reaper.sweep()).verdicts).toEqual({ keep: 1 });
  });

  test('a plan says so and changes nothing', async () => {
    const { reaper, at, entry } = await failed();
    await pendingError(at);
    const before = await stateOf();
    expect(await undo(reaper, entry, true)).toMatchObject({
      outcome: 'planned',
      notes: ['the hook of that state is pending, and is removed unsent'],
    });
    expect(await undo(create({ plan: true }), entry)).toMatchObject({ outcome: 'planned' });
    expect(await stateOf()).toEqual(before);
  });

  test.each([
    ['pending', 0, 'the hook of that state is pending, and is removed unsent'],
    ['tried', 2, 'the hook of that state was tried and is removed; its endpoint may have got it'],
  ])('with a hook that is %s: it is removed, and the answer says so', async (_, attempts, text) => {
    const { reaper, at, entry } = await failed();
    await pendingError(at, attempts);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'done', notes: [text] });
    expect([await hook(), await redis.zscore(keys.dueHooks(endpoint), 'a')]).toEqual([null, null]);
  });

  test('with a hook that the endpoint has confirmed: the answer says so, and the acknowledgement is undone', async () => {
    const { reaper, at, entry } = await failed();
    await redis.hset(keys.stats('a'), 'ack', ackText('Error', at));
    await redis.hdel(keys.track, 'a');
    expect(await undo(reaper, entry)).toMatchObject({
      outcome: 'done',
      notes: ['the endpoint has confirmed that state, and keeps it until the job changes'],
    });
    expect([(await stats()).ack, await count()]).toEqual([ackText('Running', at), '2']);
    expect((await reaper.sweep()).verdicts).toEqual({ keep: 1 });
  });

  test('with a hook that a host sends now: refused until it has ended', async () => {
    const { reaper, at, entry } = await failed();
    await redis.hset(keys.hooks, 'a', `sending Error:${at} ${endpoint} 1 5 5 -`);
    await redis.zadd(keys.dueHooks(endpoint), Date.now() + 30_000, 'a');
    const before = await stateOf();
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'refused', reason: expect.stringContaining('sends') });
    expect(await stateOf()).toEqual(before);
  });

  test('a hook of another state stays', async () => {
    const { reaper, entry } = await failed();
    const record = `pending Running:7 ${endpoint} 0 0 0 -`;
    await redis.hset(keys.hooks, 'a', record);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'done', notes: [] });
    expect(await hook()).toBe(record);
  });

  test.each([
    ['the status', { status: 'Running' }, 'status'],
    ['the revision', { revision: 7 }, 'revision'],
    ['a check-in', { check_in_at: 5 }, 'check_in_at'],
    ['any update', { update_time: 7 }, 'update_time'],
  ])('refused after a change of %s, with what has moved', async (_, change, fact) => {
    const { reaper, entry } = await failed();
    const left = (await stats())[fact] ?? '';
    await redis.hset(keys.stats('a'), change);
    const before = await stateOf();
    for (const plan of [true, false]) {
      expect(await undo(reaper, entry, plan)).toMatchObject({
        outcome: 'moved',
        moved: [{ fact, expected: left, found: String(Object.values(change)[0]) }],
      });
    }
    expect(await stateOf()).toEqual(before);
  });

  test('refused where the stats are gone', async () => {
    const { reaper, entry } = await failed();
    await redis.del(keys.stats('a'));
    expect(await undo(reaper, entry)).toMatchObject({
      outcome: 'moved',
      moved: expect.arrayContaining([{ fact: 'status', expected: 'Error', found: '' }]),
    });
    expect(await redis.exists(keys.stats('a'))).toBe(0);
  });

  test('undone twice: the second time it says when and by whom it was undone, whatever has moved since', async () => {
    const { reaper, entry } = await failed();
    await undo(reaper, entry);
    const [{ id, at, who }] = (await entries(reaper)) as [AuditEntry];
    const answer = {
      ...{ entry, what: 'fail', job: 'a', outcome: 'already-undone', notes: [] },
      undone: { entry: id, at, who },
    };
    for (const plan of [true, false]) expect(await undo(reaper, entry, plan)).toEqual(answer);
    await redis.hset(keys.stats('a'), { status: 'Success' });
    // Of other acts, of another version and of another stream.
    for (const of of ['1-0', entry]) await redis.xadd(keys.audit, '*', 'what', 'fail', 'job', 'a', 'of', of);
    await redis.xadd(keys.audit, '*', 'what', 'undo', 'job', 'a', 'of', '1-0');
    expect(await undo(reaper, entry)).toEqual(answer);
    await redis.xdel(keys.audit, id);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved' });
  });

  test('undone long ago: an undo that is not among the latest 10,000 entries is not looked for', async () => {
    const { reaper, entry } = await failed();
    await undo(reaper, entry);
    const fill = async (count: number) => {
      const pipeline = redis.pipeline();
      for (let i = 0; i < count; i++) pipeline.xadd(keys.audit, '*', 'what', 'refire', 'n', '1');
      await pipeline.exec();
    };
    await fill(9_999);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'already-undone' });
    await fill(1);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved' });
  });

  test('is recorded, and an undo cannot be undone', async () => {
    const { reaper, entry } = await failed();
    await undo(create({ audit: { operator: 'ann' } }), entry);
    const [newest] = await entries(reaper);
    expect(newest).toMatchObject({
      ...{ what: 'undo', why: 'asked', pass: 'command', job: 'a', of: entry },
      who: expect.stringMatching(/ ann$/),
      was: { status: 'Error', tracked: '1' },
      is: { status: 'Running', tracked: '2' },
    });
    // Both acts may be in one second.
    expect(Object.keys({ ...newest?.is, update_time: '' }).sort()).toEqual(['status', 'tracked', 'update_time']);
    expect(await undo(reaper, newest?.id ?? '')).toMatchObject({
      outcome: 'refused',
      reason: 'the next sweep judges the job again',
    });
  });

  test('whose reply is lost is done once, and leaves one entry', async () => {
    const { entry } = await failed();
    const client = loseReplies(redis, [keys.stats('a'), entry], { times: 2 });
    opened.hold(client);
    const reaper = create({ redis: client });
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'done' });
    expect(client.lost).toBe(2);
    expect((await entries(reaper)).filter(({ what }) => what === 'undo')).toHaveLength(1);
  });
});

describe('a reset', () => {
  test('undone: the job has its status and revision again, and the answer says what the next sweep does', async () => {
    const at = await seedJob(redis, 'a', { ack: ackText('Success', second(-300)) });
    const reaper = create();
    await reaper.sweep();
    expect(await stats()).toMatchObject({ status: 'Success' });
    expect(await undo(reaper, await entryOf(reaper, 'reset'))).toMatchObject({
      outcome: 'done',
      notes: ['the next sweep resets it again while its acknowledgement is ahead'],
    });
    expect(await stats()).toMatchObject({ status: 'Running', revision: String(at) });
    expect([await count(), await redis.ttl(keys.stats('a'))]).toEqual(['2', -1]);
    const reset = (await entries(reaper)).find(({ what }) => what === 'reset');
    expect(reset?.is.revision).toBe(String(JSON.parse((await stats()).ack ?? '').revision));
  });

  test('of a job that had ended: it expires as before', async () => {
    const at = await seedJob(redis, 'a', { status: 'Stopped', ack: ackText('Running', second(-300)) });
    const reaper = create();
    await reaper.sweep();
    expect(await stats()).toMatchObject({ status: 'Running' });
    await undo(reaper, await entryOf(reaper, 'reset'));
    expect(await stats()).toMatchObject({ status: 'Stopped', revision: String(at) });
    expect(await redis.ttl(keys.stats('a'))).toBeGreaterThan(86_000);
  });
});

describe('an untrack', () => {
  const untracked = async () => {
    const revision = second(-600);
    await seedJob(redis, 'a', { status: 'Success', ack: ackText('Success', revision), revision });
    const reaper = create();
    await reaper.sweep();
    return { reaper, entry: await entryOf(reaper, 'untrack') };
  };

  test('undone: the job is tracked with its count again', async () => {
    const { reaper, entry } = await untracked();
    expect(await count()).toBeNull();
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'done' });
    expect(await count()).toBe('2');
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'already-undone' });
  });

  test('of a job without stats: it must still have none', async () => {
    await redis.hset(keys.track, 'a', 1);
    const reaper = create();
    await reaper.sweep();
    const entry = await entryOf(reaper, 'untrack');
    await redis.hset(keys.stats('a'), 'status', 'Running');
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved' });
    await redis.del(keys.stats('a'));
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'done' });
    expect(await count()).toBe('1');
  });

  test('refused after a change of its stats, also of a field that the entry does not hold', async () => {
    const { reaper, entry } = await untracked();
    await redis.hset(keys.stats('a'), 'name', 'Y');
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved', moved: [{ fact: 'stats' }] });
    await redis.hset(keys.stats('a'), { name: 'X', status: 'Running' });
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved', moved: [{ fact: 'status' }] });
    expect(await count()).toBeNull();
  });
});

describe('a dropped hook', () => {
  const dropped = async (record: string) => {
    await seedJob(redis, 'a', { status: 'Success' });
    await redis.hset(keys.hooks, 'a', record);
    if (record.startsWith('parked')) await redis.zadd(keys.parkedHooks, 1_000, 'a');
    else await redis.zadd(keys.dueHooks(endpoint), 1_000, 'a');
    const reaper = create();
    await reaper.hooks.drop({ id: 'a' });
    return { reaper, entry: await entryOf(reaper, 'drop-hook') };
  };

  test.each([
    [`pending Success:1 ${endpoint} 0 0 0 -`, `pending Success:1 ${endpoint} 0 0 0 -`],
    [`asked Success:1 ${endpoint} 2 5 6 500`, `asked Success:1 ${endpoint} 2 5 6 500`],
  ])('%s is due again', async (before, after) => {
    const { reaper, entry } = await dropped(before);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'done' });
    expect(await hook()).toBe(after);
    expect(await redis.zscore(keys.dueHooks(endpoint), 'a')).not.toBeNull();
    expect(await redis.zscore(keys.parkedHooks, 'a')).toBeNull();
    expect(await redis.smembers(keys.hookEndpoints)).toEqual([endpoint]);
  });

  test.each([
    ['sending', 'pending'],
    ['resending', 'asked'],
  ])('that a host held as %s when it died is %s again', async (kind, after) => {
    const record = (state: string, answer = '500') => `${state} Success:1 ${endpoint} 2 5 6 ${answer}`;
    await redis.hset(keys.hooks, 'a', record('parked', 'dropped'));
    const reply = await createScripts(redis).run(
      'undo_drop_hook',
      [keys.hooks, keys.parkedHooks, keys.hookEndpoints, keys.dueHooks(endpoint)],
      ['', 'a', record(kind), record('parked', 'dropped'), '', '1-0'],
    );
    expect(reply).toEqual({ outcome: 'done' });
    expect(await hook()).toBe(record(after));
  });

  test('that was parked is parked again, since the same time', async () => {
    const record = `parked Success:1 ${endpoint} 2 5 6 404`;
    const { reaper, entry } = await dropped(record);
    expect(await undo(reaper, entry, true)).toMatchObject({ outcome: 'planned' });
    expect(await hook()).toContain('dropped');
    await undo(reaper, entry);
    expect(await hook()).toBe(record);
    expect(await redis.zscore(keys.parkedHooks, 'a')).toBe('1000');
    expect(await redis.zscore(keys.dueHooks(endpoint), 'a')).toBeNull();
  });

  test('is left once its record has changed', async () => {
    const { reaper, entry } = await dropped(`pending Success:1 ${endpoint} 0 0 0 -`);
    const other = `pending Error:2 ${endpoint} 0 0 0 -`;
    await redis.hset(keys.hooks, 'a', other);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved', moved: [{ fact: 'hook', found: other }] });
    expect(await hook()).toBe(other);
  });
});

test('two people undo the same acts at once: each act is undone once, and leaves one entry', async () => {
  const revision = second(-600);
  await seedJob(redis, 'failed', { age: old });
  await seedJob(redis, 'untracked', { status: 'Success', ack: ackText('Success', revision), revision });
  await redis.hset(keys.hooks, 'dropped', `parked Success:1 ${endpoint} 2 5 6 404`);
  await redis.zadd(keys.parkedHooks, Date.now(), 'dropped');
  const [ann, bob] = [create(), create()];
  await ann.sweep();
  await ann.hooks.drop({ id: 'dropped' });
  const ids = (await entries(ann)).map(({ id }) => id);
  expect(ids).toHaveLength(3);
  const both = await Promise.all([ann.audit.undo(ids), bob.audit.undo(ids)]);
  for (const id of ids) {
    const outcomes = both.flatMap((some) => some.filter(({ entry }) => entry === id).map(({ outcome }) => outcome));
    expect(outcomes.sort()).toEqual(['already-undone', 'done']);
  }
  const undone = (await entries(ann)).filter(({ what }) => what === 'undo');
  expect(undone.map(({ of }) => of).sort()).toEqual([...ids].sort());
});

test('in every order, and with a crash at every point, an undo is done once and never over a change of the Go side', async () => {
  const { reaper, entry, at } = await failed();
  const [[, flat]] = (await redis.xrevrange(keys.audit, entry, entry)) as [[string, string[]]];
  const field = (name: string) => flat[flat.indexOf(name) + 1] as string;
  await reaper.stop();
  const state = await readState(redis);
  const undoBy = (client: typeof redis, token: string) =>
    createScripts(client).run(
      'undo_status',
      [keys.stats('a'), keys.track, keys.hooks, keys.parkedHooks, keys.dueHooks('')],
      ['a', field('was'), field('is'), '', entry],
      undefined,
      { key: keys.answer(token), token },
    );
  await undoBy(redis, 'load'); // A script that Redis does not know yet takes one command more.
  let outcomes: string[] = [];
  const runs = await everySchedule({
    crashes: true,
    async reset() {
      outcomes = [];
      await redis.flushall();
      await writeState(redis, state);
    },
    body: (command) => [
      undoBy(turnTaking(redis, command, 'ann'), 'one').then(({ outcome }) => outcomes.push(outcome)),
      undoBy(turnTaking(redis, command, 'bob'), 'two').then(({ outcome }) => outcomes.push(outcome)),
      command('worker', 'reset', async () => upstream.reset('a', 'Pending')),
    ],
    async check(trace) {
      expect(outcomes.filter((outcome) => outcome === 'done').length).toBeLessThanOrEqual(1);
      const { status, revision } = await stats();
      const isReset = trace.includes('worker: reset');
      if (isReset) expect([status, Number(revision) > at]).toEqual(['Pending', true]);
      else expect(status).toBe(outcomes.includes('done') ? 'Running' : 'Error');
    },
  });
  expect(runs).toBeGreaterThan(6);
});
