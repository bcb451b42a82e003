import { syncBuiltinESMExports } from 'node:module';
import tls from 'node:tls';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createAuthority } from '../support/certificates.ts';
import { answer, startAlertingServer, startHttpProxy } from '../support/hostileServers.ts';
import { usePosts } from '../support/posts.ts';

// Posts over TLS: which certificates are trusted, and which are shown.
const { authority, closers, start, create, post } = usePosts();

test("the authorities of Node are trusted beside one's own", () => {
  const created = vi.spyOn(tls, 'createSecureContext');
  syncBuiltinESMExports();
  onTestFinished(() => {
    created.mockRestore();
    syncBuiltinESMExports();
  });
  create({ tls: { ca: authority().cert } });
  // No test has a certificate that one of them has issued.
  expect(created).toHaveBeenCalledWith(expect.objectContaining({ ca: [...tls.rootCertificates, authority().cert] }));
});

test('an endpoint with a certificate of the configured authority is trusted, and its connections are reused', async () => {
  const server = await start(answer(200), authority().issue('IP:127.0.0.1'));
  const httpClient = create({ tls: { ca: authority().cert } });
  expect(await post(`https://${server.host}`, httpClient)).toEqual({ kind: 'accepted', status: 200 });
  expect(await post(`https://${server.host}`, httpClient)).toEqual({ kind: 'accepted', status: 200 });
  expect(server.connections).toBe(1);
});

test('a certificate of an unknown authority, or for another host, is refused before anything is sent', async () => {
  const other = createAuthority();
  closers.push(async () => other.remove());
  for (const pair of [other.issue('IP:127.0.0.1'), authority().issue('DNS:secret.test')]) {
    const server = await start(answer(200), pair);
    const reply = await post(`https://${server.host}`, create({ tls: { ca: authority().cert } }));
    expect(reply).toMatchObject({ kind: 'rejected', code: 'tls' });
    expect(server.requests).toHaveLength(0);
  }
});

test('an endpoint without TLS behind an https URL is rejected', async () => {
  const server = await start();
  // A TLS greeting has no header: answers as soon as anything comes.
  const plain = await startHttpProxy(() => server.port);
  closers.push(() => plain.stop());
  const reply = await post(plain.url.replace('http:', 'https:'));
  expect(reply).toMatchObject({ kind: 'rejected', code: 'tls' });
});

test('an endpoint that demands a client certificate gets it', async () => {
  const mutual = {
    ...authority().issue('IP:127.0.0.1'),
    ca: authority().cert,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const server = await start(answer(200), mutual);
  const { cert, key } = authority().issue('DNS:jobservice');
  const reply = await post(`https://${server.host}`, create({ tls: { ca: authority().cert, cert, key } }));
  expect(reply).toEqual({ kind: 'accepted', status: 200 });
  expect(server.requests).toHaveLength(1);
});

test('without the client certificate that an endpoint demands, its TLS alert rejects the hook', async () => {
  const server = await startAlertingServer(authority().issue('IP:127.0.0.1'), authority());
  closers.push(() => server.stop());
  const reply = await post(`https://127.0.0.1:${server.port}`, create({ tls: { ca: authority().cert } }));
  expect(reply).toMatchObject({ kind: 'rejected', code: 'tls' });
});

test('its TLS alert rejects the hook through a proxy too', async () => {
  const server = await startAlertingServer(authority().issue('DNS:far.test'), authority());
  closers.push(() => server.stop());
  const proxy = await startHttpProxy(() => server.port);
  closers.push(() => proxy.stop());
  vi.stubEnv('https_proxy', proxy.url);
  const reply = await post('https://far.test', create({ tls: { ca: authority().cert } }));
  expect(reply).toMatchObject({ kind: 'rejected', code: 'tls' });
});

test('a PEM text that cannot be read is an error at once, not one of every hook', () => {
  expect(() => create({ tls: { cert: 'secret', key: 'secret' } })).toThrow();
});

test('fault 127: a wrong certificate counts though this process was held up meanwhile', async () => {
  const server = await start(answer(200), authority().issue('DNS:core.test'));
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  let resolve = () => {};
  const httpClient = create({ headerTimeout: 60_000, timeout: 60_000 }, (_name, _options, callback) => {
    resolve = () => callback(null, [{ address: '127.0.0.1', family: 4 }]);
  });
  const replied = post(`https://core.test:${server.port}`, httpClient);
  clock.mockReturnValue(2_001);
  resolve();
  expect(await replied).toMatchObject({ kind: 'rejected', code: 'tls' });
});
