/** The inspector's server: opening, closing and access. */
import { createServer } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { cookieOf, get, openPage } from '../support/inspector.ts';
import { type Inspect, useInspector } from '../support/inspectorServer.ts';
import { second, seedJob } from '../support/jobs.ts';

const inspector = useInspector();
const { redis, create, page } = inspector;
const token = 'a token of this test';
const start = (inspect: Inspect = {}) => inspector.start({ token, ...inspect });
const closedWith = (socket: WebSocket) =>
  new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)));

describe('opening the inspector', () => {
  test('it is off by default', async () => {
    const reaper = create();
    expect(await reaper.inspectorUrl()).toBeUndefined();
  });

  test('it listens on loopback and announces its URL once, with a random token by default', async () => {
    const { url, announced } = await start({ token: undefined });
    const other = await start({ token: undefined });
    expect(announced).toEqual([url]);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}$/);
    expect(new URL(url).search).not.toBe(new URL(other.url).search);
  });

  test('a configured port that is in use is reported, and the reaper works without the inspector', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await vi.waitUntil(() => taken.listening);
    const { port } = taken.address() as { port: number };
    const reaper = create({ inspect: { port, announce: () => undefined } });
    const faults: string[] = [];
    reaper.on('error', ({ message }) => faults.push(message));
    await seedJob(redis(), 'settled', {
      status: 'Success',
      ack: JSON.stringify({ status: 'Success', revision: second(-600) }),
    });
    await expect(reaper.inspectorUrl()).rejects.toMatchObject({
      code: 'cannot-listen',
      message: expect.stringContaining(`port ${port} of 127.0.0.1 is in use`),
    });
    expect((await reaper.sweep()).scanned).toBe(1);
    expect(faults).toEqual([expect.stringContaining('choose another one')]);
    taken.close();
  });

  test('without a configured port it uses another one if the default port is in use', async () => {
    const first = await start({ port: undefined });
    const second = await start({ port: undefined });
    expect(new URL(second.url).port).not.toBe(new URL(first.url).port);
    expect((await get(second.url)).status).toBe(303);
  });

  test('it is closed when the reaper stops', async () => {
    const { reaper, url } = await start();
    const client = await page(url);
    const closed = closedWith(client.socket);
    await reaper.stop();
    expect([1001, 1006]).toContain(await closed);
    await expect(get(url)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('access', () => {
  const paths = ['/', '/app.js', '/style.css', '/icon.svg', '/charts/job.svg'];

  test('the token is exchanged for a cookie that no script can read, and disappears from the address', async () => {
    const { url } = await start();
    const { status, headers } = await get(url);
    expect(status).toBe(303);
    expect(headers.location).toBe('./');
    expect(headers['set-cookie']?.[0]).toMatch(/; HttpOnly; SameSite=Lax$/);
    expect(headers['set-cookie']?.[0]).not.toContain(encodeURIComponent(token));
  });

  test('a wrong token is refused beside a valid cookie too', async () => {
    const { url } = await start();
    const cookie = await cookieOf(url);
    const wrong = new URL('?token=another', url).href;
    expect([(await get(new URL('.', url).href, { cookie })).status, (await get(wrong, { cookie })).status]).toEqual([
      200, 401,
    ]);
  });

  test('with the cookie everything is served, under a policy that forbids foreign content', async () => {
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
  ])('with %s, every request is refused', async (_, headers: { cookie?: string }, search) => {
    const { url } = await start();
    const other = await start({ token: 'the token of another inspector' });
    const sent = headers.cookie === undefined ? {} : { cookie: await cookieOf(other.url) };
    for (const path of paths) {
      const { status, body } = await get(new URL(`${path}${search}`, url).href, sent);
      expect([path, status]).toEqual([path, 401]);
      expect(body).toBe('Open the URL that the reaper printed at its start. It contains the access token.\n');
    }
    await expect(openPage(url, { cookie: sent.cookie ?? 'none=1' })).rejects.toThrow('401');
  });

  test.each([
    ['an unknown host name (DNS rebinding)', { host: 'evil.example' }, 421],
    ['the origin of another site', { origin: 'http://evil.example' }, 403],
    ['the origin of another port', { origin: 'http://127.0.0.1:1' }, 403],
    ['the origin of a sandboxed frame', { origin: 'null' }, 403],
  ])('%s is refused, even with the cookie', async (_, headers: Record<string, string>, status) => {
    const { url } = await start();
    const cookie = await cookieOf(url);
    const { origin } = new URL(url);
    expect((await get(origin, { cookie, ...headers })).status).toBe(status);
    await expect(openPage(url, { cookie, ...headers })).rejects.toThrow(String(status));
  });

  test('a WebSocket without an origin is refused', async () => {
    const { url } = await start();
    const socket = new WebSocket(`ws://${new URL(url).host}/socket`, { headers: { cookie: await cookieOf(url) } });
    await expect(new Promise((_, reject) => socket.once('error', reject))).rejects.toThrow('403');
  });

  test('the host name of a proxy is accepted if it is configured', async () => {
    const { url } = await start({ allowedHosts: ['reaper.intra.example'] });
    const cookie = await cookieOf(url);
    const { origin } = new URL(url);
    expect((await get(origin, { cookie, host: 'reaper.intra.example' })).status).toBe(200);
    const client = await page(url, { cookie, host: 'reaper.intra.example', origin: 'https://reaper.intra.example' });
    await client.until(({ type }) => type === 'snapshot');
  });

  test('only GET and HEAD are allowed, and unknown paths get status 404', async () => {
    const { url } = await start();
    const cookie = await cookieOf(url);
    const { origin } = new URL(url);
    expect((await get(origin, { cookie }, 'POST')).status).toBe(405);
    expect(await get(origin, { cookie }, 'HEAD')).toMatchObject({ status: 200, body: '' });
    expect((await get(`${origin}/package.json`, { cookie })).status).toBe(404);
    expect((await get(`${origin}/../package.json`, { cookie })).status).toBe(404);
  });
});
