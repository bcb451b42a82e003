/** An endpoint or proxy that speaks or hangs up before it is asked gets one connection for each attempt. */
import type { Socket } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { answer, endlessHints, silent, startHttpProxy } from '../support/hostileServers.ts';
import { usePosts } from '../support/posts.ts';

const { authority, closers, start, create, post } = usePosts();

const saying = (text: string) => (socket: Socket) => void socket.write(text);
const whole = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const broken = { kind: 'retryable', code: 'broken' };
const attempts = 3;

/** Posts a few times, with a new client: a connection that is kept would hide some. */
const postTimes = async (url: string) => {
  const replies = [];
  for (let i = 0; i < attempts; i++) replies.push(await post(url, create({ tls: { ca: authority().cert } })));
  return replies;
};
const each = (reply: object) => Array.from({ length: attempts }, () => expect.objectContaining(reply));

describe.each(['http', 'https'])('an endpoint of %s', (scheme) => {
  const tls = () => (scheme === 'https' ? authority().issue('IP:127.0.0.1') : undefined);

  test.each([
    ['that sends a banner', saying('220 smtp.example ESMTP\r\n')],
    ['that sends garbage before its answer', saying(`garbage\r\n${whole}`)],
    ['that tells to continue before it is asked', saying('HTTP/1.1 100 Continue\r\n\r\n')],
    ['that hangs up', (socket: Socket) => void socket.end()],
    ['that is gone', (socket: Socket) => void socket.destroy()],
  ])('%s breaks the connection', async (_, greet) => {
    const server = await start(silent, tls(), greet);
    expect(await postTimes(`${scheme}://${server.host}`)).toEqual(each(broken));
    expect(server.connections).toBe(attempts);
  });

  test('that answers before it is asked has answered', async () => {
    const server = await start(silent, tls(), saying(whole));
    expect(await postTimes(`${scheme}://${server.host}`)).toEqual(each({ kind: 'accepted', status: 200 }));
    expect(server.connections).toBe(attempts);
  });

  test('that gives hints without end is asked once, until the time limit', async () => {
    const server = await start(endlessHints, tls());
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const httpClient = create({ timeout: 300, tls: { ca: authority().cert } });
    expect(await post(`${scheme}://${server.host}`, httpClient)).toMatchObject({ kind: 'retryable', code: 'timeout' });
    expect(server.requests).toHaveLength(1);
  });
});

describe.each(['http://far.test', 'https://far.test'])('a proxy that opens a tunnel for %s', (url) => {
  const through = async (more: string) => {
    const refuse = (client: Socket) => client.write(`HTTP/1.1 200 OK\r\n\r\n${more}`) !== undefined;
    const proxy = await startHttpProxy(() => 1, { refuse });
    closers.push(() => proxy.stop());
    vi.stubEnv('http_proxy', proxy.url);
    vi.stubEnv('https_proxy', proxy.url);
    return proxy;
  };

  test.each([
    ['an answer', whole],
    ['a page', '<html>no proxy</html>'],
    ['the banner of the endpoint', '220 smtp.example ESMTP\r\n'],
    ['a hint', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ['one byte', 'H'],
  ])('and sends %s at once fails, and is asked once for each attempt', async (_, more) => {
    const proxy = await through(more);
    const reason = expect.stringMatching(/200 and sent more/);
    expect(await postTimes(url)).toEqual(each({ kind: 'host-error', code: 'PROXY-ERROR', reason }));
    expect(proxy.asked).toHaveLength(attempts);
  });
});

test('what an endpoint sends in its tunnel after the request is its answer', async () => {
  const server = await start(answer(202));
  const proxy = await startHttpProxy(() => server.port);
  closers.push(() => proxy.stop());
  vi.stubEnv('http_proxy', proxy.url);
  expect(await postTimes('http://far.test')).toEqual(each({ kind: 'accepted', status: 202 }));
  expect(proxy.asked).toHaveLength(attempts);
});
