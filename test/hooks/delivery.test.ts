/** What comes of a hook that is sent, and what is sent. A real Redis, a real endpoint, a clock on which hours pass. */
import { describe, expect, test, vi } from 'vitest';
import { createTestClock } from '../support/clock.ts';
import { ackText } from '../support/jobs.ts';
import { deliveryFixture, hour, minute } from './deliveryFixture.ts';

const { redis, hookEndpoint, outcomes, create, seed, ackOf, recordOf, changeStats } = await deliveryFixture();

describe('what comes back', () => {
  test('a delivered hook is ACKed, and its record is removed', async () => {
    await seed('a');
    expect((await create().sweep()).hooks).toEqual({ delivered: 1, failed: 0, parked: 0, skipped: 0 });
    expect(await ackOf('a')).toMatchObject({ status: 'Running' });
    expect(await recordOf('a')).toBeNull();
    expect(await redis.keys('t:reaper:hooks:due:*')).toEqual([]);
  });

  test.each([503, 500, 408, 425, 429])(
    '%i is tried again with back-off until the endpoint takes it',
    async (status) => {
      const clock = createTestClock();
      let refusals = 3;
      hookEndpoint.answer = (_, response) => response.writeHead(refusals-- > 0 ? status : 200).end();
      await seed('a');
      const reaper = create({ clock });
      await reaper.sweep();
      expect(outcomes).toMatchObject([
        { id: 'a', outcome: 'failed', attempt: 1, reason: `the endpoint answered ${status}` },
      ]);
      for (const [i, pause] of [2_000, 4_000, 8_000].entries()) {
        // The clock stands still from here on until the next try.
        const wait = async () => (await reaper.hooks.endpoints())[0]?.waitMs ?? 0;
        await vi.waitUntil(async () => (await recordOf('a'))?.startsWith('pending'));
        const left = await wait();
        expect(left).toBeLessThanOrEqual(pause);
        expect(left).toBeGreaterThan(pause / 2);
        expect(outcomes).toHaveLength(i + 1);
        clock.advance(left + 50);
        await vi.waitUntil(() => outcomes.length === i + 2 || clock.advance(50), { interval: 20 });
      }
      expect(outcomes[3]).toMatchObject({ outcome: 'delivered', attempt: 4 });
      expect(await ackOf('a')).toMatchObject({ status: 'Running' });
    },
  );

  test('Retry-After of an endpoint delays the next attempt', async () => {
    const clock = createTestClock();
    let refusals = 1;
    hookEndpoint.answer = (_, response) =>
      refusals-- > 0 ? response.writeHead(429, { 'retry-after': '120' }).end() : response.writeHead(200).end();
    await seed('a');
    await create({ clock }).sweep();
    const began = clock.now();
    await clock.until(() => outcomes.length === 2, 1_000);
    expect(clock.now() - began).toBeGreaterThanOrEqual(119_000);
    expect(outcomes[1]).toMatchObject({ outcome: 'delivered' });
  });

  test.each([404, 410])('%i is retried for ten minutes, then parked', async (status) => {
    const clock = createTestClock();
    await seed('a', `/${status}/x`);
    const reaper = create({ clock });
    await reaper.sweep();
    const began = clock.now();
    await clock.until(() => outcomes.at(-1)?.outcome === 'parked', 1_000);
    expect(clock.now() - began).toBeGreaterThanOrEqual(10 * minute - 2_000);
    expect(outcomes.length).toBeGreaterThan(1);
    expect(await recordOf('a')).toMatch(new RegExp(`^parked Running:\\d+ \\S+ \\d+ \\d+ \\d+ ${status}$`));
  });

  test('what fails for a day is parked', async () => {
    const clock = createTestClock();
    await seed('a', '/500/x');
    // The test's clock may be weeks ahead by the time that an answer is there: the deadline is to be the only end.
    await create({ clock, hooks: { maxAge: 1e12 } }).sweep();
    const began = clock.now();
    await clock.until(() => outcomes.at(-1)?.outcome === 'parked', minute);
    expect(clock.now() - began).toBeGreaterThanOrEqual(24 * hour - minute);
    expect(await recordOf('a')).toMatch(/ deadline$/);
  });

  test.each([400, 401, 403, 413, 422])('%i is parked at once, with the reason', async (status) => {
    await seed('a', `/${status}/x`);
    expect((await create().sweep()).hooks).toMatchObject({ parked: 1 });
    expect(outcomes).toMatchObject([{ outcome: 'parked', attempt: 1, reason: `the endpoint answered ${status}` }]);
    expect(await recordOf('a')).toMatch(new RegExp(` ${status}$`));
  });

  test('a URL that cannot be used is parked at once, and its secrets are in no event and no record', async () => {
    await seed('a', '', { web_hook_url: 'ftp://user:hunter2@host/?token=hunter2' });
    await seed('b', '/500/x?token=hunter2');
    await seed('c', '', { web_hook_url: `http://user:hunter2@${new URL(hookEndpoint.url).host}/400/hunter2` });
    await create().sweep();
    expect(outcomes.map(({ id, outcome }) => [id, outcome]).sort()).toEqual([
      ['a', 'parked'],
      ['b', 'failed'],
      ['c', 'parked'],
    ]);
    expect(await recordOf('a')).toMatch(/ bad-url$/);
    expect(JSON.stringify(outcomes)).not.toContain('hunter2');
    for (const key of await redis.keys('t:reaper:*')) expect(key).not.toContain('hunter2');
    expect(JSON.stringify(await redis.hgetall('t:reaper:hooks'))).not.toContain('hunter2');
  });
});

describe('what is sent', () => {
  test('a change older than seven days is parked without an attempt, unless a user asks for it', async () => {
    await seed('old', '/200/x', { age: 8 * 86_400, status: 'Success' });
    await seed('young', '/200/x', { age: 6 * 86_400, status: 'Success' });
    const reaper = create();
    expect((await reaper.sweep()).hooks).toMatchObject({ delivered: 1, parked: 1 });
    expect(hookEndpoint.hooks.map(({ body }) => body.job_id)).toEqual(['young']);
    expect(await recordOf('old')).toMatch(/ too-old$/);
    await reaper.hooks.retry({ reason: 'too-old' });
    await vi.waitUntil(async () => (await ackOf('old')) !== null);
  });

  test('several changes of a job before the next attempt are sent as one POST, with the newest state', async () => {
    const clock = createTestClock();
    const reaper = create({ clock });
    hookEndpoint.answer = (_, response) => response.writeHead(503).end();
    const job = await reaper.lifecycle.save({ id: 'a', name: 'X', webHookUrl: `${hookEndpoint.url}/200` });
    await job.run();
    await vi.waitUntil(() => outcomes.length === 1);
    hookEndpoint.answer = undefined;
    hookEndpoint.hooks.length = 0;
    await job.succeed();
    await vi.waitUntil(() => outcomes.some(({ outcome }) => outcome === 'delivered'));
    expect(hookEndpoint.hooks.map(({ body }) => body.status)).toEqual(['Success']);
    expect(await recordOf('a')).toBeNull();
  });

  test('a change that is made during a POST is sent after that POST', async () => {
    const reaper = create();
    const answers: (() => void)[] = [];
    hookEndpoint.answer = (_, response) => void answers.push(() => response.writeHead(200).end());
    const job = await reaper.lifecycle.save({ id: 'a', name: 'X', webHookUrl: `${hookEndpoint.url}/200` });
    await job.run();
    await vi.waitUntil(() => answers.length === 1);
    await job.succeed();
    hookEndpoint.answer = undefined;
    answers[0]?.();
    await vi.waitUntil(() => outcomes.length === 2);
    expect(hookEndpoint.hooks.map(({ body }) => body.status)).toEqual(['Running', 'Success']);
    expect(await ackOf('a')).toMatchObject({ status: 'Success' });
  });

  test('nothing older than the stored ack is sent', async () => {
    const clock = createTestClock();
    const at = await seed('a', '/500/x');
    await create({ clock }).sweep();
    await changeStats('a', { ack: ackText('Success', at) });
    await clock.until(() => outcomes.length === 2);
    expect(outcomes[1]).toMatchObject({ outcome: 'skipped', reason: 'the endpoint has already confirmed this state' });
    expect(hookEndpoint.hooks).toHaveLength(1);
    expect(await recordOf('a')).toBeNull();
  });

  test('check-ins go out in order with their text, and the status change after them', async () => {
    const reaper = create();
    const job = await reaper.lifecycle.save({ id: 'c', name: 'X', webHookUrl: `${hookEndpoint.url}/200` });
    expect(await job.run()).toEqual({ outcome: 'done' });
    await vi.waitUntil(() => outcomes.length === 1);
    await job.checkIn('one');
    await job.checkIn('two');
    await job.succeed();
    await vi.waitUntil(() => hookEndpoint.hooks.at(-1)?.body.status === 'Success');
    await vi.waitUntil(async () => (await recordOf('c')) === null);
    const bodies = hookEndpoint.hooks.map(({ body }) => [body.status, body.check_in]);
    expect(bodies.filter(([, text]) => text !== undefined)).toEqual([
      ['Running', 'one'],
      ['Running', 'two'],
    ]);
    expect(bodies.at(-1)).toEqual(['Success', undefined]);
  });

  test('a text that fails is sent again before what comes after it', async () => {
    const clock = createTestClock();
    const reaper = create({ clock });
    const job = await reaper.lifecycle.save({ id: 'c', name: 'X', webHookUrl: `${hookEndpoint.url}/200` });
    hookEndpoint.answer = (_, response) => response.writeHead(503).end();
    await job.checkIn('one');
    await vi.waitUntil(() => outcomes.length === 1);
    hookEndpoint.answer = undefined;
    hookEndpoint.hooks.length = 0;
    await job.succeed();
    await clock.until(async () => (await recordOf('c')) === null);
    expect(hookEndpoint.hooks.map(({ body }) => [body.status, body.check_in])).toEqual([
      ['Pending', 'one'],
      ['Success', undefined],
    ]);
  });

  test.each(['0x7fffffff', '+2147483647', '02147483647'])(
    'an ACK that only Lua could read is replaced by the next one: %s',
    async (revision) => {
      await seed('a', '/200/x', { status: 'Success', ack: `{"status":"Success","revision":${revision}}` });
      const reaper = create();
      await reaper.sweep();
      await reaper.sweep();
      expect(hookEndpoint.hooks).toHaveLength(1);
      expect(await ackOf('a')).toMatchObject({ status: 'Success' });
      expect(await redis.hget('t:job_track:inprogress', 'a')).toBeNull();
    },
  );

  test('a job whose stats are gone does not stop the hooks of other jobs', async () => {
    await seed('bad', '/500/x');
    await seed('good', '/500/x');
    const clock = createTestClock();
    await create({ clock }).sweep();
    await redis.del('t:job_stats:bad');
    await redis.lpush('t:job_stats:bad', 'x');
    hookEndpoint.answer = (_, response) => response.writeHead(200).end();
    await clock.until(async () => (await recordOf('good')) === null && (await recordOf('bad')) === null);
    expect(outcomes.filter(({ outcome }) => outcome === 'skipped')).toMatchObject([{ id: 'bad' }]);
  });
});
