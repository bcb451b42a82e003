/** What the inspector's port holds is bounded, and what is silent is closed, whoever it is. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createTestClock, type TestClock } from '../support/clock.ts';
import { cookieOf, get, openPage } from '../support/inspector.ts';
import { trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let clock: TestClock;
const opened = trackOpened();
const sockets: Socket[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  clock = createTestClock();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await opened.close();
});

const token = 'a token of this test';
const start = async (more: { token?: string } = {}) => {
  const reaper = opened.create({
    redis: server.url,
    clock,
    inspect: { port: 0, token, announce: () => undefined, ...more },
  });
  return { reaper, url: (await reaper.inspectorUrl()) as string };
};

interface Client {
  readonly socket: Socket;
  heard(): string;
  isClosed(): boolean;
}
const open = async (url: string, text = ''): Promise<Client> => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  let [heard, isClosed] = ['', false];
  socket.on('data', (data) => {
    heard += data;
  });
  for (const event of ['error', 'end', 'close']) {
    socket.on(event, () => {
      isClosed = true;
    });
  }
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  return { socket, heard: () => heard, isClosed: () => isClosed };
};

const get1 = 'GET / HTTP/1.1\r\nHost: localhost\r\n';
const upgrade = 'GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';

test.each([
  ['says nothing', '', undefined],
  ['breaks off in a header', `${get1}X-A: `, undefined],
  ['drips a header', get1, 'X: y\r\n'],
  ['promises a body and sends none', `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n`, undefined],
  ['drips a body', `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n`, 'x'],
  ['has its answer and keeps the connection', `${get1}\r\n`, undefined],
  ['has its answer and breaks off in the next request', `${get1}\r\n${get1}`, undefined],
  ['does not finish an upgrade', upgrade, undefined],
  ['drips an upgrade', upgrade, 'X: y\r\n'],
])('fault 126: a socket that %s is closed in 10 s', async (_, first, drop) => {
  const { url } = await start();
  const client = await open(url, first);
  // What was connected before is accepted before.
  await get(url);
  const began = clock.now();
  await clock.until(() => {
    if (drop !== undefined && !client.isClosed()) client.socket.write(drop);
    return client.isClosed();
  }, 250);
  expect(clock.now() - began).toBeLessThanOrEqual(10_000);
});

test('fault 126: a WebSocket that answers no ping is closed in 10 s, and one that answers stays', async () => {
  const { url } = await start();
  const { host, origin } = new URL(url);
  const dead = await open(
    url,
    `GET /socket HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\nCookie: ${await cookieOf(url)}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  const page = await openPage(url);
  await vi.waitUntil(() => dead.heard().includes('101 Switching'), { timeout: 20_000 });
  const began = clock.now();
  let pings = 0;
  page.socket.on('ping', () => {
    pings += 1;
  });
  while (clock.now() - began < 60_000) {
    clock.advance(500);
    // Its pong went out before this, on the same connection.
    await page.ask({ type: 'unwatch', id: 'nothing' });
    if (clock.now() - began === 10_000) await vi.waitUntil(() => dead.isClosed(), { timeout: 20_000 });
  }
  expect(pings).toBeGreaterThanOrEqual(12);
  expect(page.socket.readyState).toBe(page.socket.OPEN);
  page.close();
});

test('fault 126: beyond the bound sockets are refused with an answer; Redis is reachable, and so is the page again', async () => {
  const { reaper, url } = await start();
  const clients = await Promise.all(Array.from({ length: 400 }, () => open(url)));
  await vi.waitUntil(() => clients.filter(({ isClosed }) => isClosed()).length >= 300, { timeout: 20_000 });
  const refused = clients.filter(({ isClosed }) => isClosed());
  expect(refused.length).toBeLessThan(400);
  for (const { heard } of refused) expect(heard()).toMatch(/^HTTP\/1\.1 503 .*\r\nConnection: close\r\n/);
  await reaper.ping();
  await clock.until(() => clients.every(({ isClosed }) => isClosed()), 500);
  expect((await get(url)).status).toBe(303);
});

test('fault 126: a refused request that was sent at once gets its answer too', async () => {
  const { url } = await start();
  const clients = await Promise.all(Array.from({ length: 150 }, () => open(url, `${get1}X-A: `)));
  await vi.waitUntil(() => clients.some(({ isClosed }) => isClosed()), { timeout: 20_000 });
  expect((await get(url)).status).toBe(503);
});

test('fault 126: the session’s cookie is compared, not only named', async () => {
  const { url } = await start();
  const other = await start({ token: 'the token of another one' });
  const [name, value] = (await cookieOf(url)).split('=') as [string, string];
  const [, foreign] = (await cookieOf(other.url)).split('=') as [string, string];
  const { origin } = new URL(url);
  const wrong = ['', 'x', foreign, value.slice(0, -1), `${value}x`, value.toUpperCase(), encodeURIComponent(token)];
  for (const each of wrong) {
    const cookie = `${name}=${each}`;
    expect((await get(origin, { cookie })).status).toBe(401);
    await expect(openPage(url, { cookie })).rejects.toThrow('401');
  }
  expect((await get(origin, { cookie: `other=1; ${name}=${value}` })).status).toBe(200);
});
