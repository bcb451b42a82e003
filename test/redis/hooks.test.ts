import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import { createReaper, type HookOutcome, type Reaper, type ReaperOptions } from '../../src/index.ts';
import { seedJob } from '../support/jobs.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let receiver: Receiver;
let reaper: Reaper | undefined;
let outcomes: HookOutcome[];
beforeAll(async () => {
  [server, receiver] = await Promise.all([startRedis(), startReceiver()]);
});
afterAll(() => Promise.all([server.stop(), receiver.stop()]));
beforeEach(async () => {
  await server.client.flushall();
  receiver.hooks.length = 0;
  receiver.answer = undefined;
  outcomes = [];
});
afterEach(async () => {
  await reaper?.stop({ timeout: 0 });
  reaper = undefined;
});

const create = (options: Partial<ReaperOptions> = {}): Reaper => {
  reaper = createReaper({ redis: server.url, namespace: 't', logger: false, random: () => 0.5, ...options });
  reaper.on('hook', (outcome) => void outcomes.push(outcome));
  return reaper;
};

/** A tracked job that its receiver has not confirmed, updated ten minutes ago. */
const seed = (id: string, path = '/200/x', fields: Record<string, string | number> = {}) =>
  seedJob(server.client, id, { web_hook_url: `${receiver.url}${path}`, ...fields });
const ackOf = (id: string) => server.client.hget(`t:job_stats:${id}`, 'ack');

test('a failed hook is tried again with back-off until the receiver takes it, and is ACKed then', async () => {
  const clock = new SimulatedClock();
  let refusals = 2;
  receiver.answer = (_, response) => response.writeHead(refusals-- > 0 ? 503 : 200).end();
  await seed('a');
  create({ clock });
  await reaper?.sweep();
  expect(outcomes).toMatchObject([{ id: 'a', outcome: 'failed', attempt: 1, reason: 'the receiver answered 503' }]);
  clock.increment(1_999);
  expect(receiver.hooks).toHaveLength(1);
  clock.increment(1);
  await vi.waitUntil(() => outcomes.length === 2);
  clock.increment(4_000);
  await vi.waitUntil(() => outcomes.length === 3);
  expect(outcomes[2]).toMatchObject({ outcome: 'delivered', attempt: 3 });
  expect(JSON.parse((await ackOf('a')) ?? '')).toMatchObject({ status: 'Running' });
});

test('a hook that fails for longer than it may is given up, and the next sweep finds the job', async () => {
  const clock = new SimulatedClock();
  await seed('a', '/500/x');
  create({ clock, hooks: { retryForMs: 3_000 } });
  await reaper?.sweep();
  clock.increment(2_000);
  await vi.waitUntil(() => outcomes.length === 2);
  expect(outcomes[1]).toMatchObject({ outcome: 'given up', attempt: 2 });
  await reaper?.sweep();
  expect(receiver.hooks).toHaveLength(3);
});

test('no event older than the stored ack is sent by a retry', async () => {
  const clock = new SimulatedClock();
  await seed('a', '/500/x');
  create({ clock });
  await reaper?.sweep();
  const revision = await server.client.hget('t:job_stats:a', 'revision');
  await server.client.hset('t:job_stats:a', 'ack', `{"status":"Success","revision":${revision},"check_in_at":0}`);
  clock.increment(2_000);
  await vi.waitUntil(() => outcomes.length === 2);
  expect(outcomes[1]).toMatchObject({ outcome: 'skipped', reason: 'the receiver has confirmed this state already' });
  expect(receiver.hooks).toHaveLength(1);
});

test('a hook that was delivered while Redis could not note it is not sent again: only the ACK is', async () => {
  const clock = new SimulatedClock();
  await seed('a');
  create({ clock });
  receiver.answer = async (_, response) => {
    await server.client.config('SET', 'min-replicas-to-write', '1'); // Redis refuses writes from here on.
    response.writeHead(200).end();
  };
  await reaper?.sweep();
  expect(outcomes).toMatchObject([{ outcome: 'failed', reason: expect.stringContaining('NOREPLICAS') }]);
  await server.client.config('SET', 'min-replicas-to-write', '0');
  clock.increment(2_000);
  await vi.waitUntil(() => outcomes.length === 2);
  expect(outcomes[1]).toMatchObject({ outcome: 'delivered' });
  expect(receiver.hooks).toHaveLength(1);
  expect(await ackOf('a')).not.toBeNull();
});

test('no more hooks are in flight than may be, and beyond those that may wait the next sweep finds the rest', async () => {
  const waiting: (() => void)[] = [];
  receiver.answer = (_, response) => void waiting.push(() => response.writeHead(200).end());
  for (let i = 0; i < 10; i++) await seed(`j${i}`);
  create({ hooks: { concurrency: 2, waiting: 3 } });
  const jobs: string[] = [];
  reaper?.on('job', ({ outcome }) => void jobs.push(outcome));
  const sweep = reaper?.sweep();
  await vi.waitUntil(() => jobs.length === 10 && waiting.length === 2);
  expect(jobs.filter((outcome) => outcome === 'queued')).toHaveLength(5);
  expect(jobs.filter((outcome) => outcome === 'deferred')).toHaveLength(5);
  receiver.answer = (_, response) => response.writeHead(200).end();
  for (const answer of waiting) answer();
  expect((await sweep)?.hooks.delivered).toBe(5);
  expect((await reaper?.sweep())?.hooks.delivered).toBe(5);
});

test('a receiver that lets every request time out is not waited for by each of its hooks', async () => {
  for (let i = 0; i < 60; i++) await seed(`j${i}`, '/silent/x');
  create({ hooks: { concurrency: 16, headerTimeoutMs: 200, totalTimeoutMs: 400 } });
  const summary = await reaper?.sweep();
  expect(summary?.hooks.failed).toBe(60);
  expect(receiver.hooks.length).toBeLessThan(40);
  expect(outcomes.some(({ reason }) => reason?.startsWith('not tried'))).toBe(true);
});

test('redirects are followed within the host, three at most, and never to another one', async () => {
  const other = await startReceiver();
  receiver.answer = (request, response) => {
    const [, kind] = (request.url ?? '').split('/');
    if (kind === 'loop') response.writeHead(308, { location: '/loop' }).end();
    else if (kind === 'away') response.writeHead(307, { location: `${other.url}/200` }).end();
    else if (kind === 'found') response.writeHead(302, { location: '/200' }).end();
    else response.writeHead(200).end();
  };
  for (const path of ['loop', 'away', 'found']) await seed(path, `/${path}`);
  create();
  await reaper?.sweep();
  const reasons = Object.fromEntries(outcomes.map(({ id, reason }) => [id, reason]));
  expect(reasons).toEqual({
    loop: 'more than 3 redirects',
    away: 'a redirect (307) to another host, not followed',
    found: 'the receiver answered 302',
  });
  expect(receiver.hooks.filter(({ path }) => path === '/loop')).toHaveLength(4);
  expect(other.hooks).toEqual([]);
  await other.stop();
});

test('check-ins go out in order with their text, and the status change after them', async () => {
  create();
  const job = await reaper?.lifecycle.save({ id: 'c', name: 'X', webHookUrl: `${receiver.url}/200` });
  expect(await job?.run()).toEqual({ outcome: 'ok' });
  await vi.waitUntil(() => outcomes.length === 1);
  await job?.checkIn('one');
  await job?.checkIn('two');
  await job?.succeed();
  await vi.waitUntil(() => outcomes.length === 4);
  expect(receiver.hooks.map(({ body }) => [body.status, body.check_in])).toEqual([
    ['Running', undefined],
    ['Running', 'one'],
    ['Running', 'two'],
    ['Success', undefined],
  ]);
});

test('a hook URL that can not be used is given up at once with its reason, and its secrets are in no event', async () => {
  await seed('a', '', { web_hook_url: 'ftp://user:hunter2@host/?token=hunter2' });
  await seed('b', '/500/x?token=hunter2');
  create();
  await reaper?.sweep();
  expect(outcomes.find(({ id }) => id === 'a')).toMatchObject({
    outcome: 'given up',
    reason: expect.stringContaining('scheme'),
  });
  expect(JSON.stringify(outcomes)).not.toContain('hunter2');
});

test.each(['0x7fffffff', '+2147483647', '02147483647'])(
  'an ACK that only Lua could read is replaced by the next one: %s',
  async (revision) => {
    await seed('a', '/200/x', { status: 'Success', ack: `{"status":"Success","revision":${revision}}` });
    create();
    await reaper?.sweep();
    await reaper?.sweep();
    expect(receiver.hooks).toHaveLength(1);
    expect(JSON.parse((await ackOf('a')) ?? '')).toMatchObject({ status: 'Success' });
    expect(await server.client.hget('t:job_track:inprogress', 'a')).toBeNull();
  },
);
