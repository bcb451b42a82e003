import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Clock, ReaperOptions } from '../../src/index.ts';
import { createTestClock } from '../support/clock.ts';
import { cookieOf, get, openPage, type PageClient } from '../support/inspector.ts';
import { second, seedJob } from '../support/jobs.ts';
import { type Opened, trackOpened } from '../support/reapers.ts';
import { freePort, type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let opened: Opened;
let pages: PageClient[];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  opened = trackOpened();
  pages = [];
  await server.client.flushall();
});
afterEach(async () => {
  for (const page of pages) page.close();
  await opened.close();
});

const token = 'a token of this test';
const start = async (
  inspect: Exclude<ReaperOptions['inspect'], boolean | undefined> = {},
  more: Partial<ReaperOptions> = {},
) => {
  const announced: string[] = [];
  const reaper = opened.create({
    redis: server.url,
    inspect: { port: 0, token, announce: (url) => announced.push(url), ...inspect },
    ...more,
  });
  const url = (await reaper.inspectorUrl()) as string;
  return { reaper, url, announced };
};
const page = async (...args: Parameters<typeof openPage>) => {
  const client = await openPage(...args);
  pages.push(client);
  return client;
};
const closedWith = (socket: WebSocket) =>
  new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)));

describe('how it is opened', () => {
  test('it is off unless asked for', async () => {
    const reaper = opened.create({ redis: server.url });
    expect(await reaper.inspectorUrl()).toBeUndefined();
  });

  test('it listens on loopback, and says its URL once, with a random token unless one is given', async () => {
    const { url, announced } = await start({ token: undefined });
    const other = await start({ token: undefined });
    expect(announced).toEqual([url]);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}$/);
    expect(new URL(url).search).not.toBe(new URL(other.url).search);
  });

  test('a port that was asked for and is in use is reported, and supervision goes on', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await vi.waitUntil(() => taken.listening);
    const { port } = taken.address() as { port: number };
    const reaper = opened.create({ redis: server.url, inspect: { port, announce: () => undefined } });
    const faults: string[] = [];
    reaper.on('error', ({ message }) => faults.push(message));
    await seedJob(server.client, 'settled', {
      status: 'Success',
      ack: JSON.stringify({ status: 'Success', revision: second(-600) }),
    });
    await expect(reaper.inspectorUrl()).rejects.toThrow(`port ${port} of 127.0.0.1 is in use`);
    expect((await reaper.sweep()).scanned).toBe(1);
    expect(faults).toEqual([expect.stringContaining('choose another one')]);
    taken.close();
  });

  test('without a port it takes another one where the usual one is in use', async () => {
    const first = await start({ port: undefined });
    const second = await start({ port: undefined });
    expect(new URL(second.url).port).not.toBe(new URL(first.url).port);
    expect((await get(second.url)).status).toBe(303);
  });

  test('it is closed with the reaper', async () => {
    const { reaper, url } = await start();
    const client = await page(url);
    const closed = closedWith(client.socket);
    await reaper.stop();
    expect([1001, 1006]).toContain(await closed);
    await expect(get(url)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('who may have it', () => {
  const paths = ['/', '/app.js', '/style.css', '/icon.svg', '/charts/job.svg'];

  test('the token is changed for a cookie that no script reads, and leaves the address', async () => {
    const { url } = await start();
    const { status, headers } = await get(url);
    expect(status).toBe(303);
    expect(headers.location).toBe('./');
    expect(headers['set-cookie']?.[0]).toMatch(/; HttpOnly; SameSite=Lax$/);
    expect(headers['set-cookie']?.[0]).not.toContain(encodeURIComponent(token));
  });

  test('with the cookie everything is served, under a policy that lets nothing else in', async () => {
    const { url } = await start();
    const cookie = await cookieOf(url);
    for (const path of paths) {
      const { status, headers, body } = await get(new URL(path, url).href, { cookie });
      expect([path, status]).toEqual([path, 200]);
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(body).not.toMatch(/https?:\/\/(?!www\.w3\.org\/)/);
    }
  });

  test.each([
    ['no token', {}, ''],
    ['a wrong token', {}, '?token=a+token+of+another+test'],
    ['the beginning of the token', {}, '?token=a+token'],
    ['an empty token', {}, '?token='],
    ['a cookie of another token', { cookie: 'other' }, ''],
  ])('with %s nothing is served', async (_, headers: { cookie?: string }, search) => {
    const { url } = await start();
    const other = await start({ token: 'the token of another inspector' });
    const sent = headers.cookie === undefined ? {} : { cookie: await cookieOf(other.url) };
    for (const path of paths) {
      const { status, body } = await get(new URL(`${path}${search}`, url).href, sent);
      expect([path, status]).toEqual([path, 401]);
      expect(body).toBe('Open the URL that the reaper wrote when it started: its token is needed once.\n');
    }
    await expect(openPage(url, { cookie: sent.cookie ?? 'none=1' })).rejects.toThrow('401');
  });

  test.each([
    ['a name that leads here (DNS rebinding)', { host: 'evil.example' }, 421],
    ['an origin of another site', { origin: 'http://evil.example' }, 403],
    ['an origin of another port', { origin: 'http://127.0.0.1:1' }, 403],
    ['the origin of a sandboxed frame', { origin: 'null' }, 403],
  ])('%s gets nothing, the cookie notwithstanding', async (_, headers: Record<string, string>, status) => {
    const { url } = await start();
    const cookie = await cookieOf(url);
    const { origin } = new URL(url);
    expect((await get(origin, { cookie, ...headers })).status).toBe(status);
    await expect(openPage(url, { cookie, ...headers })).rejects.toThrow(String(status));
  });

  test('a WebSocket that names no origin is refused', async () => {
    const { url } = await start();
    const socket = new WebSocket(`ws://${new URL(url).host}/socket`, { headers: { cookie: await cookieOf(url) } });
    await expect(new Promise((_, reject) => socket.once('error', reject))).rejects.toThrow('403');
  });

  test('a name of a proxy is known where it was given', async () => {
    const { url } = await start({ allowedHosts: ['reaper.intra.example'] });
    const cookie = await cookieOf(url);
    const { origin } = new URL(url);
    expect((await get(origin, { cookie, host: 'reaper.intra.example' })).status).toBe(200);
    const client = await page(url, { cookie, host: 'reaper.intra.example', origin: 'https://reaper.intra.example' });
    await client.until(({ type }) => type === 'snapshot');
  });

  test('only GET and HEAD are answered, and only what there is', async () => {
    const { url } = await start();
    const cookie = await cookieOf(url);
    const { origin } = new URL(url);
    expect((await get(origin, { cookie }, 'POST')).status).toBe(405);
    expect(await get(origin, { cookie }, 'HEAD')).toMatchObject({ status: 200, body: '' });
    expect((await get(`${origin}/package.json`, { cookie })).status).toBe(404);
    expect((await get(`${origin}/../package.json`, { cookie })).status).toBe(404);
  });
});

describe('what a page may send', () => {
  test.each([
    ['no JSON', 'sweep', 1008],
    ['no message of a page', '{"type":"stop","request":1}', 1008],
    ['a key too many', '{"type":"job","request":1,"id":"a","more":1}', 1008],
    ['an id that is too long', JSON.stringify({ type: 'job', request: 1, id: 'x'.repeat(513) }), 1008],
    ['too much at once', 'x'.repeat(5_000), 1009],
  ])('%s ends its connection', async (_, text, code) => {
    const { url } = await start();
    const { socket } = await page(url);
    const closed = closedWith(socket);
    socket.send(text);
    expect(await closed).toBe(code);
  });

  test('a flood ends its connection, and no other', async () => {
    const { url } = await start();
    const [flooding, other] = [await page(url), await page(url)];
    const closed = closedWith(flooding.socket);
    for (let i = 0; i < 100; i++) flooding.socket.send(JSON.stringify({ type: 'watch', request: i, id: 'a' }));
    expect(await closed).toBe(1008);
    expect((await other.ask({ type: 'job', id: 'a' })).job?.explanation.isTracked).toBe(false);
  });

  test('at most 32 pages are let in', async () => {
    const { url } = await start();
    const cookie = await cookieOf(url);
    await Promise.all(Array.from({ length: 32 }, () => page(url, { cookie })));
    await expect(openPage(url, { cookie })).rejects.toThrow('503');
  });

  test('a page watches at most 20 jobs', async () => {
    const { url } = await start();
    const client = await page(url);
    for (let i = 0; i < 20; i++) expect((await client.ask({ type: 'watch', id: `${i}` })).error).toBeUndefined();
    expect((await client.ask({ type: 'watch', id: 'one more' })).error).toContain('as many jobs as it may');
    await client.ask({ type: 'unwatch', id: '0' });
    expect((await client.ask({ type: 'watch', id: 'one more' })).error).toBeUndefined();
  });

  test.each([
    ['without control', { control: false }, {}, 'start it with control'],
    ['by a reaper that only plans', { control: true }, { plan: true }, 'only plans'],
  ])('a sweep is refused %s, and nothing changes', async (_, inspect, more, error) => {
    await seedJob(server.client, 'hung', { age: 90_000 });
    const { url } = await start(inspect, more);
    const client = await page(url);
    expect((await client.ask({ type: 'sweep', plan: false })).error).toContain(error);
    expect((await client.ask({ type: 'rescue', plan: false })).error).toContain(error);
    expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Running');
  });

  test('with control a page plans, and then does it', async () => {
    await seedJob(server.client, 'hung', { age: 90_000 });
    const { url } = await start({ control: true });
    const client = await page(url);
    expect((await client.ask({ type: 'sweep', plan: true })).sweep).toMatchObject({
      plan: true,
      verdicts: { fail: 1 },
    });
    expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Running');
    expect((await client.ask({ type: 'sweep', plan: false })).sweep).toMatchObject({
      plan: false,
      outcomes: { done: 1 },
    });
    expect(await server.client.hget('t:job_stats:hung', 'status')).toBe('Error');
    expect((await client.ask({ type: 'rescue', plan: true })).rescue).toMatchObject({ plan: true, suspects: 0 });
  });

  test('a Redis that is away is said, not waited for in vain', async () => {
    const port = await freePort();
    const { url } = await start({}, { redis: `redis://127.0.0.1:${port}` });
    const client = await page(url);
    expect((await client.ask({ type: 'job', id: 'a' })).error).toMatch(/retries|connection|closed/i);
  });
});

describe('what it sends', () => {
  test('a snapshot first, then deltas, at most ten a second, whatever the speed of the sweep', async () => {
    for (let i = 0; i < 3_000; i++) await seedJob(server.client, `job-${i}`, { age: 90_000 });
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

  test('a page that does not read costs no memory, and has the whole again when it does', async () => {
    for (let i = 0; i < 3_000; i++) await seedJob(server.client, `job-${i}-${'x'.repeat(200)}`, { age: 90_000 });
    // No timer of a second or more ends: nobody asks whether the page is there, however long this machine takes.
    const clock: Clock = {
      now: () => Date.now(),
      setTimeout: (fn, ms) => (ms < 1_000 ? setTimeout(fn, ms) : undefined),
      clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout | undefined),
    };
    const { reaper, url } = await start({}, { clock });
    const [slow, quick] = [await page(url), await page(url)];
    await slow.until(() => true);
    slow.socket.pause();
    // A kernel takes some MB on its way; what comes beyond is what this is about.
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

  test('nothing secret: no parameter, no URL, no more of an ACK than is judged', async () => {
    const secret = 'hunter2';
    const at = second(-90_000);
    await seedJob(server.client, 'a', {
      status: 'Success',
      parameters: JSON.stringify({ password: secret }),
      web_hook_url: `http://${secret}:${secret}@127.0.0.1:1/hook/${secret}?token=${secret}`,
      ack: JSON.stringify({ status: 'Running', revision: at, check_in_at: 0, [secret]: secret }),
      check_in: secret,
    });
    await server.client.lpush('t:jobs:X', JSON.stringify({ name: 'X', id: 'a', t: at, args: { secret } }));
    await server.client.sadd('t:known_jobs', 'X');
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

  test('text from Redis has a bound', async () => {
    const long = 'x'.repeat(10_000);
    await seedJob(server.client, long, { status: long, name: long });
    const { reaper, url } = await start();
    const client = await page(url);
    await reaper.sweep();
    const { acts } = await client.until(({ acts }) => acts.length === 1);
    expect(acts[0]).toMatchObject({ reason: 'malformed', id: `${'x'.repeat(256)}…` });
    expect(client.text()).not.toContain('x'.repeat(300));
  });
});
