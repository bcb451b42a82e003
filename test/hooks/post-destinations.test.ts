import { expect, test, vi } from 'vitest';
import type { createHttpClient } from '../../src/io/hooks/http/client.ts';
import { answer, startHttpProxy } from '../support/hostileServers.ts';
import { usePosts } from '../support/posts.ts';

// Where a post may go: allowed and rewritten origins, forbidden addresses, proxies.
const { authority, closers, start, create, post, linesOf } = usePosts();

test.each([
  '',
  '   ',
  'secret',
  'core:8080',
  '/secret',
  'http://',
  'http://[secret',
  'ftp://core/secret',
  'file:///secret',
])('an event with the URL "%s" is refused', async (url) => {
  const reply = await create().post(url, '{}');
  expect(reply).toMatchObject({ kind: 'rejected', code: 'bad-url' });
  expect(JSON.stringify(reply)).not.toMatch(/secret/);
});

test('user info with a broken escape is refused', async () => {
  const reply = await create().post('http://secret:%zz@127.0.0.1:1/', '{}');
  expect(reply).toMatchObject({ kind: 'rejected', code: 'bad-url' });
  expect(JSON.stringify(reply)).not.toMatch(/secret|zz/);
});

test('hooks are sent to allowed origins only', async () => {
  const [allowedServer, otherServer] = await Promise.all([start(), start()]);
  const httpClient = create({ allowedOrigins: [`HTTP://${allowedServer.host}/`] });
  expect(await post(allowedServer, httpClient)).toEqual({ kind: 'accepted', status: 200 });
  const reason = `http://${otherServer.host} is not an allowed origin`;
  expect(await post(otherServer, httpClient)).toEqual({ kind: 'rejected', code: 'forbidden', reason });
  expect(otherServer.connections).toBe(0);
});

test('hooks to a rewritten origin are sent to its new place', async () => {
  const server = await start();
  const httpClient = create({
    rewriteOrigins: { 'http://old-core': `http://${server.host}/base/` },
    allowedOrigins: [`http://${server.host}`],
  });
  expect(await post('http://old-core:80', httpClient)).toEqual({ kind: 'accepted', status: 200 });
  expect(server.requests[0]).toMatch(/^POST \/base\/secret\/path\?key=secret /);
  expect(linesOf(server.requests[0])).toContain(`authorization: Basic ${btoa('secret-user:secret-pass')}`);
  // Another port is another endpoint.
  expect(await post('http://old-core:81', httpClient)).toMatchObject({ kind: 'rejected', code: 'forbidden' });
});

test.each([
  '169.254.169.254',
  '2852039166',
  '0xa9fea9fe',
  '0251.0376.0251.0376',
  '169.254.43518',
  '[::ffff:169.254.169.254]',
  '[::ffff:a9fe:a9fe]',
  '[64:ff9b::a9fe:a9fe]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '100.100.100.200',
  '168.63.129.16',
])('http://%s is not connected to', async (host) => {
  expect(await post(`http://${host}`)).toMatchObject({ kind: 'rejected', code: 'forbidden' });
});

test('0.0.0.0, which is loopback on Linux, is connected to only if it is allowed', async () => {
  const server = await start();
  expect(await post(`http://0.0.0.0:${server.port}`)).toMatchObject({ kind: 'rejected', code: 'forbidden' });
  expect(server.connections).toBe(0);
  const httpClient = create({ allowLinkLocal: true });
  expect(await post(`http://0.0.0.0:${server.port}`, httpClient)).toEqual({ kind: 'accepted', status: 200 });
});

/** A resolver by which every name has these addresses, as they are at the time. */
const resolveTo =
  (addresses: string[]): Parameters<typeof createHttpClient>[2] =>
  (_, __, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

test('a name that resolves to a metadata address is refused, even if it also resolves to others', async () => {
  const server = await start();
  for (const addresses of [['169.254.169.254'], ['127.0.0.1', '::ffff:169.254.169.254']]) {
    const reply = await post(`http://core:${server.port}`, create({}, resolveTo(addresses)));
    const reason = 'the name resolves to a link-local or metadata address';
    expect(reply).toEqual({ kind: 'rejected', code: 'forbidden', reason });
  }
  expect(server.connections).toBe(0);
  const tls = await post(`https://core:${server.port}`, create({}, resolveTo(['fe80::1'])));
  expect(tls).toMatchObject({ kind: 'rejected', code: 'forbidden' });
});

test('a name that resolves to another address each time (DNS rebinding) is checked at each connection', async () => {
  const server = await start((socket, request) => {
    answer(200, 'connection: close')(socket, request);
    socket.end();
  });
  const addresses = ['127.0.0.1'];
  const httpClient = create({}, resolveTo(addresses));
  expect(await post(`http://core:${server.port}`, httpClient)).toEqual({ kind: 'accepted', status: 200 });
  addresses[0] = '169.254.169.254';
  expect(await post(`http://core:${server.port}`, httpClient)).toMatchObject({ kind: 'rejected', code: 'forbidden' });
  expect(server.connections).toBe(1);
});

test('link-local addresses of a name are connected to if they are allowed', async () => {
  const server = await start();
  const httpClient = create({ allowLinkLocal: true }, resolveTo(['0.0.0.0']));
  expect(await post(`http://core:${server.port}`, httpClient)).toEqual({ kind: 'accepted', status: 200 });
});

test('the proxy of the environment is used, and it is never asked for a metadata address', async () => {
  const server = await start();
  const proxy = await startHttpProxy(() => server.port);
  closers.push(() => proxy.stop());
  vi.stubEnv('http_proxy', proxy.url);
  vi.stubEnv('no_proxy', 'near.test');
  const httpClient = create({}, resolveTo(['169.254.169.254']));
  expect(await post('http://far.test', httpClient)).toEqual({ kind: 'accepted', status: 200 });
  expect(proxy.asked).toHaveLength(1);
  expect(proxy.asked[0]).toContain('far.test');
  expect(server.requests[0]).toMatch(/^POST /);
  expect(await post('http://169.254.169.254', httpClient)).toMatchObject({ kind: 'rejected', code: 'forbidden' });
  // Past the proxy, names are looked up here.
  expect(await post('http://near.test', httpClient)).toMatchObject({ kind: 'rejected', code: 'forbidden' });
  expect(proxy.asked).toHaveLength(1);
});

test('as in Go, the proxy for http is none for https', async () => {
  const server = await start(answer(200), authority().issue('DNS:far.test'));
  const proxy = await startHttpProxy(() => server.port);
  closers.push(() => proxy.stop());
  vi.stubEnv('http_proxy', proxy.url);
  const httpClient = create({ tls: { ca: authority().cert } }, resolveTo(['127.0.0.1']));
  expect(await post(`https://far.test:${server.port}`, httpClient)).toEqual({ kind: 'accepted', status: 200 });
  expect(proxy.asked).toEqual([]);
});

test('as in Go, the proxy for https is none for http', async () => {
  const server = await start();
  const proxy = await startHttpProxy(() => server.port);
  closers.push(() => proxy.stop());
  vi.stubEnv('https_proxy', proxy.url);
  const httpClient = create({}, resolveTo(['127.0.0.1']));
  expect(await post(`http://far.test:${server.port}`, httpClient)).toEqual({ kind: 'accepted', status: 200 });
  expect(proxy.asked).toEqual([]);
});

test.each([
  [{ HTTP_PROXY: 'first', http_proxy: 'second' }, ['first']],
  [{ HTTP_PROXY: '', http_proxy: 'second' }, ['second']],
  [{ HTTP_PROXY: 'first', NO_PROXY: 'other.test', no_proxy: 'far.test' }, ['first']],
  [{ HTTP_PROXY: 'first', NO_PROXY: 'far.test', no_proxy: 'other.test' }, []],
  [{ HTTP_PROXY: 'first', no_proxy: 'far.test' }, []],
])('as in Go, a variable in capitals comes first, unless it is empty: %j', async (variables, used) => {
  const server = await start();
  const proxies: Record<string, Awaited<ReturnType<typeof startHttpProxy>>> = {};
  for (const name of ['first', 'second']) {
    const proxy = await startHttpProxy(() => server.port);
    closers.push(() => proxy.stop());
    proxies[name] = proxy;
  }
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, proxies[value]?.url ?? value);
  const httpClient = create({}, resolveTo(['127.0.0.1']));
  expect(await post(`http://far.test:${server.port}`, httpClient)).toEqual({ kind: 'accepted', status: 200 });
  expect(Object.keys(proxies).filter((name) => proxies[name]?.asked.length === 1)).toEqual(used);
});

test.each(['near.test', '.test', '*', '169.254.0.0/16'])(
  'SSRF: what goes past the proxy by no_proxy=%s is checked as without a proxy',
  async (noProxy) => {
    const server = await start();
    const proxy = await startHttpProxy(() => server.port);
    closers.push(() => proxy.stop());
    vi.stubEnv('http_proxy', proxy.url);
    vi.stubEnv('no_proxy', `${noProxy},near.test`);
    const httpClient = create({}, resolveTo(['169.254.169.254']));
    const forbidden = { kind: 'rejected', code: 'forbidden' };
    expect(await post('http://near.test', httpClient)).toMatchObject(forbidden);
    expect(await post('http://169.254.169.254', httpClient)).toMatchObject(forbidden);
    expect(await post('http://metadata.google.internal', httpClient)).toMatchObject(forbidden);
    expect(proxy.asked).toEqual([]);
  },
);

test('through a proxy, the certificate of the endpoint is checked against the configured authority', async () => {
  const server = await start(answer(200), authority().issue('DNS:far.test'));
  const proxy = await startHttpProxy(() => server.port);
  closers.push(() => proxy.stop());
  vi.stubEnv('https_proxy', proxy.url);
  const reply = await post('https://far.test', create({ tls: { ca: authority().cert } }));
  expect(reply).toEqual({ kind: 'accepted', status: 200 });
  expect(await post('https://far.test')).toMatchObject({ kind: 'rejected', code: 'tls' });
  expect(await post('https://other.test', create({ tls: { ca: authority().cert } }))).toMatchObject({ code: 'tls' });
});
