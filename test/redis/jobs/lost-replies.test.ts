import { afterAll, describe, expect, test, vi } from 'vitest';
import type { Reaper, ReaperEvents, TrackedAttempt } from '../../../src/index.ts';
import { createScripts, FencedError } from '../../../src/io/redis/scripts.ts';
import { hookEndpointFixture, redisFixture } from '../../support/fixture.ts';
import { ackText, loseReplies, second, seedJob } from '../../support/jobs.ts';
import { startProxy } from '../../support/proxy.ts';

const [{ server, redis, opened, upstream }, hookEndpoint] = await Promise.all([redisFixture(), hookEndpointFixture()]);
const proxy = await startProxy(server.port);
afterAll(() => proxy.stop());

const stats = (id = 'a') => redis.hgetall(`t:job_stats:${id}`);
const count = (id = 'a') => redis.hget('t:job_track:inprogress', id);
const ttl = (id = 'a') => redis.ttl(`t:job_stats:${id}`);
const day = 86_400;

/** A job, and a host whose change of it gets no reply. The change is known by an argument, or by the name, of its script. */
const hostThatLoses = async (
  of: string | number,
  options: { times?: number; between?: () => Promise<unknown>; status?: string; hook?: string } = {},
) => {
  const revision = await seedJob(redis, 'a', {
    status: options.status ?? 'Pending',
    ...(options.hook === undefined ? {} : { web_hook_url: options.hook }),
  });
  const begins = of === 'Running' && options.status !== 'Running';
  const client = loseReplies(redis, [begins ? 'begin_attempt' : of], options);
  opened.hold(client);
  const reaper = opened.create({ redis: client });
  const job = (await reaper.lifecycle.load('a')) as TrackedAttempt;
  return { reaper, job, revision, client };
};

describe('fault 138: a change that had no reply', () => {
  const changes = [
    ['run', 'Running', 'Pending'],
    ['succeed', 'Success', 'Running'],
    ['stop', 'Stopped', 'Running'],
    ['fail', 'Error', 'Running'],
  ] as const;
  test.each(changes)('%s: done once, and said so', async (name, status, before) => {
    const { job, client } = await hostThatLoses(status, { status: before, times: 4 });
    expect(await job[name]()).toEqual({ outcome: 'done' });
    expect(client.lost).toBe(4);
    expect((await stats()).status).toBe(status);
    expect(await count()).toBe(status === 'Running' ? '2' : '1');
  });

  test.each(changes)('%s: said so, though an attempt has begun since', async (name, status, before) => {
    const between = () => upstream.reset('a', 'Pending');
    const { job } = await hostThatLoses(status, { status: before, between });
    expect(await job[name]()).toEqual({ outcome: 'done' });
    expect(await stats()).toMatchObject({ status: 'Pending' });
    expect(await count()).toBe('2');
  });

  test('run: said so, though the job has ended since', async () => {
    const between = async () => void (await upstream.setStatus('a', 'Success', second(-600)));
    const { job, client } = await hostThatLoses('Running', { between });
    expect(await job.run()).toEqual({ outcome: 'done' });
    expect(client.lost).toBe(1);
    expect((await stats()).status).toBe('Success');
    expect(await count()).toBe('1');
  });

  test('run: said so, though other hosts have changed the job since', async () => {
    const other = opened.create({ redis: server.url });
    const between = async () => {
      const job = (await other.lifecycle.load('a')) as TrackedAttempt;
      for (let i = 0; i < 5; i++) await job.checkIn(`${i}`);
      await job.succeed();
    };
    const { job } = await hostThatLoses('Running', { between });
    expect(await job.run()).toEqual({ outcome: 'done' });
    expect((await stats()).status).toBe('Success');
    expect(await count()).toBe('1');
  });

  test('run: refused where another host has begun the attempt meanwhile (132)', async () => {
    await seedJob(redis, 'a', { status: 'Pending' });
    const cutOff = (await opened.create({ redis }).lifecycle.load('a')) as TrackedAttempt;
    const other = (await opened.create({ redis }).lifecycle.load('a')) as TrackedAttempt;
    expect(await other.run()).toEqual({ outcome: 'done' });
    expect(await other.run()).toEqual({ outcome: 'done' });
    const before = await stats();
    expect(await cutOff.run()).toEqual({ outcome: 'refused', status: 'Running' });
    expect(await stats()).toEqual(before);
  });

  test('run: a host that loads an attempt which runs goes on with it, and one that begins another runs that', async () => {
    await seedJob(redis, 'a', { status: 'Running' });
    const job = (await opened.create({ redis }).lifecycle.load('a')) as TrackedAttempt;
    expect(await job.run()).toEqual({ outcome: 'done' });
    expect(await job.reset()).toEqual({ outcome: 'done' });
    expect(await job.run()).toEqual({ outcome: 'done' });
  });

  test('reset: the new attempt is known, runs and succeeds', async () => {
    const { job, client } = await hostThatLoses('Pending', { status: 'Error', times: 4 });
    expect(await job.reset()).toEqual({ outcome: 'done' });
    expect(client.lost).toBe(4);
    expect(String(job.revision)).toBe((await stats()).revision);
    expect(await job.run()).toEqual({ outcome: 'done' });
    expect(await job.succeed()).toEqual({ outcome: 'done' });
    expect((await stats()).status).toBe('Success');
  });

  test('reset: the attempt that it began is not begun again, though it has ended', async () => {
    let revision = '';
    const between = async () => {
      revision = (await stats()).revision ?? '';
      await redis.hset('t:job_stats:a', { status: 'Success', revision: Number(revision) + 9 });
      await redis.hset('t:job_track:inprogress', 'a', 1);
    };
    const { job } = await hostThatLoses('Pending', { status: 'Error', between });
    expect(await job.reset()).toEqual({ outcome: 'done' });
    expect(String(job.revision)).toBe(revision);
    expect((await stats()).status).toBe('Success');
    expect(await count()).toBe('1');
  });

  test('save: a job that runs by then is not saved over', async () => {
    let saved = 0;
    const client = loseReplies(redis, ['enqueue_time'], {
      between: async () => {
        saved = Number((await stats()).revision);
        await redis.hset('t:job_stats:a', { status: 'Success', revision: saved + 9 });
        await redis.hdel('t:job_track:inprogress', 'a');
      },
    });
    opened.hold(client);
    const job = await opened.create({ redis: client }).lifecycle.save({ id: 'a', name: 'X' });
    expect(client.lost).toBe(1);
    expect(job.revision).toBe(saved);
    expect((await stats()).status).toBe('Success');
    expect(await count()).toBeNull();
  });

  test('a check-in is sent, though the job has ended since', async () => {
    const between = async () => void (await upstream.setStatus('a', 'Success', second(-600)));
    const { job, client } = await hostThatLoses('t:job_stats:a', { status: 'Running', between });
    expect(await job.checkIn('50 %')).toEqual({ outcome: 'done' });
    expect(client.lost).toBe(1);
    expect((await stats()).status).toBe('Success');
  });

  test('a refusal is not a change: what is asked again is decided again', async () => {
    const between = () => upstream.reset('a', 'Pending');
    const { job } = await hostThatLoses('Running', { status: 'Success', between });
    expect(await job.run()).toEqual({ outcome: 'refused', status: 'Pending' });
  });

  test('another change of the same kind is another change', async () => {
    const { job } = await hostThatLoses('Success', { status: 'Running' });
    await job.succeed();
    await job.reset();
    expect(await job.run()).toEqual({ outcome: 'done' });
    expect(await job.succeed()).toEqual({ outcome: 'done' });
    expect(await job.run()).toEqual({ outcome: 'refused', status: 'Success' });
  });

  test.each(['reset', 'run', 'fail'] as const)(
    '%s, on a connection that is cut after Redis has run it',
    async (name) => {
      await seedJob(redis, 'a', { status: name === 'reset' ? 'Error' : 'Pending' });
      const reaper = opened.create({ redis: `redis://127.0.0.1:${proxy.port}` });
      const job = (await reaper.lifecycle.load('a')) as TrackedAttempt;
      // Known to Redis, so that the one command that is cut is the change itself.
      await job.checkIn('');
      await job.update('Pending');
      const warm = (await reaper.lifecycle.save({ id: 'warm', name: 'X' })) as TrackedAttempt;
      await warm.reset();
      proxy.cutAfterWrites(1, true);
      expect(await job[name]()).toEqual({ outcome: 'done' });
      expect(String(job.revision)).toBe((await stats()).revision);
      if (name === 'fail') expect(await count()).toBe('1');
      else expect(await job.succeed()).toEqual({ outcome: 'done' });
    },
  );
});

describe('fault 138: an act of a sweep that had no reply', () => {
  const sweepThatLoses = async (of: readonly (string | number)[], between?: () => Promise<unknown>) => {
    const client = loseReplies(redis, of, between === undefined ? {} : { between });
    opened.hold(client);
    const reaper: Reaper = opened.create({ redis: client });
    const jobs: ReaperEvents['job'][] = [];
    reaper.on('job', (job) => void jobs.push(job));
    const summary = await reaper.sweep();
    expect(client.lost).toBe(1);
    return { summary, jobs };
  };

  test.each([
    ['and no more', undefined],
    ['though the job runs again since', () => upstream.reset('a', 'Running')],
  ])('fail: done, %s', async (_, between) => {
    await seedJob(redis, 'a', { age: 10 * day });
    const { summary, jobs } = await sweepThatLoses(['fail_job'], between);
    expect(summary).toMatchObject({ verdicts: { fail: 1 }, outcomes: { done: 1 } });
    expect(jobs).toEqual([expect.objectContaining({ id: 'a', verdict: 'fail', outcome: 'done' })]);
    expect((await stats()).status).toBe(between === undefined ? 'Error' : 'Running');
    expect(await count()).toBe(between === undefined ? '1' : '2');
  });

  test('reset to the ACK: done', async () => {
    const at = await seedJob(redis, 'a', { status: 'Running' });
    await redis.hset('t:job_stats:a', 'ack', ackText('Success', at));
    const { summary } = await sweepThatLoses(['Success']);
    expect(summary).toMatchObject({ verdicts: { reset: 1 }, outcomes: { done: 1 } });
    expect((await stats()).status).toBe('Success');
    expect(await count()).toBe('1');
  });

  test('untrack: done', async () => {
    const at = await seedJob(redis, 'a', { status: 'Success' });
    await redis.hset('t:job_stats:a', 'ack', ackText('Success', at));
    const { summary } = await sweepThatLoses(['t:job_track:inprogress', 'a']);
    expect(summary).toMatchObject({ verdicts: { untrack: 1 }, outcomes: { done: 1 } });
  });

  test('refire: queued, and sent once', async () => {
    await seedJob(redis, 'a', { web_hook_url: `${hookEndpoint.url}/200` });
    const { summary } = await sweepThatLoses(['t:reaper:hooks', 'a', 1]);
    expect(summary).toMatchObject({ verdicts: { refire: 1 } });
    await vi.waitUntil(async () => (await redis.hget('t:job_stats:a', 'ack')) !== null);
    expect(hookEndpoint.hooks).toHaveLength(1);
  });
});

describe('fault 138: what becomes of a hook, where that had no reply', () => {
  const fire = async (path: string, of: readonly (string | number)[]) => {
    await seedJob(redis, 'a', { web_hook_url: `${hookEndpoint.url}${path}` });
    const client = loseReplies(redis, of);
    opened.hold(client);
    const reaper = opened.create({ redis: client });
    const outcomes: ReaperEvents['hook'][] = [];
    reaper.on('hook', (hook) => void outcomes.push(hook));
    const job = (await reaper.lifecycle.load('a')) as TrackedAttempt;
    await job.fire();
    expect(client.lost).toBe(1);
    expect(hookEndpoint.hooks).toHaveLength(1);
    return { reaper, outcomes };
  };

  test('refused: parked, and said so', async () => {
    const { reaper, outcomes } = await fire('/400', ['400', 'alive']);
    expect(outcomes).toEqual([expect.objectContaining({ outcome: 'parked' })]);
    expect(await reaper.hooks.parkedCount()).toBe(1);
  });

  test('failed: one failure of the endpoint', async () => {
    const { reaper } = await fire('/500', ['500', 'failing']);
    expect(await reaper.hooks.endpoints()).toEqual([expect.objectContaining({ failures: 1, pending: 1 })]);
  });

  test('delivered: recorded, and sent once', async () => {
    const { outcomes } = await fire('/200', ['t:job_track:inprogress', `t:reaper:hooks:endpoint:${hookEndpoint.url}`]);
    expect(outcomes).toEqual([expect.objectContaining({ outcome: 'delivered' })]);
    expect(await redis.exists('t:reaper:hooks')).toBe(0);
  });

  test('claimed: sent at once, with all that is known of the job', async () => {
    const parameters = '{"k":"v"}';
    await seedJob(redis, 'a', { web_hook_url: `${hookEndpoint.url}/200`, parameters });
    const client = loseReplies(redis, ['claim_hooks', 'a']);
    opened.hold(client);
    const reaper = opened.create({ redis: client });
    await reaper.sweep();
    await vi.waitUntil(() => hookEndpoint.hooks.length > 0);
    expect(client.lost).toBe(1);
    expect(hookEndpoint.hooks[0]?.body).toMatchObject({ job_id: 'a', metadata: { parameters: { k: 'v' }, name: 'X' } });
    const kept = await redis.keys('t:reaper:hooks:claim:*');
    expect(kept).not.toEqual([]);
    for (const key of kept) expect(await redis.get(key)).not.toContain(parameters);
    await reaper.hooks.quiet();
    expect(hookEndpoint.hooks).toHaveLength(1);
  });

  test("a person's retry and drop: counted", async () => {
    for (const verb of ['retry', 'drop'] as const) {
      await redis.flushall();
      await redis.hset('t:reaper:hooks', 'a', 'parked Running:1 http://127.0.0.1:1 1 1 1 404');
      await redis.zadd('t:reaper:hooks:parked', 1, 'a');
      const client = loseReplies(redis, [`${verb}_hook`]);
      opened.hold(client);
      const reaper = opened.create({ redis: client });
      expect(await reaper.hooks[verb]({})).toBe(1);
      expect(client.lost).toBe(1);
      await reaper.stop({ timeout: 0 });
    }
  });
});

test('fault 138: a checkpoint with a cursor of an earlier Redis process begins the scan again, also when it is sent again', async () => {
  const scripts = createScripts(redis);
  await redis.hset('t:reaper:progress', { cursor: 70, scanned: 90, run_id: 'before', begun: 1 });
  const checkpoint = (cursor: number, scanned: number, run: string) =>
    scripts.run('checkpoint_sweep', ['t:reaper:progress'], [cursor, scanned, run]);
  await checkpoint(80, 100, 'before');
  await checkpoint(80, 100, 'before');
  expect(await redis.hget('t:reaper:progress', 'cursor')).toBe('0');
  await checkpoint(8, 110, /run_id:(\w+)/.exec(await redis.info('server'))?.[1] as string);
  expect(await redis.hget('t:reaper:progress', 'cursor')).toBe('8');
  await scripts.run('complete_sweep', ['t:reaper:progress'], [120]);
  expect(Object.keys(await redis.hgetall('t:reaper:progress')).sort()).toEqual(
    ['begun', 'ended', 'run_id', 'scanned'].sort(),
  );
});

test('fault 138: what was done behind a fence is said, though the lease is another by then', async () => {
  const scripts = createScripts(redis);
  const at = await seedJob(redis, 'a');
  const lease = { lease: 't:reaper:lease', token: '5' };
  await redis.hset('t:reaper:lease', { fence: 5, until: 9_000_000_000_000 });
  const fail = (token: string) =>
    scripts.run('set_status', ['t:job_stats:a', 't:job_track:inprogress'], ['Error', at, 'a'], lease, {
      key: 't:reaper:changes:a',
      token,
    });
  expect(await fail('one')).toEqual({ outcome: 'done' });
  await redis.hset('t:reaper:lease', { fence: 6 });
  expect(await fail('one')).toEqual({ outcome: 'done' });
  await expect(fail('two')).rejects.toThrow(FencedError);
  expect(await count()).toBe('1');
});

test('fault 138: the answers that are kept are few, and go', async () => {
  const { job } = await hostThatLoses('Running', { status: 'Running' });
  for (let i = 0; i < 40; i++) await job.run();
  const text = (await redis.get('t:reaper:changes:a')) ?? '';
  expect(text.split('\n')).toHaveLength(16);
  expect(await redis.pttl('t:reaper:changes:a')).toBeGreaterThan(300_000);
  expect(await ttl()).toBe(-1);
});
