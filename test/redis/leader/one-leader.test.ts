/** Defect 20: every host did every pass. One of them does, and another goes on where it is killed or paused. */
import { type ChildProcess, fork } from 'node:child_process';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Clock, ReaperOptions } from '../../../src/index.ts';
import { ackText, second } from '../../support/jobs.ts';
import { builtOf } from '../../support/programs.ts';
import { trackOpened } from '../../support/reapers.ts';
import { hasFineRights, type RedisServer, startRedis } from '../../support/redisServer.ts';
import { createUpstream } from '../../support/upstream.ts';

const isoTime = /^\d{4}-\d\d-\d\dT.*Z$/;
let server: RedisServer;
const opened = trackOpened();
const processes = new Set<ChildProcess>();
beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => server.client.flushall());
afterEach(async () => {
  for (const child of processes) child.kill('SIGKILL');
  processes.clear();
  await opened.close();
});
afterAll(() => server.stop());

const calls = async (command: string): Promise<number> => {
  const stats = await server.client.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
};

/** A reaper of short intervals that counts its passes. */
const createHost = (options: Partial<ReaperOptions> = {}) => {
  const passes = { sweeps: 0, rescues: 0 };
  const holds: boolean[] = [];
  const reaper = opened.create({
    redis: server.url,
    lease: { duration: 1_000, renewInterval: 100 },
    sweep: { initialDelay: 0, interval: 400, jitter: 0 },
    rescue: { initialDelay: 0, interval: 200, grace: 0 },
    ...options,
  });
  reaper.on('sweep', () => void passes.sweeps++);
  reaper.on('rescue', () => void passes.rescues++);
  reaper.on('leader', (change) => void holds.push(change.isThisHost));
  return { reaper, passes, holds };
};
const sum = (hosts: readonly ReturnType<typeof createHost>[], pass: 'sweeps' | 'rescues') =>
  hosts.reduce((total, { passes }) => total + passes[pass], 0);

/** Timers that go off when the test says so, save the short ones: those of the lease. */
const createHeldClock = () => {
  const held: { readonly ms: number; fire(): void }[] = [];
  const clock: Clock = {
    now: () => Date.now(),
    setTimeout(act, ms) {
      if (ms < 60_000) return setTimeout(act, ms);
      const timer = {
        ms,
        fire() {
          clock.clearTimeout(timer);
          act();
        },
      };
      held.push(timer);
      return timer;
    },
    clearTimeout(id) {
      const index = held.indexOf(id as (typeof held)[number]);
      if (index < 0) clearTimeout(id as NodeJS.Timeout);
      else held.splice(index, 1);
    },
  };
  return { clock, held };
};

test('defect 20: ten hosts together do one sweep and one rescue pass in each interval, and all know the leader', async () => {
  await server.client.hset('t:job_track:inprogress', { a: 2, b: 2 });
  await server.client.hset('t:job_stats:a', { id: 'a', status: 'Running', update_time: '1e9' });
  const upstream = Array.from({ length: 10 }, () => createUpstream(server.client));
  const first = await calls('hscan');
  await Promise.all(upstream.map((host) => host.sync()));
  expect((await calls('hscan')) - first).toBe(10);

  const before = await calls('hscan');
  const intervals = { sweep: 10 * 3_600_000, rescue: 3_600_000 };
  const hosts = Array.from({ length: 10 }, () => {
    const { clock, held } = createHeldClock();
    const options = {
      clock,
      lease: { duration: 600_000, renewInterval: 100 },
      sweep: { initialDelay: 0, interval: intervals.sweep, jitter: 0 },
      rescue: { initialDelay: 0, interval: intervals.rescue, grace: 0 },
    };
    return { ...createHost(options), held };
  });
  /** The next passes that a host waits for, by the time that is left. */
  const next = ({ held }: (typeof hosts)[0]) => ({
    sweep: held.filter(({ ms }) => ms > intervals.rescue),
    rescue: held.filter(({ ms }) => ms <= intervals.rescue),
  });
  // Redis before 7.0 is asked for a right by running the command: four times as a host starts, and once by a script of each sweep.
  const [checks, each] = hasFineRights ? [0, 3] : [4 * hosts.length, 4];
  for (const { reaper } of hosts) reaper.start();
  for (let pass = 1; pass <= 4; pass++) {
    await vi.waitUntil(() => sum(hosts, 'sweeps') >= pass && sum(hosts, 'rescues') >= pass);
    await vi.waitUntil(() => hosts.every(({ holds }) => holds.length === 1));
    await vi.waitUntil(() => hosts.some((host) => next(host).sweep.length > 0 && next(host).rescue.length > 0));
    // One of each at the begin, then one each interval: one HSCAN of the tracking hash, for it is small, and two of the suspects.
    expect([sum(hosts, 'sweeps'), sum(hosts, 'rescues')]).toEqual([pass, pass]);
    expect((await calls('hscan')) - before).toBe(checks + each * pass);
    const waits = hosts.map(next);
    for (const kind of ['sweep', 'rescue'] as const) {
      const timers = waits.flatMap((wait) => wait[kind]);
      expect(timers).toHaveLength(1);
      expect(timers[0]?.ms).toBeLessThanOrEqual(intervals[kind]);
      if (pass < 4) timers[0]?.fire();
    }
  }
  expect(hosts.filter(({ passes }) => passes.sweeps > 0)).toHaveLength(1);
  const holders = hosts.filter(({ holds }) => holds.at(-1));
  expect(holders).toHaveLength(1);

  const [leader] = holders as [(typeof hosts)[0]];
  const other = hosts.find((host) => host !== leader) as typeof leader;
  const states = await Promise.all([leader, other].map(({ reaper }) => reaper.status()));
  expect(states.map(({ leader }) => leader.isThisHost)).toEqual([true, false]);
  expect(states[1]?.leader).toMatchObject({
    host: expect.stringContaining(`:${process.pid}`),
    isSweeping: false,
    scanned: 1,
    total: 1,
    sweepEndedAt: expect.stringMatching(isoTime),
    rescueEndedAt: expect.stringMatching(isoTime),
  });
  // Those that look on hear of it when they look again.
  await vi.waitUntil(() => hosts.every(({ reaper }) => reaper.health().lastSweepAt));
  for (const { reaper } of hosts)
    expect(reaper.health()).toMatchObject({ ok: true, lastSweepAt: expect.stringMatching(isoTime) });

  // One that goes leaves the lease to the others, and the time of the next pass with it.
  await leader.reaper.stop();
  const others = hosts.filter((host) => host !== leader);
  const waiting = await vi.waitUntil(() => others.map((host) => next(host).sweep).find(({ length }) => length > 0));
  expect([waiting.length, sum(hosts, 'sweeps')]).toEqual([1, 4]);
  waiting[0]?.fire();
  await vi.waitUntil(() => sum(hosts, 'sweeps') > 4);
  expect(leader.passes.sweeps).toBe(4);
});

test('with the role `always` a host does every pass itself, with `never` none, and both do requested passes', async () => {
  const [always, never] = [createHost({ role: 'always' }), createHost({ role: 'never' })];
  const auto = createHost();
  for (const { reaper } of [auto, always, never]) reaper.start();
  await vi.waitUntil(() => always.passes.sweeps >= 2 && auto.passes.sweeps >= 2, { interval: 5 });
  await vi.waitUntil(() => always.passes.rescues >= 2 && auto.passes.rescues >= 2, { interval: 5 });
  expect(never.passes).toEqual({ sweeps: 0, rescues: 0 });
  expect([auto.holds, always.holds, never.holds]).toEqual([[true], [], []]);
  await never.reaper.sweep();
  await never.reaper.rescue({ grace: 0 });
  expect(never.passes).toEqual({ sweeps: 1, rescues: 1 });
  expect(never.reaper.health().ok).toBe(true);
});

test('a host that only plans takes no lease and records no progress', async () => {
  const planner = createHost({ plan: true });
  planner.reaper.start();
  await vi.waitUntil(() => planner.passes.sweeps >= 1 && planner.passes.rescues >= 1, { interval: 5 });
  expect(await server.client.keys('*')).toEqual([]);
});

test('a follower sweeps on request', async () => {
  const [leader, watcher] = [createHost({ sweep: { interval: 3_600_000 } }), createHost()];
  leader.reaper.start();
  await vi.waitUntil(() => leader.holds.length === 1);
  watcher.reaper.start();
  await vi.waitUntil(() => watcher.holds.length === 1);
  await server.client.hset('t:job_track:inprogress', 'lost', 2);
  expect(await watcher.reaper.sweep()).toMatchObject({ outcomes: { done: 1 } });
});

interface Message {
  readonly isPaused?: boolean;
  readonly lease?: boolean;
  readonly sweep?: number;
  readonly error?: string;
}
const startHost = (env: Record<string, string> = {}): { child: ChildProcess; messages: Message[] } => {
  const child = fork(builtOf('test/redis/leader/sweeping-host.ts'), {
    execArgv: [],
    env: { ...process.env, REDIS: server.url, ...env },
  });
  processes.add(child);
  const messages: Message[] = [];
  child.on('message', (message) => void messages.push(message as Message));
  return { child, messages };
};
const track = 't:job_track:inprogress';
const idsOf = (name: string) => Array.from({ length: 2_000 }, (_, i) => `${name}-${i}`);
const [lost, kept] = [idsOf('lost'), idsOf('kept')];
/** Tracked, with no stats: each is to be untracked. */
const seedOrphan = () => server.client.hset(track, Object.fromEntries(lost.map((id) => [id, 2])));
/** Tracked, and all is well: they stay. */
const seedKept = async () => {
  const at = second(-600);
  const stats = {
    name: 'X',
    kind: 'Generic',
    status: 'Running',
    update_time: at,
    revision: at,
    ack: ackText('Running', at),
  };
  const pipeline = server.client.pipeline();
  for (const id of kept) pipeline.hset(`t:job_stats:${id}`, { id, ...stats }).hset(track, id, 2);
  await pipeline.exec();
};
const isSweeping = async () => (await server.client.hexists('t:reaper:progress', 'cursor')) === 1;

/** Two hosts, of which the first is paused in the middle of a sweep. */
const startTwo = async () => {
  await seedOrphan();
  await seedKept();
  const first = startHost({ PAUSE_AFTER: '400' });
  await vi.waitUntil(() => first.messages.some(({ isPaused }) => isPaused), { interval: 1 });
  expect(await isSweeping()).toBe(true);
  const left = await server.client.hlen(track);
  return { first, other: startHost(), left };
};

test('when the leader is killed in a sweep, another host continues at its cursor after the lease has ended, and judges all jobs', async () => {
  const { first, other, left } = await startTwo();
  const until = Number(await server.client.hget('t:reaper:lease', 'until'));
  first.child.kill('SIGKILL');
  await vi.waitUntil(() => other.messages.some(({ lease }) => lease), { interval: 5 });
  expect(Number(await server.client.hget('t:reaper:lease', 'since'))).toBeGreaterThanOrEqual(until);
  await vi.waitUntil(() => other.messages.some(({ sweep }) => sweep !== undefined), { interval: 5 });
  expect(await server.client.hlen(track)).toBe(kept.length);
  const [sweep] = other.messages.filter((message) => message.sweep !== undefined) as [Message];
  expect(sweep).toMatchObject({ error: '' });
  // What was done before is not judged again, except for a page or two: about half of the 400 are still tracked.
  expect(sweep.sweep).toBeLessThan(left - 100);
  expect(await isSweeping()).toBe(false);
});

test('a host that is paused past its lease in the middle of a sweep changes nothing when it wakes up', async () => {
  const { first, other } = await startTwo();
  await vi.waitUntil(() => other.messages.some(({ sweep }) => sweep !== undefined), { interval: 5 });
  expect(await server.client.hlen(track)).toBe(kept.length);
  // As they were when the paused one judged them: nothing but the fence keeps it from untracking those that it still holds.
  await seedOrphan();
  const progress = await server.client.hgetall('t:reaper:progress');
  first.child.kill('SIGCONT');
  await vi.waitUntil(() => first.messages.some(({ error }) => error), { interval: 5 });
  await vi.waitUntil(() => first.messages.some(({ lease }) => lease === false), { interval: 5 });
  expect(first.messages.find(({ sweep }) => sweep !== undefined)?.error).toContain(
    'lease lost; nothing more was changed',
  );
  expect(await server.client.hlen(track)).toBe(kept.length + lost.length);
  const { rescue_ended: _, ...now } = await server.client.hgetall('t:reaper:progress');
  expect(progress).toMatchObject(now);
});
