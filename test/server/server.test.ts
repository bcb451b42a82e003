/** The HTTP server of probes and metrics: what it answers, where it listens, and its bounds. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { readOptions } from '../../src/options.ts';
import type { Health } from '../../src/reaper/health.ts';
import { routesOf, type Sources } from '../../src/server/probes.ts';
import { type OpenServer, openServer, type Routes } from '../../src/server/server.ts';

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

test('it has 64 connections at most, and answers again when one of them is closed', async () => {
  const url = new URL(await open(fine));
  const sockets = await Promise.all(
    Array.from({ length: 64 }, async () => {
      const socket = connect(Number(url.port), url.hostname);
      await once(socket, 'connect');
      // An answer shows that the server has accepted it.
      socket.write('GET /livez HTTP/1.1\r\nhost: h\r\n\r\n');
      await once(socket, 'data');
      return socket;
    }),
  );
  const refused = connect(Number(url.port), url.hostname);
  refused.on('error', () => undefined);
  await once(refused, 'close');
  const [first] = sockets;
  first?.end();
  await once(first as NonNullable<typeof first>, 'close');
  expect(await read(`${url.href}livez`)).toMatchObject({ status: 200 });
  for (const socket of sockets) socket.destroy();
});

test.each([
  ['headers do not end', 'host:'],
  ['body does not come', 'host: h\r\ncontent-length: 5\r\n\r\n'],
])('a request whose %s is ended with 408', async (_, rest) => {
  const url = new URL(await open(fine));
  const socket = connect(Number(url.port), url.hostname);
  socket.write(`GET /livez HTTP/1.1\r\n${rest}`);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  await once(socket, 'close');
  expect(answer).toContain('HTTP/1.1 408 ');
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
