/** What aborting the signal of a sweep or a rescue does: acts that have begun are finished, and no other begins. */
import { expect, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import { PassError, type ReaperOptions } from '../../src/index.ts';
import { createSignal } from '../../src/io/clock.ts';
import type { ScriptName } from '../../src/io/redis/replies.ts';
import { scriptOfDigest } from '../../src/io/redis/scripts.ts';
import { countTimers } from '../support/clock.ts';
import { redisFixture } from '../support/fixture.ts';
import { startHookEndpoint } from '../support/hookEndpoint.ts';
import { intercept, seedJob } from '../support/jobs.ts';
import { idsIn, seedPool } from '../support/pools.ts';

const { redis, opened, keys } = await redisFixture();

const day = 86_400;

/** A reaper whose calls of a script are held, until they are let go. */
const holding = (script: ScriptName, options: Partial<ReaperOptions>) => {
  const [held, gate] = [createSignal(), createSignal()];
  let calls = 0;
  const client = intercept(redis, 'evalsha', async ([digest]) => {
    if (scriptOfDigest(String(digest)) !== script) return;
    calls += 1;
    held.resolve();
    await gate.promise;
  });
  const reaper = opened.create({ redis: opened.hold(client), ...options });
  return { reaper, held: held.promise, letGo: gate.resolve, calls: () => calls };
};

/** Aborts a pass while the script is held, and returns the error with which the pass ends. */
const abortWhileHeld = async (
  { reaper, held, letGo }: ReturnType<typeof holding>,
  run: (signal: AbortSignal) => Promise<unknown>,
): Promise<PassError<never>> => {
  const controller = new AbortController();
  let hasEnded = false;
  const pass = run(controller.signal).then(
    () => expect.fail('the pass has not been aborted'),
    (error) => {
      hasEnded = true;
      return error;
    },
  );
  await held;
  controller.abort('no time');
  await reaper.tracked();
  expect(hasEnded).toBe(false);
  letGo();
  const error = await pass;
  expect(error).toBeInstanceOf(PassError);
  expect([error.code, error.cause]).toEqual(['aborted', 'no time']);
  expect(error.summary).toMatchObject({ isAborted: true });
  return error;
};

test('a sweep that is aborted finishes the act that has begun, begins no other, and leaves the rest to the next one', async () => {
  const ids = ['j1', 'j2', 'j3', 'j4'];
  for (const id of ids) await seedJob(redis, id, { age: 2 * day });
  const statuses = () => Promise.all(ids.map((id) => redis.hget(keys.stats(id), 'status')));
  const failed = async () => (await statuses()).filter((status) => status === 'Error').length;
  const it = holding('fail_job', { sweep: { concurrency: 1 } });
  const { summary } = await abortWhileHeld(it, (signal) => it.reaper.sweep({ signal }));
  expect([summary, await failed(), it.calls()]).toMatchObject([{ outcomes: { done: 1 } }, 1, 1]);
  expect(await it.reaper.sweep()).toMatchObject({ verdicts: { fail: 3 } });
  expect(await failed()).toBe(4);
});

test('a sweep that is aborted while its hooks are sent does not wait for them', async () => {
  const hookEndpoint = await startHookEndpoint();
  await seedJob(redis, 'j', { status: 'Success', web_hook_url: `${hookEndpoint.url}/silent` });
  const controller = new AbortController();
  hookEndpoint.answer = () => controller.abort();
  const reaper = opened.create({ redis: opened.hold(redis.duplicate()) });
  const error = await reaper.sweep({ signal: controller.signal }).catch((error) => error);
  expect(error).toMatchObject({ code: 'aborted', summary: { scanned: 1, verdicts: { refire: 1 } } });
  await reaper.stop({ timeout: 0 });
  await hookEndpoint.stop();
});

test('a rescue that is aborted finishes the pool that it works on, and leaves the other to the next one', async () => {
  for (const pool of ['p1', 'p2']) await seedPool(redis, pool, { holds: new Map([['X', [`${pool}-a`, `${pool}-b`]]]) });
  const it = holding('requeue', { rescue: { concurrency: 1, batchSize: 1 } });
  const { summary } = await abortWhileHeld(it, (signal) => it.reaper.rescue({ grace: 0, signal }));
  expect(summary).toMatchObject({ suspects: 2, entries: 2, pools: { rescued: 1, abandoned: 1 } });
  expect(await redis.smembers(keys.pools)).toHaveLength(1);
  expect(await idsIn(redis, keys.queue('X'))).toHaveLength(2);
  expect(await it.reaper.rescue({ grace: 0 })).toMatchObject({ suspects: 1, pools: { rescued: 1 } });
});

test('a rescue that is aborted while a pool waits out its grace ends without that pool', async () => {
  await seedPool(redis, 'p', { holds: new Map([['X', ['j']]]) });
  const clock = new SimulatedClock();
  const timers = countTimers(clock);
  const reaper = opened.create({ redis: opened.hold(redis.duplicate()), clock });
  const controller = new AbortController();
  const pass = reaper.rescue({ grace: '10h', signal: controller.signal }).catch((error) => error);
  await vi.waitUntil(() => timers(36_000_000) === 1);
  controller.abort();
  expect(await pass).toMatchObject({ code: 'aborted', summary: { entries: 0, pools: { abandoned: 1 } } });
  expect(await idsIn(redis, keys.inProgress('X', 'p'))).toEqual(['j']);
});

test('a rescue that is aborted while it rebuilds counters begins with no further type', async () => {
  const types = Array.from({ length: 250 }, (_, i) => `T${i}`);
  await redis.sadd(keys.knownJobs, types);
  for (const type of types) await redis.set(keys.lock(type), 7);
  const wrong = async () => (await redis.mget(types.map(keys.lock))).filter((lock) => lock === '7').length;
  const it = holding('rebuild_counters', {});
  const { summary } = await abortWhileHeld(it, (signal) => it.reaper.rescue({ grace: 0, signal }));
  const left = await wrong();
  expect(left).toBeGreaterThanOrEqual(150);
  expect((summary as { drift: readonly unknown[] }).drift).toHaveLength(250 - left);
  await it.reaper.rescue({ grace: 0 });
  expect(await wrong()).toBe(0);
});

test.each(['sweep', 'rescue'] as const)('a %s whose signal was aborted before asks Redis nothing', async (pass) => {
  await seedJob(redis, 'j', { age: 2 * day });
  await seedPool(redis, 'p', { holds: new Map([['X', ['j']]]) });
  const reaper = opened.create({ redis: opened.hold(redis.duplicate()) });
  const monitor = await redis.info('commandstats');
  await expect(reaper[pass]({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
  const callsIn = (stats: string) => stats.match(/cmdstat_evalsha:calls=(\d+)/)?.[1];
  expect(callsIn(await redis.info('commandstats'))).toBe(callsIn(monitor));
});
