/** The inspector on the server of probes and metrics: `http` with `inspect`. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { cookieOf, get } from '../support/inspector.ts';
import { type Inspect, useInspector } from '../support/inspectorServer.ts';
import { freePort } from '../support/redisServer.ts';

const inspector = useInspector();
const token = 'a token of this test';
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A reaper whose inspector has no address of its own, unless one is given. */
const start = async (more: Inspect = {}, http: { host?: string; port?: number } = {}) => {
  const given = await inspector.start({ port: undefined, token, ...more }, { http: { port: 0, ...http } });
  return { ...given, http: (await given.reaper.httpUrl()) as string };
};

test('the page is below /inspector/ of the one server, and is announced once', async () => {
  const { url, http, announced, faults } = await start();
  expect(announced).toEqual([url]);
  expect(url).toBe(`${http}/inspector/?token=${encodeURIComponent(token)}`);
  const cookie = await cookieOf(url);
  for (const asset of ['', 'app.js', 'style.css', 'charts/job.svg'])
    expect((await get(`${http}/inspector/${asset}`, { cookie })).status).toBe(200);
  const page = await inspector.page(url);
  expect((await page.until(() => true)).about).toMatchObject({ namespace: 't', mayControl: false });
  expect(await get(`${http}/livez`)).toMatchObject({ status: 200, body: 'alive\n' });
  expect((await get(`${http}/metrics`)).body).toContain('jobservice_reaper_info');
  expect((await get(`${http}/`)).body).toBe('Not found. There are: /livez, /readyz, /metrics, /inspector/\n');
  expect(faults).toEqual([]);
});

test('its protections hold there: token, cookie, host names and origins', async () => {
  const { url, http } = await start({ allowedHosts: ['ops.example'] });
  const page = `${http}/inspector/`;
  const cookie = await cookieOf(url);
  expect((await get(page)).status).toBe(401);
  expect((await get(`${page}?token=a%20wrong%20token%20of%20this%20test`, { cookie })).status).toBe(401);
  expect((await get(page, { cookie, host: 'evil.example' })).status).toBe(421);
  expect((await get(page, { cookie, host: 'ops.example' })).status).toBe(200);
  expect((await get(page, { cookie, origin: 'http://evil.example' })).status).toBe(403);
  expect((await get(page, { cookie }, 'POST')).status).toBe(405);
  for (const refused of [{ cookie: 'none=1' }, { origin: 'http://evil.example' }, { host: 'evil.example' }])
    await expect(inspector.page(url, refused)).rejects.toThrow(/40[13]|421/);
  await expect(inspector.page(`${http}/?token=${encodeURIComponent(token)}`, { cookie })).rejects.toThrow('404');
});

test("it has the inspector's limits: one client cannot keep probes from it", async () => {
  const { http } = await start();
  const { hostname, port } = new URL(http);
  const open = async () => {
    const socket = connect(Number(port), hostname);
    sockets.push(socket.on('error', () => undefined));
    await once(socket, 'connect');
    socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [answer] = await once(socket, 'data');
    return String(answer).slice(0, 12);
  };
  const answers = await Promise.all(Array.from({ length: 100 }, open));
  expect(answers.filter((answer) => answer === 'HTTP/1.1 200')).toHaveLength(96);
  expect(answers.filter((answer) => answer === 'HTTP/1.1 503')).toHaveLength(4);
  const probe = connect({ port: Number(port), host: hostname, localAddress: '127.0.0.2' });
  sockets.push(probe);
  probe.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
  expect(String((await once(probe, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
});

test('silent clients of two addresses keep no probe from it, and cost no page its connection', async () => {
  const { url, http } = await start();
  const { hostname, port } = new URL(http);
  const page = await inspector.page(url);
  const open = async (localAddress: string) => {
    const socket = connect({ port: Number(port), host: hostname, localAddress });
    sockets.push(socket.on('error', () => undefined));
    await once(socket, 'connect');
    return socket;
  };
  for (let i = 0; i < 140; i++) await open(i % 2 === 0 ? '127.0.0.2' : '127.0.0.3');
  const ask = async (client: string) => {
    const probe = await open(client);
    probe.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
    return String((await once(probe, 'data'))[0]).slice(0, 12);
  };
  const answers = await Promise.all(['127.0.0.2', '127.0.0.4', '127.0.0.4', '127.0.0.4'].map(ask));
  expect(new Set(answers)).toEqual(new Set(['HTTP/1.1 200']));
  expect(await page.ask({ type: 'watch', id: 'x' })).toMatchObject({ type: 'answer' });
});

test('an inspector with an address of its own is not on it', async () => {
  const { url, http } = await start({ port: 0 });
  expect(new URL(url).origin).not.toBe(http);
  expect((await get(`${http}/inspector/`)).status).toBe(404);
  expect((await get(url)).status).toBe(303);
});

test('both are closed when the reaper stops, with a page open', async () => {
  const { reaper, url, http } = await start();
  const page = await inspector.page(url);
  const closed = once(page.socket, 'close');
  await reaper.stop();
  await closed;
  await expect(get(`${http}/livez`)).rejects.toThrow('ECONNREFUSED');
});

test('a port that is in use is reported once, and the reaper works without both', async () => {
  const port = await freePort();
  await start({}, { port });
  const reaper = inspector.create({ http: { port }, inspect: true });
  const faults: string[] = [];
  reaper.on('error', ({ where }) => faults.push(String(where)));
  await expect(reaper.inspectorUrl()).rejects.toMatchObject({ code: 'cannot-listen' });
  expect((await reaper.sweep()).scanned).toBe(0);
  await vi.waitUntil(() => faults.length > 0);
  expect(faults).toEqual(['the HTTP server']);
});
