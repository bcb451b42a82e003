/** What the page shows of sweeps, rescues and hooks. */
import { expect, test } from 'vitest';
import type { HookOutcome } from '../../src/index.ts';
import { useInspector } from '../support/inspectorServer.ts';
import { intercept, second, seedJob, seedWithHook } from '../support/jobs.ts';
import { flush } from '../support/paths.ts';
import { seedPool } from '../support/pools.ts';

const { redis, hold, start, page } = useInspector();
/** What a page shows that is opened now. */
const shown = async (url: string) => (await page(url)).until(() => true);

test('the number of tracked jobs that arrives after the next sweep has begun is not that sweep’s total', async () => {
  let [calls, release] = [0, () => {}];
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const client = hold(
    intercept(redis(), 'hlen', async (args) => {
      if (args.includes('t:job_track:inprogress') && ++calls === 1) await held;
    }),
  );
  const { reaper, url } = await start({}, { redis: client });
  await shown(url);
  for (const id of ['a', 'b']) await seedJob(redis(), id);
  await reaper.sweep({ plan: true });
  await reaper.sweep({ plan: true });
  await seedJob(redis(), 'c');
  release();
  await flush();
  await client.ping();
  await flush();
  expect(calls).toBe(2);
  expect((await shown(url)).sweep).toMatchObject({ phase: 'ended', total: 2 });
});

test('a host that has lost the lease does not show when it would sweep', async () => {
  const { reaper, url } = await start({}, { lease: { renewInterval: 20, duration: 60_000 } });
  const client = await page(url);
  reaper.start();
  await client.until(({ sweep }) => sweep.dueAt !== undefined && sweep.leader === 'this one');
  await redis().hset('t:reaper:lease', { holder: 'another', host: 'other:1' });
  const { sweep, rescue } = await client.until(({ sweep }) => sweep.leader === 'other:1');
  expect([sweep.dueAt, rescue.dueAt]).toEqual([undefined, undefined]);
});

test('entries that a plan would requeue do not count as requeued', async () => {
  await seedPool(redis(), 'p', { heartbeat: second(-600), holds: new Map([['X', ['a']]]) });
  const { reaper, url } = await start();
  await shown(url);
  expect((await reaper.rescue({ plan: true, grace: 0 })).entries).toBe(1);
  expect((await shown(url)).rescue.entries).toBe(0);
  await reaper.rescue({ grace: 0 });
  expect((await shown(url)).rescue).toMatchObject({ entries: 1, rescued: 1 });
});

test('entries of a pool that another reaper removes count where they were requeued', async () => {
  await seedPool(redis(), 'p', { heartbeat: second(-600), holds: new Map([['X', ['a', 'b', 'c']]]) });
  const other = await start();
  let calls = 0;
  const client = hold(
    intercept(redis(), 'evalsha', async (args) => {
      if (args.includes('t:reaper:recovered') && ++calls === 2) await other.reaper.rescue({ grace: 0 });
    }),
  );
  const { reaper, url } = await start({}, { redis: client, rescue: { batchSize: 1 } });
  await shown(url);
  await shown(other.url);
  await reaper.rescue({ grace: 0 });
  expect((await shown(url)).rescue).toMatchObject({ entries: 1, rescued: 0, cleaned: 1 });
  expect((await shown(other.url)).rescue).toMatchObject({ entries: 2, rescued: 1, cleaned: 0 });
});

test('a suspended rescue does not change the number of alive pools', async () => {
  await seedPool(redis(), 'p', { heartbeat: second() });
  const { reaper, url } = await start();
  await shown(url);
  await reaper.rescue({ grace: 0 });
  await redis().config('SET', 'min-replicas-to-write', '1');
  try {
    expect((await reaper.rescue({ grace: 0 })).suspended?.message).toContain('NOREPLICAS');
  } finally {
    await redis().config('SET', 'min-replicas-to-write', '0');
  }
  expect((await shown(url)).rescue).toMatchObject({ alive: 1, error: expect.stringContaining('NOREPLICAS') });
});

test('hooks that are pending already are counted, and are no acts; the explanation says so', async () => {
  for (const id of ['a', 'b']) await seedWithHook(redis(), id);
  await seedJob(redis(), 'hung', { age: 100_000 });
  const { reaper, url } = await start();
  const client = await page(url);
  await reaper.sweep();
  const { sweep, acts } = await client.until(({ acts }) => acts.length > 0);
  expect(sweep).toMatchObject({ verdicts: { refire: 2, fail: 1 }, outcomes: { 'already-pending': 2, done: 1 } });
  expect(acts.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual(['hung done']);
  expect((await client.until(({ hooks }) => hooks.pending > 0)).hooks.pending).toBe(2);
  const { job } = await client.ask({ type: 'job', id: 'a' });
  expect(job?.explanation).toMatchObject({
    action: 'nothing: its hook is pending already',
    hook: { state: 'pending', nextAttemptAt: expect.stringMatching(/^\d{4}-/) },
  });
});

test('a hook that is not needed any more does not count as failed', async () => {
  const endpoint = 'http://127.0.0.1:1';
  await redis().hset('t:reaper:hooks', 'gone', `pending Error:7 ${endpoint} 0 0 0 -`);
  await redis().zadd(`t:reaper:hooks:due:${endpoint}`, 1, 'gone');
  await redis().sadd('t:reaper:hooks:origins', endpoint);
  const { reaper, url } = await start();
  await shown(url);
  const outcomes: HookOutcome['outcome'][] = [];
  reaper.on('hook', ({ outcome }) => void outcomes.push(outcome));
  await reaper.sweep();
  await reaper.hooks.quiet();
  expect(outcomes).toEqual(['skipped']);
  expect((await shown(url)).hooks).toMatchObject({ delivered: 0, failed: 0 });
});
