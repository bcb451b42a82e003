import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Reaper } from '../../src/index.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { everySchedule } from '../support/everySchedule.ts';
import { redisFixture } from '../support/fixture.ts';
import { ackText, second, seedJob } from '../support/jobs.ts';
import { turnTaking } from '../support/turnTaking.ts';
import { undoFixture } from '../support/undo.ts';

// A quarantine and its end: the entry goes back to where it was, with the facts of its job, if nothing has moved since.

const fixture = await redisFixture();
const { redis, keys } = fixture;
const { old, create, entries, entryOf, undo, stats, count } = undoFixture(fixture);

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
    const before = await stats();
    expect(await undo(reaper, entry)).toMatchObject({ outcome: 'done' });
    expect(before).toMatchObject({ status: 'Stopped' });
    expect(await stats()).toEqual(before);
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
    for (const outcome of ['planned', 'done']) {
      expect(await reaper.audit.undo([entry, drop], { plan: outcome === 'planned' })).toEqual([
        { entry: drop, what: 'drop-quarantined', job: 'a', outcome, notes: [] },
        {
          ...{ entry, what: 'quarantine', job: 'a', outcome: 'refused', notes: [] },
          reason: `one act of a job is undone at a time: try again once ${drop} is undone`,
        },
      ]);
    }
    expect((await reaper.audit.undo([entry])).map(({ outcome }) => outcome)).toEqual(['done']);
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
