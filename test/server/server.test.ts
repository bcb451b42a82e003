/** The HTTP server of probes and metrics: what it answers, where it listens, and its bounds. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { readOptions } from '../../src/options.ts';
import type { Health } from '../../src/reaper/health.ts';
import { routesOf, type Sources } from '../../src/server/probes.ts';
import { type Answer, type OpenServer, openServer, type Routes } from '../../src/server/server.ts';

const opened: OpenServer[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

const open = async (routes: Routes, { host = '127.0.0.1', onError = (_: Error) => {} } = {}) => {
  const server = await openServer({ host, port: 0, routes, onError });
  opened.push(server);
  return server.url;
};
const fine: Routes = { '/livez': () => ({ status: 200, text: 'alive\n' }) };
const read = async (url: string, method = 'GET') => {
  const response = await fetch(url, { method });
  return { status: response.status, text: await response.text(), headers: response.headers };
};

test('it answers GET and HEAD at its paths, and says what there is at others', async () => {
  const url = await open(fine);
  expect(await read(`${url}/livez`)).toMatchObject({ status: 200, text: 'alive\n' });
  expect(await read(`${url}/livez?verbose`)).toMatchObject({ status: 200 });
  const head = await read(`${url}/livez`, 'HEAD');
  expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '6']);
  for (const path of ['/', '/livez/', '/constructor', '/__proto__'])
    expect(await read(`${url}${path}`)).toMatchObject({ status: 404, text: 'Not found. There are: /livez\n' });
});

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('it refuses %s, and closes the connection', async (method) => {
  const { status, headers } = await read(`${await open(fine)}/livez`, method);
  expect([status, headers.get('allow'), headers.get('connection')]).toEqual([405, 'GET, HEAD', 'close']);
});

test('a route that fails answers 503, and its error is reported', async () => {
  const errors: string[] = [];
  const fail = () => Promise.reject(new Error('no metrics'));
  const url = await open({ '/metrics': fail }, { onError: ({ message }) => errors.push(message) });
  expect(await read(`${url}/metrics`)).toMatchObject({ status: 503 });
  expect(errors).toEqual(['no metrics']);
});

test('it listens on loopback only, unless an address is given', async () => {
  expect(readOptions({ redis: 'redis://h', namespace: 't', http: {} }).http).toEqual({
    host: '127.0.0.1',
    port: 9_464,
  });
  expect(readOptions({ redis: 'redis://h', namespace: 't' }).http).toBe(false);
  const url = new URL(await open(fine));
  expect(url.hostname).toBe('127.0.0.1');
  // Another address of this machine, which a server on all addresses would have too.
  const socket = connect(Number(url.port), '127.0.0.2');
  const [error] = await once(socket, 'error');
  expect(error.code).toBe('ECONNREFUSED');
  const wide = new URL(await open(fine, { host: '0.0.0.0' }));
  expect(await read(`http://127.0.0.2:${wide.port}/livez`)).toMatchObject({ status: 200 });
});

test('a port that is in use is an error that says so', async () => {
  const { port } = new URL(await open(fine));
  await expect(
    openServer({ host: '127.0.0.1', port: Number(port), routes: fine, onError: () => {} }),
  ).rejects.toMatchObject({
    code: 'cannot-listen',
    message: `port ${port} of 127.0.0.1 is in use: choose another one, or 0 for any`,
  });
});

/** Connects, and sends this. */
const send = (url: URL, text: string) => {
  const socket = connect(Number(url.port), url.hostname);
  sent.push(socket.on('error', () => undefined));
  socket.write(text);
  return socket;
};
const sent: Socket[] = [];
afterEach(() => {
  for (const socket of sent.splice(0)) socket.destroy();
});
const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: h\r\n\r\n`;
/** Sends a request, reads its answer, and keeps the connection. */
const keepOpen = async (url: URL) => {
  const socket = send(url, get('/livez'));
  await once(socket, 'data');
  return socket;
};
/** A route that answers only when the test says so. `asked` are the requests that wait. */
const openHeld = async () => {
  const asked: ((answer: Answer) => void)[] = [];
  const held = () => new Promise<Answer>((resolve) => asked.push(resolve));
  return { url: new URL(await open({ ...fine, '/metrics': held })), asked };
};
const answerOf = { status: 200, text: 'a 1\n' } as const;

test('it has 64 connections at most, and answers again when one of them is closed', async () => {
  const { url, asked } = await openHeld();
  const [first] = Array.from({ length: 64 }, () => send(url, get('/metrics')));
  await vi.waitUntil(() => asked.length === 64);
  await once(send(url, get('/livez')), 'close');
  first?.end();
  await once(first as Socket, 'close');
  expect(await read(`${url.href}livez`)).toMatchObject({ status: 200 });
});

test('idle connections keep no one out: the one that has been idle for the longest makes room', async () => {
  const url = new URL(await open(fine));
  const scraper = await keepOpen(url);
  const idle: Socket[] = [];
  const closed: Socket[] = [];
  for (let i = 0; i < 63; i++) idle.push(await keepOpen(url));
  for (const socket of [scraper, ...idle]) socket.once('close', () => closed.push(socket));
  scraper.write(get('/livez'));
  await once(scraper, 'data');
  expect(closed).toEqual([]);
  for (let i = 1; i <= 3; i++) {
    await keepOpen(url);
    await vi.waitUntil(() => closed.length === i);
  }
  expect(closed).toEqual(idle.slice(0, 3));
});

test('a connection whose request is being answered makes no room, also if another one of its requests is answered', async () => {
  const { url, asked } = await openHeld();
  const busy = send(url, `${get('/livez')}${get('/metrics')}`);
  await vi.waitUntil(() => asked.length === 1);
  let text = '';
  busy.on('data', (data) => {
    text += data;
  });
  for (let i = 0; i < 70; i++) await keepOpen(url);
  asked[0]?.(answerOf);
  await vi.waitUntil(() => text.endsWith('a 1\n'));
  expect(text).toMatch(/^HTTP\/1\.1 200 .*alive\n/s);
});

test('connections that took all places while they were busy make room when they are answered', async () => {
  const { url, asked } = await openHeld();
  const answered = Array.from({ length: 64 }, () => once(send(url, get('/metrics')), 'data'));
  await vi.waitUntil(() => asked.length === 64);
  for (const answer of asked) answer(answerOf);
  await Promise.all(answered);
  expect(await read(`${url.href}livez`)).toMatchObject({ status: 200 });
});

/** Connects, and sends this, which is no whole request. */
const keepSilent = async (url: URL, text = '') => {
  const socket = send(url, text).resume();
  await once(socket, 'connect');
  return socket;
};

test('connections without a whole request keep no one out: the oldest one makes room', async () => {
  const url = new URL(await open(fine));
  const silent: Socket[] = [];
  const closed: Socket[] = [];
  for (let i = 0; i < 64; i++) silent.push(await keepSilent(url, i % 2 === 0 ? '' : 'GET /livez HTTP/1.1\r\nhost:'));
  for (const socket of silent) socket.once('close', () => closed.push(socket));
  const scraper = await keepOpen(url);
  await vi.waitUntil(() => closed.length === 1);
  // The next probe takes the place of the scraper, which is idle.
  expect(await read(`${url.href}livez`)).toMatchObject({ status: 200 });
  await vi.waitUntil(() => scraper.closed);
  expect(closed).toEqual(silent.slice(0, 1));
});

test('a silent connection keeps no probe out while all others are busy', async () => {
  const { url, asked } = await openHeld();
  for (let i = 0; i < 63; i++) send(url, get('/metrics'));
  await vi.waitUntil(() => asked.length === 63);
  const silent = await keepSilent(url);
  expect(await read(`${url.href}livez`)).toMatchObject({ status: 200 });
  await vi.waitUntil(() => silent.closed);
});

test('a client that does not read its answer keeps no probe out while all others are busy', async () => {
  let asked = 0;
  const held = () => new Promise<Answer>(() => asked++);
  // More than the buffers of a connection hold.
  const text = 'm'.repeat(30_000_000);
  const url = new URL(await open({ ...fine, '/metrics': held, '/large': () => ({ status: 200, text }) }));
  const unread = send(url, get('/large'));
  await once(unread, 'readable');
  for (let i = 0; i < 63; i++) send(url, get('/metrics'));
  await vi.waitUntil(() => asked === 63);
  expect(await read(`${url.href}livez`)).toMatchObject({ status: 200 });
  unread.resume();
  await vi.waitUntil(() => unread.closed);
  expect(unread.bytesRead).toBeLessThan(text.length);
});

test('a request that does not end is answered with 408, and one whose body does not end loses its connection', async () => {
  const url = new URL(await open(fine));
  const heard = async (text: string) => {
    const socket = send(url, text);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    await once(socket, 'close');
    return answer;
  };
  const [head, body] = await Promise.all([
    heard('GET /livez HTTP/1.1\r\nhost:'),
    heard('GET /livez HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n'),
  ]);
  expect(head).toMatch(/^HTTP\/1.1 408 /);
  expect(body).toMatch(/^HTTP\/1.1 200 /);
});

const health: Health = {
  ...{ ok: true, isLive: true, isReady: true, detail: 'all passes are on time' },
  ...{ lastSweepAt: undefined, lastRescueAt: undefined, suspended: {} },
};
const sources = (more: Partial<Health>, isStopping = false): Sources => ({
  health: () => ({ ...health, ...more }),
  metrics: () => Promise.resolve('a 1\n'),
  isStopping: () => isStopping,
});

test.each([
  [{}, false, 200, 200],
  [{ ok: false, isReady: false, detail: 'Redis unavailable for 4 s' }, false, 200, 503],
  [{ ok: false, isLive: false, isReady: false, detail: 'sweep crashed too often' }, false, 503, 503],
  [{}, true, 200, 503],
] as const)('with %o, stopping: %s, /livez is %i and /readyz is %i', async (more, isStopping, live, ready) => {
  const url = await open(routesOf(sources(more, isStopping)));
  const [livez, readyz] = [await read(`${url}/livez`), await read(`${url}/readyz`)];
  expect([livez.status, readyz.status]).toEqual([live, ready]);
  if ('detail' in more) expect(readyz.text).toBe(`${more.detail}\n`);
});

test("/metrics has the content type of Prometheus's text format", async () => {
  const { headers, text } = await read(`${await open(routesOf(sources({})))}/metrics`);
  expect([text, headers.get('content-type')]).toEqual(['a 1\n', 'text/plain; version=0.0.4; charset=utf-8']);
});
