/** Delivery of hooks: durable, bounded, classified. A real Redis, a real endpoint, a clock on which hours pass. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { HookOutcome, Reaper, ReaperOptions } from '../../src/index.ts';
import { createTestClock } from '../support/clock.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { ackText, intercept, seedJob } from '../support/jobs.ts';
import { trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let hookEndpoint: HookEndpoint;
let outcomes: HookOutcome[];
const opened = trackOpened();
beforeAll(async () => {
  [server, hookEndpoint] = await Promise.all([startRedis(), startHookEndpoint()]);
});
afterAll(() => Promise.all([server.stop(), hookEndpoint.stop()]));
beforeEach(async () => {
  await server.client.flushall();
  hookEndpoint.hooks.length = 0;
  hookEndpoint.answer = undefined;
  outcomes = [];
});
afterEach(() => opened.close());

const create = (options: Partial<ReaperOptions> = {}): Reaper => {
  const reaper = opened.create({ redis: server.url, ...options });
  reaper.on('hook', (outcome) => void outcomes.push(outcome));
  return reaper;
};

/** A tracked job that its endpoint has not confirmed, updated ten minutes ago. */
const seed = (id: string, path = '/200/x', fields: Record<string, string | number> = {}) =>
  seedJob(server.client, id, { web_hook_url: `${hookEndpoint.url}${path}`, ...fields });
const ackOf = async (id: string) => JSON.parse((await server.client.hget(`t:job_stats:${id}`, 'ack')) ?? 'null');
const recordOf = (id: string) => server.client.hget('t:reaper:hooks', id);
const stats = (id: string, fields: Record<string, string | number>) => server.client.hset(`t:job_stats:${id}`, fields);
const minute = 60_000;
const hour = 60 * minute;

describe('what comes back', () => {
  test('a delivered hook is ACKed, and its record is removed', async () => {
    await seed('a');
    expect((await create().sweep()).hooks).toEqual({ delivered: 1, failed: 0, parked: 0, skipped: 0 });
    expect(await ackOf('a')).toMatchObject({ status: 'Running' });
    expect(await recordOf('a')).toBeNull();
    expect(await server.client.keys('t:reaper:hooks:due:*')).toEqual([]);
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
    for (const key of await server.client.keys('t:reaper:*')) expect(key).not.toContain('hunter2');
    expect(JSON.stringify(await server.client.hgetall('t:reaper:hooks'))).not.toContain('hunter2');
  });
});

describe('parked', () => {
  const park = async () => {
    const at = await seed('a', '/400/x', { status: 'Success' });
    const reaper = create();
    await reaper.sweep();
    expect(outcomes).toMatchObject([{ outcome: 'parked' }]);
    hookEndpoint.hooks.length = 0;
    return { reaper, at };
  };

  test('no sweep enqueues it again', async () => {
    const { reaper } = await park();
    expect(await reaper.sweep()).toMatchObject({ verdicts: { refire: 1 }, outcomes: { parked: 1 } });
    expect(hookEndpoint.hooks).toEqual([]);
  });

  test.each([
    ['status', (at: number) => ({ status: 'Error', update_time: at })],
    ['revision', (at: number) => ({ revision: at + 1, update_time: at })],
  ])('a new %s has it fired again', async (_, change) => {
    const { reaper, at } = await park();
    await stats('a', { ...change(at), web_hook_url: `${hookEndpoint.url}/200/x` });
    expect(await reaper.sweep()).toMatchObject({ hooks: { delivered: 1 } });
    expect(await recordOf('a')).toBeNull();
    expect(await server.client.exists('t:reaper:hooks:parked')).toBe(0);
  });

  test('its job no longer counts as in progress, and status says so', async () => {
    const { reaper } = await park();
    await seed('b');
    const { tracked, hooks } = await reaper.status();
    expect(tracked).toMatchObject({ total: 1, parkedFinal: 1, byStatus: { Running: 1 }, byVerdict: { refire: 1 } });
    expect(hooks).toMatchObject({ pending: 0, parked: 1 });
  });

  test('a user can retry it or drop it', async () => {
    const { reaper } = await park();
    expect(await reaper.hooks.retry({ reason: '404' })).toBe(0);
    expect(await reaper.hooks.retry({ reason: '400' }, { plan: true })).toBe(1);
    expect(hookEndpoint.hooks).toEqual([]);
    hookEndpoint.answer = (_, response) => response.writeHead(200).end();
    expect(await reaper.hooks.retry({ endpoint: hookEndpoint.url })).toBe(1);
    await vi.waitUntil(async () => (await recordOf('a')) === null);
    expect(await ackOf('a')).toMatchObject({ status: 'Success' });

    await seed('b', '/500/x');
    hookEndpoint.answer = undefined;
    await reaper.sweep();
    expect(await reaper.hooks.drop({ id: 'b' })).toBe(1);
    expect(await reaper.hooks.drop({ id: 'b' })).toBe(0);
    hookEndpoint.hooks.length = 0;
    expect((await reaper.sweep()).outcomes).toMatchObject({ parked: 1 });
    expect(hookEndpoint.hooks).toEqual([]);
    const explanation = await reaper.explain('b');
    expect(explanation.hook).toMatchObject({ state: 'parked', answer: 'dropped', endpoint: hookEndpoint.url });
  });

  test('after a month it is forgotten', async () => {
    const clock = createTestClock();
    await seed('a', '/400/x');
    const reaper = create({ clock });
    await reaper.sweep();
    clock.advance(29 * 24 * hour);
    await reaper.sweep();
    expect(await recordOf('a')).not.toBeNull();
    clock.advance(2 * 24 * hour);
    await server.client.del('t:job_stats:a');
    await reaper.sweep();
    expect(await recordOf('a')).toBeNull();
    expect(await server.client.exists('t:reaper:hooks:parked')).toBe(0);
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
    await stats('a', { ack: ackText('Success', at) });
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
    const told = hookEndpoint.hooks.map(({ body }) => [body.status, body.check_in]);
    expect(told.filter(([, text]) => text !== undefined)).toEqual([
      ['Running', 'one'],
      ['Running', 'two'],
    ]);
    expect(told.at(-1)).toEqual(['Success', undefined]);
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
      expect(await server.client.hget('t:job_track:inprogress', 'a')).toBeNull();
    },
  );

  test('a job whose stats are gone does not stop the hooks of other jobs', async () => {
    await seed('bad', '/500/x');
    await seed('good', '/500/x');
    const clock = createTestClock();
    await create({ clock }).sweep();
    await server.client.del('t:job_stats:bad');
    await server.client.lpush('t:job_stats:bad', 'x');
    hookEndpoint.answer = (_, response) => response.writeHead(200).end();
    await clock.until(async () => (await recordOf('good')) === null && (await recordOf('bad')) === null);
    expect(outcomes.filter(({ outcome }) => outcome === 'skipped')).toMatchObject([{ id: 'bad' }]);
  });
});

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
    while ((await server.client.hlen('t:job_track:inprogress')) > 0 && hookEndpoint.hooks.length < 10)
      await reaper.sweep();
    expect(new Set(hookEndpoint.hooks.map(({ body }) => body.job_id)).size).toBe(10);
  });

  test('a page of a thousand jobs is enqueued some hundreds at a time', async () => {
    for (let i = 0; i < 1_000; i++) await seed(`j${i}`);
    const calls = async () => {
      const info = await server.client.info('commandstats');
      return (
        Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0) +
        Number(/cmdstat_eval:calls=(\d+)/.exec(info)?.[1] ?? 0)
      );
    };
    hookEndpoint.answer = () => undefined;
    const reaper = create({ sweep: { pageSize: 1_000 }, hooks: { concurrencyPerEndpoint: 1 } });
    const swept = new Promise((resolve) => reaper.on('sweep', resolve));
    const before = await calls();
    void reaper.sweep().catch(() => undefined);
    await swept;
    // 8 reads of the facts, 5 notes, the scan and the first claims; those that Redis does not know yet are sent again.
    expect((await calls()) - before).toBeLessThan(40);
    expect(await server.client.hlen('t:reaper:hooks')).toBe(1_000);
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
    const untried = Object.values(await server.client.hgetall('t:reaper:hooks')).filter((text) =>
      / 0 0 0 -$/.test(text),
    );
    expect(untried).toHaveLength(60 - tried);
    // One probe a time, further and further apart.
    await clock.until(() => hookEndpoint.hooks.length === tried + 3, 50);
    expect(hookEndpoint.hooks).toHaveLength(tried + 3);

    isUp = true;
    hookEndpoint.hooks.length = 0;
    await clock.until(async () => (await server.client.hlen('t:reaper:hooks')) === 0, 20);
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
    expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Error');
    expect(await recordOf('hung')).toMatch(/ Error:/);
  });

  test('does not delay another endpoint', async () => {
    const other = await startHookEndpoint();
    for (let i = 0; i < 30; i++) await seed(`dead-${i}`, '/503/x');
    for (let i = 0; i < 30; i++) await seedJob(server.client, `fine-${i}`, { web_hook_url: `${other.url}/200` });
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

describe('several hosts', () => {
  test('each hook is sent by one of them', async () => {
    for (let i = 0; i < 400; i++) await seed(`j${i}`);
    const reapers = [create(), create(), create()];
    await Promise.all(reapers.map((reaper) => reaper.sweep()));
    await vi.waitUntil(async () => (await server.client.hlen('t:reaper:hooks')) === 0);
    expect(hookEndpoint.hooks).toHaveLength(400);
    expect(new Set(hookEndpoint.hooks.map(({ body }) => body.job_id)).size).toBe(400);
  });

  test('a hook that a host had claimed when it died is sent by another host after the claim has expired', async () => {
    const clock = createTestClock();
    await seed('a');
    hookEndpoint.answer = () => undefined;
    const first = create({ clock });
    void first.sweep().catch(() => undefined);
    await vi.waitUntil(() => hookEndpoint.hooks.length === 1);
    expect(await recordOf('a')).toMatch(/^sending /);
    hookEndpoint.answer = undefined;
    const other = create({ clock });
    other.start();
    await clock.until(async () => (await recordOf('a')) === null, 1_000);
    expect(hookEndpoint.hooks).toHaveLength(2);
    expect(await ackOf('a')).not.toBeNull();
  });

  test('a host sends the pending hooks of other hosts when it starts', async () => {
    const first = create();
    hookEndpoint.answer = (_, response) => response.writeHead(503).end();
    await seed('a');
    await first.sweep();
    await first.stop();
    hookEndpoint.answer = undefined;
    const clock = createTestClock();
    create({ clock }).start();
    await clock.until(async () => (await recordOf('a')) === null);
    expect(await ackOf('a')).not.toBeNull();
  });

  test('a reaper that only plans sends nothing', async () => {
    const first = create();
    await seed('a', '/503/x');
    await first.sweep();
    await first.stop();
    hookEndpoint.hooks.length = 0;
    const clock = createTestClock();
    const planner = create({ clock, plan: true });
    planner.start();
    await planner.sweep();
    clock.advance(hour);
    await planner.sweep();
    expect(hookEndpoint.hooks).toEqual([]);
  });
});

describe('cut off anywhere', () => {
  /** A host that sweeps, and from the nth script on, before or after it, says nothing to Redis any more. */
  const sweepUntil = async (nth: number, isBefore: boolean): Promise<number> => {
    let calls = 0;
    const client = opened.hold(
      intercept(server.client, 'evalsha', () => {
        calls += 1;
        if (calls > nth || (calls === nth && isBefore)) throw new Error('this host is dead');
      }),
    );
    const reaper = create({ redis: client });
    let isOver = false;
    void reaper
      .sweep()
      .catch(() => undefined)
      .then(() => {
        isOver = true;
      });
    await vi.waitUntil(() => isOver || calls > nth || (calls === nth && isBefore), { interval: 5 });
    await reaper.stop({ timeout: 0 });
    return calls;
  };

  test('a host that is killed before or after any script loses no change, and a hook is sent twice only if the host died between POST and ACK', async () => {
    let total = Number.POSITIVE_INFINITY;
    for (let nth = 0; nth <= total; nth++) {
      for (const isBefore of [true, false]) {
        await server.client.flushall();
        hookEndpoint.hooks.length = 0;
        await seed('a');
        await seed('hung', '/200/x', { age: 90_000 });
        const calls = await sweepUntil(nth === 0 ? Number.POSITIVE_INFINITY : nth, isBefore);
        if (nth === 0) total = calls;
        const told = (id: string) => hookEndpoint.hooks.filter(({ body }) => body.job_id === id).length;
        const before = { a: [told('a'), await ackOf('a')], hung: [told('hung'), await ackOf('hung')] };
        // The claim of the dead is over after a while.
        const clock = createTestClock();
        clock.advance(2 * minute);
        const other = create({ clock });
        await other.sweep();
        await clock.until(async () => (await server.client.hlen('t:reaper:hooks')) === 0);
        await other.stop({ timeout: 0 });
        expect([nth, await ackOf('a')]).toMatchObject([nth, { status: 'Running' }]);
        expect([nth, await ackOf('hung')]).toMatchObject([nth, { status: 'Error' }]);
        for (const id of ['a', 'hung'] as const) {
          const isTwice = before[id][0] === 1 && before[id][1] === null;
          expect([nth, isBefore, id, told(id)]).toEqual([nth, isBefore, id, isTwice ? 2 : 1]);
        }
      }
    }
    expect(total).toBeGreaterThan(6);
  });
});

test('a hook that was delivered while Redis refused writes is not sent again; only its ACK is written later', async () => {
  const clock = createTestClock();
  await seed('a');
  hookEndpoint.answer = async (_, response) => {
    await server.client.config('SET', 'min-replicas-to-write', '1'); // Redis refuses writes from here on.
    response.writeHead(200).end();
  };
  const reaper = create({ clock });
  const sweep = reaper.sweep();
  await vi.waitUntil(() => hookEndpoint.hooks.length === 1);
  clock.advance(2_000);
  await server.client.config('SET', 'min-replicas-to-write', '0');
  // What was refused in between is tried again after a pause.
  await clock.untilSettled(sweep);
  expect(outcomes).toMatchObject([{ outcome: 'delivered' }]);
  expect(hookEndpoint.hooks).toHaveLength(1);
  expect(await ackOf('a')).not.toBeNull();
});
