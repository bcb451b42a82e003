/** Kinds of the caller's client: each is supported, or refused by its name; fault 144. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { OptionsError, UnusableRedisError } from '../../src/index.ts';
import { type Connection, connect } from '../../src/io/redis/connection.ts';
import { infoOf, startFakeRedis } from '../support/fakeRedis.ts';
import { second } from '../support/jobs.ts';
import { startProxy } from '../support/proxy.ts';
import { trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let redis: Redis;
const opened = trackOpened();
const connections: Connection[] = [];
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
});
afterAll(() => server.stop());
beforeEach(() => redis.flushall());
afterEach(async () => {
  await opened.close();
  await Promise.all(connections.splice(0).map(({ close }) => close(0)));
  vi.useRealTimers();
});

const clientOf = (options: RedisOptions = {}): Redis => {
  const client = opened.hold(
    new Redis({ host: '127.0.0.1', ...options, port: options.port ?? server.port } as RedisOptions & {
      replyMapping?: 'legacy';
    }),
  );
  client.on('error', () => undefined);
  return client;
};
const given = (client: Redis) => {
  const faults: string[] = [];
  const connection = connect(client, ({ message }) => void faults.push(message));
  connections.push(connection);
  return { ...connection, faults };
};

/** A job that was lost by its worker, one whose endpoint knows more than its stats, and what a dead pool held. */
const seed = async (db: number) => {
  const client = opened.hold(redis.duplicate({ db }));
  const at = second(-600);
  await client.hset('t:job_track:inprogress', { lost: 2, behind: 2 });
  await client.hset('t:job_stats:behind', {
    id: 'behind',
    name: 'X',
    kind: 'Generic',
    status: 'Running',
    update_time: at,
    revision: at,
    enqueue_time: at,
    ack: JSON.stringify({ status: 'Success', revision: at, check_in_at: 0 }),
  });
  await client.rpush('t:jobs:X:dead1:inprogress', '{"name":"X","id":"held","t":1}');
  await client.set('t:jobs:X:lock', 1);
  return client;
};

describe('fault 144: clients that work like any other', () => {
  test.each<[string, RedisOptions]>([
    ['plain', {}],
    ['database 5', { db: 5 }],
    ['stringNumbers', { stringNumbers: true }],
    ['database 5 and stringNumbers', { db: 5, stringNumbers: true }],
    ['RESP2', { protocol: 2 }],
    ['RESP3 with its own shapes', { protocol: 3, replyMapping: 'resp3' }],
    ['enableAutoPipelining', { enableAutoPipelining: true }],
    ['lazyConnect', { lazyConnect: true }],
    ['no offline queue', { enableOfflineQueue: false }],
    ['no offline queue, lazy', { enableOfflineQueue: false, lazyConnect: true }],
    ['no offline queue, database 5', { enableOfflineQueue: false, db: 5 }],
    ['maxRetriesPerRequest null', { maxRetriesPerRequest: null }],
    ['no ready check', { enableReadyCheck: false }],
    ['no resending', { autoResendUnfulfilledCommands: false }],
  ])('%s', async (_, options) => {
    const db = await seed(options.db ?? 0);
    const client = clientOf(options);
    const reaper = opened.create({ redis: client });
    expect(await reaper.sweep()).toMatchObject({
      scanned: 2,
      verdicts: { untrack: 1, reset: 1 },
      outcomes: { done: 2 },
    });
    expect(await db.hmget('t:job_stats:behind', 'status', 'revision')).toEqual([
      'Success',
      expect.stringMatching(/^\d{10}$/),
    ]);
    expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 1, pools: { rescued: 1 } });
    expect(await db.lrange('t:jobs:X', 0, -1)).toEqual(['{"name":"X","id":"held","t":1}']);
    expect(await db.get('t:jobs:X:lock')).toBe('0');
    expect(await reaper.status()).toMatchObject({ tracked: { total: 1, byStatus: { Success: 1 } } });
    await reaper.stop();
    expect(await client.ping()).toBe('PONG');
  });

  test('a client that has selected its database at run time', async () => {
    const db = await seed(7);
    const client = clientOf();
    await client.select(7);
    expect(await opened.create({ redis: client }).sweep()).toMatchObject({ scanned: 2 });
    expect(await db.hkeys('t:job_track:inprogress')).toEqual(['behind']);
  });

  test('a client in another database that is refused after a reconnect: nothing goes to database 0', async () => {
    await redis.call('ACL', 'SETUSER', 'wavering', 'reset', 'on', '>pass', '~*', '&*', '+@all');
    const client = clientOf({ username: 'wavering', password: 'pass', db: 5, retryStrategy: () => 20 });
    const { redis: mine, faults } = given(client);
    await mine.set('a', 1);
    await redis.call('ACL', 'SETUSER', 'wavering', '-select');
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const replies = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => mine.set(`b${i}`, 1)));
    await vi.waitUntil(() => faults.length > 0);
    expect(replies.map(({ status }) => status)).toEqual(Array(10).fill('rejected'));
    await expect(mine.set('c', 1)).rejects.toThrow('database 5');
    expect(await redis.dbsize()).toBe(0);
  });

  test('a client that selects another database later is refused from then on', async () => {
    const client = clientOf();
    const { redis: mine } = given(client);
    await mine.ping();
    await client.select(3);
    const error = await mine.set('x', 1).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'redis-wrong-database', message: expect.stringContaining('database 3') });
    expect([await redis.dbsize(), await client.dbsize()]).toEqual([0, 0]);
    await client.select(0);
    expect(await mine.set('x', 1)).toBe('OK');
  });
});

describe('fault 144: clients that are refused by name', () => {
  test.each<[string, () => Redis | RedisOptions, RegExp]>([
    ['keyPrefix of a client', () => clientOf({ keyPrefix: 'p:', lazyConnect: true }), /redis\.keyPrefix.*namespace/],
    ['keyPrefix in options', () => ({ port: server.port, keyPrefix: 'p:' }), /redis\.keyPrefix.*namespace/],
    [
      'a replica of sentinels',
      () => ({ sentinels: [{ host: 'h', port: 1 }], name: 'm', role: 'slave' }),
      /redis\.role/,
    ],
    ['a client that monitors', () => clientOf({ monitor: true, lazyConnect: true }), /monitor mode/],
    [
      'a Cluster',
      () => opened.hold(new Cluster([{ port: 1, host: '127.0.0.1' }], { lazyConnect: true }) as unknown as Redis),
      /Cluster is not supported/,
    ],
    [
      'a URL object, which names no option',
      () => new URL('redis://u:s3cret@127.0.0.1:1') as unknown as RedisOptions,
      /^createReaper: redis: must be a Redis URL as a string, options of ioredis or a live ioredis client$/,
    ],
    ['a list', () => [] as RedisOptions, /redis: must be a Redis URL/],
  ])('%s, at createReaper', (_, source, message) => {
    const attempt = () => opened.create({ redis: source() });
    expect(attempt).toThrow(OptionsError);
    expect(attempt).toThrow(message);
  });

  test('a client inside MULTI, before its first command or after: each reply would be QUEUED', async () => {
    const client = clientOf();
    const reaper = opened.create({ redis: client });
    for (const _ of [1, 2]) {
      await client.multi({ pipeline: false });
      await expect(reaper.sweep()).rejects.toMatchObject({
        message: expect.stringContaining('is inside MULTI'),
        cause: { code: 'redis-unusable-client' },
      });
      await client.discard();
      expect((await reaper.sweep()).scanned).toBe(0);
    }
  });

  test('a client in subscriber mode, at createReaper or with the first command', async () => {
    const client = clientOf({ protocol: 2 });
    const early = opened.create({ redis: client });
    await client.subscribe('channel');
    await expect(early.sweep()).rejects.toThrow('subscriber mode');
    expect(() => opened.create({ redis: client })).toThrow(/subscriber mode.*another one/);
  });
});

test.each(['quit', 'disconnect'] as const)(
  'fault 144: a client on which the caller has called %s is reported as closed, at once and only once',
  async (method) => {
    for (const wasUsed of [false, true]) {
      const client = clientOf();
      const reaper = opened.create({ redis: client });
      const faults: string[] = [];
      reaper.on('error', ({ message }) => void faults.push(message));
      await client.ping();
      if (wasUsed) await reaper.ping();
      // The connection may close before the reply to QUIT is read. Then ioredis rejects it.
      await Promise.allSettled([client[method]()]);
      await vi.waitUntil(() => client.status === 'end');
      const attempts: (() => Promise<unknown>)[] = [
        () => reaper.ping(),
        () => reaper.sweep(),
        () => reaper.rescue({ grace: 0 }),
        () => reaper.lifecycle.save({ id: 'a', name: 'X' }),
      ];
      for (const attempt of attempts) {
        await expect(attempt()).rejects.toThrow(/client of Redis at .* is closed: stop the reaper before its client/);
      }
      expect(faults.filter((error) => error.includes('is closed'))).toHaveLength(1);
      await client.connect();
      await reaper.ping();
    }
  },
);

test('fault 144: a database may be given as text', async () => {
  for (const source of [{ port: server.port, db: '5' }, clientOf({ db: '5' as unknown as number })]) {
    const reaper = opened.create({ redis: source as unknown as RedisOptions });
    const { checks } = await reaper.doctor({ essential: true });
    expect(checks).toContainEqual(expect.objectContaining({ what: 'database', ok: true, detail: 'database 5' }));
  }
});

describe('fault 144: the same checks', () => {
  test('a Redis that is too old gets no command', async () => {
    const fake = await startFakeRedis((name) => (name === 'INFO' ? infoOf({ redis_version: '6.0.16' }) : '+OK\r\n'));
    onTestFinished(() => fake.stop());
    const client = clientOf({ port: fake.port, protocol: 2, enableReadyCheck: false, disableClientInfo: true });
    const { redis: mine } = given(client);
    const error = await mine.set('x', 1).catch((caught: Error) => caught);
    expect(error).toBeInstanceOf(UnusableRedisError);
    expect(error).toMatchObject({ code: 'redis-too-old', kind: 'permanent' });
    expect(fake.commands).not.toContain('SET');
  });

  test('there is one check before the first command, and one after each reconnect', async () => {
    const asked = async () => Number(/cmdstat_info:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
    const client = clientOf({ retryStrategy: () => 20, enableReadyCheck: false });
    const { redis: mine } = given(client);
    await client.ping();
    let before = await asked();
    await Promise.all([mine.get('a'), mine.get('b')]);
    await mine.get('c');
    expect((await asked()) - before - 1).toBe(1);
    for (let i = 0; i < 2; i++) {
      before = await asked();
      const ready = new Promise((resolve) => client.once('ready', resolve));
      client.disconnect(true);
      await ready;
      await mine.get('d');
      expect((await asked()) - before - 1).toBe(1);
    }
  });

  test('each outage is reported once, and the connection is used again after it', async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.stop());
    const { redis: mine, faults } = given(clientOf({ port: proxy.port, retryStrategy: () => 20 }));
    await mine.ping();
    for (let i = 1; i <= 3; i++) {
      proxy.cut();
      await vi.waitUntil(() => faults.length === i);
      await vi.waitUntil(async () => (await mine.ping().catch(() => '')) === 'PONG');
    }
    expect(faults).toHaveLength(3);
  });

  test('without socketTimeout and commandTimeout, work continues beside a silent connection, which is left alone', async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.stop());
    const client = clientOf({ port: proxy.port, maxRetriesPerRequest: null });
    const { redis: mine, faults, epoch } = given(client);
    await mine.set('x', 'here');
    const before = epoch();
    proxy.silence();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const replies = [mine.get('x'), mine.get('x')];
    await vi.advanceTimersByTimeAsync(5_000);
    vi.useRealTimers();
    expect(await Promise.all(replies)).toEqual(['here', 'here']);
    expect(faults).toEqual([expect.stringContaining('no answer within 5000 ms')]);
    expect(await mine.get('x')).toBe('here');
    expect(epoch()).toBeGreaterThan(before);
    expect(client.status).toBe('ready');
  });

  test.each([{}, { enableOfflineQueue: false }, { enableReadyCheck: false }])(
    'fault 109: with %j and an own handshake without an answer, work continues beside it',
    async (options) => {
      let connections = 0;
      const sockets: Socket[] = [];
      const front = createServer((socket) => {
        sockets.push(socket);
        connections += 1;
        if (connections === 1) return void socket.resume();
        const upstream = connectTcp(server.port, '127.0.0.1');
        sockets.push(upstream);
        socket.pipe(upstream).pipe(socket);
      }).listen(0, '127.0.0.1');
      await once(front, 'listening');
      onTestFinished(() => {
        for (const socket of sockets) socket.destroy();
        front.close();
      });
      const client = clientOf({ ...options, port: (front.address() as AddressInfo).port });
      await once(client, 'connect');
      const { redis: mine, faults } = given(client);
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const reply = mine.set('x', 'here');
      await vi.advanceTimersByTimeAsync(5_000);
      vi.useRealTimers();
      expect(await reply).toBe('OK');
      expect(await redis.get('x')).toBe('here');
      expect(faults).toEqual([expect.stringContaining('no answer within 5000 ms')]);
    },
  );

  test('commands of a client that waits without end for its Redis fail in time', async () => {
    const gone = await startRedis();
    const client = clientOf({ port: gone.port, maxRetriesPerRequest: null, retryStrategy: () => 20 });
    const { redis: mine } = given(client);
    await mine.ping();
    await gone.stop();
    await vi.waitUntil(() => client.status !== 'ready');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const late = mine.get('x').catch((error: Error) => error);
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    expect(await late).toBeInstanceOf(Error);
  });
});
