/** What `stop()` promises, whatever Redis, the caller's client, an endpoint or a page does meanwhile. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createReaper, type Reaper, type ReaperOptions, StoppedError } from '../../src/index.ts';
import { createTimeLimit } from '../../src/reaper/stopping.ts';
import { createTestClock } from '../support/clock.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { openPage } from '../support/inspector.ts';
import { seedJob } from '../support/jobs.ts';
import { builtOf } from '../support/programs.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let hookEndpoint: HookEndpoint;
const clients: Redis[] = [];
beforeAll(async () => {
  server = await startRedis();
  hookEndpoint = await startHookEndpoint();
});
beforeEach(() => server.client.flushall());
afterEach(() => {
  process.kill(server.pid, 'SIGCONT');
  for (const client of clients.splice(0)) client.disconnect();
});
afterAll(async () => {
  await server.stop();
  await hookEndpoint.stop();
});

const create = (options: Partial<ReaperOptions> = {}) =>
  createReaper({ redis: server.url, namespace: 't', logger: false, random: () => 0.5, ...options });
/** From now on Redis takes what it is sent, and answers nothing. */
const freeze = () => process.kill(server.pid, 'SIGSTOP');
/** A client of the caller's on which nothing ever gives up. */
const patientClient = () => {
  const client = new Redis(server.port, '127.0.0.1', { maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on('error', () => undefined);
  clients.push(client);
  return client;
};
const isPending = async (promise: Promise<unknown>) =>
  (await Promise.race([promise.catch(() => undefined), new Promise((resolve) => setImmediate(resolve, 'pending'))])) ===
  'pending';
const failureOf = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error('it was done'),
    (error) => error,
  );
const isStopped = expect.objectContaining({ name: 'StoppedError' });

describe('fault 141: stop() resolves within its timeout', () => {
  test.each([
    ['a connection of its own', () => ({})],
    ["a caller's client that waits without end", () => ({ redis: patientClient() })],
  ])('on a Redis that answers nothing any more, with %s', async (_, redis) => {
    const clock = createTestClock();
    const reaper = create({ clock, ...redis() });
    const job = await reaper.lifecycle.save({ id: 'a', name: 'X', webHookUrl: hookEndpoint.url });
    const holds = new Promise((resolve) => reaper.on('leader', resolve));
    reaper.start();
    await holds;
    freeze();
    const pending = [job.run(), reaper.lifecycle.load('a'), reaper.status(), reaper.explain('a'), reaper.tracked()];
    const failures = Promise.all(pending.map(failureOf));
    const stopping = reaper.stop({ timeout: 20_000 });
    clock.advance(19_999);
    expect(await isPending(stopping)).toBe(true);
    clock.advance(1);
    await stopping;
    expect(await failures).toEqual(pending.map(() => isStopped));
  });

  test('while it reconnects to a Redis that is down', async () => {
    const away = await startRedis();
    const clock = createTestClock();
    const reaper = create({ clock, redis: away.url });
    const job = await reaper.lifecycle.save({ id: 'a', name: 'X' });
    await away.kill();
    const failure = failureOf(job.succeed());
    const stopping = reaper.stop({ timeout: 1_000 });
    clock.advance(1_000);
    await stopping;
    expect(await failure).toEqual(isStopped);
    await away.stop();
  });

  test('while a hook is in flight to an endpoint that never answers', async () => {
    const clock = createTestClock();
    const before = hookEndpoint.silent;
    const reaper = create({ clock });
    await seedJob(server.client, 'a', { web_hook_url: `${hookEndpoint.url}/silent/x` });
    const outcomes: unknown[] = [];
    reaper.on('hook', ({ outcome, reason }) => outcomes.push([outcome, reason]));
    const sweep = reaper.sweep();
    await vi.waitUntil(() => hookEndpoint.silent > before);
    const stopping = reaper.stop({ timeout: 5_000 });
    clock.advance(5_000);
    await stopping;
    expect(await sweep).toMatchObject({ scanned: 1 });
    expect(outcomes).toEqual([['failed', 'this host was stopped']]);
    expect(await server.client.hlen('t:reaper:hooks')).toBe(1);
  });

  test('by the clock of the system, even if the injected clock stands still', async () => {
    const reaper = create({ clock: createTestClock() });
    const job = await reaper.lifecycle.save({ id: 'a', name: 'X' });
    freeze();
    const failure = failureOf(job.run());
    await reaper.stop({ timeout: 1 });
    expect(await failure).toEqual(isStopped);
  });

  test('with pages and silent sockets open at the inspector', async () => {
    const reaper = create({ inspect: { port: 0, announce: () => undefined } });
    const url = (await reaper.inspectorUrl()) as string;
    const page = await openPage(url);
    const silent = connect(Number(new URL(url).port), '127.0.0.1');
    await once(silent, 'connect');
    freeze();
    const closed = Promise.all([once(silent, 'close'), once(page.socket, 'close')]);
    await reaper.stop({ timeout: 1 });
    await closed;
  });

  test('which a later call shortens, with the same promise', async () => {
    const clock = createTestClock();
    const reaper = create({ clock });
    const job = await reaper.lifecycle.save({ id: 'a', name: 'X' });
    freeze();
    const failure = failureOf(job.run());
    const first = reaper.stop({ timeout: 60_000 });
    const second = reaper.stop({ timeout: 2_000 });
    expect(second).toBe(first);
    expect(reaper.stop()).toBe(first);
    clock.advance(2_000);
    await first;
    expect(await failure).toEqual(isStopped);
    expect(reaper.stop()).toBe(first);
  });
});

test('fault 141: a later stop() with more time does not lengthen what is left', () => {
  const limit = createTimeLimit(createTestClock());
  limit.setTo(1_000);
  limit.setTo(60_000);
  expect(limit.left()).toBeLessThanOrEqual(1_000);
  limit.end();
});

test('fault 141: calls after stop() are refused at once, even if Redis does not answer', async () => {
  const clock = createTestClock();
  const reaper = create({ clock, inspect: { port: 0, announce: () => undefined } });
  const job = await reaper.lifecycle.save({ id: 'a', name: 'X', webHookUrl: hookEndpoint.url });
  await reaper.inspectorUrl();
  freeze();
  const failure = failureOf(job.run());
  const stopping = reaper.stop({ timeout: 60_000 });
  const everything = (): Promise<unknown>[] => {
    const next = (pages: AsyncIterable<unknown>) => pages[Symbol.asyncIterator]().next();
    return [
      reaper.sweep(),
      reaper.sweep({ plan: true }),
      reaper.rescue({ grace: 0 }),
      reaper.ping(),
      reaper.inspectorUrl(),
      reaper.tracked(),
      reaper.status(),
      reaper.explain('a'),
      next(reaper.hooks.list()),
      reaper.hooks.endpoints(),
      reaper.hooks.quiet(),
      reaper.hooks.parkedCount(),
      reaper.hooks.retry({ id: 'a' }),
      reaper.hooks.drop({ id: 'a' }),
      next(reaper.quarantine.list()),
      reaper.quarantine.release({ id: 'a' }),
      reaper.quarantine.drop({ id: 'a' }),
      reaper.lifecycle.save({ id: 'b', name: 'X' }),
      reaper.lifecycle.load('a'),
      job.run(),
      job.checkIn('half'),
      job.succeed(),
      job.stop(),
      job.fail(),
      job.update('Running'),
      job.reset(),
      job.fire(),
    ];
  };
  for (const phase of ['while it stops', 'once it has stopped']) {
    const calls = everything();
    expect(await Promise.all(calls.map(failureOf)), phase).toEqual(calls.map(() => isStopped));
    expect(() => reaper.start(), phase).toThrow(StoppedError);
    expect(reaper.health().detail, phase).toEqual(expect.any(String));
    clock.advance(60_000);
    await stopping;
  }
  expect(await failure).toEqual(isStopped);
  expect([job.id, job.revision, job.stats.name]).toEqual(['a', expect.any(Number), 'X']);
});

test('fault 141: stop() waits for earlier calls, and an unfinished iteration does not delay it', async () => {
  const reaper = create();
  const job = await reaper.lifecycle.save({ id: 'a', name: 'X' });
  for await (const _ of reaper.hooks.list()) break;
  const running = job.run();
  await reaper.stop();
  expect(await running).toEqual({ outcome: 'done' });
  expect(await server.client.hget('t:job_stats:a', 'status')).toBe('Running');
});

test.each([Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, 2 ** 31, '5'])(
  'fault 121: stop({ timeout: %s }) is refused, and does not stop',
  async (timeout) => {
    const reaper = create();
    await expect(reaper.stop({ timeout: timeout as number })).rejects.toThrow(/stop: timeout: /);
    expect(await reaper.tracked()).toBe(0);
    await reaper.stop();
  },
);

test.each([{ timeout: 0 }, {}])('a host that stops with %j resigns the lease, long before its end', async (options) => {
  const lease = { duration: 3_600_000, renewInterval: 50 };
  const [first, second] = [create({ lease }), create({ lease })];
  const holds = (reaper: Reaper) => {
    const changes: boolean[] = [];
    reaper.on('leader', (change) => changes.push(change.isThisHost));
    return changes;
  };
  const [ofFirst, ofSecond] = [holds(first), holds(second)];
  first.start();
  await vi.waitUntil(() => ofFirst.at(-1) === true);
  second.start();
  await vi.waitUntil(() => ofSecond.at(-1) === false);
  await first.stop(options);
  await vi.waitUntil(() => ofSecond.at(-1) === true);
  await second.stop();
});

// Nothing here ends by itself within the time of a test: it is stop() that has to clear it.
test.each(['frozen', 'killed'])('fault 141: a process can end after stop(), on a Redis that is %s', async (what) => {
  const redis = await startRedis();
  const script = `
    import { createReaper } from '${builtOf('src/index.ts')}';
    const reaper = createReaper({
      redis: { port: ${redis.port}, commandTimeout: 3_600_000, maxRetriesPerRequest: null, retryStrategy: () => 3_600_000 },
      namespace: 't', logger: false, sweep: { interval: 3_600_000 }, lease: { renewInterval: 3_600_000, duration: 7_200_000 },
    });
    const job = await reaper.lifecycle.save({ id: 'a', name: 'X' });
    reaper.start();
    process.kill(${redis.pid}, '${what === 'frozen' ? 'SIGSTOP' : 'SIGKILL'}');
    await reaper.ping().catch(() => undefined); // A connection that was cut is noticed by now.
    for (const call of [job.succeed(), reaper.status(), reaper.lifecycle.load('a')]) call.catch(() => undefined);
    await reaper.stop({ timeout: 50 });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: 'inherit',
  });
  expect(await once(child, 'exit')).toEqual([0, null]);
  await redis.stop();
});

test("fault 141: nothing is left of a reaper on a caller's client that gets no answers: no timer, no connection of its own", async () => {
  const script = `
    import { Redis } from 'ioredis';
    import { createReaper } from '${builtOf('src/index.ts')}';
    const client = new Redis({ port: ${server.port}, maxRetriesPerRequest: null });
    const reaper = createReaper({ redis: client, namespace: 't', logger: false });
    const job = await reaper.lifecycle.save({ id: 'a', name: 'X' });
    reaper.start();
    process.kill(${server.pid}, 'SIGSTOP');
    for (const call of [job.succeed(), reaper.status(), reaper.sweep()]) call.catch(() => undefined);
    await reaper.stop({ timeout: 50 });
    await new Promise((resolve) => setImmediate(resolve));
    const left = process.getActiveResourcesInfo().filter((what) => /Timeout|TCP/.test(what));
    process.send(left, () => process.exit(0));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  expect((await once(child, 'message'))[0]).toEqual(['TCPSocketWrap']);
});
