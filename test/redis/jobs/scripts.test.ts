import { describe, expect, test } from 'vitest';
import type { ReplyOf, ScriptName } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { judgedFingerprint, second } from '../../support/jobs.ts';
import { judgedFields } from '../../support/scriptSetUps/values.ts';
import { ttlFrom } from '../../support/ttl.ts';

// What each script of a job replies and writes, rule by rule (150: behavior that no test proved).

const { redis, scripts } = await redisFixture();

const stats = 't:job_stats:j';
const track = 't:job_track:inprogress';
const executions = 't:executions:p';
const origin = 'http://a:1';
const hooks = 't:reaper:hooks';
const due = `t:reaper:hooks:due:${origin}`;
const hookKeys = [hooks, 't:reaper:hooks:parked', 't:reaper:hooks:origins', due];
const keys = [stats, track, ...hookKeys];
const statuses = ['Pending', 'Scheduled', 'Running', 'Success', 'Stopped', 'Error'] as const;
const rankOf = (status: string) => ({ Pending: 0, Scheduled: 1, Running: 2 })[status] ?? 3;
const done = { outcome: 'done' };
const refused = (status: string) => ({ outcome: 'refused', status });
const isFinal = (status: string) => rankOf(status) === 3;

let calls = 0;
const run = <Name extends ScriptName>(name: Name, runKeys: readonly string[], args: readonly (string | number)[]) =>
  scripts.run(name, runKeys, args);
/** Calls a script like a host, which may send the call again. */
const runOnce = <Name extends ScriptName>(name: Name, runKeys: readonly string[], args: readonly (string | number)[]) =>
  scripts.run(name, runKeys, args, undefined, { key: 't:reaper:changes:j', token: `call${calls++}` });
const old = second(-7_200);
const job = (fields: Record<string, string | number> = {}, count: string | number = 2) =>
  Promise.all([
    redis.hset(stats, {
      id: 'j',
      name: 'X',
      kind: 'Generic',
      status: 'Running',
      revision: 100,
      update_time: old,
      ...fields,
    }),
    redis.hset(track, 'j', count),
  ]);
const field = (name: string) => redis.hget(stats, name);
const count = () => redis.hget(track, 'j');
const fingerprint = () => judgedFingerprint(redis, stats);
const nowS = async () => Number((await redis.time())[0]);
const isNow = async (text: string | null) => Math.abs(Number(text) - (await nowS())) < 30;

describe('a status', () => {
  const set = (status: string, revision: number, withExecutions = false) =>
    run('set_status', withExecutions ? [...keys, executions] : keys, [status, revision, 'j', '', '', 1_000]);
  const fail = (judged: string, revision = 100) => run('fail_job', keys, [revision, 'j', judged, '', '', 1_000]);
  const begin = (revision: number) => run('begin_attempt', keys, [revision, 'j', '', '', 1_000]);

  test.each(statuses)('%s goes forward within an attempt, and into a newer one from anywhere', async (stored) => {
    for (const status of statuses) {
      await job({ status: stored });
      const goes = rankOf(stored) < rankOf(status) || stored === status;
      expect([stored, status, await set(status, 100)]).toEqual([stored, status, goes ? done : refused(stored)]);
      expect(await field('status')).toBe(goes ? status : stored);
      expect(await field('update_time').then(isNow)).toBe(goes);

      await job({ status: stored, update_time: old });
      expect(await set(status, 99)).toEqual(refused(stored));
      expect(await set(status, 101)).toEqual(done);
      expect([await field('status'), await field('revision')]).toEqual([status, '100']);
    }
  });

  test('that is unknown ranks with Pending', async () => {
    await job({ status: 'Odd' });
    expect(await set('Pending', 100)).toEqual(refused('Odd'));
    expect(await set('Scheduled', 100)).toEqual(done);
  });

  test('of a job without stats is not written', async () => {
    expect(await set('Running', 100)).toEqual({ outcome: 'missing' });
    expect(await redis.keys('*')).toEqual([]);
  });

  test.each([
    ['Success', 86_400],
    ['Stopped', 86_400],
    ['Error', 604_800],
  ] as const)('%s ends the job: it is counted down once, and its stats expire', async (status, ttl) => {
    await job();
    await set(status, 100);
    expect([await count(), await redis.ttl(stats)]).toEqual(['1', ttlFrom(ttl)]);
    await set(status, 100);
    expect(await count()).toBe('1');
  });

  test('that does not end a job counts nothing down', async () => {
    await job({ status: 'Pending' });
    await set('Running', 100);
    expect([await count(), await redis.ttl(stats)]).toEqual(['2', -1]);
  });

  test('that starts a job again removes the time to live that its end has set', async () => {
    await job({ status: 'Error' });
    await redis.expire(stats, 50);
    await set('Running', 101);
    expect(await redis.ttl(stats)).toBe(-1);
  });

  test('of a host removes the time to live of a job that runs, but not of one that has ended', async () => {
    await job({ status: 'Pending' });
    await redis.expire(stats, 50);
    await runOnce('set_status', keys, ['Running', 100, 'j', '', '', 1_000]);
    expect(await redis.ttl(stats)).toBe(-1);
    await runOnce('set_status', keys, ['Success', 100, 'j', '', '', 1_000]);
    expect(await redis.ttl(stats)).toEqual(ttlFrom(86_400));
  });

  test('of the Go side keeps the time to live of a job that runs', async () => {
    await job({ status: 'Pending' });
    await redis.expire(stats, 50);
    await set('Running', 100);
    expect(await redis.ttl(stats)).toEqual(ttlFrom(50));
  });

  test('fault 150: marks an execution as done at its end, and not before; it creates none', async () => {
    await job({ status: 'Pending' });
    await redis.zadd(executions, 5, 'j');
    await set('Running', 100, true);
    expect(await redis.zscore(executions, 'j')).toBe('5');
    await set('Success', 100, true);
    expect(await redis.zscore(executions, 'j')).toBe('-1');

    await redis.del(executions);
    await job();
    await set('Error', 100, true);
    expect(await redis.exists(executions)).toBe(0);
  });

  test('is refused if the job has changed since it was judged', async () => {
    await job();
    const judged = await fingerprint();
    expect(await fail(judged)).toEqual(done);
    await job();
    await redis.hset(stats, 'check_in_at', 7);
    expect(await fail(judged)).toEqual({ outcome: 'overtaken' });
    expect(await field('status')).toBe('Running');
  });

  test('of Error by a sweep follows the same rule, and is not written for a job without stats', async () => {
    expect(await fail('nothing')).toEqual({ outcome: 'missing' });
    await job({ status: 'Success' });
    expect(await fail(await fingerprint())).toEqual(refused('Success'));
    await job({ status: 'Running' });
    expect(await fail(await fingerprint(), 99)).toEqual(refused('Running'));
    expect(await field('status')).toBe('Running');
    expect(await fail(await fingerprint(), 101)).toEqual(done);
    expect([await count(), await redis.ttl(stats)]).toEqual(['1', ttlFrom(604_800)]);
  });

  test('with which a host begins an attempt follows the same rule, and lets the stats not expire', async () => {
    expect(await begin(100)).toEqual({ outcome: 'missing' });
    for (const status of ['Success', 'Stopped', 'Error']) {
      await job({ status });
      await redis.expire(stats, 50);
      expect(await begin(100)).toEqual(refused(status));
      expect(await begin(101)).toEqual(done);
      expect(await redis.ttl(stats)).toBe(-1);
    }
    await job({ status: 'Pending' });
    expect(await begin(99)).toEqual(refused('Pending'));
    expect([await count(), await field('update_time')]).toEqual(['2', String(old)]);
  });

  test('with which a host begins an attempt is accepted once per attempt', async () => {
    await job({ status: 'Pending' });
    expect(await begin(100)).toEqual(done);
    expect(await begin(100)).toEqual(refused('Running'));
    expect(await begin(101)).toEqual(done);
  });

  test('enqueues the hook in the same step, in keys that expire', async () => {
    await job({ status: 'Pending' });
    await run('set_status', keys, ['Running', 100, 'j', origin, 5_000, 1_000]);
    expect(await redis.hget(hooks, 'j')).toBe(`pending Running:100 ${origin} 0 0 0 -`);
    expect(await redis.zscore(due, 'j')).toBe('5000');
    for (const key of [hooks, 't:reaper:hooks:origins', due]) expect(await redis.ttl(key)).toEqual(ttlFrom(7_776_000));
  });
});

describe('the count of a tracked job', () => {
  test.each([
    ['3', '2'],
    ['2', '1'],
    ['1', null],
    ['0', null],
    ['-1', null],
    ['x', '1'],
    ['', '1'],
    ['1.5', '1'],
    ['9999999999999999999', '1'],
    ['123456789', '123456788'],
  ])('of %j becomes %j at the end', async (before, after) => {
    await job({}, before);
    await run('set_status', keys, ['Success', 100, 'j', '', '', 1_000]);
    expect(await count()).toBe(after);
  });

  test('of a job that is not tracked is not created', async () => {
    await job();
    await redis.del(track);
    await run('set_status', keys, ['Success', 100, 'j', '', '', 1_000]);
    expect(await redis.exists(track)).toBe(0);
  });
});

describe('an acknowledgement', () => {
  const ack = (status: string, revision: number, checkInAt = 0, unreadable?: string) =>
    run(
      'acknowledge',
      [stats, track],
      [status, revision, checkInAt, 'j', ...(unreadable === undefined ? [] : [unreadable])],
    );
  const text = (status: string, revision: number, checkInAt = 0) =>
    `{"status":"${status}","revision":${revision},"check_in_at":${checkInAt}}`;

  test('of a job without stats is not written', async () => {
    expect(await ack('Success', 100)).toEqual({ outcome: 'missing' });
    expect(await redis.keys('*')).toEqual([]);
  });

  test.each(statuses)('of %s: only a newer one replaces it', async (stored) => {
    for (const status of statuses) {
      for (const [revision, checkInAt] of [
        [99, 0],
        [100, 4],
        [100, 5],
        [100, 6],
        [101, 0],
      ] as const) {
        await job({ ack: text(stored, 100, 5) });
        const isOlder =
          revision < 100 ||
          (revision === 100 &&
            (rankOf(status) < rankOf(stored) || (rankOf(status) === rankOf(stored) && checkInAt < 5)));
        expect([stored, status, revision, checkInAt, await ack(status, revision, checkInAt)]).toEqual([
          ...[stored, status, revision, checkInAt],
          isOlder ? { outcome: 'refused' } : done,
        ]);
        expect(await field('ack')).toBe(isOlder ? text(stored, 100, 5) : text(status, revision, checkInAt));
        const isSame = status === stored && revision === 100 && checkInAt === 5;
        expect(await count()).toBe(isFinal(status) && !isOlder && !isSame ? '1' : '2');
      }
    }
  });

  test('of an attempt before that of the stats is refused, although nothing was acknowledged', async () => {
    await job();
    expect(await ack('Success', 99)).toEqual({ outcome: 'refused' });
    expect(await field('ack')).toBeNull();
    expect(await ack('Success', 100)).toEqual(done);
  });

  test.each([
    'no JSON',
    '[]',
    '{"status":"Odd","revision":200}',
    '{"status":"Success"}',
    '{"status":"Success","revision":200.5}',
    '{"status":"Success","revision":"200"}',
    '{"status":"Success","revision":200,"check_in_at":"5"}',
    '{"status":"Success","revision":200,"check_in_at":0.5}',
  ])('%s counts as none, and the next one replaces it', async (stored) => {
    await job({ ack: stored });
    expect(await ack('Running', 100)).toEqual(done);
    expect(await field('ack')).toBe(text('Running', 100));
  });

  test('without a check-in counts as one with 0', async () => {
    await job({ ack: '{"status":"Success","revision":100}' });
    expect(await ack('Success', 100, 0)).toEqual(done);
    expect(await count()).toBe('2');
  });

  test('that the caller cannot decode counts as none', async () => {
    const odd = '{"status":"Success","revision":0x64}';
    await job({ ack: odd });
    expect(await ack('Running', 100, 0, odd)).toEqual(done);
    expect(await field('ack')).toBe(text('Running', 100));
  });
});

describe('a check-in', () => {
  const checkIn = (revision: string | number, hasHook = true) =>
    run('check_in', [stats, ...hookKeys], hasHook ? [revision, 'j', origin, 5_000, 1_000] : [revision, 'j', '']);

  test('is a sign of life of the attempt with its revision, or of any that runs', async () => {
    for (const revision of ['', 100, 101]) {
      await job({ update_time: old });
      const reply = (await checkIn(revision, false)) as ReplyOf<'check_in'> & { outcome: 'done' };
      const at = reply.checkInAt;
      expect([reply.outcome, reply.status, reply.revision, await isNow(String(at))]).toEqual([
        'done',
        'Running',
        100,
        true,
      ]);
      expect([await field('check_in'), await field('check_in_at'), await field('update_time')]).toEqual([
        '[REDUNDANT]',
        String(at),
        String(at),
      ]);
    }
    expect(await redis.exists(hooks)).toBe(0);
  });

  test.each([
    ['of an old attempt', 'Running', 99],
    ['of a job that has succeeded', 'Success', 100],
    ['of a job that was stopped', 'Stopped', 100],
    ['of a job that has failed', 'Error', ''],
  ])('%s is refused', async (_, status, revision) => {
    await job({ status });
    expect(await checkIn(revision)).toEqual(refused(status));
    expect([await field('check_in_at'), await redis.exists(hooks)]).toEqual([null, 0]);
  });

  test('of a job without stats is not written', async () => {
    expect(await checkIn('')).toEqual({ outcome: 'missing' });
    expect(await redis.keys('*')).toEqual([]);
  });

  test('enqueues the hook', async () => {
    await job();
    await checkIn(100);
    expect(await redis.hget(hooks, 'j')).toBe(`pending Running:100 ${origin} 0 0 0 -`);
    expect(await redis.zscore(due, 'j')).toBe('5000');
    for (const key of [hooks, due]) expect(await redis.ttl(key)).toEqual(ttlFrom(7_776_000));
  });

  // The sender may have read the stats within the second of the check-in, so their times are equal.
  test.each(['sending', 'resending'])(
    'fault 150: while the hook is %s is delivered after it, within the same second too',
    async (kind) => {
      await job();
      await redis.hset(hooks, 'j', `${kind} Running:100 ${origin} 1 4 4 -`);
      await redis.zadd(due, 9_000, 'j');
      await checkIn(100);
      expect((await redis.hget(hooks, 'j'))?.split(' ').slice(0, 2)).toEqual([kind, 'reported:0']);
      const at = await field('check_in_at');
      const recorded = await run(
        'record_delivered',
        [track, hooks, due, `t:reaper:hooks:endpoint:${origin}`, stats],
        [6_000, 'j', 9_000, 'Running', 100, String(at), ''],
      );
      expect(recorded).toEqual({ outcome: 'recorded', hooks: [{ outcome: 'changed' }] });
      expect(await redis.zscore(due, 'j')).toBe('6000');
    },
  );
});

describe('a reset by a host', () => {
  const reset = (known: string | number) => runOnce('reset_job', [stats, track], ['j', 'Pending', known]);

  test('begins an attempt: a new revision, no acknowledgement, tracked again, and no time to live', async () => {
    await job({ status: 'Error', ack: 'x', check_in: 'x', check_in_at: 7 }, 1);
    await redis.expire(stats, 50);
    const { revision } = (await reset('')) as { revision: number };
    expect(await isNow(String(revision))).toBe(true);
    expect(await redis.hmget(stats, 'status', 'revision', 'ack', 'check_in', 'check_in_at')).toEqual([
      'Pending',
      String(revision),
      null,
      null,
      null,
    ]);
    expect([await count(), await redis.ttl(stats)]).toEqual(['2', -1]);
    expect(await field('update_time').then(isNow)).toBe(true);
  });

  test('is refused if a newer attempt has begun than the host knows', async () => {
    await job();
    expect(await reset(99)).toEqual(refused('Running'));
    expect(await field('status')).toBe('Running');
    expect(await reset(100)).toMatchObject(done);
  });

  test('of a job without stats is not done', async () => {
    expect(await reset('')).toEqual({ outcome: 'missing' });
    expect(await redis.keys('*')).toEqual([]);
  });

  test('without a token keeps the time to live, like upstream', async () => {
    await job();
    await redis.expire(stats, 50);
    await run('reset_job', [stats, track], ['j', 'Pending', '']);
    expect(await redis.ttl(stats)).toEqual(ttlFrom(50));
  });
});

describe('a reset to the acknowledged state', () => {
  const restore = (status: string, revision: string | number, judged: string) =>
    run('restore_ack', [stats, track], ['j', status, revision, judged]);

  test('sets the status, and the revision if it is newer', async () => {
    await job();
    expect(await restore('Success', '', await fingerprint())).toEqual(done);
    expect([await field('status'), await field('revision'), await count()]).toEqual(['Success', '100', '1']);
    expect(await field('update_time').then(isNow)).toBe(true);
    await redis.expire(stats, 50);
    expect(await restore('Running', 101, await fingerprint())).toEqual(done);
    expect([await field('status'), await field('revision'), await redis.ttl(stats)]).toEqual(['Running', '101', -1]);
    await redis.expire(stats, 50);
    expect(await restore('Running', 102, await fingerprint())).toEqual(done);
    expect(await redis.ttl(stats)).toBe(-1);
  });

  test('is refused if the job has changed since it was judged', async () => {
    await job();
    const judged = await fingerprint();
    await redis.hset(stats, 'revision', 101);
    expect(await restore('Success', '', judged)).toEqual({ outcome: 'overtaken' });
    expect(await field('status')).toBe('Running');
  });
});

describe('a job that is saved', () => {
  const save = (runAt: string | number, ...fields: (string | number)[]) =>
    run('save_job', [stats, track, executions], ['j', runAt, ...fields]);

  test('has its fields and its times, is tracked, and has no time to live', async () => {
    await redis.hset(stats, 'status', 'Success');
    await redis.expire(stats, 50);
    const { revision } = await scripts.run('save_job', [stats, track], ['j', '', 'id', 'j', 'status', 'Pending']);
    expect(await redis.hmget(stats, 'id', 'status', 'revision')).toEqual(['j', 'Pending', String(revision)]);
    expect(await field('update_time').then(isNow)).toBe(true);
    expect([await isNow(String(revision)), await count(), await redis.ttl(stats)]).toEqual([true, '2', -1]);
    expect(await run('save_job', [stats, track], ['j', '', 'id', 'j', 'revision', 7])).toEqual({
      ...done,
      revision: 7,
    });
  });

  test('fault 150: a second time does not reopen an execution that is done', async () => {
    await save(500, 'id', 'j');
    expect(await redis.zscore(executions, 'j')).toBe('500');
    await redis.zadd(executions, -1, 'j');
    await save(600, 'id', 'j');
    expect(await redis.zscore(executions, 'j')).toBe('-1');
  });

  test.each(['', 'x', 'nan'])('as an execution at %j is not saved at all', async (runAt) => {
    await expect(save(runAt, 'id', 'j')).rejects.toThrow('run_at is not a number');
    expect(await redis.keys('*')).toEqual([]);
  });
});

describe('the judged facts of a job', () => {
  const untrack = (judged: string) => run('untrack', [stats, track], ['j', judged]);

  test.each([...judgedFields, 'web_hook_url'])('differ once its %s has changed', async (name) => {
    await job({ [name]: '1' });
    const judged = await fingerprint();
    await redis.hset(stats, name, '2');
    expect(await untrack(judged)).toEqual({ outcome: 'overtaken' });
    await redis.hdel(stats, name);
    expect(await untrack(judged)).toEqual({ outcome: 'overtaken' });
    expect(await count()).toBe('2');
    await redis.hset(stats, name, '1');
    expect(await untrack(judged)).toEqual(done);
    expect(await count()).toBeNull();
  });

  test('differ once a part of one field moves into the next', async () => {
    await job({ id: 'ab', status: 'c' });
    const judged = await fingerprint();
    await redis.hset(stats, { id: 'a', status: 'bc' });
    expect(await untrack(judged)).toEqual({ outcome: 'overtaken' });
  });

  test('are `nothing` only if the key does not exist', async () => {
    const read = async () => (await scripts.run('read_facts', [stats])).jobs[0];
    expect(await read()).toBe('nothing');
    await redis.hset(stats, 'other', 1);
    expect(Array.isArray(await read())).toBe(true);
    await redis.del(stats);
    await redis.set(stats, 'x');
    expect(await read()).toBe('unreadable');
  });

  test('come with the time of Redis', async () => {
    const { readAt } = await scripts.run('read_facts', []);
    expect(await isNow(String(readAt))).toBe(true);
  });
});

describe('a scan', () => {
  const scan = () => scripts.run('scan_tracked', [track], ['0', 100]);

  test('returns every id as it is, with the run id of the Redis process', async () => {
    const ids = ['a', 'é', 'a"\\/\n\0\x7f', '\u{1F600}', ' '];
    for (const id of ids) await redis.hset(track, id, 2);
    const runId = /run_id:(\w+)/.exec(await redis.info('server'))?.[1];
    expect(await scan()).toMatchObject({ runId, cursor: '0' });
    expect([...(await scan()).ids].sort()).toEqual(ids.sort());
    const broken = Buffer.from([0x61, 0x80]);
    await redis.call('HSET', track, broken, '2');
    const found = (await scan()).ids;
    expect(found).toHaveLength(ids.length + 1);
    expect(found).toEqual(expect.arrayContaining([...ids, broken]));
  });

  test('of nothing returns no ids', async () => {
    expect(await scan()).toMatchObject({ cursor: '0', ids: [] });
  });
});
