import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { PassError, type ReaperOptions } from '../../src/index.ts';
import type { ChartCounts, ChartName, SnapshotMessage, WatchedMessage } from '../../visualize/protocol.ts';
import { createRing } from '../../visualize/ring.ts';
import { openPage, type PageClient } from '../support/inspector.ts';
import { ackText, intercept, isCallOf, second, seedJob } from '../support/jobs.ts';
import { type Opened, trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let opened: Opened;
let page: PageClient | undefined;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  opened = trackOpened();
  await server.client.flushall();
});
afterEach(async () => {
  page?.close();
  await opened.close();
});

const start = async (options: Partial<ReaperOptions> = {}) => {
  const reaper = opened.create({ redis: server.url, inspect: { port: 0, announce: () => undefined }, ...options });
  page = await openPage((await reaper.inspectorUrl()) as string);
  return { reaper, page };
};

/** Counts of a chart by the names of its states and of its transitions. */
const named = (state: SnapshotMessage, chart: ChartName) => {
  const { states, transitions } = state.about.charts[chart];
  const counts: ChartCounts = state.charts[chart];
  const byState = (values: readonly number[]) =>
    Object.fromEntries(states.map((id, i) => [id, values[i] ?? 0] as const).filter(([, value]) => value !== 0));
  return {
    entered: byState(counts.entered),
    active: byState(counts.active),
    taken: Object.fromEntries(
      transitions
        .map(({ from, to, label }, i) => [`${from} → ${to}: ${label}`, counts.taken[i] ?? 0] as const)
        .filter(([, value]) => value !== 0),
    ),
    last: counts.last === undefined ? undefined : transitions[counts.last]?.to,
  };
};

const seedHealthy = (id: string) => {
  const revision = second(-600);
  return seedJob(server.client, id, { revision, ack: ackText('Running', revision) });
};

/** One job for every verdict, and this many healthy jobs. */
const seedAll = async (healthy: number) => {
  const { client } = server;
  for (let i = 0; i < healthy; i++) await seedHealthy(`healthy-${i}`);
  await seedJob(client, 'hung', { age: 90_000 });
  await seedJob(client, 'behind', { ack: ackText('Success', second()) });
  await seedJob(client, 'settled', { status: 'Success', revision: 1, ack: ackText('Success', 1) });
  await seedJob(client, 'malformed', { status: 'Odd' });
  await seedJob(client, 'unacked', { web_hook_url: 'http://127.0.0.1:1/' });
  await client.hset('t:job_track:inprogress', 'lost', 1);
};

test('the counts of the charts equal those of the summary, and no job is in a state when the sweep has ended', async () => {
  await seedAll(50);
  const { reaper, page } = await start();
  const summary = await reaper.sweep();
  const state = await page.until(({ sweep }) => sweep.phase === 'ended');
  expect(state.sweep).toMatchObject({
    scanned: 56,
    total: 56,
    verdicts: { ...summary.verdicts },
    outcomes: { ...summary.outcomes },
    reasons: { ...summary.reasons },
  });
  const job = named(state, 'job');
  expect(job.entered).toEqual({
    'job.tracking': 56,
    'job.compare': 56,
    'job.keep': 51,
    'job.acting': 4,
    'job.acting.fail': 1,
    'job.acting.reset': 1,
    'job.acting.untrack': 2,
    'job.done': 5,
  });
  expect(job.active).toEqual({});
  expect(job.taken).toMatchObject({
    'job.tracking → job.compare: [isUnjudged]': 56,
    'job.compare → job.keep: [isVerdict keep]': 51,
    'job.compare → job.acting.untrack: else': 2,
    'job.acting → job.done: done: act': 4,
    'job.compare → job.done: [isAnswered]': 1,
  });
  expect(job.last).toBe('job.done');
  expect(named(state, 'lane')).toMatchObject({
    active: { 'lane.idle': 32 },
    entered: { 'lane.working': 4, 'lane.idle': 4 },
  });
  expect(named(state, 'supervisor').active).toEqual({ 'supervisor.running': 1 });
  expect(named(state, 'sweep').active).toEqual({ 'sweep.idle': 1 });
  expect(named(state, 'rescue').active).toEqual({ 'rescue.idle': 1 });
  expect(named(state, 'pools').active).toEqual({ 'pools.working': 1 });
  expect(state.lanes).toEqual({ total: 32, working: [] });
});

test('a sweep resets the counts and keeps the lists', async () => {
  await seedAll(1);
  const { reaper, page } = await start();
  await reaper.sweep({ plan: true });
  await reaper.sweep({ plan: true });
  const state = await page.until(({ sweep, acts }) => sweep.phase === 'ended' && acts.length === 12);
  expect(named(state, 'job').entered).toMatchObject({ 'job.tracking': 7, 'job.planned': 5 });
  expect(state.acts.map(({ number }) => number)).toEqual(
    [...state.acts.map(({ number }) => number)].sort((a, b) => b - a),
  );
});

test('an inspector that is opened late shows the current state of each actor', async () => {
  const { reaper, page } = await start();
  reaper.start();
  const state = await page.until((now) => 'sweep.waiting' in named(now, 'sweep').active);
  expect(named(state, 'lane').active).toEqual({ 'lane.idle': 32 });
  expect(state.sweep.dueAt).toBeGreaterThan(Date.now() + 200_000);
  expect(state.sweep.leader).toBe('this one');
});

test("a job's trace has each step with its transition and event, its facts, and the rules that were asked", async () => {
  await seedJob(server.client, 'hung', { age: 90_000 });
  const { reaper, page } = await start();
  await reaper.sweep();
  await page.until(({ acts }) => acts.length === 1);
  const { job } = await page.ask({ type: 'job', id: 'hung' });
  const [trace] = job?.traces ?? [];
  const { transitions } = page.state().about.charts.job;
  expect(
    trace?.steps.map(({ state, transition, event }) => [
      state,
      transition === undefined ? undefined : transitions[transition]?.label,
      event,
    ]),
  ).toEqual([
    ['job.tracking', undefined, 'scanned'],
    ['job.compare', '[isUnjudged]', 'xstate.init'],
    ['job.acting.fail', '[isVerdict fail]', 'xstate.init'],
    ['job.done', 'done: act', 'xstate.done.actor.act'],
  ]);
  expect(trace?.judged).toHaveLength(1);
  expect(trace?.judged[0]?.facts).toMatchObject({ id: 'hung', status: 'Running' });
  expect(trace?.judged[0]?.rules.map(({ rule }) => rule)).toEqual([1, 2, 3, 4]);
  expect(trace?.outcome).toMatchObject({ verdict: 'fail', reason: 'hung', outcome: 'done' });
  // The page shows what Redis holds after the act.
  expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Error');
  expect(job?.explanation.facts.status).toBe('Error');
});

test('the trace of an overtaken job has both facts that it was judged by', async () => {
  const revision = second(-90_000);
  await seedJob(server.client, 'moved', { age: 90_000, revision });
  let isFirst = true;
  const client = opened.hold(
    intercept(server.client, 'evalsha', async (args) => {
      if (!isFirst || !isCallOf('fail_job', args)) return;
      isFirst = false;
      await server.client.hset('t:job_stats:moved', {
        status: 'Success',
        update_time: second(),
        ack: ackText('Success', revision),
      });
    }),
  );
  const { reaper, page } = await start({ redis: client });
  await reaper.sweep();
  await page.until(({ acts }) => acts.length === 1);
  const trace = (await page.ask({ type: 'job', id: 'moved' })).job?.traces[0];
  expect(trace?.steps.map(({ state, facts }) => [state, facts])).toEqual([
    ['job.tracking', 0],
    ['job.compare', 0],
    ['job.acting.fail', 0],
    ['job.tracking', 0],
    ['job.loading', 0],
    ['job.compare', 1],
    ['job.acting.untrack', 1],
    ['job.done', 1],
  ]);
  expect(trace?.judged.map(({ facts }) => facts.status)).toEqual(['Running', 'Success']);
  expect(trace?.outcome).toMatchObject({ verdict: 'untrack', outcome: 'done' });
});

test('the trace of a watched job is sent while the job runs, and when it has ended', async () => {
  await seedJob(server.client, 'hung', { age: 90_000 });
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const client = opened.hold(
    intercept(server.client, 'evalsha', async (args) => {
      if (isCallOf('fail_job', args)) await held;
    }),
  );
  const { reaper, page } = await start({ redis: client });
  await page.ask({ type: 'watch', id: 'hung' });
  const watched = () => page.messages.filter((message): message is WatchedMessage => message.type === 'watched');
  const sweep = reaper.sweep();
  await vi.waitUntil(() => watched().at(-1)?.traces[0]?.steps.at(-1)?.state === 'job.acting.fail');
  expect(watched().at(-1)?.traces[0]?.outcome).toBeUndefined();
  const state = await page.until(({ lanes }) => lanes.working.length === 1);
  expect(state.lanes.working).toEqual([
    { lane: expect.stringMatching(/^lane-/), job: 'hung', state: 'job.acting.fail' },
  ]);
  expect(named(state, 'job').active).toEqual({ 'job.acting': 1, 'job.acting.fail': 1 });
  release();
  await sweep;
  await vi.waitUntil(() => watched().at(-1)?.traces[0]?.outcome !== undefined);
  expect(watched().at(-1)).toMatchObject({ id: 'hung', traces: [{ outcome: { verdict: 'fail', outcome: 'done' } }] });
});

test('a watched healthy job is traced too, until the page stops watching it', async () => {
  await seedAll(3);
  const { reaper, page } = await start();
  await page.ask({ type: 'watch', id: 'healthy-2' });
  await reaper.sweep({ plan: true });
  await vi.waitUntil(() => page.messages.some(({ type }) => type === 'watched'));
  const { job } = await page.ask({ type: 'job', id: 'healthy-2' });
  expect(job?.traces[0]?.steps.map(({ state }) => state)).toEqual(['job.tracking', 'job.compare', 'job.keep']);
  await page.ask({ type: 'unwatch', id: 'healthy-2' });
  const before = page.messages.filter(({ type }) => type === 'watched').length;
  const { scanned } = await reaper.sweep({ plan: true });
  await page.until(({ sweep }) => sweep.phase === 'ended' && sweep.scanned === scanned);
  expect(page.messages.filter(({ type }) => type === 'watched')).toHaveLength(before);
});

test('jobs that a sweep has passed over are counted, and shown as screened', async () => {
  await seedAll(50);
  for (let i = 0; i < 50; i++) await server.client.hset(`t:job_stats:healthy-${i}`, 'run_at', 0);
  const { reaper, page } = await start({ sweep: { screen: true } });
  const { verdicts, outcomes, reasons, screened } = await reaper.sweep();
  const state = await page.until(({ sweep }) => sweep.phase === 'ended' && sweep.scanned === 56);
  expect(state.sweep).toMatchObject({ scanned: 56, screened, verdicts, outcomes, reasons });
  expect([screened, named(state, 'job').entered['job.tracking']]).toEqual([50, 6]);
});

test('one healthy job in 500 is recorded', async () => {
  for (let i = 0; i < 1_001; i++) await seedHealthy(`${i}`);
  const { reaper, page } = await start();
  expect((await reaper.sweep({ plan: true })).verdicts).toEqual({ keep: 1_001 });
  const state = await page.until(({ sweep }) => sweep.phase === 'ended');
  expect(state.healthy).toHaveLength(3);
});

test('the latest 1,000 acts are recorded', async () => {
  for (let i = 0; i < 1_200; i++) await seedJob(server.client, `hung-${i}`, { age: 90_000 });
  const { reaper, page } = await start();
  await reaper.sweep();
  await page.until(({ sweep }) => sweep.phase === 'ended' && sweep.outcomes.done === 1_200);
  page.close();
  const late = await openPage((await reaper.inspectorUrl()) as string);
  const { acts } = await late.until(() => true);
  expect(acts).toHaveLength(1_000);
  expect(acts[0]?.number).toBe(1_200);
  expect(acts.at(-1)?.number).toBe(201);
  late.close();
});

test('the trace of a dead pool goes from suspect to rescued', async () => {
  const { client } = server;
  await client.lpush('t:jobs:X:dead:inprogress', '{"name":"X","id":"a"}');
  await client.hset('t:jobs:X:lock_info', 'dead', 1);
  await client.set('t:jobs:X:lock', 1);
  const { reaper, page } = await start({ rescue: { grace: 400 } });
  const rescue = reaper.rescue();
  await page.until(({ rescue: { pools } }) => pools[0]?.pool === 'dead' && pools[0].state === 'pool.suspect');
  await rescue;
  const state = await page.until(({ pools }) => pools.length === 1);
  expect(state.pools[0]).toMatchObject({ pool: 'dead', outcome: 'rescued', entries: 1, moved: { X: 1 } });
  expect(state.pools[0]?.steps.map(({ state }) => state)).toEqual([
    'pool.suspect',
    'pool.acting.confirm',
    'pool.acting.requeue',
    'pool.acting.deregister',
    'pool.rescued',
  ]);
  expect(state.rescue).toMatchObject({ rescued: 1, entries: 1, pools: [], abandoned: 0 });
  expect(named(state, 'pool')).toMatchObject({ entered: { 'pool.suspect': 1, 'pool.rescued': 1 }, active: {} });
});

test('a failing endpoint is listed without the path of its hook URL', async () => {
  await seedJob(server.client, 'unacked', { web_hook_url: 'http://127.0.0.1:1/secret/path' });
  const { reaper, page } = await start();
  await reaper.sweep();
  // What is known of endpoints is read from Redis now and then, and counts come with each event.
  const { hooks } = await page.until(
    ({ hooks: { failed, endpoints } }) => failed > 0 && endpoints[0]?.answer !== undefined,
  );
  expect(hooks).toMatchObject({ pending: 1, parked: 0, delivered: 0 });
  expect(hooks.endpoints).toMatchObject([
    { endpoint: 'http://127.0.0.1:1', failures: 1, breaker: 'closed', answer: 'connect', pending: 1 },
  ]);
  expect(page.text()).not.toContain('/secret');
});

test('errors are listed, without the password', async () => {
  const { reaper, page } = await start({
    redis: {
      port: server.port,
      host: '127.0.0.1',
      username: 'unknown',
      password: 'hunter2',
      retryStrategy: () => null,
    },
  });
  const swept = reaper.sweep().catch((error) => error);
  const { faults } = await page.until(({ faults }) => faults.length > 0);
  expect(faults[0]?.error).toMatch(/WRONGPASS|closed/);
  expect(page.text()).not.toContain('hunter2');
  await reaper.stop({ timeout: 0 });
  expect(await swept).toBeInstanceOf(PassError);
});

test('a ring holds the latest items, newest first', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.integer()), fc.nat(40), (size, items, since) => {
      const ring = createRing<{ at: number; item: number }>(size);
      for (const [at, item] of items.entries()) ring.push({ at, item });
      const all = items
        .map((item, at) => ({ at, item }))
        .slice(-size)
        .reverse();
      expect(ring.newest()).toEqual(all);
      expect(ring.newest(({ at }) => at >= since)).toEqual(all.filter(({ at }) => at >= since));
    }),
  );
});
