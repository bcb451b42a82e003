/** A key of hooks that holds another type: what a plan says of it is what a sweep does, and the key is named. A real Redis. */
import { expect, test } from 'vitest';
import type { JobOutcome } from '../../../src/index.ts';
import { redisFixture } from '../../support/fixture.ts';
import { seedJob, unheard } from '../../support/jobs.ts';

const { server, redis, opened, keys } = await redisFixture();

const cases = [
  [keys.hooks, 'hash'],
  [keys.parkedHooks, 'zset'],
  [keys.hookEndpoints, 'set'],
  [keys.dueHooks(unheard), 'zset'],
] as const;

/** A job to refire, a job to fail with a hook, and one to fail without. */
const seed = async (key: string) => {
  await seedJob(redis, 'refire', { status: 'Success', web_hook_url: `${unheard}/x` });
  await seedJob(redis, 'fail', { status: 'Running', age: 200_000, web_hook_url: `${unheard}/x` });
  await seedJob(redis, 'silent', { status: 'Running', age: 200_000 });
  await redis.del(key);
  await redis.rpush(key, 'x');
};

test.each(cases)('fault 123: a plan, a sweep and explain say that %s is no %s', async (key, needed) => {
  await seed(key);
  const reaper = opened.create({ redis: server.url });
  const jobs: JobOutcome[] = [];
  reaper.on('job', (job) => void jobs.push(job));
  const why = `${key}: holds a list, where a ${needed} is needed; the reaper does not touch it: rename or delete it`;
  const actions = await Promise.all(['refire', 'fail', 'silent'].map(async (id) => (await reaper.explain(id)).action));
  expect(actions).toEqual([`abandoned: ${why}`, `abandoned: ${why}`, 'set it to Error and send the hook']);

  expect((await reaper.sweep({ plan: true })).outcomes).toEqual({ abandoned: 2, planned: 1 });
  const planned = jobs.splice(0).map(({ id, outcome, error, act }) => [id, outcome, error, act?.id]);
  expect(planned.sort()).toEqual([
    ['fail', 'abandoned', why, undefined],
    ['refire', 'abandoned', why, undefined],
    ['silent', 'planned', undefined, 'silent'],
  ]);

  expect((await reaper.sweep()).outcomes).toEqual({ abandoned: 2, done: 1 });
  for (const { id, error } of jobs)
    expect([id, error]).toEqual([id, id === 'silent' ? undefined : expect.stringContaining(key)]);
});

test('the administration of hooks names the key of another type', async () => {
  const { hooks } = opened.create({ redis: server.url, role: 'never' });
  const listed = async () => {
    for await (const _ of hooks.list());
  };
  for (const [[key, needed], read] of [
    [cases[0], listed],
    [cases[0], () => hooks.retry({ id: 'j' })],
    [cases[1], () => hooks.parkedCount()],
    [cases[2], () => hooks.endpoints()],
  ] as const) {
    await redis.flushall();
    await redis.set(key, 'x');
    await expect(read()).rejects.toMatchObject({
      ...{ name: 'RedisError', code: 'redis-wrong-type' },
      message: expect.stringContaining(`${key}: holds a string, where a ${needed} is needed`),
    });
  }
});

test.each(['junk', `postponed Success:1 ${unheard} 0 0 0 -`])(
  'a record of a hook that is "%s" is left as it is, and a plan, a sweep and explain say so',
  async (text) => {
    await seedJob(redis, 'refire', { status: 'Success', web_hook_url: `${unheard}/x` });
    await seedJob(redis, 'fail', { status: 'Running', age: 200_000, web_hook_url: `${unheard}/x` });
    await redis.hset(keys.hooks, 'refire', text, 'fail', text);
    const reaper = opened.create({ redis: server.url });
    const jobs: JobOutcome[] = [];
    reaper.on('job', (job) => void jobs.push(job));
    const why = `${keys.hooks}: the record of refire cannot be read; the reaper does not touch it: remove that field`;
    expect((await reaper.explain('refire')).action).toBe(`abandoned: ${why}`);
    expect((await reaper.sweep({ plan: true })).outcomes).toEqual({ abandoned: 1, planned: 1 });
    expect((await reaper.sweep()).outcomes).toEqual({ abandoned: 1, done: 1 });
    expect(jobs.flatMap(({ error }) => error ?? [])).toEqual([why, why]);
    expect(await redis.hgetall(keys.hooks)).toEqual({ refire: text, fail: text });
    expect(await redis.zrange(keys.dueHooks(unheard), '0', '-1')).toEqual([]);
    // No host sends what cannot be read, though it is in a queue.
    await redis.zadd(keys.dueHooks(unheard), 1, 'refire');
    await redis.sadd(keys.hookEndpoints, unheard);
    await reaper.hooks.quiet();
    expect(await redis.hget(keys.hooks, 'refire')).toBe(text);
    expect(await redis.exists(keys.dueHooks(unheard))).toBe(0);
  },
);
