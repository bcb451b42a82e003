import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest';
import { createHttpClient, type HttpClient } from '../../src/io/hooks/http/client.ts';
import type { HttpReply } from '../../src/io/hooks/http/reply.ts';
import type { HttpSettings } from '../../src/io/hooks/http/settings.ts';
import { type Authority, createAuthority } from './certificates.ts';
import { answer, startHostile } from './hostileServers.ts';

/** HTTP clients and the servers that they post to, for a test file. Everything is closed after each test. */
export const usePosts = () => {
  let authority: Authority;
  beforeAll(() => {
    authority = createAuthority();
  });
  afterAll(() => authority.remove());

  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    await Promise.all(closers.splice(0).map((close) => close()));
  });

  const start = async (...[behave = answer(200), ...others]: Partial<Parameters<typeof startHostile>>) => {
    const server = await startHostile(behave, ...others);
    closers.push(() => server.stop());
    return server;
  };

  /** The second that Retry-After dates are read in: 2033-05-18T03:33:20Z. */
  const now = 2_000_000_000_000;

  const create = (
    settings: Partial<HttpSettings> = {},
    resolve?: Parameters<typeof createHttpClient>[2],
  ): HttpClient => {
    const all = { headerTimeout: 5_000, timeout: 10_000, allowedOrigins: undefined, allowLinkLocal: false };
    const httpClient = createHttpClient(
      { ...all, rewriteOrigins: {}, tls: {}, ...settings },
      { now: () => now },
      resolve,
    );
    closers.push(() => httpClient.close());
    return httpClient;
  };

  /** Posts to a URL with secrets in every part that may hold one, and checks that no reply contains them. */
  const post = async (place: { host: string } | string, httpClient: HttpClient = create()): Promise<HttpReply> => {
    const [scheme, host] = typeof place === 'string' ? place.split('://') : ['http', place.host];
    const reply = await httpClient.post(
      `${scheme}://secret-user:secret-pass@${host}/secret/path?key=secret`,
      '{"secret":1}',
    );
    expect(JSON.stringify(reply)).not.toMatch(/secret/i);
    return reply;
  };

  /** The request line and the header lines of a request, in lower case. */
  const linesOf = (request: string | undefined) => (request ?? '').split('\r\n\r\n')[0]?.split('\r\n') ?? [];

  return { authority: () => authority, closers, start, now, create, post, linesOf };
};
