/** A key of another type, or a right that is missing: nothing is half done, it is named, and all else goes on. */
import { Redis } from 'ioredis';
import { describe, expect, test, vi } from 'vitest';
import type { Reaper, ReaperEvents, TrackedAttempt } from '../../src/index.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { seedJob } from '../support/jobs.ts';

const { server, redis, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();

const day = 86_400;
const status = (id: string) => redis.hget(`t:job_stats:${id}`, 'status');
/** A client of a user without one right. */
const without = async (command: string): Promise<Redis> => {
  await redis.call('ACL', 'SETUSER', 'limited', 'on', '>secret', '~*', '&*', '+@all', `-${command}`);
  const client = new Redis({
    port: server.port,
    username: 'limited',
    password: 'secret',
    replyMapping: 'legacy',
  } as never);
  return opened.hold(client);
};
const outcomesOf = async (reaper: Reaper) => {
  const jobs = new Map<string, ReaperEvents['job']>();
  reaper.on('job', (job) => void jobs.set(job.id, job));
  const summary = await reaper.sweep();
  return { summary, jobs };
};

test("fault 108: one endpoint's queue of another type: its jobs are abandoned and named, all other hooks are delivered", async () => {
  await seedJob(redis, 'bad', { web_hook_url: 'http://127.0.0.1:9/x' });
  for (let i = 0; i < 5; i++) await seedJob(redis, `good${i}`, { web_hook_url: `${hookEndpoint.url}/200` });
  const due = 't:reaper:hooks:due:http://127.0.0.1:9';
  await redis.set(due, 'odd');
  const { summary, jobs } = await outcomesOf(opened.create({ redis: server.url }));
  expect(summary).toMatchObject({ outcomes: { abandoned: 1 } });
  expect(jobs.get('bad')?.error).toContain(`WRONGTYPE ${due} holds a string`);
  await vi.waitUntil(() => hookEndpoint.hooks.length === 5);
});

test('fault 107: all records of hooks in a key of another type: no status without its hook, and the key is named', async () => {
  await redis.rpush('t:reaper:hooks', 'odd');
  await seedJob(redis, 'hung', { age: 10 * day, web_hook_url: `${hookEndpoint.url}/200` });
  await seedJob(redis, 'quiet', { age: 10 * day });
  const { jobs } = await outcomesOf(opened.create({ redis: server.url }));
  expect(jobs.get('hung')).toMatchObject({
    outcome: 'abandoned',
    error: expect.stringContaining('t:reaper:hooks holds a list'),
  });
  expect(await status('hung')).toBe('Running');
  expect(jobs.get('quiet')).toMatchObject({ outcome: 'done' });
  expect(await status('quiet')).toBe('Error');
});

describe.each(['EXPIRE', 'SADD', 'ZADD', 'HLEN', 'TYPE', 'HDEL'])('fault 107: without the right to %s', (command) => {
  test('a hung job stays as it is, and the sweep says why', async () => {
    await seedJob(redis, 'hung', { age: 10 * day, web_hook_url: `${hookEndpoint.url}/200` });
    const reaper = opened.create({ redis: await without(command) });
    // Without TYPE no script can prove anything, those that read included.
    if (command === 'TYPE') await expect(reaper.sweep()).rejects.toThrow(/NOPERM.*TYPE/);
    else {
      const { jobs } = await outcomesOf(reaper);
      expect(jobs.get('hung')).toMatchObject({ outcome: 'abandoned', error: expect.stringContaining(command) });
    }
    expect(await status('hung')).toBe('Running');
    expect(await redis.hget('t:job_track:inprogress', 'hung')).toBe('2');
    expect(await redis.exists('t:reaper:hooks', 't:reaper:hooks:origins')).toBe(0);
  });

  test('a host learns at once that its job has not ended', async () => {
    await seedJob(redis, 'a', { web_hook_url: `${hookEndpoint.url}/200` });
    const reaper = opened.create({ redis: await without(command) });
    const job = (await reaper.lifecycle.load('a')) as TrackedAttempt;
    await expect(job.succeed()).rejects.toThrow(new RegExp(`NOPERM.*${command}`));
    expect(await status('a')).toBe('Running');
  });
});

test('fault 107: a host learns at once of a key of another type', async () => {
  await seedJob(redis, 'a', { web_hook_url: `${hookEndpoint.url}/200` });
  await redis.set('t:job_track:inprogress', 'odd');
  const job = (await opened.create({ redis: server.url }).lifecycle.load('a')) as TrackedAttempt;
  await expect(job.fail()).rejects.toThrow('t:job_track:inprogress holds a string, where a hash is needed');
  expect(await status('a')).toBe('Running');
});

test('fault 107: an execution whose time is not a number is not half saved', async () => {
  const { lifecycle } = opened.create({ redis: server.url });
  const save = lifecycle.save({ id: 'p@1', name: 'X', runAt: Number.NaN, upstreamJobId: 'p' });
  await expect(save).rejects.toThrow('runAt');
  const keys = ['t:job_stats:p@1', 't:job_track:inprogress', 't:executions:p'];
  await expect(createScripts(redis).run('save_job', keys, ['p@1', 'NaN', 'id', 'p@1'])).rejects.toThrow('run_at');
  expect(await redis.keys('*')).toEqual([]);
});

test('fault 107: an attempt is recorded even if the state of its endpoint is not a number', async () => {
  await seedJob(redis, 'a', { web_hook_url: `${hookEndpoint.url}/500` });
  await redis.hset(`t:reaper:hooks:endpoint:${hookEndpoint.url}`, {
    failures: 'x',
    opens: '',
    tokens: 'y',
    tokens_at: 'z',
  });
  const reaper = opened.create({ redis: server.url });
  const job = (await reaper.lifecycle.load('a')) as TrackedAttempt;
  await job.fire();
  expect(hookEndpoint.hooks).toHaveLength(1);
  expect(await reaper.hooks.endpoints()).toEqual([expect.objectContaining({ failures: 1 })]);
});

test('fault 108: progress of the passes in a key of another type: a scheduled sweep judges all, and its end says why', async () => {
  await redis.set('t:reaper:progress', 'odd');
  await seedJob(redis, 'hung', { age: 10 * day });
  const reaper = opened.create({ redis: server.url, sweep: { initialDelay: 0, jitter: 0 } });
  const errors: string[] = [];
  reaper.on('sweep', ({ error }) => void errors.push(error ?? 'none'));
  reaper.start();
  await vi.waitUntil(() => errors.length > 0);
  expect(errors[0]).toContain('t:reaper:progress holds a string');
  expect(await status('hung')).toBe('Error');
});
