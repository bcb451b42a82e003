import type { Socket } from 'node:net';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import {
  answer,
  type Behaviour,
  brokenBody,
  endlessBody,
  garbage,
  halfClose,
  headerWithoutEnd,
  reset,
  silent,
  slowBody,
  slowHeader,
  startHostile,
} from '../support/hostileServers.ts';
import { usePosts } from '../support/posts.ts';

// What is posted, and what becomes of each reply.
const { authority, start, create, post, linesOf } = usePosts();
afterEach(() => void vi.restoreAllMocks());

test('a hook is a POST of the body, with the credentials of its URL and without a content type', async () => {
  const server = await start();
  expect(await post(server)).toEqual({ kind: 'accepted', status: 200 });
  expect(linesOf(server.requests[0])).toEqual([
    'POST /secret/path?key=secret HTTP/1.1',
    `host: ${server.host}`,
    'connection: keep-alive',
    `authorization: Basic ${btoa('secret-user:secret-pass')}`,
    'content-length: 12',
  ]);
  expect(server.requests[0]).toMatch(/\r\n\r\n{"secret":1}$/);
});

test('a connection is used again', async () => {
  const server = await start();
  const httpClient = create();
  await post(server, httpClient);
  await post(server, httpClient);
  expect(server.requests).toHaveLength(2);
  expect(server.connections).toBe(1);
});

test.each([200, 201, 202, 299])('the answer %i accepts the event', async (status) => {
  expect(await post(await start(answer(status)))).toEqual({ kind: 'accepted', status });
});

test('the answer 204 accepts the event', async () => {
  const noContent: Behaviour = (socket) => void socket.write('HTTP/1.1 204 No Content\r\n\r\n');
  expect(await post(await start(noContent))).toEqual({ kind: 'accepted', status: 204 });
});

test('after an interim answer (102, 103) the final answer is awaited', async () => {
  const announced: Behaviour = (socket, request) => {
    socket.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
    answer(503)(socket, request);
  };
  expect(await post(await start(announced))).toMatchObject({ kind: 'retryable', code: '503' });
});

test.each([404, 410] as const)('an endpoint that answers %i does not know the job', async (status) => {
  const reason = `the endpoint answered ${status}`;
  expect(await post(await start(answer(status)))).toEqual({ kind: 'unknown', status, reason });
});

test.each([400, 401, 403, 405, 413, 422, 499])('an event that is answered with %i is refused', async (status) => {
  const expected = { kind: 'rejected', code: String(status), reason: `the endpoint answered ${status}` };
  expect(await post(await start(answer(status, 'retry-after: 3')))).toEqual(expected);
});

test.each([408, 425, 429, 500, 502, 503, 504, 599])('the answer %i is retryable', async (status) => {
  const expected = { kind: 'retryable', code: String(status), reason: `the endpoint answered ${status}` };
  expect(await post(await start(answer(status)))).toEqual(expected);
});

test.each([
  [429, '120', 120_000],
  [503, '0', 0],
  [503, 'Wed, 18 May 2033 03:34:20 GMT', 60_000],
  [429, 'Wednesday, 18-May-33 03:33:50 GMT', 30_000],
  [429, 'Wed May 18 03:33:21 2033', 1_000],
  [429, 'Wed, 18 May 2022 03:34:20 GMT', 0],
])('the answer %i with Retry-After "%s" delays the next attempt by %i ms', async (status, header, retryAfter) => {
  vi.stubEnv('TZ', 'Asia/Tokyo'); // The third form of a date says no zone, and is GMT everywhere.
  const reply = await post(await start(answer(status, `retry-after: ${header}`)));
  expect(reply).toMatchObject({ kind: 'retryable', code: String(status), retryAfter });
});

test.each(['', '-3', '1.5', 'soon', 'Someday, soon', '9'.repeat(400), '2033-05-18'])(
  'a Retry-After that cannot be read ("%s") says nothing',
  async (header) => {
    expect(await post(await start(answer(429, `retry-after: ${header}`)))).not.toHaveProperty('retryAfter');
  },
);

test('an endpoint that sends no header, or one that never ends, is retryable after the header time-out', async () => {
  for (const behave of [silent, slowHeader]) {
    const server = await start(behave);
    const reply = await post(server, create({ headerTimeout: 100 }));
    expect(reply).toEqual({ kind: 'retryable', code: 'timeout', reason: 'no answer within 100 ms' });
    await server.allClosed();
  }
});

test('an answer whose header arrives after the time limit is a time-out, even if it is a 200', async () => {
  const held: Socket[] = [];
  const server = await start((socket) => void held.push(socket));
  vi.spyOn(performance, 'now').mockReturnValue(0);
  const httpClient = create({ timeout: 100 });
  expect(await post(server, httpClient)).toEqual({
    kind: 'retryable',
    code: 'timeout',
    reason: 'no answer within 100 ms',
  });
  answer(200)(held[0] as Socket, '');
  await server.allClosed();
  server.behave = answer(202);
  expect(await post(server, httpClient)).toEqual({ kind: 'accepted', status: 202 });
  expect(server.requests).toHaveLength(2);
});

test('an endpoint that does not complete its TLS handshake is retryable after the same time-out', async () => {
  const server = await start();
  const reply = await post(`https://${server.host}`, create({ headerTimeout: 100 }));
  expect(reply).toEqual({ kind: 'retryable', code: 'timeout', reason: 'no connection within 100 ms' });
});

test('an endpoint gets at most 64 connections, and requests that wait for one are sent later', async () => {
  const held: Socket[] = [];
  const server = await start((socket) => void held.push(socket));
  const httpClient = create();
  const replies = Array.from({ length: 70 }, () => post(server, httpClient));
  await vi.waitUntil(() => held.length === 64);
  expect(server.connections).toBe(64);
  server.behave = answer(202);
  for (const socket of held) answer(202)(socket, '');
  expect(await Promise.all(replies)).toEqual(replies.map(() => ({ kind: 'accepted', status: 202 })));
  expect(server.requests).toHaveLength(70);
  expect(server.connections).toBe(64);
});

test.each([
  ['slow', slowBody],
  ['endless', endlessBody],
])('a 200 with a body that is %s is a 200, and the body is read for a second at most', async (_, behave) => {
  const server = await start(behave);
  // An hour: a client that waited for the end of the body would exceed the time-out of the test.
  expect(await post(server, create({ timeout: 3_600_000 }))).toEqual({ kind: 'accepted', status: 200 });
  await server.allClosed();
});

test('at most 4 kB of a body are read: a longer body closes the connection, and the answer still counts', async () => {
  const body = (size: number): Behaviour => {
    return (socket) => void socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n${'a'.repeat(size)}`);
  };
  for (const [size, isKept] of [
    [4_096, true],
    [4_097, false],
  ] as const) {
    const server = await start(body(size));
    const httpClient = create();
    expect(await post(server, httpClient)).toEqual({ kind: 'accepted', status: 200 });
    expect(await post(server, httpClient)).toEqual({ kind: 'accepted', status: 200 });
    expect(server.connections === 1).toBe(isKept);
  }
});

test('a 200 whose body breaks off is a 200', async () => {
  expect(await post(await start(brokenBody))).toEqual({ kind: 'accepted', status: 200 });
});

test.each([
  ['resets the connection', reset],
  ['closes its half', halfClose],
  ['speaks something else than HTTP', garbage],
  ['sends a header without end', headerWithoutEnd],
  ['wants another protocol', (socket: Socket) => void socket.write('HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n')],
])('an endpoint that %s is retryable: its answer broke', async (_, behave) => {
  expect(await post(await start(behave))).toMatchObject({ kind: 'retryable', code: 'broken' });
});

test('a closed port and an unknown name are failures to connect', async () => {
  const gone = await startHostile(silent);
  await gone.stop();
  const refused = { kind: 'retryable', code: 'connect', reason: 'no connection (ECONNREFUSED)' };
  expect(await post(gone)).toEqual(refused);
  const httpClient = create({}, (_, __, callback) =>
    callback(Object.assign(new Error('secret-name'), { code: 'ENOTFOUND' }), []),
  );
  const unknown = { kind: 'retryable', code: 'connect', reason: 'no connection (ENOTFOUND)' };
  expect(await post('http://core', httpClient)).toEqual(unknown);
});

test('a redirect with 307 or 308 is followed within its host, body and credentials included', async () => {
  for (const status of [307, 308]) {
    const server = await start((socket, request) => {
      const isFirst = request.startsWith('POST /secret/path');
      const location = `${status === 307 ? '' : `http://${server.host}`}/elsewhere?secret=2`;
      return (isFirst ? answer(status, `location: ${location}`) : answer(200))(socket, request);
    });
    expect(await post(server)).toEqual({ kind: 'accepted', status: 200 });
    expect(server.requests[1]).toMatch(/^POST \/elsewhere\?secret=2 /);
    expect(linesOf(server.requests[1])).toContain(`authorization: Basic ${btoa('secret-user:secret-pass')}`);
    expect(server.requests[1]).toMatch(/{"secret":1}$/);
  }
});

test('three redirects are followed, and a loop of them ends', async () => {
  let redirects = 3;
  const server = await start((socket, request) =>
    (redirects-- > 0 ? answer(307, 'location: /secret/again') : answer(200))(socket, request),
  );
  expect(await post(server)).toEqual({ kind: 'accepted', status: 200 });
  redirects = Number.POSITIVE_INFINITY;
  expect(await post(server)).toEqual({ kind: 'rejected', code: 'redirect', reason: 'more than 3 redirects' });
  expect(server.requests).toHaveLength(8);
});

test('all redirects together have the time limit of one answer', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const server = await start((socket, request) => {
    vi.advanceTimersByTime(700);
    answer(307, 'location: /secret/again')(socket, request);
  });
  const reply = { kind: 'retryable', code: 'timeout', reason: 'no answer within 2000 ms' };
  expect(await post(server, create({ timeout: 2_000 }))).toEqual(reply);
  expect(server.requests).toHaveLength(3);
});

test('a redirect that is read too late, because this process was held up, is a failure of this host', async () => {
  const server = await start(answer(307, 'location: /secret/again'));
  vi.spyOn(performance, 'now').mockImplementation(() => 3_001 * server.requests.length);
  expect(await post(server, create({ timeout: 2_000 }))).toMatchObject({
    ...{ kind: 'host-error', code: 'STALLED' },
    reason: expect.stringMatching(/did not run/),
  });
  expect(server.requests).toHaveLength(1);
});

test('a redirect to another host, another port or another scheme is not followed', async () => {
  const other = await start();
  const server = await start();
  for (const target of [`http://localhost:${server.port}/secret`, `http://${other.host}/secret`, '//secret.test/']) {
    server.behave = answer(307, `location: ${target}`);
    const reason = 'a redirect (307) to another host, not followed';
    expect(await post(server)).toEqual({ kind: 'rejected', code: 'redirect', reason });
  }
  server.behave = answer(308, `location: ftp://${server.host}/secret`);
  expect(await post(server)).toMatchObject({ kind: 'rejected', code: 'bad-url' });
  expect(other.requests).toHaveLength(0);
});

test('a redirect out of TLS is not followed', async () => {
  const server = await start(silent, authority().issue('IP:127.0.0.1'));
  server.behave = answer(307, `location: http://${server.host}/secret`);
  const reason = 'a redirect (307) from https to another scheme, not followed';
  const reply = await post(`https://${server.host}`, create({ tls: { ca: authority().cert } }));
  expect(reply).toEqual({ kind: 'rejected', code: 'redirect', reason });
});

test('the target of a redirect is checked as a hook URL is', async () => {
  // From http to https on one host and port: only the second origin is not on the list.
  const server = await start();
  server.behave = answer(307, `location: https://${server.host}/secret`);
  const reply = await post(server, create({ allowedOrigins: [`http://${server.host}`] }));
  expect(reply).toMatchObject({ kind: 'rejected', code: 'forbidden' });
  expect(server.connections).toBe(1);
});

test.each([301, 302, 303, 304])('a redirect with %i is a failure, because it would lose the event', async (status) => {
  const server = await start(answer(status, 'location: /secret/elsewhere'));
  expect(await post(server)).toMatchObject({ kind: 'rejected', code: 'redirect' });
  expect(server.requests).toHaveLength(1);
});

test('a redirect without a valid target is rejected', async () => {
  for (const behave of [answer(307), answer(307, 'location: http://[secret')]) {
    const reason = 'a redirect (307) without a valid target';
    expect(await post(await start(behave))).toEqual({ kind: 'rejected', code: 'redirect', reason });
  }
});

test('closing ends the requests in flight, and later requests fail', async () => {
  const server = await start(silent);
  const httpClient = create();
  const reply = post(server, httpClient);
  await vi.waitUntil(() => server.requests.length === 1);
  await httpClient.close();
  expect(await reply).toMatchObject({ kind: 'retryable' });
  expect(await post(server, httpClient)).toMatchObject({ kind: 'retryable' });
  await server.allClosed();
});
