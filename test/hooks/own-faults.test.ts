/** What keeps this host from sending says nothing of the endpoint: no attempt is used, and no breaker hears of it. */
import { spawn } from 'node:child_process';
import dns, { type LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createActor, toPromise, waitFor } from 'xstate';
import { createEndpointActors } from '../../src/actors/endpointActors.ts';
import type { BackgroundError, HookOutcome, ReaperOptions } from '../../src/index.ts';
import type { Claim } from '../../src/io/hooks/claims.ts';
import { createHostBackoff } from '../../src/io/hooks/hostBackoff.ts';
import { createHttpClient } from '../../src/io/hooks/http/client.ts';
import type { Resolve } from '../../src/io/hooks/http/destination.ts';
import { hostErrorOf, isAnswer } from '../../src/io/hooks/http/hostError.ts';
import type { InFlightLimiter } from '../../src/io/hooks/inFlightLimiter.ts';
import type { HookRecords } from '../../src/io/hooks/records.ts';
import { createTestClock, type TestClock } from '../support/clock.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { startHookEndpoint } from '../support/hookEndpoint.ts';
import { startHostile } from '../support/hostileServers.ts';
import { seedJob } from '../support/jobs.ts';

const { server, opened } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();

const { lookup } = dns;
const { connect } = net;
beforeEach(() => {
  hookEndpoint.answer = undefined;
});
afterEach(() => void vi.restoreAllMocks());
afterEach(() => {
  [dns.lookup, net.connect] = [lookup, connect];
  syncBuiltinESMExports();
});

const errorOf = (code: string, syscall?: string) => Object.assign(new Error(`${syscall} ${code}`), { code, syscall });

/** Has every look-up end like this; undefined for a name that leads to loopback. */
const resolveWith = (codeOf: (name: string) => string | undefined) => {
  const fake = (name: string, _: unknown, callback: (error: Error | null, addresses?: LookupAddress[]) => void) => {
    const code = codeOf(name);
    if (code === undefined) callback(null, [{ address: '127.0.0.1', family: 4 }]);
    else callback(errorOf(code, 'getaddrinfo'));
  };
  dns.lookup = fake as unknown as typeof dns.lookup;
  syncBuiltinESMExports();
};

const watched = (options: Partial<ReaperOptions> = {}) => {
  const reaper = opened.create({ redis: server.url, ...options });
  const [outcomes, faults]: [HookOutcome[], BackgroundError[]] = [[], []];
  reaper.on('hook', (outcome) => void outcomes.push(outcome));
  reaper.on('error', (fault) => void faults.push(fault));
  return { reaper, outcomes, faults };
};
const recordOf = (id: string) => server.client.hget('t:reaper:hooks', id);
const isSending = async () => (await server.client.hvals('t:reaper:hooks')).some((text) => text.startsWith('sending'));
/** Has time pass until something is so, but none while a hook is being sent: its claim would run out meanwhile. */
const passUntil = (clock: TestClock, isSo: () => boolean) =>
  clock.until(async () => {
    await vi.waitUntil(async () => !(await isSending()));
    return isSo();
  }, 500);

describe('fault 127: whose fault it is', () => {
  test.each([
    ['EMFILE', 'connect'],
    ['ENFILE', 'connect'],
    ['ENOMEM', 'connect'],
    ['ENOBUFS', 'write'],
    ['EADDRNOTAVAIL', 'connect'],
    ['EADDRINUSE', 'connect'],
    ['EAGAIN', 'connect'],
    // A route of the type `blackhole`.
    ['EINVAL', 'connect'],
    ['EACCES', 'connect'],
    ['EPERM', 'connect'],
    ['ENETUNREACH', 'connect'],
    ['ENETDOWN', 'connect'],
    ['EAFNOSUPPORT', 'connect'],
    ['EAI_AGAIN', 'getaddrinfo'],
    ['EAI_FAIL', 'getaddrinfo'],
    ['EAI_MEMORY', 'getaddrinfo'],
    ['ECONNREFUSED', 'queryA'],
    ['ETIMEOUT', 'queryAaaa'],
    ['ESERVFAIL', undefined],
    ['EAI_AGAIN', undefined],
  ])('%s of %s is ours', (code, syscall) => {
    expect(hostErrorOf(errorOf(code, syscall))).toEqual({ code, advice: expect.stringMatching(/\w{5}/) });
  });

  test.each([
    ['ECONNREFUSED', 'connect'],
    ['ECONNRESET', 'read'],
    ['EPIPE', 'write'],
    ['ETIMEDOUT', 'connect'],
    ['EHOSTUNREACH', 'connect'],
    ['EHOSTDOWN', 'connect'],
    ['ENOTFOUND', 'getaddrinfo'],
    ['EAI_NODATA', 'getaddrinfo'],
    ['ENODATA', 'queryA'],
    ['EINVAL', 'getaddrinfo'],
    ['EAI_OVERFLOW', 'getaddrinfo'],
    ['ENAMETOOLONG', 'getaddrinfo'],
    ['UND_ERR_SOCKET', undefined],
    ['CERT_HAS_EXPIRED', undefined],
  ])('%s of %s may be the endpoint’s', (code, syscall) => {
    expect(hostErrorOf(errorOf(code, syscall))).toBeUndefined();
  });

  test.each([
    [['ENETUNREACH', 'ECONNREFUSED'], undefined],
    [['ECONNREFUSED', 'ENETUNREACH'], undefined],
    [['ENETUNREACH', 'ENETUNREACH'], 'ENETUNREACH'],
    [['ECONNREFUSED', 'EMFILE'], 'EMFILE'],
    [['ENETUNREACH', 'EADDRNOTAVAIL'], 'ENETUNREACH'],
    // ::1 where IPv6 is off, and 127.0.0.1.
    [['EADDRNOTAVAIL', 'ECONNREFUSED'], undefined],
    [['EADDRNOTAVAIL', 'EADDRNOTAVAIL'], 'EADDRNOTAVAIL'],
    // IPv6 is denied, or has no free port; the IPv4 address does not answer.
    [['EACCES', 'ETIMEDOUT'], undefined],
    [['ETIMEDOUT', 'EPERM'], undefined],
    [['EADDRINUSE', 'ECONNREFUSED'], undefined],
    [['EAGAIN', 'ETIMEDOUT'], undefined],
    [['EINVAL', 'ECONNREFUSED'], undefined],
    [['EACCES', 'ENETUNREACH'], 'EACCES'],
    [['EINVAL', 'EPERM'], 'EINVAL'],
    // A machine that is off.
    [['ENETUNREACH', 'EHOSTUNREACH'], undefined],
    [['EHOSTUNREACH', 'EHOSTUNREACH'], undefined],
    [['ENFILE', 'ETIMEDOUT'], 'ENFILE'],
    [['EHOSTUNREACH', 'ENOMEM'], 'ENOMEM'],
    [['ENOBUFS', 'ECONNREFUSED'], 'ENOBUFS'],
    [['EACCES', 'EMFILE'], 'EMFILE'],
    [['ETIMEDOUT', 'ECONNREFUSED'], undefined],
  ])('a name whose addresses fail with %j: %s', (codes, code) => {
    const error = new AggregateError(codes.map((each) => errorOf(each, 'connect')));
    expect(hostErrorOf(error)?.code).toBe(code);
  });
});

const httpClientWith = (
  resolve: Parameters<typeof createHttpClient>[2],
  headerTimeout = 5_000,
  timeout = 2 * headerTimeout,
) =>
  createHttpClient(
    {
      headerTimeout,
      timeout,
      allowedOrigins: undefined,
      allowLinkLocal: false,
      rewriteOrigins: {},
      tls: {},
    },
    { now: () => 0 },
    resolve,
  );

test('fault 127: a resolver that does not answer in time is a fault of this host; an endpoint that does not answer is not', async () => {
  const { port } = new URL(hookEndpoint.url);
  vi.spyOn(performance, 'now').mockReturnValue(0);
  const pending: (() => void)[] = [];
  const httpClient = httpClientWith((_name, _options, callback) => {
    pending.push(() => callback(errorOf('ENOTFOUND', 'getaddrinfo'), []));
  }, 300);
  expect(await httpClient.post(`http://core.test:${port}/200`, '{}')).toMatchObject({
    kind: 'host-error',
    code: 'DNS-TIMEOUT',
  });
  for (const end of pending) end();
  await httpClient.close();
  const reached = httpClientWith(
    (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    300,
  );
  expect(await reached.post(`http://core.test:${port}/silent`, '{}')).toMatchObject({
    kind: 'retryable',
    code: 'timeout',
  });
  await reached.close();
});

test('fault 127: a time-out that this process noticed late, because it was held up, is a fault of this host', async () => {
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  const httpClient = httpClientWith(undefined, 5_000, 100);
  const reply = httpClient.post(`${hookEndpoint.url}/silent`, '{}');
  clock.mockReturnValue(30_000);
  expect(await reply).toMatchObject({
    kind: 'host-error',
    code: 'STALLED',
    reason: expect.stringMatching(/did not run/),
  });
  await httpClient.close();
});

test.each([
  [1_999, { kind: 'retryable', code: 'broken' }],
  [2_001, { kind: 'host-error', code: 'STALLED' }],
])('fault 127: a reset after this process was held up for %i ms leads to %o', async (ms, reply) => {
  const held: net.Socket[] = [];
  const server = await startHostile((socket) => void held.push(socket));
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  const httpClient = httpClientWith(undefined, 60_000, 60_000);
  const replied = httpClient.post(`http://${server.host}/`, '{}');
  await vi.waitUntil(() => held.length === 1);
  clock.mockReturnValue(ms);
  held[0]?.resetAndDestroy();
  expect(await replied).toMatchObject(reply);
  await httpClient.close();
  await server.stop();
});

test.each([
  [['ECONNREFUSED'], true],
  [['ECONNREFUSED', 'ECONNREFUSED'], true],
  [['CERT_HAS_EXPIRED'], true],
  [['ERR_TLS_CERT_ALTNAME_INVALID'], true],
  [['SELF_SIGNED_CERT_IN_CHAIN'], true],
  [['UNABLE_TO_VERIFY_LEAF_SIGNATURE'], true],
  [['ECONNREFUSED', 'ETIMEDOUT'], false],
  [['ENETUNREACH', 'ECONNREFUSED'], false],
  [['ETIMEDOUT'], false],
  [['ECONNRESET'], false],
  [['EPROTO'], false],
  [['ERR_SSL_WRONG_VERSION_NUMBER'], false],
  [['UND_ERR_SOCKET'], false],
  [['UND_ERR_CONNECT_TIMEOUT'], false],
])('of addresses that fail with %j all have answered: %s', (codes, hasAnswered) => {
  const errors = codes.map((code) => errorOf(code, 'connect'));
  expect(isAnswer(errors.length === 1 ? errors[0] : new AggregateError(errors))).toBe(hasAnswered);
});

test('the refusal of a resolver is no answer of an endpoint', () => {
  expect(isAnswer(errorOf('ECONNREFUSED', 'queryA'))).toBe(false);
});

test('fault 127: a refused connection counts though this process was held up meanwhile', async () => {
  const server = await startHostile(() => undefined);
  await server.stop();
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  let resolve = () => {};
  const lookUp: Resolve = (_name, _options, callback) => {
    resolve = () => callback(null, [{ address: '127.0.0.1', family: 4 }]);
  };
  const httpClient = httpClientWith(lookUp, 60_000);
  const replied = httpClient.post(`http://core.test:${server.port}/`, '{}');
  clock.mockReturnValue(2_001);
  resolve();
  expect(await replied).toMatchObject({ kind: 'retryable', code: 'connect' });
  await httpClient.close();
});

test('fault 127: an endpoint that opens no connection is at fault, though another request to its host waits for the resolver', async () => {
  const server = await startHostile(() => undefined);
  vi.spyOn(performance, 'now').mockReturnValue(0);
  let lookups = 0;
  const resolveOnce: Resolve = (_name, _options, callback) => {
    lookups += 1;
    if (lookups === 1) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  };
  const httpClient = httpClientWith(resolveOnce, 300, 60_000);
  // It takes the connection, but does not answer the handshake.
  const silent = httpClient.post(`https://core.test:${server.port}/`, '{}');
  const unresolved = httpClient.post('https://core.test:81/', '{}');
  expect(await silent).toMatchObject({ kind: 'retryable', code: 'timeout' });
  expect(await unresolved).toMatchObject({ kind: 'host-error', code: 'DNS-TIMEOUT' });
  await httpClient.close();
  await server.stop();
});

test.each([
  ['time limit', 550, 60_000, 600, { kind: 'host-error', code: 'STALLED' }],
  ['time limit', 450, 60_000, 600, { kind: 'retryable', code: 'timeout' }],
  ['time-out of the header', 550, 600, 60_000, { kind: 'host-error', code: 'STALLED' }],
  ['time-out of the header', 450, 600, 60_000, { kind: 'retryable', code: 'timeout' }],
])(
  'fault 127: of a %s this process was held up for %i ms, until a look-up had ended: %i, %i, %o',
  async (_, ms, headerTimeout, timeout, reply) => {
    const { port } = new URL(hookEndpoint.url);
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    let resolve = () => {};
    const httpClient = httpClientWith(
      (_name, _options, callback) => {
        resolve = () => callback(null, [{ address: '127.0.0.1', family: 4 }]);
      },
      headerTimeout,
      timeout,
    );
    const replied = httpClient.post(`http://core.test:${port}/silent`, '{}');
    clock.mockReturnValue(ms);
    resolve();
    // What is left of the time limit is too short for an answer, and this process runs.
    expect(await replied).toMatchObject(reply);
    await httpClient.close();
  },
);

/** An endpoint that takes no connection until both threads share a 1. Its queue holds two. */
const closedEndpoint = `
  const { createServer } = require('node:http');
  const { parentPort, workerData } = require('node:worker_threads');
  const server = createServer((_, response) => response.end('ok'));
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(workerData, 0, 0);
  });
`;

test('fault 127: an address whose first packet is lost is not given up for one that this host has no route to', async () => {
  const isOpen = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(closedEndpoint, { eval: true, workerData: isOpen });
  const [port] = await once(worker, 'message');
  const others = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  for (const other of others)
    await once(
      other.on('error', () => undefined),
      'connect',
    );
  const resolve: Resolve = (_name, _options, callback) => {
    callback(null, [
      { address: '127.0.0.1', family: 4 },
      { address: '2001:db8::1', family: 6 },
    ]);
    setImmediate(() => {
      Atomics.store(isOpen, 0, 1);
      Atomics.notify(isOpen, 0);
    });
  };
  const httpClient = httpClientWith(resolve, 60_000);
  expect(await httpClient.post(`http://core.test:${port}/`, '{}')).toEqual({ kind: 'accepted', status: 200 });
  await httpClient.close();
  for (const other of others) other.destroy();
  await worker.terminate();
});

test('fault 127: while the DNS of this host is down, no attempt is counted and no circuit opens; afterwards all hooks are sent', async () => {
  const { port } = new URL(hookEndpoint.url);
  let code: string | undefined = 'EAI_AGAIN';
  resolveWith(() => code);
  for (let i = 0; i < 15; i++) await seedJob(server.client, `j${i}`, { web_hook_url: `http://core.test:${port}/200` });
  const clock = createTestClock();
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const { reaper, outcomes, faults } = watched({ clock, logger, hooks: { breakerThreshold: 3 } });
  const { hooks } = await reaper.sweep();
  expect(hooks).toMatchObject({ delivered: 0, failed: 0, parked: 0, skipped: 0 });
  expect(hooks.hostErrors).toBeGreaterThan(0);
  expect(outcomes[0]).toMatchObject({
    outcome: 'skipped',
    hostError: 'EAI_AGAIN',
    reason: expect.stringMatching(/resolver/),
  });
  const sendingFaults = faults.filter(({ code }) => code === 'host');
  expect(sendingFaults).toHaveLength(1);
  expect(sendingFaults[0]).toMatchObject({
    ...{ name: 'BackgroundError', where: 'sending hooks from this host', cause: { code: 'EAI_AGAIN' } },
    message: expect.stringMatching(/^EAI_AGAIN: /),
  });
  expect(lines).toMatchObject([
    { code: 'host', hostError: 'EAI_AGAIN', err: { code: 'EAI_AGAIN', stack: expect.any(String) } },
  ]);
  for (let i = 0; i < 15; i++) expect(await recordOf(`j${i}`)).toMatch(/^pending Running:\d+ \S+ 0 0 0 -$/);
  expect(await server.client.hgetall(`t:reaper:hooks:endpoint:http://core.test:${port}`)).toEqual({});
  expect(await reaper.hooks.endpoints()).toMatchObject([{ breaker: 'closed', failures: 0, pending: 15 }]);
  code = undefined;
  await passUntil(clock, () => outcomes.filter(({ outcome }) => outcome === 'delivered').length === 15);
  expect(outcomes.filter(({ outcome }) => outcome === 'delivered').every(({ attempt }) => attempt === 1)).toBe(true);
});

test('fault 127: a name that does not exist is its endpoint’s fault, and counts', async () => {
  resolveWith(() => 'ENOTFOUND');
  await seedJob(server.client, 'a', { web_hook_url: 'http://core.test/200' });
  const { reaper, outcomes } = watched();
  await reaper.sweep();
  expect(outcomes).toMatchObject([{ outcome: 'failed', attempt: 1, reason: 'no connection (ENOTFOUND)' }]);
  expect(await reaper.hooks.endpoints()).toMatchObject([{ failures: 1 }]);
});

test('fault 127: a name that is too long for any resolver is its endpoint’s fault, and counts', async () => {
  await seedJob(server.client, 'a', { web_hook_url: `http://${'a.'.repeat(130)}example/x` });
  const { reaper, outcomes, faults } = watched();
  await reaper.sweep();
  expect(outcomes).toMatchObject([{ id: 'a', outcome: 'failed', reason: expect.stringMatching(/^no connection/) }]);
  expect(faults).toEqual([]);
});

test('fault 127: another host sends at once what this host could not send', async () => {
  const { port } = new URL(hookEndpoint.url);
  resolveWith(() => 'EAI_AGAIN');
  await seedJob(server.client, 'a', { web_hook_url: `http://core.test:${port}/200` });
  await watched().reaper.sweep();
  resolveWith(() => undefined);
  const other = watched();
  await other.reaper.hooks.quiet();
  expect(other.outcomes).toMatchObject([{ outcome: 'delivered', attempt: 1 }]);
});

test('fault 127: earlier failures of the endpoint still count, and its deadline does not pass during a fault of this host', async () => {
  const { port } = new URL(hookEndpoint.url);
  let code: string | undefined;
  resolveWith(() => code);
  // No connection is left that needs no look-up.
  hookEndpoint.answer = (_, response) => response.writeHead(404, { connection: 'close' }).end();
  await seedJob(server.client, 'a', { web_hook_url: `http://core.test:${port}/404` });
  const clock = createTestClock();
  const { reaper, outcomes } = watched({ clock });
  await reaper.sweep();
  expect(outcomes).toMatchObject([{ outcome: 'failed', attempt: 1 }]);
  code = 'EAI_AGAIN';
  const began = clock.now();
  await passUntil(clock, () => clock.now() - began > 1_200_000 && outcomes.at(-1)?.hostError !== undefined);
  const tried = outcomes.length;
  code = undefined;
  await passUntil(clock, () => outcomes.slice(tried).some(({ hostError: ours }) => ours === undefined));
  // After twenty minutes without DNS the ten minutes of an unknown job are not over.
  expect(outcomes.at(-1)).toMatchObject({ outcome: 'failed', attempt: 2, reason: 'the endpoint answered 404' });
});

test('fault 127: a probe that this host could not send can be sent by another host', async () => {
  const origin = `http://core.test:${new URL(hookEndpoint.url).port}`;
  resolveWith(() => 'EAI_AGAIN');
  await seedJob(server.client, 'a', { web_hook_url: `${origin}/200` });
  await server.client.hset(`t:reaper:hooks:endpoint:${origin}`, { failures: 20, opens: 2, open_until: 1 });
  await watched().reaper.sweep();
  expect(await server.client.hgetall(`t:reaper:hooks:endpoint:${origin}`)).toEqual({
    failures: '20',
    opens: '2',
    open_until: '1',
  });
});

test('fault 127: without free ports, or memory for a socket, no attempt is counted either', async () => {
  await seedJob(server.client, 'a', { web_hook_url: `${hookEndpoint.url}/200` });
  for (const code of ['EADDRNOTAVAIL', 'ENOMEM', 'ENOBUFS', 'EPERM']) {
    net.connect = ((...args: unknown[]) => {
      const port = (args[0] as { port?: unknown } | undefined)?.port;
      if (String(port) !== new URL(hookEndpoint.url).port) return Reflect.apply(connect, net, args);
      const socket = new net.Socket();
      queueMicrotask(() => socket.destroy(errorOf(code, 'connect')));
      return socket;
    }) as typeof net.connect;
    syncBuiltinESMExports();
    const { reaper, outcomes } = watched();
    await reaper.sweep();
    expect(outcomes.map(({ hostError: ours }) => ours)).toContain(code);
    expect(outcomes.every(({ outcome }) => outcome === 'skipped')).toBe(true);
    expect(await reaper.hooks.endpoints()).toMatchObject([{ failures: 0, answer: undefined, pending: 1 }]);
    expect(await recordOf('a')).toMatch(/ 0 0 0 -$/);
    // Else it would try again when its pause is over, in place of the next one.
    await reaper.stop({ timeout: 0 });
  }
});

test('fault 127: a process without free file descriptors counts no failure of an endpoint, with an address or a name', async () => {
  const { port } = new URL(hookEndpoint.url);
  const other = await startHookEndpoint();
  const urls = [hookEndpoint.url, other.url, `http://localhost:${port}`];
  for (const [i, url] of urls.entries()) await seedJob(server.client, `j${i}`, { web_hook_url: `${url}/200` });
  const main = new URL('./own-fault-host.ts', import.meta.url).pathname;
  // Enough to load its modules, many of which Node opens at once.
  const command = `ulimit -n 1024; exec "${process.execPath}" --import tsx "${main}"`;
  const child = spawn('sh', ['-c', command], {
    env: { ...process.env, REDIS: server.url },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    const line = once(createInterface({ input: child.stdout }), 'line');
    const [text] = await Promise.race([
      line,
      ended.then(([code]) => Promise.reject(new Error(`it ended with ${code}`))),
    ]);
    const { held, hooks, outcomes, faults } = JSON.parse(text);
    expect(held).toBeGreaterThan(0);
    expect(hooks).toMatchObject({ delivered: 0, failed: 0, parked: 0, skipped: 0, hostErrors: urls.length });
    expect(outcomes.map(({ hostError }: HookOutcome) => hostError)).toEqual(['EMFILE', 'EMFILE', 'EMFILE']);
    expect(faults).toEqual([expect.objectContaining({ code: 'host', message: expect.stringContaining('EMFILE') })]);
    await vi.waitUntil(async () => (await server.client.hlen('t:reaper:hooks')) === 0, { timeout: 30_000 });
    expect([...hookEndpoint.hooks, ...other.hooks].map(({ body }) => body.job_id).sort()).toEqual(['j0', 'j1', 'j2']);
    const endpoints = await server.client.keys('t:reaper:hooks:endpoint:*');
    expect(endpoints).toEqual([]);
  } finally {
    child.stdin.end('end\n');
    await ended;
    await other.stop();
  }
});

test('a claim names what the last one has found due, unless another host has taken some of it', async () => {
  const claims: (readonly string[] | undefined)[] = [];
  let taken = 2;
  const records = {
    async claim(_origin: string, _most: number, ids?: readonly string[]): Promise<Claim> {
      claims.push(ids);
      return { hooks: Array(taken).fill({}), breaker: 'closed', wait: 0, next: ['c', 'd', 'e'] };
    },
  } as Partial<HookRecords> as HookRecords;
  const limiter = {
    reserve: (_: string, most: number) => most,
    release() {},
  } as Partial<InFlightLimiter> as InFlightLimiter;
  const backoff = createHostBackoff(createTestClock(), () => 1);
  const { claim } = createEndpointActors(records, limiter, backoff);
  const ask = (max = 2) => toPromise(createActor(claim, { input: { endpoint: 'http://a', max } }).start());
  await ask();
  await ask();
  taken = 4;
  // Fewer are known than there is room for.
  await ask(4);
  expect(claims.splice(0)).toEqual([undefined, ['c', 'd'], undefined]);
  taken = 1;
  await ask();
  taken = 2;
  for (let i = 0; i < 33; i++) await ask();
  expect(claims.map((ids) => ids?.length)).toEqual([2, ...Array(32).fill(undefined), 2]);
});

test('fault 127: a host that cannot send pauses: it claims nothing for the endpoint meanwhile, and then one hook', async () => {
  const clock = createTestClock();
  const backoff = createHostBackoff(clock, () => 1);
  const claims: number[] = [];
  const records = {
    async claim(_origin: string, most: number): Promise<Claim> {
      claims.push(most);
      return { hooks: [], breaker: 'closed', wait: undefined, next: [] };
    },
  } as Partial<HookRecords> as HookRecords;
  const limiter = {
    reserve: (_: string, most: number) => most,
    release() {},
  } as Partial<InFlightLimiter> as InFlightLimiter;
  const { claim } = createEndpointActors(records, limiter, backoff);
  const ask = async (endpoint = 'http://a') => {
    const actor = createActor(claim, { input: { endpoint, max: 16 } }).start();
    return (await waitFor(actor, ({ status }) => status === 'done')).output;
  };
  const lengths: number[] = [];
  for (let i = 0; i < 8; i++) {
    const length = backoff.begin('http://a');
    // What was in flight as well makes it no longer.
    expect(backoff.begin('http://a')).toBe(length);
    lengths.push(length);
    expect(await ask()).toEqual({ hooks: [], breaker: 'closed', wait: length });
    expect(claims).toHaveLength(i);
    clock.advance(length);
    await ask();
    expect(claims.at(-1)).toBe(1);
  }
  expect(lengths).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  await ask('http://b');
  expect(claims.at(-1)).toBe(16);
  backoff.end('http://a');
  await ask();
  expect(claims.at(-1)).toBe(16);
});
