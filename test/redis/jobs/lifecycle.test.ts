import { afterAll, expect, test, vi } from 'vitest';
import { createReaper, type TrackedAttempt } from '../../../src/index.ts';
import { createScripts, type ReplyOf } from '../../../src/io/redis/scripts.ts';
import { hookEndpointFixture, redisFixture } from '../../support/fixture.ts';

const [{ server }, hookEndpoint] = await Promise.all([redisFixture(), hookEndpointFixture()]);
const reaper = createReaper({ redis: server.url, namespace: 't', logger: false });
afterAll(() => reaper.stop({ timeout: 0 }));

const save = () =>
  reaper.lifecycle.save({ id: 'a', name: 'X', webHookUrl: `${hookEndpoint.url}/200`, parameters: { k: 1 } });
const stats = () => server.client.hgetall('t:job_stats:a');
const track = () => server.client.hget('t:job_track:inprogress', 'a');

test('a saved job has the fields that Harbor always writes, and is tracked with 2', async () => {
  const job = await save();
  expect(Object.keys(await stats()).sort()).toEqual(
    [
      ...['id', 'name', 'kind', 'unique', 'status', 'ref_link', 'enqueue_time', 'run_at', 'cron_spec', 'web_hook_url'],
      ...['numeric_policy_id', 'update_time', 'revision', 'parameters'],
    ].sort(),
  );
  expect(await track()).toBe('2');
  expect(String(job.revision)).toBe((await stats()).revision);
  expect(await server.client.ttl('t:job_stats:a')).toBe(-1);
});

test('the endpoint of a job that runs and succeeds is notified, and the job is ACKed and untracked', async () => {
  const job = await save();
  expect(await job.run()).toEqual({ outcome: 'done' });
  expect(await job.succeed()).toEqual({ outcome: 'done' });
  await vi.waitUntil(async () => (await track()) === null);
  expect(hookEndpoint.hooks.at(-1)?.body).toMatchObject({
    job_id: 'a',
    status: 'Success',
    metadata: { parameters: { k: 1 } },
  });
  expect(JSON.parse((await stats()).ack ?? '')).toMatchObject({ status: 'Success', revision: job.revision });
  expect(await server.client.ttl('t:job_stats:a')).toBeGreaterThan(86_000);
});

test('the endpoint of a job that runs is notified of that too', async () => {
  const job = await save();
  await job.run();
  await vi.waitUntil(async () => (await stats()).ack !== undefined);
  expect(hookEndpoint.hooks.map(({ body }) => body.status)).toEqual(['Running']);
  expect(JSON.parse((await stats()).ack ?? '')).toMatchObject({ status: 'Running', revision: job.revision });
});

test('a status never goes backwards within an attempt', async () => {
  const job = await save();
  await job.succeed();
  expect(await job.run()).toEqual({ outcome: 'refused', status: 'Success' });
  expect(await job.checkIn('late')).toEqual({ outcome: 'refused', status: 'Success' });
  expect((await stats()).check_in_at).toBeUndefined();
});

test('an attempt changes nothing once a newer one has begun', async () => {
  const zombie = await save();
  await server.client.hset('t:job_stats:a', 'revision', zombie.revision - 10);
  const earlier = (await reaper.lifecycle.load('a')) as TrackedAttempt;
  expect(await zombie.reset()).toEqual({ outcome: 'done' });
  await zombie.run();
  expect(await earlier.succeed()).toEqual({ outcome: 'refused', status: 'Running' });
  expect(await earlier.checkIn('x')).toEqual({ outcome: 'refused', status: 'Running' });
  expect(await earlier.reset()).toEqual({ outcome: 'refused', status: 'Running' });
});

test('a reset begins a new attempt: Pending, without an ACK, tracked with 2', async () => {
  const job = await save();
  await job.fail();
  await vi.waitUntil(async () => (await track()) === null);
  await job.reset();
  expect(await stats()).toMatchObject({ status: 'Pending', revision: String(job.revision) });
  expect((await stats()).ack).toBeUndefined();
  expect(await track()).toBe('2');
});

test('nothing is written for a job whose stats are gone', async () => {
  const job = await save();
  await server.client.del('t:job_stats:a');
  for (const change of [job.run(), job.succeed(), job.checkIn('x'), job.reset()]) {
    expect(await change).toEqual({ outcome: 'missing' });
  }
  expect(await server.client.exists('t:job_stats:a')).toBe(0);
  expect(await reaper.lifecycle.load('a')).toBeUndefined();
});

test('an execution of a policy is listed under it, and marked −1 when it is done', async () => {
  const job = await reaper.lifecycle.save({ id: 'p@9', name: 'X', runAt: 9, upstreamJobId: 'p' });
  expect(await server.client.zscore('t:executions:p', 'p@9')).toBe('9');
  await job.succeed();
  expect(await server.client.zscore('t:executions:p', 'p@9')).toBe('-1');
});

test('a status change waits while Redis is down, and is written once it is up', async () => {
  const job = await save();
  await server.kill();
  const succeeded = job.succeed();
  await server.restart();
  // The restarted Redis has lost everything; the stats are restored as a replica would have them.
  await server.client.hset('t:job_stats:a', job.stats);
  await server.client.hset('t:job_track:inprogress', 'a', 2);
  expect(['done', 'missing']).toContain((await succeeded).outcome);
  expect((await job.succeed()).outcome).toBe('done');
  expect((await stats()).status).toBe('Success');
});

test('an execution that is saved again, or that is not listed, is not listed as waiting', async () => {
  const save = () => reaper.lifecycle.save({ id: 'p@9', name: 'X', runAt: 9, upstreamJobId: 'p' });
  await (await save()).succeed();
  const again = await save();
  expect(await server.client.zscore('t:executions:p', 'p@9')).toBe('-1');
  await server.client.del('t:executions:p');
  await again.succeed();
  expect(await server.client.exists('t:executions:p')).toBe(0);
});

test('a check-in within the same second as a claim is delivered, although both states look alike', async () => {
  const scripts = createScripts(server.client);
  const { revision } = await save();
  const hooks = ['t:reaper:hooks', 't:reaper:hooks:parked', 't:reaper:hooks:origins', 't:reaper:hooks:due:http://a'];
  const checkIn = () => scripts.run('check_in', ['t:job_stats:a', ...hooks], [revision, 'a', 'http://a', '', 10]);
  const { status, checkInAt: before } = (await checkIn()) as ReplyOf<'check_in'> & { outcome: 'done' };
  const { until } = await scripts.run(
    'claim_hooks',
    [hooks[0], hooks[3], 't:reaper:hooks:endpoint:http://a', hooks[2], 't:job_stats:a'] as string[],
    ['', 40_000, 1, 10, 50, 'http://a', 'a'],
  );
  await checkIn();
  // What was sent was read after the second check-in, in the same second.
  const sent = (await stats()).check_in_at ?? before;
  const recorded = await scripts.run(
    'record_delivered',
    ['t:job_track:inprogress', hooks[0], hooks[3], 't:reaper:hooks:endpoint:http://a', 't:job_stats:a'] as string[],
    ['', 'a', until, status, revision, sent, ''],
  );
  expect(recorded.hooks).toEqual([{ outcome: 'changed' }]);
});

test.each(['enqueueTime', 'runAt', 'numericPolicyId', 'dieAt'] as const)(
  'fault 121: a %s that Go cannot read is refused, and nothing is written',
  async (field) => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 0.5, '5']) {
      const job = { id: 'a', name: 'X', [field]: value as number };
      await expect(reaper.lifecycle.save(job)).rejects.toMatchObject({
        code: 'invalid-options',
        message: expect.stringContaining(`save: ${field}: must be a whole number`),
      });
    }
    expect(await server.client.keys('t:job_*')).toEqual([]);
    await reaper.lifecycle.save({ id: 'a', name: 'X', [field]: -1 });
  },
);
