import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { AuditEntry, Reaper, UndoOutcome } from '../../src/index.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { everySchedule } from '../support/everySchedule.ts';
import { redisFixture } from '../support/fixture.ts';
import { ackText, loseReplies, second, seedJob } from '../support/jobs.ts';
import { readState, writeState } from '../support/states.ts';
import { turnTaking } from '../support/turnTaking.ts';

// An undo gives a job, a hook or an entry what it had before an act, if nothing has moved since. Each is one script.

const { redis, server, opened, keys, upstream } = await redisFixture();
const endpoint = 'http://127.0.0.1:1';
const old = 100_000;
const create = (options: object = {}) =>
  opened.create({ redis: server.url, rescue: { grace: 0, heartbeatTimeout: 600_000, maxRecoveries: 1 }, ...options });
const entries = async (reaper: Reaper): Promise<AuditEntry[]> => {
  const all: AuditEntry[] = [];
  for await (const page of reaper.audit.list()) all.push(...page);
  return all;
};
const entryOf = async (reaper: Reaper, what: string): Promise<string> => {
  const found = (await entries(reaper)).find((entry) => entry.what === what);
  if (found === undefined) throw new Error(`no entry of a ${what}`);
  return found.id;
};
const undo = async (reaper: Reaper, id: string, plan = false): Promise<UndoOutcome> =>
  (await reaper.audit.undo([id], { plan }))[0] as UndoOutcome;
/** The bytes of every key that lasts, the stream too. */
const stateOf = async () => {
  const names = (await redis.keys('*')).filter((name) => name !== keys.probe).sort();
  return Promise.all(names.map(async (name) => [name, (await redis.dumpBuffer(name))?.toString('base64')]));
};
const stats = (id = 'a') => redis.hgetall(keys.stats(id));
const count = (id = 'a') => redis.hget(keys.track, id);
const isNow = expect.stringMatching(/^\d{10}$/);
/** A hook that no host of the test sends: it is recorded by the script of the act. */
const hook = () => redis.hget(keys.hooks, 'a');

/** A job that a sweep has failed, without a host that sends its hook. */
const failed = async (fields: Record<string, string | number> = {}) => {
  const at = await seedJob(redis, 'a', { age: old, ack: ackText('Running', second(-old)), ...fields });
  const reaper = create();
  await reaper.sweep();
  return { reaper, at, entry: await entryOf(reaper, 'fail') };
};
const pendingError = async (at: number, attempts = 0) => {
  await redis.hset(keys.hooks, 'a', `pending Error:${at} ${endpoint} ${attempts} 0 0 -`);
  await redis.zadd(keys.dueHooks(endpoint), Date.now() + 3_600_000, 'a');
};

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

describe('a quarantine', () => {
  const text = (id: string) => JSON.stringify({ name: 'X', id, t: 1_700_000_000, args: { token: 's3cret' } });
  const kill = async (reaper: Reaper, pool: string, type = 'X') => {
    await redis.sadd(keys.knownJobs, type);
    await redis.sadd(keys.pools, pool);
    await redis.hset(keys.heartbeat(pool), { heartbeat_at: second(-5_000), job_names: type, worker_ids: `${pool}-w` });
    await redis.rpush(keys.inProgress(type, pool), text('a'));
    await reaper.rescue();
  };
  const quarantined = async (fields: Record<string, string | number> = {}) => {
    await seedJob(redis, 'a', { age: 1, ...fields });
    const reaper = create();
    await kill(reaper, 'p1');
    await redis.del(keys.queue('X'));
    await kill(reaper, 'p2');
    return { reaper, entry: await entryOf(reaper, 'quarantine') };
  };

  test('undone: the same bytes are in the queue, and the job has its facts again', async () => {
    const { reaper, entry } = await quarantined();
    expect(await stats()).toMatchObject({ status: 'Error' });
    expect(await undo(reaper, entry, true)).toMatchObject({ outcome: 'planned' });
    expect(await redis.llen(keys.queue('X'))).toBe(0);
    expect(await undo(reaper, entry)).toMatchObject({
      outcome: 'done',
      notes: ['its entry goes to the queue, and its recoveries are forgotten'],
    });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([text('a')]);
    expect(await stats()).toMatchObject({ status: 'Running' });
    expect([await count(), await redis.ttl(keys.stats('a'))]).toEqual(['2', -1]);
    expect(await redis.exists(keys.dead, keys.quarantine)).toBe(0);
    expect(await redis.hget(keys.recoveries, 'a')).toBeNull();
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'already-undone' });
    expect(await redis.llen(keys.queue('X'))).toBe(1);
  });

  test('of a type with white space in its name: the entry goes to the queue of that type', async () => {
    const type = `${'long '.repeat(50)}\tX`;
    const reaper = create();
    await kill(reaper, 'p1', type);
    await redis.del(keys.queue(type));
    await kill(reaper, 'p2', type);
    expect(await undo(reaper, await entryOf(reaper, 'quarantine'))).toMatchObject({ outcome: 'done' });
    expect(await redis.lrange(keys.queue(type), 0, -1)).toEqual([text('a')]);
  });

  test('of a job that had ended: its stats stay', async () => {
    const { reaper, entry } = await quarantined({ status: 'Stopped', ack: ackText('Stopped', second(-1)) });
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'done' });
    expect(await stats()).toMatchObject({ status: 'Stopped' });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([text('a')]);
  });

  test('refused once the job has changed, the entry has left dead, or it was released', async () => {
    const { reaper, entry } = await quarantined();
    const status = (await stats()).status ?? '';
    await redis.hset(keys.stats('a'), 'status', 'Running');
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved', moved: [{ fact: 'status' }] });
    await redis.hset(keys.stats('a'), 'status', status);
    const dead = await redis.zrange(keys.dead, '0', '-1', 'WITHSCORES');
    await redis.del(keys.dead);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved', moved: [{ fact: 'dead' }] });
    await redis.zadd(keys.dead, dead[1] as string, dead[0] as string);
    await reaper.quarantine.release({ id: 'a' });
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved', moved: [{ fact: 'quarantine' }] });
    expect(await redis.llen(keys.queue('X'))).toBe(1);
  });

  test('its release cannot be undone', async () => {
    const { reaper } = await quarantined();
    await reaper.quarantine.release({ id: 'a' });
    expect(await undo(reaper, await entryOf(reaper, 'release-quarantined'))).toMatchObject({
      outcome: 'refused',
      reason: 'the entry is in the queue, and a worker may have taken it',
    });
  });

  test('its drop undone: entry and record are as before, and it can be released', async () => {
    const { reaper } = await quarantined();
    const before = [await redis.hgetall(keys.quarantine), await redis.zrange(keys.dead, '0', '-1', 'WITHSCORES')];
    await reaper.quarantine.drop({ id: 'a' });
    expect(await redis.exists(keys.dead, keys.quarantine)).toBe(0);
    const entry = await entryOf(reaper, 'drop-quarantined');
    expect(await undo(reaper, entry, true)).toMatchObject({ outcome: 'planned' });
    expect(await redis.exists(keys.dead, keys.quarantine)).toBe(0);
    const done = await undo(reaper, entry);
    expect(done).toMatchObject({ outcome: 'done' });
    expect(JSON.stringify([done, await entries(reaper)])).not.toContain('s3cret');
    expect([await redis.hgetall(keys.quarantine), await redis.zrange(keys.dead, '0', '-1', 'WITHSCORES')]).toEqual(
      before,
    );
    expect(await redis.keys(keys.auditKept('*'))).toEqual([]);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'already-undone' });
    await reaper.quarantine.release({ id: 'a' });
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([text('a')]);
  });

  test('its drop undone after 30 days: refused, with the reason', async () => {
    const { reaper } = await quarantined();
    await reaper.quarantine.drop({ id: 'a' });
    const [kept = ''] = await redis.keys(keys.auditKept('*'));
    await redis.del(kept);
    const outcome = { outcome: 'refused', reason: 'what it needs was kept for 30 days, and is gone' };
    expect(await undo(reaper, await entryOf(reaper, 'drop-quarantined'))).toMatchObject(outcome);
  });

  test('its drop undone: how often its workers died counts again, so the next death quarantines another entry', async () => {
    const { reaper } = await quarantined();
    const before = await redis.hget(keys.recoveries, 'a');
    await reaper.quarantine.drop({ id: 'a' });
    expect(await redis.hexists(keys.recoveries, 'a')).toBe(0);
    await undo(reaper, await entryOf(reaper, 'drop-quarantined'));
    expect(await redis.hget(keys.recoveries, 'a')).toBe(before);
    await kill(reaper, 'p3');
    expect(await redis.exists(keys.queue('X'))).toBe(0);
    expect((await entries(reaper)).filter(({ what }) => what === 'quarantine')).toHaveLength(2);
  });

  test('its drop and the quarantine itself: a plan says what undoing both would do', async () => {
    const { reaper, entry } = await quarantined();
    await reaper.quarantine.drop({ id: 'a' });
    const drop = await entryOf(reaper, 'drop-quarantined');
    expect(await undo(reaper, entry, true)).toMatchObject({ outcome: 'moved' });
    await seedJob(redis, 'b', { age: old });
    await reaper.sweep();
    expect((await reaper.audit.undo([entry, await entryOf(reaper, 'fail')], { plan: true }))[1]).toMatchObject({
      outcome: 'moved',
    });
    expect(await reaper.audit.undo([entry, drop], { plan: true })).toEqual([
      { entry: drop, what: 'drop-quarantined', job: 'a', outcome: 'planned', notes: [] },
      {
        ...{ entry, what: 'quarantine', job: 'a', outcome: 'planned' },
        notes: [`only if nothing else has moved once ${drop} is undone`],
      },
    ]);
    expect((await reaper.audit.undo([entry, drop])).map(({ outcome }) => outcome)).toEqual(['done', 'done']);
    expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([text('a')]);
  });

  test('its drop undone: refused where the job is in quarantine or in dead again', async () => {
    const { reaper } = await quarantined();
    const [member, score] = (await redis.zrange(keys.dead, '0', '-1', 'WITHSCORES')) as [string, string];
    await reaper.quarantine.drop({ id: 'a' });
    const entry = await entryOf(reaper, 'drop-quarantined');
    await redis.hset(keys.quarantine, 'a', 'another');
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved', moved: [{ fact: 'quarantine' }] });
    await redis.del(keys.quarantine);
    await redis.zadd(keys.dead, score, member);
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'moved', moved: [{ fact: 'dead' }] });
    expect(await redis.exists(keys.quarantine)).toBe(0);
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

test.each([
  ['refire', 'its endpoint may have got the hook'],
  ['requeue', 'the entries are in the queue, and a worker may have taken them'],
  ['requeue-orphan', 'the entry is in the queue, and a worker may have taken it'],
  ['remove-stale', 'its job had succeeded, so nothing is left to run'],
  ['deregister', 'the pool was dead; a pool that lives registers itself again'],
  ['rebuild-counters', 'counters follow the in-progress lists: the next rescue would rebuild them'],
  ['retry-hook', 'its endpoint may have got the hook'],
  ['something', 'it is not known how to undo something'],
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

test('several entries are undone the newest first, whatever their order', async () => {
  await seedJob(redis, 'a', { age: old });
  const reaper = create();
  await reaper.sweep();
  const fail = await entryOf(reaper, 'fail');
  await redis.hdel(keys.stats('a'), 'web_hook_url');
  await redis.hset(keys.stats('a'), 'ack', ackText('Error', Number((await stats()).revision)));
  await reaper.sweep();
  const untrack = await entryOf(reaper, 'untrack');
  const outcomes = await reaper.audit.undo([fail, untrack, fail]);
  expect(outcomes.map(({ entry, outcome }) => [entry, outcome])).toEqual([
    [untrack, 'done'],
    [fail, 'done'],
  ]);
  expect([(await stats()).status, await count()]).toEqual(['Running', '2']);
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

test('in every order, an entry that is undone, released and retried by gocraft at once is queued once', async () => {
  const text = '{"name":"X","id":"a","t":1}';
  const member = '{"name":"X","id":"a","t":1,"fails":1}';
  const record = JSON.stringify({ at: 5, recoveries: [[5, 'p', '']], entries: [['X', text, member]] });
  const digest = createHash('sha1').update(record).digest('hex');
  const undoBy = (client: typeof redis, token: string) =>
    createScripts(client).run(
      'undo_quarantine',
      [
        ...[keys.stats('a'), keys.track, keys.hooks, keys.parkedHooks, keys.dueHooks('')],
        ...[keys.quarantine, keys.dead, keys.queue('X'), keys.recoveries],
      ],
      ['a', '{}', JSON.stringify({ record: digest }), '', '1-0', 'X'],
      undefined,
      { key: keys.answer(token), token },
    );
  const release = (client: typeof redis) =>
    createScripts(client).run(
      'release_quarantined',
      [keys.quarantine, keys.dead, keys.recoveries, keys.queue('X')],
      ['a', digest, ''],
    );
  await Promise.all([undoBy(redis, 'load'), release(redis)]);
  const retried = `if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then redis.call('LPUSH', KEYS[2], ARGV[2]) end`;
  const runs = await everySchedule({
    crashes: true,
    async reset() {
      await redis.flushall();
      await redis.hset(keys.quarantine, 'a', record);
      await redis.zadd(keys.dead, 5, member);
    },
    body: (command) => [
      undoBy(turnTaking(redis, command, 'ann'), 'one'),
      release(turnTaking(redis, command, 'bob')),
      command('gocraft', 'retry', () => redis.eval(retried, 2, keys.dead, keys.queue('X'), member, text)),
    ],
    async check() {
      expect(await redis.lrange(keys.queue('X'), 0, -1)).toEqual([text]);
      expect(await redis.zcard(keys.dead)).toBe(0);
    },
  });
  expect(runs).toBeGreaterThan(6);
});
