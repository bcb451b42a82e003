import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createHttpClient } from '../../src/io/hooks/http/client.ts';

test('user and password of a hook URL are sent decoded', async () => {
  const heard: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    heard.push(request.headers.authorization);
    request.resume();
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const options = { headerTimeout: 60_000, timeout: 60_000, allowedOrigins: undefined, allowLinkLocal: false };
  const httpClient = createHttpClient({ ...options, rewriteOrigins: {}, tls: {} }, { now: () => 0 });
  try {
    const url = (user: string) => `http://${user}@127.0.0.1:${port}/`;
    expect(await httpClient.post(url('us%20er%C3%A9:p%40ss'), '{}')).toMatchObject({ kind: 'accepted' });
    expect(await httpClient.post(url('user'), '{}')).toMatchObject({ kind: 'accepted' });
    expect(heard).toEqual(['us eré:p@ss', 'user:'].map((text) => `Basic ${Buffer.from(text).toString('base64')}`));
  } finally {
    await httpClient.close();
    server.close();
  }
});
