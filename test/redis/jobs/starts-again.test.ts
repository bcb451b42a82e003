import { expect, test } from 'vitest';
import type { TrackedAttempt } from '../../../src/index.ts';
import { redisFixture } from '../../support/fixture.ts';
import { ackText, seedJob } from '../../support/jobs.ts';
import { createUpstream } from '../../support/upstream.ts';

const { server, redis, opened } = await redisFixture();

const ttl = () => redis.ttl('t:job_stats:a');
const load = async () => (await opened.create({ redis: server.url }).lifecycle.load('a')) as TrackedAttempt;

test.each(['stop', 'succeed', 'fail'] as const)('fault 113: %s, reset, run: no time to live', async (end) => {
  await seedJob(redis, 'a');
  const job = await load();
  await job[end]();
  expect(await ttl()).toBeGreaterThan(86_000);
  await job.reset();
  expect(await ttl()).toBe(-1);
  await job.run();
  expect(await ttl()).toBe(-1);
  await job[end]();
  expect(await ttl()).toBeGreaterThan(86_000);
});

test("fault 113: a run after upstream's reset, which leaves the time to live", async () => {
  await seedJob(redis, 'a');
  await (await load()).stop();
  await createUpstream(redis).reset('a', 'Pending');
  expect(await ttl()).toBeGreaterThan(86_000);
  await (await load()).run();
  expect(await ttl()).toBe(-1);
});

test('fault 113: a newer attempt that begins without a reset', async () => {
  const at = await seedJob(redis, 'a', { status: 'Running' });
  await (await load()).fail();
  // The attempt of a host that has written its revision, and died before its reset was over.
  await redis.hset('t:job_stats:a', 'revision', at - 10);
  const earlier = await load();
  await redis.hset('t:job_stats:a', 'revision', at - 20);
  expect(await earlier.run()).toEqual({ outcome: 'done' });
  expect(await ttl()).toBe(-1);
});

test('fault 113: a sweep that brings a job up to the newer attempt of its ACK', async () => {
  const at = await seedJob(redis, 'a', { status: 'Success' });
  await redis.hset('t:job_stats:a', 'ack', ackText('Running', at + 10));
  await redis.expire('t:job_stats:a', 86_400);
  expect(await opened.create({ redis: server.url }).sweep()).toMatchObject({ verdicts: { reset: 1 } });
  expect(await redis.hget('t:job_stats:a', 'status')).toBe('Running');
  expect(await ttl()).toBe(-1);
});

test.each(['Pending', 'Running'])(
  'fault 113: a sweep that brings a %s job, which has been reset by upstream, up to a newer attempt',
  async (status) => {
    const at = await seedJob(redis, 'a', { status });
    await redis.hset('t:job_stats:a', 'ack', ackText('Running', at + 10));
    await redis.expire('t:job_stats:a', 86_400);
    expect(await opened.create({ redis: server.url }).sweep()).toMatchObject({ verdicts: { reset: 1 } });
    expect(await ttl()).toBe(-1);
  },
);

test('fault 113: a job that is saved over an old one', async () => {
  await seedJob(redis, 'a');
  await (await load()).succeed();
  await opened.create({ redis: server.url }).lifecycle.save({ id: 'a', name: 'X' });
  expect(await ttl()).toBe(-1);
});
