/** What a scrape shows, and what it asks of Redis. */
import { beforeEach, expect, test, vi } from 'vitest';
import type { Reaper, ReaperOptions } from '../../src/index.ts';
import { createTestClock } from '../support/clock.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { second } from '../support/jobs.ts';
import { entryOf, seedPool } from '../support/pools.ts';
import { startRedis } from '../support/redisServer.ts';
import { namespace, runSurface, surfaceOptions } from '../support/surface.ts';

const { server, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();
beforeEach(async () => {
  await server.client.config('RESETSTAT');
});

const create = (options: Partial<ReaperOptions> = {}) => opened.create({ redis: server.url, ...options });

/** The series of a scrape: `name{label="value"}` → value, without the prefix. */
const seriesOf = async (reaper: Reaper): Promise<ReadonlyMap<string, number>> =>
  new Map(
    (await reaper.metrics())
      .split('\n')
      .filter((line) => line.startsWith('jobservice_reaper_'))
      .map((line) => {
        const at = line.lastIndexOf(' ');
        return [line.slice('jobservice_reaper_'.length, at), Number(line.slice(at + 1))];
      }),
  );

const namesOf = (series: ReadonlyMap<string, number>, metric: string) =>
  [...series.keys()].filter((name) => name.startsWith(`${metric}{`));

/** How often Redis was sent a command. */
const callsOf = async (command: string): Promise<number> =>
  Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await server.client.info('commandstats'))?.[1] ?? 0);

test('everything that a reaper did is counted, with the words of its events', async () => {
  const reaper = create(surfaceOptions);
  let quarantined = 0;
  reaper.on('quarantine', () => {
    quarantined += 1;
  });
  await runSurface(server.client, reaper, hookEndpoint);
  const series = await seriesOf(reaper);
  expect(Object.fromEntries(series)).toMatchObject({
    'jobs_judged_total{verdict="untrack",reason="missing-stats",type="other"}': 1,
    'jobs_judged_total{verdict="fail",reason="hung",type="X"}': 1,
    'jobs_judged_total{verdict="reset",reason="behind",type="X"}': 1,
    'jobs_judged_total{verdict="keep",reason="malformed",type="X"}': 1,
    'job_acts_total{verdict="fail",outcome="done"}': 1,
    'passes_total{pass="sweep",outcome="completed"}': 1,
    'passes_total{pass="sweep",outcome="failed"}': 0,
    'pools_total{outcome="rescued"}': 2,
    'entries_requeued_total{cause="dead-pool",type="X"}': 2,
    'jobs_quarantined_total{type="X"}': quarantined,
    'counters_rebuilt_total{type="X"}': expect.any(Number),
    [`hook_attempts_total{outcome="parked",endpoint="${hookEndpoint.url}"}`]: expect.any(Number),
    'hook_attempts_total{outcome="failed",endpoint="http://127.0.0.1:1"}': expect.any(Number),
    [`info{version="0.1.0",namespace="${namespace}"}`]: 1,
    live: 1,
    ready: 1,
    redis_up: 1,
  });
  expect(series.get('entries_requeued_total{cause="orphaned",type="X"}')).toBeGreaterThan(0);
  expect(series.get('redis_script_duration_seconds_count{script="scan_tracked"}')).toBeGreaterThan(0);
});

test('a scrape shows the queue of each type: depth, age, running jobs, lock, cap and pause', async () => {
  await seedPool(server.client, 'p', { heartbeat: second(), holds: new Map([['X', ['a', 'b']]]) });
  await server.client.sadd('t:known_jobs', 'X', 'Y');
  await server.client.lpush('t:jobs:X', entryOf('c'), entryOf('d'));
  await server.client.set('t:jobs:X:max_concurrency', 2);
  await server.client.set('t:jobs:Y:paused', '1');
  await server.client.lpush('t:jobs:Y', 'no JSON');
  await server.client.hset('t:job_track:inprogress', 'a', 2);
  const series = await seriesOf(create());
  expect(Object.fromEntries(series)).toMatchObject({
    'queue_depth{type="X"}': 2,
    'queue_running{type="X"}': 2,
    'queue_lock{type="X"}': 2,
    'queue_cap{type="X"}': 2,
    'queue_paused{type="X"}': 0,
    'queue_depth{type="Y"}': 1,
    'queue_oldest_seconds{type="Y"}': 0,
    'queue_paused{type="Y"}': 1,
    tracked_jobs: 1,
    queue_types_unread: 0,
  });
  expect(series.get('queue_oldest_seconds{type="X"}')).toBeGreaterThanOrEqual(60);
});

test('an endpoint that fails shows its circuit, what waits for it, and for how long it has failed', async () => {
  const origin = 'http://core.example';
  await server.client.sadd('t:reaper:hooks:origins', origin);
  await server.client.zadd(`t:reaper:hooks:due:${origin}`, Date.now() - 60_000, 'a');
  await server.client.hset('t:reaper:hooks', 'a', `pending Success:1 ${origin} 12 1 1 500`);
  await server.client.hset(`t:reaper:hooks:endpoint:${origin}`, {
    failures: 12,
    open_until: Date.now() + 600_000,
    failing_since: Date.now() - 3_600_000,
  });
  const series = await seriesOf(create());
  expect(Object.fromEntries(series)).toMatchObject({
    [`hooks_pending{endpoint="${origin}"}`]: 1,
    [`hook_circuit{endpoint="${origin}",state="open"}`]: 1,
    [`hook_circuit{endpoint="${origin}",state="closed"}`]: 0,
    hooks_parked: 0,
  });
  expect(series.get(`hooks_overdue_seconds{endpoint="${origin}"}`)).toBeGreaterThanOrEqual(60);
  expect(series.get(`hook_endpoint_failing_seconds{endpoint="${origin}"}`)).toBeGreaterThanOrEqual(3_600);
});

test('labels are bounded: 200 types and 100 endpoints at most, the rest is other', async () => {
  for (let i = 0; i < 250; i++) {
    await server.client.sadd('t:known_jobs', `T${i}`);
    await server.client.hset(`t:job_stats:j${i}`, {
      ...{ id: `j${i}`, name: `S${i}`, status: 'Running', update_time: second(), revision: second() },
    });
    await server.client.hset('t:job_track:inprogress', `j${i}`, 2);
    await server.client.sadd('t:reaper:hooks:origins', `http://e${i}.example`);
    await server.client.hset('t:reaper:hooks', `h${i}`, `pending Success:1 http://e${i}.example 1 1 1 500`);
    await server.client.zadd(`t:reaper:hooks:due:http://e${i}.example`, 1, `h${i}`);
  }
  const reaper = create();
  expect(namesOf(await seriesOf(reaper), 'queue_depth')).toHaveLength(200);
  await reaper.sweep();
  const series = await seriesOf(reaper);
  expect(namesOf(series, 'jobs_judged_total')).toEqual([
    'jobs_judged_total{verdict="keep",reason="ongoing",type="other"}',
  ]);
  expect(series.get('queue_types_unread')).toBe(50);
  const pending = namesOf(series, 'hooks_pending');
  expect(pending).toHaveLength(101);
  expect(pending).toContain('hooks_pending{endpoint="other"}');
  const sum = pending.reduce((all, name) => all + (series.get(name) ?? 0), 0);
  expect(sum).toBe(250);
});

test('of more than 200 types, the queues of 200 are read', async () => {
  const series = await seriesOf(create({ jobTypes: Array.from({ length: 250 }, (_, i) => `T${i}`) }));
  expect(namesOf(series, 'queue_depth')).toHaveLength(200);
  expect(series.get('queue_types_unread')).toBe(50);
});

test('hooks of endpoints that come after the first 100 are added up, and parked hooks are not pending', async () => {
  const seed = async (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      await server.client.sadd('t:reaper:hooks:origins', `http://e${i}.example`);
      await server.client.hset('t:reaper:hooks', `h${i}`, `pending Success:1 http://e${i}.example 1 1 1 500`);
      await server.client.zadd(`t:reaper:hooks:due:http://e${i}.example`, 1, `h${i}`);
    }
  };
  const clock = createTestClock();
  const reaper = create({ clock });
  await seed(0, 100);
  expect(namesOf(await seriesOf(reaper), 'hooks_pending')).toHaveLength(100);
  await server.client.flushall();
  await seed(100, 105);
  await server.client.hset('t:reaper:hooks', 'parked', 'parked Running:1 http://e100.example 1 1 1 404');
  await server.client.zadd('t:reaper:hooks:parked', 1, 'parked');
  clock.advance(5_000);
  const series = await seriesOf(reaper);
  expect(namesOf(series, 'hooks_pending')).toEqual(['hooks_pending{endpoint="other"}']);
  expect(series.get('hooks_pending{endpoint="other"}')).toBe(5);
  expect(series.get('hooks_parked')).toBe(1);
});

test('no label holds a password, an id or a parameter', async () => {
  await server.client.hset('t:job_stats:job-id', {
    ...{ id: 'job-id', name: 'X', kind: 'Generic', status: 'Success', update_time: second(-600), revision: 1 },
    web_hook_url: 'http://user:secret@127.0.0.1:1/token?key=secret',
    parameters: '{"password":"secret"}',
  });
  await server.client.hset('t:job_track:inprogress', 'job-id', 2);
  await server.client.sadd('t:reaper:hooks:origins', 'http://user:secret@other.example');
  const reaper = create({ redis: server.url.replace('://', '://:secret@') });
  await reaper.sweep().catch(() => undefined);
  const own = create();
  await own.sweep();
  for (const text of [await reaper.metrics(), await own.metrics()]) {
    expect(text).toContain('jobservice_reaper_info');
    expect(text).not.toMatch(/secret|job-id|token/);
  }
});

test('scrapes within 5 s share one reading, and no reading scans', async () => {
  const clock = createTestClock();
  const reaper = create({ clock });
  await Promise.all([reaper.metrics(), reaper.metrics()]);
  clock.advance(4_999);
  await reaper.metrics();
  expect(await callsOf('scard')).toBe(1);
  clock.advance(1);
  await reaper.metrics();
  expect([await callsOf('scard'), await callsOf('scan')]).toEqual([2, 0]);
});

test('a scrape waits for a Redis that does not answer for 2 s of the clock, then answers with what was read before', async () => {
  const clock = createTestClock();
  // Its commands wait for the answer without end.
  const patient = { commandTimeout: Number.POSITIVE_INFINITY, socketTimeout: Number.POSITIVE_INFINITY };
  const reaper = create({ clock, redis: { port: server.port, ...patient } });
  await server.client.hset('t:job_track:inprogress', 'a', 2);
  expect((await seriesOf(reaper)).get('tracked_jobs')).toBe(1);
  clock.advance(10_000);
  process.kill(server.pid, 'SIGSTOP');
  const began = clock.now();
  let answered: { at: number; series: ReadonlyMap<string, number> } | undefined;
  void seriesOf(reaper).then((series) => {
    answered = { at: clock.now(), series };
  });
  await clock.until(() => answered);
  process.kill(server.pid, 'SIGCONT');
  expect((answered?.at ?? 0) - began).toBeGreaterThanOrEqual(2_000);
  expect(answered?.series.get('tracked_jobs')).toBe(1);
  expect(answered?.series.get('redis_reading_age_seconds')).toBeGreaterThanOrEqual(12);
});

test('during an outage a scrape answers with what is known; it is live and not ready', async () => {
  const redis = await startRedis();
  await redis.client.hset('t:job_track:inprogress', 'a', 2);
  const reaper = create({ redis: redis.url, http: { port: 0 } });
  const url = await reaper.httpUrl();
  const statusOf = async (path: string) => (await fetch(`${url}${path}`)).status;
  await reaper.ping();
  await reaper.metrics();
  expect([await statusOf('/livez'), await statusOf('/readyz'), await statusOf('/metrics')]).toEqual([200, 200, 200]);
  await redis.kill();
  await vi.waitUntil(async () => (await seriesOf(reaper)).get('redis_up') === 0);
  const series = await seriesOf(reaper);
  expect([series.get('tracked_jobs'), series.get('ready'), series.get('live')]).toEqual([1, 0, 1]);
  expect([await statusOf('/livez'), await statusOf('/readyz'), await statusOf('/metrics')]).toEqual([200, 503, 200]);
  await redis.stop();
});

test('a scrape of a reaper whose Redis was never there has no value that was not read', async () => {
  const redis = await startRedis();
  await redis.stop();
  const series = await seriesOf(create({ redis: redis.url }));
  expect([series.get('redis_up'), series.get('ready')]).toEqual([0, 0]);
  expect([...series.keys()].filter((name) => /^(queue|tracked|hooks_parked|dead_jobs)/.test(name))).toEqual([]);
});

test('a key of the wrong type counts as empty', async () => {
  await server.client.sadd('t:known_jobs', 'X');
  for (const key of ['t:jobs:X', 't:job_track:inprogress', 't:jobs:X:lock', 't:reaper:hooks:origins', 't:worker_pools'])
    await server.client.hset(key, 'a', 1);
  const series = await seriesOf(create());
  expect(Object.fromEntries(series)).toMatchObject({ 'queue_depth{type="X"}': 0, 'queue_lock{type="X"}': 0 });
});

test('passes that Redis refuses are suspended by their code, and the reaper is not ready', async () => {
  await seedPool(server.client, 'dead', { heartbeat: second(-600), holds: new Map([['X', ['a']]]) });
  const reaper = create();
  await server.client.config('SET', 'maxmemory', '1');
  await reaper.rescue({ grace: 0 }).catch(() => undefined);
  const series = await seriesOf(reaper);
  await server.client.config('SET', 'maxmemory', '0');
  expect(series.get('suspended{pass="rescue",code="redis-out-of-memory"}')).toBe(1);
  expect(series.get('passes_total{pass="rescue",outcome="suspended"}')).toBe(1);
  expect(reaper.health()).toMatchObject({ ok: true, isLive: true, isReady: false });
  await reaper.rescue({ grace: 0 });
  expect(namesOf(await seriesOf(reaper), 'suspended')).toEqual([]);
  expect(reaper.health().isReady).toBe(true);
});

test('two reapers of one process count for themselves', async () => {
  const [a, b] = [create(), create()];
  await a.sweep();
  const completed = 'passes_total{pass="sweep",outcome="completed"}';
  expect([(await seriesOf(a)).get(completed), (await seriesOf(b)).get(completed)]).toEqual([1, 0]);
});
