/** The messages between the inspector's server and its pages. */
import { describe, expect, test, vi } from 'vitest';
import type { WebSocket } from 'ws';
import type { Clock } from '../../src/index.ts';
import { createTestClock } from '../support/clock.ts';
import { cookieOf, openPage } from '../support/inspector.ts';
import { useInspector } from '../support/inspectorServer.ts';
import { second, seedJob } from '../support/jobs.ts';
import { freePort } from '../support/redisServer.ts';

const { redis, start, page } = useInspector();
const closedWith = (socket: WebSocket) =>
  new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)));

describe('messages from a page', () => {
  test.each([
    ['invalid JSON', 'sweep', 1008],
    ['an unknown message', '{"type":"stop","request":1}', 1008],
    ['an unknown key', '{"type":"job","request":1,"id":"a","more":1}', 1008],
    ['an id that is too long', JSON.stringify({ type: 'job', request: 1, id: 'x'.repeat(513) }), 1008],
    ['a message that is too long', 'x'.repeat(5_000), 1009],
  ])('%s closes the connection', async (_, text, code) => {
    const { url } = await start();
    const { socket } = await page(url);
    const closed = closedWith(socket);
    socket.send(text);
    expect(await closed).toBe(code);
  });

  test('a flood of messages closes its own connection only', async () => {
    const { url } = await start();
    const [flooding, other] = [await page(url), await page(url)];
    const closed = closedWith(flooding.socket);
    for (let i = 0; i < 100; i++) flooding.socket.send(JSON.stringify({ type: 'watch', request: i, id: 'a' }));
    expect(await closed).toBe(1008);
    expect((await other.ask({ type: 'job', id: 'a' })).job?.explanation.isTracked).toBe(false);
  });

  test('at most 32 pages are accepted', async () => {
    const { url } = await start();
    const cookie = await cookieOf(url);
    await Promise.all(Array.from({ length: 32 }, () => page(url, { cookie })));
    await expect(openPage(url, { cookie })).rejects.toThrow('503');
  });

  test('a page can watch at most 20 jobs', async () => {
    const { url } = await start();
    const client = await page(url);
    for (let i = 0; i < 20; i++) expect((await client.ask({ type: 'watch', id: `${i}` })).error).toBeUndefined();
    expect((await client.ask({ type: 'watch', id: 'another' })).error).toContain('the maximum number of jobs');
    await client.ask({ type: 'unwatch', id: '0' });
    expect((await client.ask({ type: 'watch', id: 'another' })).error).toBeUndefined();
  });

  test.each([
    ['without control', { control: false }, {}, 'start it with control'],
    ['by a reaper that only plans', { control: true }, { plan: true }, 'only plans'],
  ])('a pass is refused %s, and nothing changes', async (_, inspect, more, error) => {
    await seedJob(redis(), 'hung', { age: 90_000 });
    const { url } = await start(inspect, more);
    const client = await page(url);
    expect((await client.ask({ type: 'sweep', plan: false })).error).toContain(error);
    expect((await client.ask({ type: 'rescue', plan: false })).error).toContain(error);
    expect(await redis().hget('t:job_stats:hung', 'status')).toBe('Running');
  });

  test('with control a page can make a plan and run a sweep', async () => {
    await seedJob(redis(), 'hung', { age: 90_000 });
    const { url } = await start({ control: true });
    const client = await page(url);
    expect((await client.ask({ type: 'sweep', plan: true })).sweep).toMatchObject({
      plan: true,
      verdicts: { fail: 1 },
    });
    expect(await redis().hget('t:job_stats:hung', 'status')).toBe('Running');
    expect((await client.ask({ type: 'sweep', plan: false })).sweep).toMatchObject({
      plan: false,
      outcomes: { done: 1 },
    });
    expect(await redis().hget('t:job_stats:hung', 'status')).toBe('Error');
    expect((await client.ask({ type: 'rescue', plan: true })).rescue).toMatchObject({ plan: true, suspects: 0 });
  });

  test('an unreachable Redis gives an error as the answer', async () => {
    const port = await freePort();
    const { url } = await start({}, { redis: `redis://127.0.0.1:${port}` });
    const client = await page(url);
    expect((await client.ask({ type: 'job', id: 'a' })).error).toMatch(/retries|connection|closed/i);
  });
});

describe('messages to a page', () => {
  test('are a snapshot, then at most ten deltas a second, however fast the sweep is', async () => {
    for (let i = 0; i < 3_000; i++) await seedJob(redis(), `job-${i}`, { age: 90_000 });
    const clock = createTestClock();
    const { reaper, url } = await start({}, { clock });
    const client = await page(url);
    await client.until(() => true);
    const from = clock.now();
    for (let i = 0; i < 10; i++) {
      await reaper.sweep({ plan: true });
      clock.advance(50);
    }
    await client.until(({ sweep }) => {
      clock.advance(50);
      return sweep.phase === 'ended' && sweep.scanned === 3_000;
    });
    const seconds = (clock.now() - from) / 1_000;
    const [first, ...others] = client.messages;
    expect(first?.type).toBe('snapshot');
    expect(others.every(({ type }) => type === 'delta')).toBe(true);
    expect(others.length).toBeGreaterThan(1);
    expect(others.length).toBeLessThanOrEqual(seconds * 10);
  });

  test('are not kept for a page that does not read: it gets a snapshot when it reads again', async () => {
    for (let i = 0; i < 3_000; i++) await seedJob(redis(), `job-${i}-${'x'.repeat(200)}`, { age: 90_000 });
    // Timers of a second or more never fire, so that the page is not closed for its missing pongs.
    const clock: Clock = {
      now: () => Date.now(),
      setTimeout: (fn, ms) => (ms < 1_000 ? setTimeout(fn, ms) : undefined),
      clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout | undefined),
    };
    const { reaper, url } = await start({}, { clock });
    const [slow, quick] = [await page(url), await page(url)];
    await slow.until(() => true);
    slow.socket.pause();
    // The kernel buffers some MB. The test needs more than that.
    while (quick.text().length < 16 * 2 ** 20) await reaper.sweep({ plan: true });
    const last = await reaper.sweep({ plan: true });
    slow.socket.resume();
    const state = await slow.until(
      ({ sweep }) => sweep.phase === 'ended' && sweep.scanned === 3_000 && sweep.endedAt !== undefined,
    );
    await quick.until(({ sweep }) => sweep.phase === 'ended');
    await vi.waitUntil(() => slow.messages.filter(({ type }) => type === 'snapshot').length > 1);
    expect(slow.state().sweep.verdicts).toEqual({ ...last.verdicts });
    expect(state.acts.length).toBeLessThanOrEqual(1_000);
    expect(slow.text().length).toBeLessThan(quick.text().length);
  });

  test('contain no secrets: no parameters, no hook URL, and only the judged fields of an ACK', async () => {
    const secret = 'hunter2';
    const at = second(-90_000);
    await seedJob(redis(), 'a', {
      status: 'Success',
      parameters: JSON.stringify({ password: secret }),
      web_hook_url: `http://${secret}:${secret}@127.0.0.1:1/hook/${secret}?token=${secret}`,
      ack: JSON.stringify({ status: 'Running', revision: at, check_in_at: 0, [secret]: secret }),
      check_in: secret,
    });
    await redis().lpush('t:jobs:X', JSON.stringify({ name: 'X', id: 'a', t: at, args: { secret } }));
    await redis().sadd('t:known_jobs', 'X');
    const { reaper, url } = await start({ control: true });
    const client = await page(url);
    await client.ask({ type: 'watch', id: 'a' });
    await client.ask({ type: 'sweep', plan: false });
    const { job } = await client.ask({ type: 'job', id: 'a' });
    expect(job?.explanation.places).toEqual([expect.objectContaining({ kind: 'queue', type: 'X' })]);
    expect(job?.traces[0]?.judged[0]?.facts.ack).toEqual({ status: 'Running', revision: at, checkInAt: 0 });
    await client.until(({ hooks }) => hooks.failed > 0);
    await vi.waitUntil(() => client.messages.some(({ type }) => type === 'watched'));
    expect(client.text()).not.toContain(secret);
    await reaper.stop({ timeout: 0 });
  });

  test('contain texts from Redis only up to 256 characters', async () => {
    const long = 'x'.repeat(10_000);
    await seedJob(redis(), long, { status: long, name: long });
    const { reaper, url } = await start();
    const client = await page(url);
    await reaper.sweep();
    const { acts } = await client.until(({ acts }) => acts.length === 1);
    expect(acts[0]).toMatchObject({ reason: 'malformed', id: `${'x'.repeat(256)}…` });
    expect(client.text()).not.toContain('x'.repeat(300));
  });
});
