/** What the proxy of this host does not do says nothing of the endpoint: no attempt is used, and no breaker hears of it. */
import type { Socket } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import type { HookOutcome, ReaperOptions } from '../../src/index.ts';
import type { Resolve } from '../../src/io/hooks/http/destination.ts';
import { createTestClock } from '../support/clock.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { answer, halfClose, silent, startHttpProxy } from '../support/hostileServers.ts';
import { seedJob } from '../support/jobs.ts';
import { usePosts } from '../support/posts.ts';

const { server: redis, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();
const { authority, closers, start, create, post } = usePosts();

const startProxy = async (...args: Parameters<typeof startHttpProxy>) => {
  const proxy = await startHttpProxy(...args);
  closers.push(() => proxy.stop());
  return proxy;
};
const saying = (text: string) => (client: Socket) => {
  client.write(text);
  return true;
};
/** A proxy that answers a CONNECT so. */
const answering = async (text: string) => (await startProxy(() => 1, { refuse: saying(text) })).url;
/** Posts through the proxy with this URL. */
const postThrough = (proxy: string, url = 'http://far.test', ...settings: Parameters<typeof create>) => {
  vi.stubEnv('http_proxy', proxy);
  vi.stubEnv('https_proxy', proxy);
  return post(url, create(...settings));
};
const portWithoutServer = async () => {
  const proxy = await startHttpProxy(() => 1);
  await proxy.stop();
  return new URL(proxy.url).port;
};
const withSecret = (url: string) => url.replace('://', '://secret:secret@');
const failing =
  (code: string): Resolve =>
  (_, __, callback) =>
    callback(Object.assign(new Error(code), { code, syscall: 'getaddrinfo' }), []);

describe('fault 127: a proxy that opens no tunnel is a fault of this host', () => {
  test.each([
    [407, /user and a password/],
    [400, /no_proxy/],
    [401, /no_proxy/],
    [403, /no_proxy/],
    [404, /no_proxy/],
    [405, /no_proxy/],
    [302, /no_proxy/],
    [204, /no_proxy/],
    [500, /and the endpoint/],
    [502, /and the endpoint/],
    [503, /and the endpoint/],
    [504, /and the endpoint/],
  ])('that answers %i', async (status, advice) => {
    for (const url of ['http://far.test', 'https://far.test']) {
      const proxy = await answering(`HTTP/1.1 ${status} Said\r\ncontent-length: 0\r\n\r\n`);
      const code = `PROXY-${status}`;
      const reason = expect.stringMatching(advice);
      expect(await postThrough(withSecret(proxy), url)).toEqual({ kind: 'host-error', code, reason });
    }
  });

  test('that is down', async () => {
    const port = await portWithoutServer();
    expect(await postThrough(`http://secret:secret@127.0.0.1:${port}`)).toMatchObject({
      ...{ kind: 'host-error', code: 'PROXY-ERROR' },
      reason: expect.stringMatching(/ECONNREFUSED.*http_proxy/),
    });
  });

  test('whose name does not exist', async () => {
    const reply = await postThrough('http://secret:secret@secret.test:3128', undefined, {}, failing('ENOTFOUND'));
    expect(reply).toMatchObject({
      ...{ kind: 'host-error', code: 'PROXY-ERROR' },
      reason: expect.stringMatching(/ENOTFOUND/),
    });
  });

  test('that ends the connection, and is not asked again and again', async () => {
    const proxy = await startProxy(() => 1, { refuse: (client) => client.end() !== undefined });
    expect(await postThrough(proxy.url)).toMatchObject({ kind: 'host-error', code: 'PROXY-ERROR' });
    expect(proxy.asked).toHaveLength(1);
  });

  test('that is none', async () => {
    expect(await postThrough(await answering('220 smtp.example\r\n\r\n'))).toMatchObject({
      kind: 'host-error',
      code: 'PROXY-ERROR',
    });
  });

  test.each([
    ['whose certificate is of an unknown authority', 'DNS:localhost'],
    ['whose certificate is for another host', 'DNS:other.test'],
  ] as const)('%s', async (_, name) => {
    const proxy = await startProxy(() => 1, { tls: authority().issue(name) });
    for (const url of ['http://far.test', 'https://far.test']) {
      const named = withSecret(proxy.url).replace('127.0.0.1', 'localhost');
      expect(await postThrough(named, url)).toMatchObject({ kind: 'host-error', code: 'PROXY-ERROR' });
    }
    expect(proxy.asked).toEqual([]);
  });

  test('that does not answer in time', async () => {
    const proxy = await startProxy(() => 1, { refuse: () => true });
    const slow = { kind: 'host-error', code: 'PROXY-TIMEOUT' };
    vi.spyOn(performance, 'now').mockReturnValue(0);
    expect(await postThrough(proxy.url, undefined, { headerTimeout: 100, timeout: 60_000 })).toMatchObject(slow);
    expect(await postThrough(proxy.url, undefined, { headerTimeout: 60_000, timeout: 100 })).toMatchObject(slow);
    for (const url of ['https://far.test', 'https://far.test:8443', 'http://[2001:db8::1]:81', 'http://10.1.2.3']) {
      expect(await postThrough(proxy.url, url, { headerTimeout: 60_000, timeout: 100 })).toMatchObject(slow);
    }
  });

  test('that does not answer in time where the endpoint redirects to TLS', async () => {
    const server = await start(answer(307, 'location: https://far.test/'));
    const proxy = await startProxy(() => server.port, { refuse: (_, { url }) => url === 'far.test:443' });
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const reply = await postThrough(proxy.url, 'http://far.test', { headerTimeout: 60_000, timeout: 300 });
    expect(reply).toMatchObject({ kind: 'host-error', code: 'PROXY-TIMEOUT' });
    expect(proxy.asked).toEqual(['CONNECT far.test:80', 'CONNECT far.test:443']);
  });

  test('whose name is not resolved in time', async () => {
    vi.spyOn(performance, 'now').mockReturnValue(0);
    for (const times of [
      { headerTimeout: 100, timeout: 60_000 },
      { headerTimeout: 60_000, timeout: 100 },
    ]) {
      const reply = await postThrough('http://proxy.test:3128', 'http://far.test', times, () => undefined);
      expect(reply).toMatchObject({ kind: 'host-error', code: 'PROXY-TIMEOUT' });
    }
  });

  test('where this host has no resolver keeps the code of that', async () => {
    const reply = await postThrough('http://proxy.test:3128', 'http://far.test', {}, failing('EAI_AGAIN'));
    expect(reply).toMatchObject({ kind: 'host-error', code: 'EAI_AGAIN', reason: expect.stringMatching(/resolver/) });
  });

  test.each([
    'socks5://secret:secret@127.0.0.1:1080',
    'ftp://secret@127.0.0.1',
    'http://secret:%zz@127.0.0.1:1',
    'http://%E2:%82%AC@127.0.0.1:1',
    'http://secret:secret@',
    'secret proxy',
  ])('whose URL is %s', async (url) => {
    expect(await postThrough(url)).toMatchObject({
      ...{ kind: 'host-error', code: 'PROXY-URL' },
      reason: expect.stringMatching(/http_proxy/),
    });
    // What is not sent through the proxy is sent.
    const server = await start();
    vi.stubEnv('no_proxy', '127.0.0.1');
    expect(await post(server)).toEqual({ kind: 'accepted', status: 200 });
  });
});

test('a proxy without a scheme is one for HTTP, as in Go, and gets the user and the password', async () => {
  const server = await start();
  const headers: unknown[] = [];
  const proxy = await startProxy(() => server.port, { refuse: (_, request) => headers.push(request.headers) === 0 });
  const text = proxy.url.replace('http://', 'user:p%40ss@');
  expect(await postThrough(text)).toEqual({ kind: 'accepted', status: 200 });
  expect(headers).toMatchObject([{ 'proxy-authorization': `Basic ${btoa('user:p@ss')}` }]);
});

test('a client that is closed aborts its requests in tunnels', async () => {
  const server = await start(silent);
  const { url } = await startProxy(() => server.port);
  vi.stubEnv('http_proxy', url);
  const httpClient = create({ headerTimeout: 120_000, timeout: 120_000 });
  const replied = post('http://far.test', httpClient);
  await vi.waitUntil(() => server.requests.length === 1);
  await httpClient.close();
  expect(await replied).toMatchObject({ kind: 'retryable', code: 'broken' });
});

test('what happens inside a tunnel is the endpoint’s', async () => {
  const server = await start(answer(407));
  const { url } = await startProxy(() => server.port);
  expect(await postThrough(url)).toMatchObject({ kind: 'rejected', code: '407' });
  server.behave = answer(502);
  expect(await postThrough(url)).toMatchObject({ kind: 'retryable', code: '502' });
  server.behave = halfClose;
  expect(await postThrough(url)).toMatchObject({ kind: 'retryable', code: 'broken' });
  server.behave = silent;
  vi.spyOn(performance, 'now').mockReturnValue(0);
  expect(await postThrough(url, undefined, { timeout: 300 })).toMatchObject({ code: 'timeout' });
  const tunnelOnly = await answering('HTTP/1.1 200 Connected\r\n\r\n');
  for (const url of ['http://far.test', 'https://far.test']) {
    expect(await postThrough(tunnelOnly, url, { timeout: 300 })).toMatchObject({ code: 'timeout' });
  }
});

test.each(['metadata', 'METADATA.', 'data-server', 'rancher-metadata'])(
  'SSRF: a proxy is not asked for %s; without one its address decides',
  async (name) => {
    const server = await start();
    const proxy = await startProxy(() => server.port);
    expect(await postThrough(proxy.url, `http://${name}`)).toMatchObject({ kind: 'rejected', code: 'forbidden' });
    expect(await postThrough(proxy.url, `https://${name}`)).toMatchObject({ kind: 'rejected', code: 'forbidden' });
    expect(proxy.asked).toEqual([]);
    const free = await postThrough(proxy.url, `http://${name}`, { allowLinkLocal: true });
    expect(free).toEqual({ kind: 'accepted', status: 200 });
    vi.stubEnv('no_proxy', name.toLowerCase());
    const direct = create({}, (_, __, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]));
    expect(await post(`http://${name}:${server.port}`, direct)).toEqual({ kind: 'accepted', status: 200 });
  },
);

test('fault 127: while the proxy refuses, no attempt is counted and no circuit opens; afterwards all hooks are sent', async () => {
  let isOpen = false;
  const target = Number(new URL(hookEndpoint.url).port);
  const say = saying('HTTP/1.1 407 Said\r\ncontent-length: 0\r\n\r\n');
  const refusing = await startProxy(() => target, { refuse: (client) => !isOpen && say(client) });
  vi.stubEnv('http_proxy', refusing.url.replace('://', '://secret-user:secret-pass@'));
  const origins = ['http://a.test', 'http://b.test'];
  for (const [i, origin] of origins.entries()) {
    for (let n = 0; n < 4; n++) await seedJob(redis.client, `j${i}${n}`, { web_hook_url: `${origin}/200` });
  }
  const clock = createTestClock();
  const texts: string[] = [];
  const options: Partial<ReaperOptions> = { clock, hooks: { breakerThreshold: 3 } };
  const reaper = opened.create({ redis: redis.url, ...options });
  const outcomes: HookOutcome[] = [];
  reaper.on('hook', (outcome) => void outcomes.push(outcome));
  reaper.on('error', ({ message, cause }) => void texts.push(`${message} ${JSON.stringify(cause)}`));
  const { hooks } = await reaper.sweep();
  expect(hooks).toMatchObject({ delivered: 0, failed: 0, parked: 0, skipped: 0 });
  expect(hooks.hostErrors).toBeGreaterThan(0);
  expect(outcomes[0]).toMatchObject({ outcome: 'skipped', hostError: 'PROXY-407' });
  expect(texts).toEqual([expect.stringMatching(/^PROXY-407: .*password/)]);
  expect(`${texts}${JSON.stringify(outcomes)}`).not.toMatch(/secret/);
  for (const origin of origins) expect(await redis.client.hgetall(`t:reaper:hooks:endpoint:${origin}`)).toEqual({});
  expect(await reaper.hooks.endpoints()).toMatchObject(
    origins.map(() => ({ breaker: 'closed', failures: 0, pending: 4 })),
  );
  isOpen = true;
  await clock.until(async () => {
    await vi.waitUntil(async () =>
      (await redis.client.hvals('t:reaper:hooks')).every((text) => !text.startsWith('sending')),
    );
    return outcomes.filter(({ outcome }) => outcome === 'delivered').length === 8;
  }, 500);
  expect(outcomes.filter(({ outcome }) => outcome === 'delivered').every(({ attempt }) => attempt === 1)).toBe(true);
});
