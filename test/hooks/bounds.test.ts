/** Hooks are bounded: how many at once, to an endpoint that is down, and to which endpoints at all. */
import { describe, expect, test, vi } from 'vitest';
import { createTestClock } from '../support/clock.ts';
import { startHookEndpoint } from '../support/hookEndpoint.ts';
import { seedJob } from '../support/jobs.ts';
import { deliveryFixture } from './deliveryFixture.ts';

const { redis, hookEndpoint, create, seed, recordOf } = await deliveryFixture();

describe('how much at once', () => {
  test('hooks in flight are limited, for one endpoint and in total', async () => {
    const waiting: (() => void)[] = [];
    let most = 0;
    hookEndpoint.answer = (_, response) => {
      waiting.push(() => response.writeHead(200).end());
      most = Math.max(most, waiting.length);
    };
    for (let i = 0; i < 10; i++) await seed(`j${i}`);
    const reaper = create({ hooks: { concurrencyPerEndpoint: 2 } });
    const sweep = reaper.sweep();
    await vi.waitUntil(() => waiting.length === 2);
    hookEndpoint.answer = (_, response) => response.writeHead(200).end();
    for (const answer of waiting) answer();
    expect((await sweep).hooks.delivered).toBe(10);
    expect(most).toBe(2);
  });

  test('when the limit of records is reached, the next sweep enqueues the rest', async () => {
    for (let i = 0; i < 10; i++) await seed(`j${i}`);
    const reaper = create({ hooks: { maxRecords: 4 } });
    const { outcomes: first } = await reaper.sweep();
    expect((first.enqueued ?? 0) + (first.deferred ?? 0)).toBe(10);
    expect(first.deferred).toBeGreaterThan(0);
    while ((await redis.hlen('t:job_track:inprogress')) > 0 && hookEndpoint.hooks.length < 10) await reaper.sweep();
    expect(new Set(hookEndpoint.hooks.map(({ body }) => body.job_id)).size).toBe(10);
  });

  test('a page of a thousand jobs is enqueued some hundreds at a time', async () => {
    for (let i = 0; i < 1_000; i++) await seed(`j${i}`);
    const calls = async () => {
      const info = await redis.info('commandstats');
      return (
        Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0) +
        Number(/cmdstat_eval:calls=(\d+)/.exec(info)?.[1] ?? 0)
      );
    };
    hookEndpoint.answer = () => undefined;
    const reaper = create({ sweep: { pageSize: 1_000, maxRedisShare: 1 }, hooks: { concurrencyPerEndpoint: 1 } });
    const swept = new Promise((resolve) => reaper.on('sweep', resolve));
    const before = await calls();
    void reaper.sweep().catch(() => undefined);
    await swept;
    // 8 reads of the facts, 5 notes, the scan and the first claims; those that Redis does not know yet are sent again.
    expect((await calls()) - before).toBeLessThan(40);
    expect(await redis.hlen('t:reaper:hooks')).toBe(1_000);
  });
});

describe('an endpoint that is down', () => {
  test('its circuit opens after ten failures in a row; other endpoints get their hooks, and this one gets all of its hooks after it has recovered', async () => {
    const clock = createTestClock();
    let isUp = false;
    hookEndpoint.answer = (_, response) => response.writeHead(isUp ? 200 : 503).end();
    for (let i = 0; i < 60; i++) await seed(`j${i}`);
    const reaper = create({ clock, hooks: { concurrencyPerEndpoint: 5 } });
    await reaper.sweep();
    const tried = hookEndpoint.hooks.length;
    expect(tried).toBeGreaterThanOrEqual(10);
    expect(tried).toBeLessThanOrEqual(15);
    expect(await reaper.hooks.endpoints()).toMatchObject([
      { endpoint: hookEndpoint.url, pending: 60, breaker: 'open', answer: '503' },
    ]);
    const untried = Object.values(await redis.hgetall('t:reaper:hooks')).filter((text) => / 0 0 0 -$/.test(text));
    expect(untried).toHaveLength(60 - tried);
    // One probe a time, further and further apart.
    await clock.until(() => hookEndpoint.hooks.length === tried + 3, 50);
    expect(hookEndpoint.hooks).toHaveLength(tried + 3);

    isUp = true;
    hookEndpoint.hooks.length = 0;
    await clock.until(async () => (await redis.hlen('t:reaper:hooks')) === 0, 20);
    const ids = hookEndpoint.hooks.map(({ body }) => body.job_id);
    expect(ids).toHaveLength(60);
    expect(new Set(ids).size).toBe(60);
    await clock.until(async () => (await reaper.hooks.endpoints()).length === 0);
  });

  test('an endpoint that has recovered gets hooks at a limited rate', async () => {
    const clock = createTestClock();
    let isUp = false;
    const taken: number[] = [];
    hookEndpoint.answer = (_, response) => {
      if (isUp) taken.push(clock.now());
      response.writeHead(isUp ? 200 : 503).end();
    };
    for (let i = 0; i < 120; i++) await seed(`j${i}`);
    await create({ clock, hooks: { drainRate: 60 } }).sweep();
    const began = clock.now();
    isUp = true;
    await vi.waitUntil(
      () => {
        clock.advance(10);
        return taken.length === 120;
      },
      { interval: 5 },
    );
    // A slow machine may be slower than agreed, and none faster.
    expect((119 * 1_000) / ((taken.at(-1) as number) - began)).toBeLessThan(66);
  });

  test('hung jobs are failed in the same sweep', async () => {
    hookEndpoint.answer = (_, response) => response.writeHead(503).end();
    for (let i = 0; i < 50; i++) await seed(`j${i}`);
    await seed('hung', '/200/x', { age: 90_000 });
    const summary = await create().sweep();
    expect(summary.verdicts).toMatchObject({ refire: 50, fail: 1 });
    expect(await redis.hget('t:job_stats:hung', 'status')).toBe('Error');
    expect(await recordOf('hung')).toMatch(/ Error:/);
  });

  test('does not delay another endpoint', async () => {
    const other = await startHookEndpoint();
    for (let i = 0; i < 30; i++) await seed(`dead-${i}`, '/503/x');
    for (let i = 0; i < 30; i++) await seedJob(redis, `fine-${i}`, { web_hook_url: `${other.url}/200` });
    expect((await create().sweep()).hooks.delivered).toBe(30);
    expect(other.hooks).toHaveLength(30);
    await other.stop();
  });
});

describe('where it may go', () => {
  test('hooks to origins that are not allowed are parked, and hooks to rewritten origins are sent to the new origin', async () => {
    await seed('a');
    await seed('b', '', { web_hook_url: 'http://old-core/200/b' });
    await seed('c', '', { web_hook_url: 'http://elsewhere.invalid/200' });
    await create({
      hooks: { allowedOrigins: [hookEndpoint.url], rewriteOrigins: { 'http://old-core': hookEndpoint.url } },
    }).sweep();
    expect(hookEndpoint.hooks.map(({ body }) => body.job_id).sort()).toEqual(['a', 'b']);
    expect(await recordOf('c')).toMatch(/ forbidden$/);
  });

  test('no hook is sent to the metadata service of a cloud', async () => {
    await seed('a', '', { web_hook_url: 'http://169.254.169.254/latest/meta-data' });
    await create().sweep();
    expect(await recordOf('a')).toMatch(/ forbidden$/);
  });
});
