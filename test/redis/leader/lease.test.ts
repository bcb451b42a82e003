/** The lease of the scheduled passes and what its holders share, script by script, and two holders in every order. */
import type { Redis } from 'ioredis';
import { expect, test, vi } from 'vitest';
import { createJobActs } from '../../../src/io/acts.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { createTrackedJobs } from '../../../src/io/jobs/trackedJobs.ts';
import { createLease, type Lease, type SharedView } from '../../../src/io/leader/lease.ts';
import { createQuarantine } from '../../../src/io/pools/quarantine.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { type Fence, FencedError } from '../../../src/machines/lease.ts';
import { judge } from '../../../src/machines/verdict.ts';
import { readOptions } from '../../../src/options.ts';
import { createDelivery } from '../../../src/reaper/delivery.ts';
import { healthOf } from '../../../src/reaper/health.ts';
import { waitFor } from '../../../src/reaper/schedule.ts';
import { type Command, everySchedule } from '../../support/everySchedule.ts';
import { policy } from '../../support/facts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { ackText, seedJob } from '../../support/jobs.ts';

const { server, redis, keys } = await redisFixture();

const hostOn = (client: Redis, durationMs = 60_000): Lease =>
  createLease({
    connection: { redis: client, description: '', epoch: () => 1, close: async () => undefined },
    keys,
    scripts: createScripts(client),
    durationMs,
    clock: systemClock,
  });
const fenceOf = async (host: Lease, known?: Fence): Promise<Fence> => {
  const { fence } = await host.acquire(known);
  if (fence === undefined) throw new Error('another has the lease');
  return fence;
};
const over = () => redis.hset(keys.lease, 'until', 1);
const redisMs = async () => {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
};

test('fault 104: a lease from before the clock of Redis went back is over for others, and is renewed by its holder', async () => {
  const [first, second] = [hostOn(redis), hostOn(redis)];
  const fence = await fenceOf(first);
  const goBack = (ms: number) => redis.hincrby(keys.lease, 'until', ms);
  await goBack(50_000);
  expect((await second.acquire(undefined)).fence).toBeUndefined();
  await goBack(3_600_000);
  expect(await fenceOf(first, fence)).toEqual(fence);
  expect(Number(await redis.hget(keys.lease, 'until'))).toBeLessThanOrEqual((await redisMs()) + 60_000);
  await goBack(3_600_000);
  const taken = await fenceOf(second);
  expect(Number(taken.token)).toBeGreaterThan(Number(fence.token));
  expect((await first.acquire(fence)).fence).toBeUndefined();
});

test('fault 104: a lease that does not say for how long it was given is judged by the duration of others', async () => {
  const ms = await redisMs();
  await redis.hset(keys.lease, { holder: 'gone', host: 'gone:1', fence: 1, since: ms, until: ms + 3_600_000_000 });
  expect((await hostOn(redis).acquire(undefined)).fence).toBeDefined();
});

test('one host has the lease, and all others learn which one', async () => {
  const [first, second] = [hostOn(redis), hostOn(redis)];
  const mine = await first.acquire(undefined);
  const other = await second.acquire(undefined);
  expect(mine.fence).toBeDefined();
  expect(other).toEqual({ fence: undefined, host: mine.host });
  expect(mine.host).toContain(`:${process.pid}`);
  expect((await first.read()).leader).toMatchObject({ isThisOne: true });
  expect((await second.read()).leader).toMatchObject({ isThisOne: false, host: mine.host });
});

test('a renewal keeps the fencing token and postpones the end', async () => {
  const host = hostOn(redis);
  const fence = await fenceOf(host);
  await redis.hincrby(keys.lease, 'until', -5_000);
  const before = Number(await redis.hget(keys.lease, 'until'));
  expect(await fenceOf(host, fence)).toEqual(fence);
  expect(Number(await redis.hget(keys.lease, 'until'))).toBeGreaterThanOrEqual(before + 5_000);
});

test('a lease ends by the clock of Redis, and its former holder gets a new fencing token too', async () => {
  const [first, second] = [hostOn(redis, 50), hostOn(redis)];
  const fence = await fenceOf(first);
  await vi.waitUntil(async () => (await first.read()).leader === undefined, { interval: 5 });
  await expect(first.checkpoint(fence, { cursor: '7', runId: '' }, 1)).rejects.toThrow(FencedError);
  const again = await fenceOf(first, fence);
  expect(Number(again.token)).toBeGreaterThan(Number(fence.token));
  await vi.waitUntil(async () => (await second.acquire(undefined)).fence !== undefined, { interval: 5 });
  expect((await first.acquire(again)).fence).toBeUndefined();
});

test('a host that missed the reply that gave it the lease begins a new term', async () => {
  const host = hostOn(redis);
  const unheard = await fenceOf(host);
  const heard = await fenceOf(host);
  expect(Number(heard.token)).toBeGreaterThan(Number(unheard.token));
  await expect(host.checkpoint(unheard, { cursor: '7', runId: '' }, 1)).rejects.toThrow(FencedError);
});

test('no fencing token is used twice, even if the lease is deleted or the clock of Redis is set back', async () => {
  const fence = await fenceOf(hostOn(redis));
  await redis.del(keys.lease);
  await vi.waitUntil(async () => (await redisMs()) > Number(fence.token), { interval: 1 });
  const next = await fenceOf(hostOn(redis));
  expect(Number(next.token)).toBeGreaterThan(Number(fence.token));
  const ahead = Number(next.token) + 3_600_000;
  await redis.hset(keys.lease, { fence: ahead, until: 1 });
  expect((await fenceOf(hostOn(redis))).token).toBe(String(ahead + 1));
});

test('a resignation is one command, also on a Redis that does not know its script', async () => {
  const sent: string[] = [];
  const host = hostOn(
    new Proxy(redis, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name !== 'eval' && name !== 'evalsha') return value;
        return (...args: unknown[]) => {
          sent.push(name);
          return Reflect.apply(value, target, args);
        };
      },
    }),
  );
  await fenceOf(host);
  await redis.script('FLUSH');
  sent.length = 0;
  await host.resign();
  expect(sent).toEqual(['eval']);
  expect(await redis.hget(keys.lease, 'until')).toBe('0');
});

test('only the holder can resign, and the lease is free at once with a higher token', async () => {
  const [first, second] = [hostOn(redis), hostOn(redis)];
  const fence = await fenceOf(first);
  await second.resign();
  expect((await second.acquire(undefined)).fence).toBeUndefined();
  await first.resign();
  await expect(first.checkpoint(fence, { cursor: '7', runId: '' }, 1)).rejects.toThrow(FencedError);
  expect(Number((await fenceOf(second)).token)).toBeGreaterThan(Number(fence.token));
});

test('an incomplete sweep continues at its cursor, but not on another Redis process', async () => {
  await redis.hset(keys.track, { a: 2, b: 2 });
  const first = hostOn(redis);
  const fence = await fenceOf(first);
  const { runId, ...begin } = await first.beginSweep(fence);
  expect([begin, runId]).toEqual([{ cursor: '0', scanned: 0 }, expect.stringMatching(/^\w{40}$/)]);
  await first.checkpoint(fence, { cursor: '7', runId }, 1);
  await over();
  const second = hostOn(redis);
  const later = await fenceOf(second);
  expect(second.seen()?.progress).toMatchObject({ isSweeping: true, scanned: 1, total: 2 });
  expect(await second.beginSweep(later)).toEqual({ cursor: '7', scanned: 1, runId });

  await second.checkpoint(later, { cursor: '9', runId: 'another' }, 2);
  expect(await redis.hmget(keys.progress, 'cursor', 'scanned')).toEqual(['0', '0']);
  await redis.hset(keys.progress, { cursor: '7', run_id: 'another' });
  const begun = await redis.hget(keys.progress, 'begun');
  expect(await second.beginSweep(later)).toEqual({ cursor: '0', scanned: 0, runId });
  expect(await redis.hget(keys.progress, 'begun')).toBe(begun);

  await second.completeSweep(later, 2);
  expect((await first.read()).progress).toMatchObject({ isSweeping: false, scanned: 2, ended: expect.any(Number) });
  expect(await second.beginSweep(later)).toEqual({ cursor: '0', scanned: 0, runId });
});

test('the next pass is due an interval after the end of the last one on any host, by Redis TIME', async () => {
  const [first, second] = [hostOn(redis), hostOn(redis)];
  const fence = await fenceOf(first);
  const due = (host: Lease, pass: 'sweep' | 'rescue', { hasFailed = false, now = 0 } = {}) =>
    waitFor({ pass, hasFailed, now, firstAt: now + 500, interval: 10_000, shared: host.seen() });
  expect(due(first, 'sweep')).toBe(500);
  await first.beginSweep(fence);
  expect([due(first, 'sweep'), due(first, 'sweep', { hasFailed: true })]).toEqual([0, 10_000]);
  await first.completeSweep(fence, 0);
  await first.completeRescue(fence);
  await second.acquire(undefined);
  for (const host of [first, second]) {
    for (const pass of ['sweep', 'rescue'] as const) {
      const { progress, clockOffset } = host.seen() as SharedView;
      const ended = pass === 'sweep' ? progress.ended : progress.rescueEnded;
      const now = (ended as number) - clockOffset + 3_000;
      expect(due(host, pass, { now })).toBe(7_000);
    }
  }
});

test('a host with a wrong clock does the next pass at the same moment as a host with a right clock', async () => {
  const off = [3_600_000, -3_600_000, -Date.now()].map((by) => ({
    ...systemClock,
    now: () => Date.now() + by,
    monotonic: () => systemClock.monotonic() + by,
  }));
  const hosts = off.map((clock) => ({
    clock,
    host: createLease({
      connection: { redis, description: '', epoch: () => 1, close: async () => undefined },
      ...{ keys, scripts: createScripts(redis), durationMs: 60_000, clock },
    }),
  }));
  for (const { host } of hosts) {
    const fence = await fenceOf(host);
    await host.beginSweep(fence);
    await host.completeSweep(fence, 0);
    await host.completeRescue(fence);
    await host.resign();
  }
  for (const { clock, host } of hosts) {
    await host.acquire(undefined);
    await host.resign();
    const shared = host.seen();
    for (const pass of ['sweep', 'rescue'] as const) {
      const now = clock.monotonic();
      // By ten minutes: a test on a busy machine may take its time, a clock that is off is so by an hour.
      const wait = waitFor({ now, firstAt: now, interval: 1_200_000, hasFailed: false, shared, pass });
      expect(wait).toBeGreaterThan(600_000);
      expect(wait).toBeLessThanOrEqual(1_200_000);
    }
    const { leader, clockOffset } = await host.read();
    expect(leader).toBeUndefined();
    expect(Math.abs(clock.monotonic() + clockOffset - (await redisMs()))).toBeLessThan(600_000);
  }
  const [first] = hosts as [(typeof hosts)[0]];
  const late = first.clock.monotonic() + 900_000;
  const shared = first.host.seen();
  const wait = waitFor({ now: late, firstAt: 0, interval: 1_200_000, hasFailed: false, shared, pass: 'sweep' });
  expect(wait).toBeGreaterThan(0);
  expect(wait).toBeLessThanOrEqual(300_000);
});

test('a follower is healthy as long as the leader has the lease or is on time', async () => {
  const [leader, watcher] = [hostOn(redis), hostOn(redis)];
  const { sweep, rescue } = readOptions({ redis: server.url, namespace: 't' });
  const fence = await fenceOf(leader);
  await watcher.acquire(undefined);
  const healthAt = (now: number, host: Lease) =>
    healthOf({
      now,
      timeOfDay: now,
      startedAt: Date.now(),
      lastSweepAt: undefined,
      lastRescueAt: undefined,
      shared: host.seen(),
      sweep,
      rescue,
    });
  const late = Date.now() + 9 * 3_600_000;
  expect(healthAt(Date.now(), watcher)).toMatchObject({ ok: true });
  expect(healthAt(late, watcher)).toMatchObject({ ok: false, detail: expect.stringContaining('sweep overdue') });
  expect(healthAt(late, leader).ok).toBe(false);
  await redis.hset(keys.lease, { until: late + 60_000, duration: late });
  await watcher.acquire(undefined);
  expect(healthAt(late, watcher).ok).toBe(true);
  await leader.completeSweep(fence, 0);
  await leader.completeRescue(fence);
  await watcher.acquire(undefined);
  expect(healthAt(Date.now(), watcher)).toMatchObject({
    lastSweepAt: expect.stringMatching(/^\d{4}-.*Z$/),
    lastRescueAt: expect.stringMatching(/^\d{4}-.*Z$/),
  });
});

test('no act of a pass changes anything once another host has taken over', async () => {
  const scripts = createScripts(redis);
  const connection = { redis, description: '', epoch: () => 1, close: async () => undefined };
  const clock = systemClock;
  const tracked = createTrackedJobs({ connection, keys, scripts, pace: noPace, pageSize: 10, random: () => 0 });
  const settings = readOptions({ redis: server.url, namespace: 't' }).hooks;
  const { hooks, records } = createDelivery({
    connection,
    keys,
    scripts,
    settings,
    clock,
    random: () => 0.5,
    onOutcome: () => undefined,
    fault: () => undefined,
    // No hook is sent here.
    supervision: () => ({
      start: () => undefined,
      hookDue: () => undefined,
      watchHooks: () => undefined,
      hooksQuiet: async () => undefined,
    }),
  });
  const acts = createJobActs({ keys, scripts, tracked, hooks, records, clock });
  const fixed = { heartbeatAge: 10_000, recovery: { maxRecoveries: 3, windowS: 86_400 }, clock };
  const onQuarantined = () => undefined;
  const quarantine = createQuarantine({ keys, scripts, tracked, hooks, records, ...fixed, onQuarantined });
  const pools = createPools({ connection, keys, scripts, jobTypes: ['X'], batch: 10, ...fixed });
  await seedJob(redis, 'running', { web_hook_url: 'http://127.0.0.1:1/' });
  const at = await seedJob(redis, 'behind');
  await redis.hset(keys.stats('behind'), 'ack', ackText('Success', at));
  await redis.hset(keys.track, 'lost', 2);
  await redis.lpush(keys.inProgress('X', 'dead'), '{"id":"a"}');
  await redis.set(keys.lock('X'), 7);

  const old = await fenceOf(hostOn(redis));
  await over();
  await fenceOf(hostOn(redis));
  const stateOf = async () => {
    const names = (await redis.keys('*')).sort();
    return Promise.all(names.map(async (name) => [name, (await redis.dumpBuffer(name))?.toString('base64')]));
  };
  const before = await stateOf();
  const jobOf = async (id: string) => ({ ...(await tracked.load(id)), fence: old });
  const suspect = { pool: 'dead', heartbeat: '', types: ['X'], evidence: '', disruptions: 0, at: 0, fence: old };
  const inputOf = async (id: string) => {
    const job = await jobOf(id);
    return { job, judgement: judge(job.facts, policy) };
  };
  for (const act of [
    async () => acts.fail(await inputOf('running')),
    async () => acts.refire(await inputOf('running')),
    async () => acts.reset(await inputOf('behind')),
    async () => acts.untrack(await inputOf('lost')),
    () => pools.requeue(suspect, ['X']),
    () => pools.deregister(suspect, ['X']),
    () => quarantine.add(suspect, 'X', 'a'),
    () => pools.recount(['X'], { fence: old }),
  ]) {
    await expect(act()).rejects.toThrow(FencedError);
  }
  expect(await stateOf()).toEqual(before);
});

test('with two holders in every order, dying at any point, and a lease that ends at any moment, only the newest changes anything', async () => {
  const clientOf = (command: Command, who: string): Redis =>
    new Proxy(redis, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name !== 'evalsha') return value;
        return (...args: unknown[]) =>
          command(who, String(args.slice(2, 4)), () => Reflect.apply(value, target, args) as Promise<unknown>);
      },
    });
  // Known to Redis beforehand: every run must take the same commands.
  const warm = hostOn(redis);
  const any = await fenceOf(warm);
  await warm.beginSweep(any);
  await warm.checkpoint(any, { cursor: '0', runId: '' }, 0);
  await warm.completeSweep(any, 0);

  let newest = 0;
  let cursor: string | undefined;
  let stale: string[] = [];
  const runs = await everySchedule({
    crashes: true,
    reset: async () => {
      await redis.flushall();
      newest = 0;
      cursor = undefined;
      stale = [];
    },
    body: (command) => {
      const sweep = async (who: string) => {
        const host = hostOn(clientOf(command, who));
        const { fence } = await host.acquire(undefined);
        if (fence === undefined) return;
        if (Number(fence.token) <= newest) stale.push(`${who} was given ${fence.token} after ${newest}`);
        newest = Number(fence.token);
        const isNewest = (what: string) => {
          if (Number(fence.token) !== newest) stale.push(`${who}: ${what}, though another had taken over`);
        };
        const begin = await host.beginSweep(fence);
        isNewest('begin');
        if (begin.cursor !== (cursor ?? '0')) stale.push(`${who} began at ${begin.cursor} instead of ${cursor}`);
        const next = `${begin.cursor}${who}`;
        await host.checkpoint(fence, { cursor: next, runId: begin.runId }, 1);
        cursor = next;
        isNewest('page');
        await host.completeSweep(fence, 1);
        isNewest('end');
        cursor = undefined;
      };
      return [sweep('a'), sweep('b'), command('time', 'the lease is over', over)];
    },
    check: async () => {
      expect(stale).toEqual([]);
    },
  });
  expect(runs).toBeGreaterThan(150);
});
