/** Options that change while a reaper runs. */
import { expect, test } from 'vitest';
import { OptionsError, type RescueSummary, StoppedError } from '../../src/index.ts';
import { createTestClock } from '../support/clock.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { seedJob } from '../support/jobs.ts';

const { server, redis, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();
const hour = 3_600_000;

test.each(['always', 'auto'] as const)(
  'role %s: a pass that waits is due by the new interval, from when its wait began',
  async (role) => {
    const clock = createTestClock();
    const rescue = { initialDelay: hour, interval: hour };
    const reaper = opened.create({ redis: server.url, clock, role, rescue, sweep: { initialDelay: 100 * hour } });
    const passes: RescueSummary[] = [];
    reaper.on('rescue', (summary) => void passes.push(summary));
    const mandates: unknown[] = [];
    reaper.on('leader', ({ isThisHost }) => void mandates.push(isThisHost));
    reaper.start();
    // A pass waits from the mandate on; the lease is in Redis before this host knows of it.
    if (role === 'auto') await expect.poll(() => mandates).toEqual([true]);
    clock.advance(600_000);
    reaper.reload({ rescue: { initialDelay: '11m' } });
    reaper.reload({ rescue: { interval: '20s' } });
    expect(passes).toHaveLength(0);
    clock.advance(60_000);
    await expect.poll(() => passes.length).toBe(1);
  },
);

test('a new limit of hooks counts from now on', async () => {
  let inFlight = 0;
  let most = 0;
  hookEndpoint.answer = (_, response) => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    setImmediate(() => {
      inFlight -= 1;
      response.writeHead(200).end();
    });
  };
  const reaper = opened.create({ redis: server.url, hooks: { concurrency: 1 } });
  const send = async () => {
    for (let i = 0; i < 40; i++) await seedJob(redis, `j${i}`, { web_hook_url: `${hookEndpoint.url}/200` });
    await reaper.sweep();
    await redis.flushall();
  };
  await send();
  expect(most).toBe(1);
  reaper.reload({ hooks: { concurrency: 16 } });
  await send();
  expect(most).toBeGreaterThan(1);
});

test('a new threshold of the breakers counts for what is shown of them too', async () => {
  const reaper = opened.create({ redis: server.url, hooks: { breakerThreshold: 10 } });
  await redis.sadd('t:reaper:hooks:origins', 'http://a:1');
  await redis.hset('t:reaper:hooks:endpoint:http://a:1', 'failures', 5);
  const breaker = async () => (await reaper.status()).hooks.endpoints.map((endpoint) => endpoint.breaker);
  expect(await breaker()).toEqual(['closed']);
  reaper.reload({ hooks: { breakerThreshold: 5 } });
  expect(await breaker()).toEqual(['probing']);
});

test('what cannot be used, or cannot change, is refused by its name, and nothing changes', async () => {
  const reaper = opened.create({ redis: server.url });
  const issuesOf = (options: object) => {
    try {
      reaper.reload(options);
    } catch (error) {
      if (error instanceof OptionsError) return error.issues;
    }
    return expect.unreachable('it was not refused');
  };
  expect(issuesOf({ sweep: { interval: '10' } })).toMatchObject([{ path: 'sweep.interval' }]);
  expect(issuesOf({ sweep: { interval: '10m', concurrency: 3 }, hooks: { timeout: '1s' } })).toEqual([
    { path: 'sweep.concurrency', message: 'cannot change while the reaper runs' },
    { path: 'hooks.timeout', message: 'cannot change while the reaper runs' },
  ]);
  expect(issuesOf({ role: 'never' })).toMatchObject([{ path: 'role', message: 'unknown option' }]);
  await reaper.stop();
  expect(() => reaper.reload({})).toThrow(StoppedError);
});
