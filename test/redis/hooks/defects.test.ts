/**
 * Upstream's faults in hooks and in a Redis that fails, by their numbers. Each test runs upstream's rule on a state and
 * shows the fault, then ours on the same state and shows that it is absent.
 */
import { beforeEach, expect, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { HookOutcome, Reaper, ReaperOptions } from '../../../src/index.ts';
import { createTestClock } from '../../support/clock.ts';
import { hookEndpointFixture, redisFixture } from '../../support/fixture.ts';
import { ackText, intercept, isCallOf, seedJob } from '../../support/jobs.ts';
import { createUpstream } from '../../support/upstream.ts';

const { server, redis, opened, upstream } = await redisFixture('--appendonly', 'yes', '--appendfsync', 'always');
const hookEndpoint = await hookEndpointFixture();
let outcomes: HookOutcome[] = [];
beforeEach(() => {
  hookEndpoint.answer = undefined;
  outcomes = [];
});

const create = (options: Partial<ReaperOptions> = {}): Reaper => {
  const reaper = opened.create({ redis: server.url, ...options });
  reaper.on('hook', (outcome) => void outcomes.push(outcome));
  return reaper;
};
const ackOf = (id: string) => redis.hget(`t:job_stats:${id}`, 'ack');
const seedHooked = (id: string, path: string) => seedJob(redis, id, { web_hook_url: `${hookEndpoint.url}${path}` });

test('defect 18: a hook that fails is counted as failed, with its reason', async () => {
  await seedHooked('a', '/500/x');
  const { log } = await upstream.sync();
  expect(hookEndpoint.hooks).toHaveLength(1);
  expect(log).toEqual([expect.stringContaining('hook event of a fired')]);

  expect(await create().sweep()).toMatchObject({ hooks: { delivered: 0, failed: 1 } });
  expect(outcomes).toMatchObject([{ id: 'a', outcome: 'failed', reason: 'the endpoint answered 500' }]);
});

test('defect 19: a hook that a retry delivers is ACKed', async () => {
  /** Refuses the first of each pair of hooks. */
  let hooks = 0;
  hookEndpoint.answer = (_, response) => response.writeHead(hooks++ % 2 === 0 ? 503 : 200).end();
  await seedHooked('a', '/200/x');
  const theirs = new SimulatedClock();
  await upstream.sync({ clock: theirs });
  theirs.increment(2_000);
  await vi.waitUntil(() => hookEndpoint.hooks.length === 2);
  expect(await ackOf('a')).toBeNull();
  expect((await upstream.sync()).fired).toEqual(['a']);

  hooks = 0;
  const clock = createTestClock();
  const reaper = create({ clock });
  await reaper.sweep();
  await clock.until(() => outcomes.some(({ outcome }) => outcome === 'delivered'));
  expect(JSON.parse((await ackOf('a')) ?? '')).toMatchObject({ status: 'Running' });
  expect(await reaper.sweep()).toMatchObject({ verdicts: { keep: 1 } });
});

test('defect 21: an endpoint that never answers does not hold up the scan', async () => {
  const jobs = 12;
  for (let i = 0; i < jobs; i++) await seedHooked(`job-${i}`, '/silent/x');
  const silent: { destroy(): void }[] = [];
  hookEndpoint.answer = ({ socket }) => void silent.push(socket);
  let isOver = false;
  const pass = upstream.sync().then(() => {
    isOver = true;
  });
  for (let i = 1; i <= jobs; i++) {
    // The next job waits until this one's endpoint is given up.
    await vi.waitUntil(() => silent.length >= i);
    expect([silent.length, isOver]).toEqual([i, false]);
    silent.at(-1)?.destroy();
  }
  await pass;
  hookEndpoint.answer = undefined;

  const before = hookEndpoint.silent;
  const reaper = create({ hooks: { concurrency: 3 } });
  const scanned = new Promise((resolve) => reaper.on('sweep', resolve));
  reaper.sweep().catch(() => undefined);
  expect(await scanned).toMatchObject({ scanned: jobs, outcomes: { enqueued: jobs } });
  expect(outcomes).toEqual([]);
  await vi.waitUntil(() => hookEndpoint.silent - before === 3);
});

test('defect 31: a status that could not be written is written after a restart', async () => {
  const seed = async () => {
    const at = await seedJob(redis, 'a', { age: 864_000 });
    await redis.hset('t:job_stats:a', 'ack', ackText('Running', at));
    return at;
  };
  const refuse = (args: readonly unknown[]) => {
    if (args.includes('Error') || isCallOf('fail_job', args)) throw new Error('OOM command not allowed');
  };
  const at = await seed();
  const clientOf = (command: 'eval' | 'evalsha') => {
    const client = intercept(redis, command, refuse);
    opened.hold(client);
    return client;
  };
  /** Upstream's retry list: in the memory of the process alone. */
  const startProcess = (process: ReturnType<typeof createUpstream>, clock: SimulatedClock) => {
    const list: (() => Promise<unknown>)[] = [];
    let ticks = 0;
    clock.setTimeout(async () => {
      for (const write of list) await write();
      ticks++;
    }, 10_000);
    return {
      ticks: () => ticks,
      write: (status: string) => {
        const write = () => process.setStatus('a', status, at);
        return write().catch(() => void list.push(write));
      },
    };
  };
  await startProcess(createUpstream(clientOf('eval')), new SimulatedClock()).write('Error');
  const clock = new SimulatedClock();
  const restarted = startProcess(upstream, clock);
  clock.increment(3_600_000);
  await vi.waitUntil(() => restarted.ticks() === 1);
  expect(await redis.hget('t:job_stats:a', 'status')).toBe('Running');

  const first = new SimulatedClock();
  const ticking = setInterval(() => first.increment(10_000), 5);
  const reaper = create({ redis: clientOf('evalsha'), clock: first });
  expect(await reaper.sweep()).toMatchObject({ outcomes: { abandoned: 1 } });
  clearInterval(ticking);
  await reaper.stop({ timeout: 0 });
  expect(await redis.hget('t:job_stats:a', 'status')).toBe('Running');
  await create().sweep();
  expect(await redis.hget('t:job_stats:a', 'status')).toBe('Error');
});

test('defect 32: a sweep goes on after Redis has been killed and restarted', async () => {
  const seed = redis.pipeline();
  for (let i = 0; i < 1_000; i++) seed.hset('t:job_track:inprogress', `job-${i}`, 2);
  await seed.exec();
  let pages = 0;
  const client = intercept(redis, 'hscan', () => {
    if (++pages === 2) throw new Error('Connection is closed.');
  });
  opened.hold(client);
  await expect(createUpstream(client).sync()).rejects.toThrow('closed');
  expect(await redis.hlen('t:job_track:inprogress')).toBeGreaterThan(0);

  const reaper = create({ sweep: { pageSize: 50 } });
  const errors: string[] = [];
  reaper.on('error', ({ message }) => void errors.push(message));
  let restarted: Promise<void> | undefined;
  reaper.on('job', () => {
    restarted ??= server.kill().then(() => server.restart());
  });
  await reaper.sweep();
  await restarted;
  expect(errors).not.toEqual([]);
  expect(await redis.hlen('t:job_track:inprogress')).toBe(0);
});

test('defect 32: a Redis that does not answer runs into a time-out, and health turns red when a sweep is late', async () => {
  await seedJob(redis, 'a');
  let hasUpstreamEnded = false;
  process.kill(server.pid, 'SIGSTOP');
  try {
    const theirs = upstream.sync().finally(() => {
      hasUpstreamEnded = true;
    });
    theirs.catch(() => undefined);
    const clock = new SimulatedClock();
    const reaper = create({ redis: { host: '127.0.0.1', port: server.port, commandTimeout: 50 }, clock });
    const errors: string[] = [];
    reaper.on('error', ({ message }) => void errors.push(message));
    reaper.start();
    clock.increment(300_000);
    await vi.waitUntil(() => errors.some((error) => /timed out/i.test(error)));
    expect(hasUpstreamEnded).toBe(false);
    clock.increment(2 * 3_600_000 + 1_000);
    expect(reaper.health()).toMatchObject({ ok: false, detail: expect.stringContaining('sweep overdue') });
    await reaper.stop({ timeout: 0 });
  } finally {
    process.kill(server.pid, 'SIGCONT');
  }
  await vi.waitUntil(() => hasUpstreamEnded);
});

test.each([201, 202, 204])('defect 37: %i is an answer that confirms', async (status) => {
  await seedHooked('a', `/${status}/x`);
  await upstream.sync();
  expect((await upstream.sync()).fired).toEqual(['a']);
  expect(await ackOf('a')).toBeNull();

  expect(await create().sweep()).toMatchObject({ hooks: { delivered: 1 } });
  expect(JSON.parse((await ackOf('a')) ?? '')).toMatchObject({ status: 'Running' });
});
