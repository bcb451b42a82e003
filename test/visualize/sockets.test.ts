/** The inspector's port has a limited number of connections, and silent ones are closed. */
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
  ['sends nothing', '', undefined],
  ['stops in the middle of a header', `${get1}X-A: `, undefined],
  ['sends its header very slowly', get1, 'X: y\r\n'],
  ['announces a body and sends none', `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n`, undefined],
  ['sends its body very slowly', `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n`, 'x'],
  ['has got its answer and stays open', `${get1}\r\n`, undefined],
  ['has got its answer and stops in the next request', `${get1}\r\n${get1}`, undefined],
  ['does not finish an upgrade', upgrade, undefined],
  ['sends an upgrade very slowly', upgrade, 'X: y\r\n'],
])('fault 126: a socket that %s is closed within 10 s', async (_, first, drop) => {
  const { url } = await start();
  const client = await open(url, first);
  // The server accepts connections in order, so it has accepted the first one by now.
  await get(url);
  const began = clock.now();
  await clock.until(() => {
    if (drop !== undefined && !client.isClosed()) client.socket.write(drop);
    return client.isClosed();
  }, 250);
  expect(clock.now() - began).toBeLessThanOrEqual(10_000);
});

test('fault 126: a WebSocket that answers no ping is closed within 10 s, and one that answers stays open', async () => {
  const { url } = await start();
  const { host, origin } = new URL(url);
  const dead = await open(
    url,
    `GET /socket HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\nCookie: ${await cookieOf(url)}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  const page = await openPage(url);
  await vi.waitUntil(() => dead.heard().includes('101 Switching'));
  const began = clock.now();
  let pings = 0;
  page.socket.on('ping', () => {
    pings += 1;
  });
  while (clock.now() - began < 60_000) {
    clock.advance(500);
    // The pong was sent before this request, on the same connection.
    await page.ask({ type: 'unwatch', id: 'nothing' });
    if (clock.now() - began === 10_000) await vi.waitUntil(() => dead.isClosed());
  }
  expect(pings).toBeGreaterThanOrEqual(12);
  expect(page.socket.readyState).toBe(page.socket.OPEN);
  page.close();
});

test('fault 126: too many sockets are refused with an answer, Redis stays reachable, and the page works again afterwards', async () => {
  const { reaper, url } = await start();
  const clients = await Promise.all(Array.from({ length: 400 }, () => open(url)));
  await vi.waitUntil(() => clients.filter(({ isClosed }) => isClosed()).length >= 300);
  const refused = clients.filter(({ isClosed }) => isClosed());
  expect(refused.length).toBeLessThan(400);
  for (const { heard } of refused) expect(heard()).toMatch(/^HTTP\/1\.1 503 .*\r\nConnection: close\r\n/);
  await reaper.ping();
  await clock.until(() => clients.every(({ isClosed }) => isClosed()), 500);
  expect((await get(url)).status).toBe(303);
});

test('fault 126: a refused client gets its answer, also if it sends its request at once', async () => {
  const { url } = await start();
  const clients = await Promise.all(Array.from({ length: 150 }, () => open(url, `${get1}X-A: `)));
  await vi.waitUntil(() => clients.some(({ isClosed }) => isClosed()));
  expect((await get(url)).status).toBe(503);
});

test('fault 126: the value of the session cookie is compared', async () => {
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
