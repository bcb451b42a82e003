/** Redis behind real sentinels: faults 110 and 117. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createReaper, type ReaperOptions } from '../../src/index.ts';
import { type Connection, connect } from '../../src/io/redis/connection.ts';
import { callCli } from '../support/cli.ts';
import { bulk, startFakeRedis } from '../support/fakeRedis.ts';
import { trackOpened } from '../support/reapers.ts';
import { freePort, type RedisServer, startRedis } from '../support/redisServer.ts';
import { type Sentinel, startSentinel } from '../support/sentinel.ts';

const password = 'sesame-1';
let master: RedisServer;
let open: Sentinel;
let locked: Sentinel;
const opened = trackOpened();
const connections: Connection[] = [];
beforeAll(async () => {
  master = await startRedis();
  open = await startSentinel('m', master.port);
  locked = await startSentinel('m', master.port, { password });
});
afterAll(() => Promise.all([open.stop(), locked.stop(), master.stop()]));
afterEach(async () => {
  await opened.close();
  await Promise.all(connections.splice(0).map(({ close }) => close(0)));
});

const urlOf = (sentinel: { port: number }, name = 'm', rest = '') =>
  `redis+sentinel://127.0.0.1:${sentinel.port}/${name}/1${rest}`;
/** The lines that a running reaper logs at its usual level, until much that it does has failed. */
const linesOf = async (options: Partial<ReaperOptions> & Pick<ReaperOptions, 'redis'>) => {
  const lines: string[] = [];
  let failures = 0;
  const sink = new Writable({
    write(chunk, _, done) {
      const { level, msg } = JSON.parse(String(chunk));
      if (msg === 'something failed') failures += 1;
      if (level >= 30) lines.push(String(chunk));
      done();
    },
  });
  const reaper = createReaper({
    namespace: 't',
    // What fails because of an outage that is reported already is logged for debugging only.
    logger: pino({ level: 'debug' }, sink),
    ...options,
    rescue: { initialDelay: 1, interval: 20 },
  });
  onTestFinished(() => reaper.stop({ timeout: 0 }));
  reaper.start();
  const error: Error = await reaper.ping().catch((caught) => caught);
  await vi.waitUntil(() => failures >= 3, { interval: 20 });
  return { lines, error };
};

describe('fault 117: the sentinels', () => {
  test('with a password: by URL, by options of ioredis, by options of the reaper', async () => {
    const plain = { sentinels: [{ host: '127.0.0.1', port: locked.port }], name: 'm' };
    for (const options of [
      { redis: urlOf(locked, 'm', `?sentinel_password=${password}`) },
      { redis: { ...plain, sentinelPassword: password } },
      { redis: plain, sentinelPassword: password },
      { redis: urlOf(locked), sentinelPassword: password },
      { redis: urlOf(locked, 'm', '?sentinel_password=wrong'), sentinelPassword: password },
    ]) {
      await opened.create(options).ping();
    }
  });

  test('with a user of their own', async () => {
    await locked.client.call('ACL', 'SETUSER', 'watcher', 'on', '>w-word', '+@all', '~*', '&*');
    await opened.create({ redis: urlOf(locked, 'm', '?sentinel_username=watcher&sentinel_password=w-word') }).ping();
  });

  test.each([
    ['from the environment', [], { REAPER_SENTINEL_PASSWORD: password }],
    ['by a flag', ['--sentinel-password', password], {}],
  ])('with a password that the command has %s', async (_, args, env) => {
    const words = ['status', '--json', '--redis', urlOf(locked), '--namespace', 't', ...args];
    const { code, stdout, stderr } = await callCli(words, env);
    expect([code, stdout + stderr]).toEqual([0, expect.stringContaining('"tracked"')]);
    expect(stdout + stderr).not.toContain(password);
  });

  test.each([
    [
      'a wrong password',
      () => urlOf(locked, 'm', '?sentinel_password=wrong-1'),
      /refuses the sentinel user or password.*WRONGPASS/,
    ],
    ['no password', () => urlOf(locked), /refuses the sentinel user or password.*NOAUTH/],
    ['a wrong name of the master', () => urlOf(open, 'n'), /know no master named n/],
    ['a Redis that is not a sentinel', () => urlOf(master), /is not a sentinel/],
    ['a wrong password for the master', () => urlOf(open).replace('//', '//u:p-word@'), /refuses the user or password/],
  ])('%s: the cause in one line, at once', async (_, url, cause) => {
    const { lines, error } = await linesOf({ redis: url() });
    expect(error.message).toMatch(cause);
    expect(lines).toEqual([expect.stringMatching(cause)]);
    expect(lines.join('')).not.toMatch(/wrong-1|p-word/);
  });

  test('none that is there: the cause in one line', async () => {
    const { lines, error } = await linesOf({ redis: urlOf({ port: await freePort() }) });
    expect(error.message).toMatch(/no sentinel can be reached.*ECONNREFUSED/);
    expect(lines).toEqual([expect.stringMatching(/no sentinel can be reached.*ECONNREFUSED/)]);
  });

  test('one that is gone costs nothing while another is there', async () => {
    const gone = await freePort();
    const connection = connect(`redis+sentinel://127.0.0.1:${gone},127.0.0.1:${open.port}/m`, () => undefined);
    connections.push(connection);
    expect(await connection.redis.ping()).toBe('PONG');
    expect(connection.description).toBe(`master m by sentinels 127.0.0.1:${gone},127.0.0.1:${open.port}`);
  });
});

describe('fault 110: a failover', () => {
  const world = async () => {
    const first = await startRedis('--repl-diskless-sync-delay', '0');
    onTestFinished(() => first.stop());
    const second = await startRedis('--repl-diskless-sync-delay', '0', '--replicaof', '127.0.0.1', String(first.port));
    onTestFinished(() => second.stop());
    const sentinels = [
      await startSentinel('m', first.port),
      await startSentinel('other', first.port, { lines: [`sentinel monitor m 127.0.0.1 ${first.port} 1`] }),
    ];
    for (const sentinel of sentinels) onTestFinished(() => sentinel.stop());
    const [watching] = sentinels as [Sentinel];
    await vi.waitUntil(async () => {
      const replicas = (await watching.client.call('SENTINEL', 'replicas', 'm')) as string[][];
      return replicas.some((fields) => fields.includes('ok') && !fields.includes('s_down'));
    });
    const url = `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/m`;
    return { first, second, watching, url };
  };
  const portOf = async ({ redis }: Connection) => Number(/tcp_port:(\d+)/.exec(await redis.info('server'))?.[1]);

  test('that is planned: the client moves when a sentinel says so, though the old master still takes its connection', async () => {
    const { first, second, watching, url } = await world();
    const faults: string[] = [];
    const connection = connect(url, ({ message }) => void faults.push(message));
    connections.push(connection);
    expect(await portOf(connection)).toBe(first.port);
    const ended = new Promise((resolve) => connection.redis.once('close', resolve));
    await vi.waitUntil(async () => (await watching.client.call('SENTINEL', 'failover', 'm').catch(() => '')) === 'OK');
    await ended;
    expect(await portOf(connection)).toBe(second.port);
    expect(faults).toEqual([expect.stringContaining('another master')]);
    // The old master learns of it later: what it acknowledges until then is lost.
    expect(await connection.redis.set('x', 1)).toBe('OK');
  });

  test('by the death of the master', async () => {
    const { first, second, url } = await world();
    const connection = connect(url, () => undefined);
    connections.push(connection);
    expect(await portOf(connection)).toBe(first.port);
    await first.kill();
    await vi.waitUntil(async () => (await portOf(connection).catch(() => 0)) === second.port);
    expect(connection.facts?.()?.role).toBe('master');
  });

  test('of another master that the same sentinels watch moves nothing', async () => {
    const channels = new Map<string, (payload: string) => void>();
    const answers: Record<string, string> = {
      'get-master-addr-by-name': `*2\r\n$9\r\n127.0.0.1\r\n${bulk(String(master.port))}`,
      sentinels: '*0\r\n',
    };
    const fake = await startFakeRedis((name, args, socket) => {
      if (name !== 'SUBSCRIBE') return answers[args[0] ?? ''] ?? '+OK\r\n';
      for (const channel of args) {
        if (!channels.has(channel))
          channels.set(
            channel,
            (payload) => void socket.write(`*3\r\n${bulk('message')}${bulk(channel)}${bulk(payload)}`),
          );
      }
      return undefined;
    });
    onTestFinished(() => fake.stop());
    const connection = connect(urlOf(fake), () => undefined);
    connections.push(connection);
    let closes = 0;
    connection.redis.on('close', () => {
      closes += 1;
    });
    await connection.redis.ping();
    await vi.waitUntil(() => channels.size === 2);
    const moved = (name: string, port: number) => {
      channels.get('+promoted-slave')?.(`slave s 127.0.0.1 ${port} @ ${name} 127.0.0.1 ${master.port}`);
      channels.get('+switch-master')?.(`${name} 127.0.0.1 ${master.port} 127.0.0.1 ${port}`);
    };
    moved('another', 1);
    moved('m', master.port);
    // Round trips, in which both have come.
    const probe = connect(urlOf(fake), () => undefined);
    connections.push(probe);
    await probe.redis.ping();
    await connection.redis.ping();
    expect(closes).toBe(0);
    moved('m', 1);
    await vi.waitUntil(() => closes > 0);
    await vi.waitUntil(() => connection.redis.status === 'ready');
    expect(closes).toBe(1);
  });
});
