/** What health and the summary of a sweep report of one pass after another. */
import { afterEach, expect, test } from 'vitest';
import type { HookOutcome, Suspension } from '../../src/index.ts';
import { createTestClock } from '../support/clock.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { seedJob } from '../support/jobs.ts';

const { server, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();
afterEach(() => {
  hookEndpoint.answer = undefined;
});

test('a plan, which writes nothing, does not end the report in health that sweeps are suspended', async () => {
  await seedJob(server.client, 'a');
  const reaper = opened.create({ redis: server.url });
  const detail = async () => (await reaper.health()).detail;
  const events: Suspension[] = [];
  reaper.on('suspended', (event) => void events.push(event));
  await server.client.config('SET', 'min-replicas-to-write', '1');
  try {
    expect((await reaper.sweep()).suspended?.message).toContain('NOREPLICAS');
    expect(await detail()).toContain('sweeps are suspended: ');
    expect((await reaper.sweep({ plan: true })).suspended).toBeUndefined();
    expect(await detail()).toContain('sweeps are suspended: ');
    expect(reaper.health().suspended).toMatchObject({ sweep: { code: 'redis-no-replicas' } });
  } finally {
    await server.client.config('SET', 'min-replicas-to-write', '0');
  }
  expect((await reaper.sweep()).suspended).toBeUndefined();
  expect(await detail()).not.toContain('sweeps are suspended');
  const reason = { code: 'redis-no-replicas', message: expect.stringContaining('min-replicas-to-write') };
  expect(events).toEqual([
    { pass: 'sweep', isSuspended: true, reason },
    { pass: 'sweep', isSuspended: false },
  ]);
  expect(reaper.health().suspended).toEqual({});
});

test('a sweep counts first attempts only, not a second attempt that is made meanwhile', async () => {
  const clock = createTestClock();
  const seed = (id: string) => seedJob(server.client, id, { web_hook_url: `${hookEndpoint.url}/200/x` });
  await seed('a');
  hookEndpoint.answer = (_, response) => response.writeHead(503).end();
  const first = opened.create({ redis: server.url, clock });
  expect((await first.sweep()).hooks).toEqual({ delivered: 0, failed: 1, parked: 0, skipped: 0 });
  await first.stop();
  hookEndpoint.answer = undefined;
  await seed('b');
  clock.advance(60_000);
  const second = opened.create({ redis: server.url, clock });
  const outcomes: HookOutcome[] = [];
  second.on('hook', (outcome) => void outcomes.push(outcome));
  expect((await second.sweep()).hooks).toEqual({ delivered: 1, failed: 0, parked: 0, skipped: 0 });
  expect(outcomes.map(({ id, attempt, outcome }) => [id, attempt, outcome]).toSorted()).toEqual([
    ['a', 2, 'delivered'],
    ['b', 1, 'delivered'],
  ]);
});
