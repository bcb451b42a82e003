import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import { createReaper, OptionsError, PassError, type ReaperOptions, type SweepSummary } from '../../src/index.ts';
import { parseRedisUrl } from '../../src/io/redis/url.ts';
import { createRunningClock } from '../support/clock.ts';
import { redisFixture } from '../support/fixture.ts';
import { builtOf } from '../support/programs.ts';

const { server } = await redisFixture();

const seedOrphan = (...ids: string[]) =>
  server.client.hset('t:job_track:inprogress', Object.fromEntries(ids.map((id) => [id, 2])));
const create = (options: Partial<ReaperOptions> = {}) =>
  createReaper({ redis: server.url, namespace: 't', logger: false, random: () => 0.5, ...options });

test('a started reaper sweeps after 5 min and then every hour, and looks for dead pools after 5 s and then every 10 s', async () => {
  const clock = new SimulatedClock();
  const reaper = create({ clock });
  let sweeps = 0;
  let rescues = 0;
  reaper.on('sweep', () => void sweeps++);
  reaper.on('rescue', () => void rescues++);
  const held = new Promise((resolve) => reaper.on('leader', resolve));
  reaper.start();
  await held;
  clock.increment(4_999);
  expect(rescues).toBe(0);
  clock.increment(1);
  await vi.waitUntil(() => rescues === 1);
  clock.increment(10_000);
  await vi.waitUntil(() => rescues === 2);
  clock.increment(285_000 - 1);
  expect(sweeps).toBe(0);
  clock.increment(1);
  await vi.waitUntil(() => sweeps === 1);
  clock.increment(3_600_000);
  await vi.waitUntil(() => sweeps === 2);
  await reaper.stop();
});

test('health turns red and names the pass when a sweep is late', async () => {
  const clock = new SimulatedClock();
  const reaper = create({ clock, redis: 'redis://127.0.0.1:1' });
  reaper.start();
  expect(reaper.health().ok).toBe(true);
  clock.increment(300_000 + 2 * 3_600_000 + 1_000);
  expect(reaper.health()).toMatchObject({ ok: false, detail: expect.stringContaining('sweep overdue') });
  await reaper.stop({ timeout: 0 });
});

test('a plan judges every job and changes nothing', async () => {
  await seedOrphan('a', 'b');
  const reaper = create();
  const outcomes: string[] = [];
  reaper.on('job', ({ id, verdict, outcome }) => void outcomes.push(`${id} ${verdict} ${outcome}`));
  const summary = await reaper.sweep({ plan: true });
  expect(outcomes.sort()).toEqual(['a untrack planned', 'b untrack planned']);
  expect(summary).toMatchObject({ plan: true, scanned: 2, outcomes: { planned: 2 } });
  expect(await server.client.hlen('t:job_track:inprogress')).toBe(2);
  await reaper.stop();
});

test('a plan of a rescue reports what it would move, and moves nothing', async () => {
  await server.client.rpush('t:jobs:X:dead1:inprogress', 'one', 'two');
  const reaper = create();
  const summary = await reaper.rescue({ plan: true, grace: 0 });
  expect(summary).toMatchObject({ plan: true, suspects: 1, entries: 2, pools: { planned: 1 } });
  expect(await server.client.llen('t:jobs:X:dead1:inprogress')).toBe(2);
  expect(await server.client.exists('t:jobs:X')).toBe(0);
  await reaper.stop();
});

test('errors of a listener that throws or rejects are caught and logged', async () => {
  await seedOrphan('a', 'b');
  const reaper = create();
  reaper.on('job', () => {
    throw new Error('mine');
  });
  reaper.on('sweep', () => Promise.reject(new Error('mine too')));
  expect(await reaper.sweep()).toMatchObject({ scanned: 2 });
  await reaper.stop();
});

test("a caller's live client is used and never closed", async () => {
  const reaper = create({ redis: server.client });
  await reaper.sweep();
  await reaper.stop();
  expect(await server.client.ping()).toBe('PONG');
});

test('sweeps that are requested together run one after the other, each with its own summary', async () => {
  await seedOrphan('a');
  const reaper = create();
  const [plan, act, again] = await Promise.all([reaper.sweep({ plan: true }), reaper.sweep(), reaper.sweep()]);
  expect([plan.scanned, act.scanned, again.scanned]).toEqual([1, 1, 0]);
  await reaper.stop();
});

test('a sweep without a Redis rejects with the cause and the summary so far', async () => {
  const clock = new SimulatedClock();
  const reaper = create({ redis: { port: 1, retryStrategy: () => null }, clock });
  const sweep = reaper.sweep().catch((error) => error);
  const ticking = setInterval(() => clock.increment(60_000), 5);
  const error = (await sweep) as PassError<SweepSummary>;
  clearInterval(ticking);
  expect(error).toBeInstanceOf(PassError);
  expect(error.summary).toMatchObject({ scanned: 0, error: expect.any(String) });
  await reaper.stop({ timeout: 0 });
});

test('stop finishes what has begun, answers pending calls, and refuses later ones', async () => {
  const waits: number[] = [];
  const clock = createRunningClock();
  const reaper = create({
    clock: {
      ...clock,
      setTimeout(fn, timeout) {
        waits.push(timeout);
        return clock.setTimeout(fn, timeout);
      },
    },
    role: 'always',
    rescue: { initialDelay: 40_000, interval: 50_000 },
  });
  await server.client.rpush('t:jobs:X:dead1:inprogress', 'one');
  reaper.start();
  const rescue = reaper.rescue({ grace: 60_000 }).catch((error) => error);
  // The next pass waits for its time: the look of this one is over, and what it still waits for is the grace of the pool.
  // The grace counts from that look: a part of it is over when its timer is set.
  const isGrace = (ms: number) => ms > 50_000 && ms <= 60_000;
  await vi.waitUntil(() => waits.some(isGrace) && waits.includes(50_000));
  await reaper.stop();
  expect(await rescue).toMatchObject({ pools: { abandoned: 1 }, entries: 0 });
  expect(await server.client.llen('t:jobs:X:dead1:inprogress')).toBe(1);
  await expect(reaper.sweep()).rejects.toThrow('stopped');
  expect(String(await server.client.client('LIST'))).not.toContain('jobservice-reaper');
});

test('a process ends by itself after its reaper has stopped', async () => {
  const script = `
    import { createReaper } from '${builtOf('src/index.ts')}';
    const reaper = createReaper({ redis: '${server.url}', namespace: 't', logger: false });
    reaper.start();
    await reaper.sweep();
    await reaper.stop();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});

test.each([
  [{ namespace: '' }, 'namespace: must not be empty'],
  [{ sweeep: {} }, 'sweeep: unknown option'],
  [{ sweep: { concurrency: 0 } }, 'sweep.concurrency'],
  [{ hungAfter: -1 }, 'hungAfter'],
  [{ clock: {} }, 'must be a clock'],
  [{ redis: 3 }, 'redis: must be a Redis URL'],
])('options that cannot be used are named: %j', (options, message) => {
  const bad = { redis: 'redis://h', namespace: 'n', ...options } as unknown as ReaperOptions;
  expect(() => createReaper(bad)).toThrow(OptionsError);
  expect(() => createReaper(bad)).toThrow(message);
});

test.each([
  ['redis://h', { host: 'h', port: 6379, db: 0 }],
  ['redis://:p%40ss@h:1/2?idle_timeout_seconds=30', { host: 'h', port: 1, password: 'p@ss', db: 2 }],
  ['rediss://u:p@[::1]:6380', { host: '::1', port: 6380, username: 'u', password: 'p', tls: {}, db: 0 }],
  [
    'redis+sentinel://u:p@h1:1,h2/mymaster/3',
    {
      sentinels: [
        { host: 'h1', port: 1 },
        { host: 'h2', port: 26379 },
      ],
      name: 'mymaster',
      username: 'u',
      password: 'p',
      db: 3,
    },
  ],
  ['rediss+sentinel://h1:1/m', { name: 'm', tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true, db: 0 }],
])('the Redis URL %s is read as Harbor writes it', (url, options) => {
  expect(parseRedisUrl(url)).toMatchObject(options);
});

test.each(['http://h', 'redis://', 'redis://u:secret@h:x', 'redis+sentinel://h:1', 'redis://h/x', 'redis://h:99999'])(
  'the Redis URL %s is refused without repeating its contents',
  (url) => {
    expect(() => parseRedisUrl(url)).toThrow(TypeError);
    expect(() => parseRedisUrl(url)).not.toThrow('secret');
  },
);
