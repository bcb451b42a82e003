/** The connection is the one that was asked for, at the start and after every loss: faults 101, 118 and 129. */
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Reaper, UnusableRedisError } from '../../src/index.ts';
import { type Connection, type ConnectionSettings, connect, type RedisSource } from '../../src/io/redis/connection.ts';
import { callCli, runCli } from '../support/cli.ts';
import { createTestClock } from '../support/clock.ts';
import { bulk, infoOf, startFakeRedis } from '../support/fakeRedis.ts';
import { second } from '../support/jobs.ts';
import { startProxy } from '../support/proxy.ts';
import { trackOpened } from '../support/reapers.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
let redis: Redis;
const opened = trackOpened();
const connections: Connection[] = [];
beforeAll(async () => {
  server = await startRedis('--lua-time-limit', '1');
  redis = server.client;
});
afterAll(() => server.stop());
beforeEach(() => redis.flushall());
afterEach(async () => {
  await opened.close();
  await Promise.all(connections.splice(0).map(({ close }) => close(0)));
  await redis.call('ACL', 'SETUSER', 'default', 'resetpass', 'nopass');
  await redis.config('SET', 'requirepass', '');
});

const quick = { retryStrategy: () => 20 };
const open = (source: RedisSource, settings: ConnectionSettings = {}) => {
  const faults: string[] = [];
  const connection = connect(source, ({ message }) => void faults.push(message), settings);
  connections.push(connection);
  return { ...connection, connection, faults };
};
const userOf = (name: string, ...rules: string[]) =>
  redis.call('ACL', 'SETUSER', name, 'reset', 'on', '>pass', '~*', '&*', ...rules);
const killOthers = () => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
const refused = (error: unknown) => {
  expect(error).toBeInstanceOf(UnusableRedisError);
  return error as UnusableRedisError;
};
/** What a dead pool holds in a database: a rescue would move it. */
const seedDeadPool = () => redis.rpush('t:jobs:X:dead1:inprogress', 'one');

/** A `run` that started would not end, so it is a process. */
const cli = async (name: string, ...args: string[]) => {
  const { code, stdout, stderr } = await (name === 'run' ? runCli : callCli)([name, ...args, '--namespace', 't']);
  return { code, text: stdout + stderr };
};

describe('fault 101: a refused database', () => {
  test.each(['status', 'sweep', 'rescue', 'run', 'explain'])(
    '%s ends with 1, names the database, and changes nothing',
    async (name) => {
      await seedDeadPool();
      const more = name === 'explain' ? ['some'] : [];
      const { code, text } = await cli(name, ...more, '--redis', `${server.url}/99`);
      expect(code).toBe(1);
      expect(text).toContain('database 99');
      expect(text).toContain('give one that this Redis has');
      expect(await redis.keys('*')).toEqual(['t:jobs:X:dead1:inprogress']);
    },
  );

  test('a user without SELECT learns what to allow, and works in database 0', async () => {
    await userOf('noselect', '+@all', '-select');
    const options = { port: server.port, username: 'noselect', password: 'pass' };
    const error = refused(
      await open({ ...options, db: 3 })
        .redis.get('x')
        .catch((caught) => caught),
    );
    expect(error).toMatchObject({ code: 'redis-wrong-database', kind: 'permanent' });
    expect(error.message).toMatch(/database 3 .*NOPERM.*\+select/);
    await redis.set('x', 'zero');
    expect(await open(options).redis.get('x')).toBe('zero');
  });

  test('commands use the configured database, even after many reconnects', async () => {
    const { redis: mine, epoch } = open({ port: server.port, db: 5, ...quick });
    for (let i = 1; i <= 4; i++) {
      await mine.set(`k${i}`, i);
      const before = epoch();
      await killOthers();
      await vi.waitUntil(() => epoch() > before);
    }
    expect(await redis.keys('*')).toEqual([]);
    const other = opened.hold(redis.duplicate({ db: 5 }));
    expect((await other.keys('*')).sort()).toEqual(['k1', 'k2', 'k3', 'k4']);
  });

  test('if it is refused after a reconnect, nothing goes to database 0, and commands fail with the cause until it is allowed again', async () => {
    await userOf('wavering', '+@all');
    const { redis: mine, faults } = open({
      port: server.port,
      username: 'wavering',
      password: 'pass',
      db: 5,
      ...quick,
    });
    await mine.set('a', 1);
    await redis.call('ACL', 'SETUSER', 'wavering', '-select');
    await killOthers();
    // Some are sent while the connection is lost, some when that is known: none of them may reach database 0.
    const replies = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => mine.set(`b${i}`, 1)));
    await vi.waitUntil(() => faults.length > 0);
    expect(replies.map(({ status }) => status)).toEqual(Array(20).fill('rejected'));
    refused(await mine.set('c', 1).catch((error) => error));
    expect(faults).toEqual([expect.stringContaining('database 5')]);
    expect(await redis.dbsize()).toBe(0);
    await redis.call('ACL', 'SETUSER', 'wavering', '+select');
    await vi.waitUntil(async () => (await mine.set('d', 1).catch(() => '')) === 'OK');
    expect(await redis.dbsize()).toBe(0);
  });

  test('commands that were in flight when the connection broke are sent again only after the database is confirmed', async () => {
    const proxy = await startProxy(server.port);
    onTestFinished(() => proxy.stop());
    await userOf('wavering', '+@all');
    const { redis: mine } = open({ port: proxy.port, username: 'wavering', password: 'pass', db: 5, ...quick });
    await mine.ping();
    await redis.call('ACL', 'SETUSER', 'wavering', '-select');
    proxy.cutAfterWrites(1, false);
    refused(await mine.set('lost', 1).catch((error) => error));
    expect(await redis.dbsize()).toBe(0);
  });

  test('a reconnect while a script keeps Redis BUSY waits, and nothing is done in database 0 meanwhile', async () => {
    const { redis: mine, epoch } = open({ port: server.port, db: 5, ...quick });
    await mine.set('a', 1);
    const busy = opened.hold(redis.duplicate({ maxRetriesPerRequest: 0 }));
    busy.on('error', () => undefined);
    // Later it could not connect: a client asks for INFO first, which a busy Redis refuses.
    const watcher = opened.hold(redis.duplicate());
    await watcher.ping();
    const script = busy.eval('while true do end', 0).catch(() => undefined);
    await vi.waitUntil(async () => (await watcher.get('x').catch((error) => error.message)) !== null);
    const before = epoch();
    mine.disconnect(true);
    const reply = mine.set('b', 1).catch((error) => error);
    await watcher.script('KILL');
    await script;
    await vi.waitUntil(() => epoch() > before);
    expect(await reply).toSatisfy((answer) => answer === 'OK' || answer instanceof Error);
    expect(await redis.dbsize()).toBe(0);
  });
});

describe('fault 101: a refused user or password', () => {
  test('a wrong password fails at once with the cause', async () => {
    await redis.config('SET', 'requirepass', 'right');
    const { redis: mine, faults } = open({ port: server.port, password: 's3cret' });
    const error = refused(await mine.get('x').catch((caught) => caught));
    expect(error).toMatchObject({ code: 'redis-wrong-password', kind: 'permanent' });
    expect(error.message).toContain('give the right ones');
    expect(`${error.stack}${JSON.stringify(error)}`).not.toMatch(/s3cret/);
    expect(faults).toHaveLength(1);
  });

  test('a command after the refusal fails too, and does not wait for the next attempt to connect', async () => {
    await redis.config('SET', 'requirepass', 'right');
    const never = { retryStrategy: () => 3_600_000, commandTimeout: 3_600_000 };
    const { redis: mine } = open({ port: server.port, password: 'wrong', ...never });
    refused(await mine.get('x').catch((caught) => caught));
    refused(await mine.get('y').catch((caught) => caught));
  });

  test('a missing password fails at once with the cause', async () => {
    await redis.config('SET', 'requirepass', 'right');
    const error = refused(
      await open({ port: server.port })
        .redis.get('x')
        .catch((caught) => caught),
    );
    expect(error.message).toMatch(/needs a user and password.*NOAUTH/);
  });

  test('a password for a Redis that has none is refused, as redigo is', async () => {
    const error = refused(
      await open(`redis://:some@127.0.0.1:${server.port}`)
        .redis.get('x')
        .catch((caught) => caught),
    );
    expect(error.message).toContain('leave the password out');
  });

  test('after a password change nothing is done with the old one, and work continues once it is valid again', async () => {
    await userOf('changing', '+@all');
    const { redis: mine, faults } = open({ port: server.port, username: 'changing', password: 'pass', ...quick });
    await mine.ping();
    await redis.call('ACL', 'SETUSER', 'changing', 'resetpass', '>other');
    await killOthers();
    await vi.waitUntil(() => faults.length > 0);
    refused(await mine.set('x', 1).catch((error) => error));
    expect(faults).toEqual([expect.stringContaining('refuses the user or password')]);
    await redis.call('ACL', 'SETUSER', 'changing', '>pass');
    await vi.waitUntil(async () => (await mine.ping().catch(() => '')) === 'PONG');
  });

  test('messages never contain the name of the user, although Redis names it', async () => {
    const fake = await startFakeRedis((name) =>
      name === 'AUTH'
        ? '+OK\r\n'
        : name === 'INFO'
          ? infoOf({})
          : "-NOPERM User u-se-r has no permissions to run the 'get' command\r\n",
    );
    onTestFinished(() => fake.stop());
    const error = await open(`redis://u-se-r:pass@127.0.0.1:${fake.port}`)
      .redis.get('x')
      .catch((caught) => caught);
    expect(error.message).toBe("NOPERM this user has no permissions to run the 'get' command");
  });
});

describe('fault 101: missing rights for the handshake', () => {
  test('a user without INFO is confirmed by HELLO, a user without both by AUTH and SELECT', async () => {
    await userOf('noinfo', '+@all', '-info');
    const one = open({ port: server.port, username: 'noinfo', password: 'pass', db: 2 });
    await one.redis.set('x', 1);
    expect(one.facts?.()).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+/), role: 'master', database: 2 });
    const fake = await startFakeRedis((name) =>
      name === 'GET' ? bulk('v') : name === 'AUTH' || name === 'SELECT' ? '+OK\r\n' : '-NOPERM no\r\n',
    );
    onTestFinished(() => fake.stop());
    const other = open(`redis://blind:pass@127.0.0.1:${fake.port}/2`);
    expect(await other.redis.get('x')).toBe('v');
    expect(other.facts?.()).toEqual({ version: undefined, role: undefined, mode: undefined, database: 2 });
    expect(fake.commands.slice(0, 4)).toEqual(['AUTH', 'SELECT', 'INFO', 'HELLO']);
  });

  test('a server that is not Redis is named so at once', async () => {
    const fake = await startFakeRedis(() => 'HTTP/1.1 400 Bad Request\r\n\r\n');
    onTestFinished(() => fake.stop());
    const error = refused(
      await open(fake.url)
        .redis.get('x')
        .catch((caught) => caught),
    );
    expect(error).toMatchObject({ code: 'redis-protocol', kind: 'permanent' });
  });

  test('the handshake waits for a Redis that is loading', async () => {
    let loading = 1;
    const fake = await startFakeRedis((name) => (name === 'INFO' ? infoOf({ loading }) : bulk('value')));
    onTestFinished(() => fake.stop());
    const { redis: mine, faults } = open({ port: fake.port, retryStrategy: () => 20, maxRetriesPerRequest: 1_000 });
    const reply = mine.get('x');
    await vi.waitUntil(() => faults.length > 0);
    expect(fake.commands).not.toContain('GET');
    loading = 0;
    expect(await reply).toBe('value');
    expect(faults).toEqual([expect.stringContaining('LOADING')]);
  });
});

describe('fault 101: a replica', () => {
  test('a replica may be read, writes are refused, and the master is found once it has the address', async () => {
    const replica = await startRedis('--replicaof', '127.0.0.1', String(server.port));
    onTestFinished(() => replica.stop());
    let target = replica.port;
    const { AbstractConnector } = await import('ioredis');
    const { connect: dial } = await import('node:net');
    /** A name that leads elsewhere from one moment to the next, as that of a service does. */
    class Moving extends AbstractConnector {
      constructor() {
        super(0);
      }
      async connect() {
        return dial(target, '127.0.0.1');
      }
    }
    const { redis: mine, facts, faults } = open({ Connector: Moving, ...quick });
    await mine.get('x');
    expect(facts?.()?.role).toBe('replica');
    target = server.port;
    await expect(mine.set('x', 1)).rejects.toThrow('READONLY');
    await vi.waitUntil(() => facts?.()?.role === 'master');
    expect(await mine.set('x', 1)).toBe('OK');
    expect(faults).toEqual([]);
  });

  test('a replica that takes writes is refused, because they would be lost', async () => {
    const replica = await startRedis('--replicaof', '127.0.0.1', String(server.port), '--replica-read-only', 'no');
    onTestFinished(() => replica.stop());
    const { redis: mine, faults } = open({ port: replica.port, ...quick, maxRetriesPerRequest: 2 });
    expect(refused(await mine.set('x', 1).catch((error) => error))).toMatchObject({
      code: 'redis-read-only',
      kind: 'transient',
    });
    expect(faults).toEqual([expect.stringContaining('address of the master')]);
  });
});

describe('fault 129: an unsupported Redis', () => {
  test.each(['2.8.24', '5.0.14', '6.0.20'])('version %s is refused, and the required one is named', async (version) => {
    const fake = await startFakeRedis((name) =>
      name === 'INFO'
        ? infoOf({ redis_version: version })
        : name === 'HELLO'
          ? "-ERR unknown command 'HELLO'\r\n"
          : '+OK\r\n',
    );
    onTestFinished(() => fake.stop());
    const { code, text } = await cli('rescue', '--redis', fake.url);
    expect(code).toBe(1);
    expect(text).toContain(`is version ${version}: Redis 6.2 or newer is needed`);
    expect(fake.commands.filter((name) => !['INFO', 'HELLO', 'QUIT'].includes(name))).toEqual([]);
  });

  test.each(['6.2.0', '7.0.15', '8.2.1', '255.255.255'])('version %s is accepted', async (version) => {
    const fake = await startFakeRedis((name) => (name === 'INFO' ? infoOf({ redis_version: version }) : bulk('v')));
    onTestFinished(() => fake.stop());
    expect(await open(fake.url).redis.get('x')).toBe('v');
  });

  test('cluster mode is refused with advice, for a client of the caller too', async () => {
    const cluster = await startRedis('--cluster-enabled', 'yes');
    onTestFinished(() => cluster.stop());
    const { code, text } = await cli('rescue', '--redis', cluster.url);
    expect(code).toBe(1);
    expect(text).toContain('is in cluster mode, which is not supported');
    const client = opened.hold(cluster.client.duplicate());
    const reaper = opened.create({ redis: client });
    await expect(reaper.ping()).rejects.toThrow('cluster mode');
    await expect(reaper.rescue({ grace: 0 })).rejects.toThrow('cluster mode');
  });

  test('a sentinel in place of a Redis is named so', async () => {
    const fake = await startFakeRedis((name) => (name === 'INFO' ? infoOf({ redis_mode: 'sentinel' }) : '+OK\r\n'));
    onTestFinished(() => fake.stop());
    const error = refused(
      await open(fake.url)
        .redis.get('x')
        .catch((caught) => caught),
    );
    expect(error.message).toContain('use redis+sentinel://');
  });
});

describe('fault 118: permanent errors', () => {
  /** Resolves without any time passing: its clock stands still, so a pause would never end. */
  const onStoppedClock = (options: { username?: string; password?: string } = {}): Reaper =>
    opened.create({ redis: { port: server.port, ...options }, clock: createTestClock() });

  test.each([
    ['hscan', 'sweep', /NOPERM.*HSCAN.*allow it the commands and keys/],
    ['scan', 'rescue', /NOPERM.*ACL SETUSER/],
  ] as const)('a missing right to %s ends a %s at once', async (command, pass, message) => {
    await userOf('poor', '+@all', `-${command}`);
    await redis.hset('t:job_track:inprogress', 'j', 1);
    await expect(onStoppedClock({ username: 'poor', password: 'pass' })[pass]()).rejects.toThrow(message);
  });

  test('a list of tracked jobs of the wrong type ends a sweep at once', async () => {
    await redis.set('t:job_track:inprogress', 'text');
    await expect(onStoppedClock().sweep()).rejects.toThrow(/wrong type \(WRONGTYPE.*find it with TYPE/);
  });

  test('a wrong password ends a pass at once', async () => {
    await redis.config('SET', 'requirepass', 'right');
    await expect(onStoppedClock({ password: 'wrong' }).sweep()).rejects.toThrow('refuses the user or password');
  });

  test('an act without a right is not retried', async () => {
    await userOf('poor', '+@all', '-hset', '-hincrby', '-hdel');
    const at = second(-100_000);
    await redis.hset('t:job_track:inprogress', 'lost', 2);
    await redis.hset('t:job_stats:hung', {
      id: 'hung',
      name: 'X',
      kind: 'Generic',
      status: 'Running',
      update_time: at,
      revision: at,
      enqueue_time: at,
    });
    await redis.hset('t:job_track:inprogress', 'hung', 2);
    const reaper = onStoppedClock({ username: 'poor', password: 'pass' });
    expect(await reaper.sweep()).toMatchObject({
      outcomes: { abandoned: 1 },
      suspended: { code: 'redis-no-permission', message: expect.stringMatching('NOPERM') },
    });
  });
});

test.each([
  ['redis://127.0.0.1:1', /ECONNREFUSED 127/],
  ['redis://localhost:1', /ECONNREFUSED/],
  ['redis://no-such-host.invalid', /ENOTFOUND|EAI_AGAIN/],
])('fault 117: ping gives the true cause, of %s', async (url, cause) => {
  await expect(opened.create({ redis: url }).ping()).rejects.toThrow(cause);
});

test('fault 101: a user without PING can work', async () => {
  await userOf('mute', '+@all', '-ping');
  await opened.create({ redis: `redis://mute:pass@127.0.0.1:${server.port}` }).ping();
});

test('the handshake waits for a Redis with too many clients', async () => {
  let full = true;
  const fake = await startFakeRedis((name) =>
    full ? '-ERR max number of clients reached\r\n' : name === 'INFO' ? infoOf({}) : bulk('value'),
  );
  onTestFinished(() => fake.stop());
  const { redis: mine, faults } = open({ port: fake.port, ...quick, maxRetriesPerRequest: 1_000 });
  const reply = mine.get('x');
  await vi.waitUntil(() => faults.length > 0);
  full = false;
  expect(await reply).toBe('value');
});

test('a command fails after a few attempts to connect, which are made when the caller says', async () => {
  const attempts: number[] = [];
  const { redis: mine } = open({
    ...{ port: 1, commandTimeout: 3_600_000 },
    retryStrategy(times) {
      attempts.push(times);
      return 1;
    },
  });
  await expect(mine.get('x')).rejects.toThrow('ECONNREFUSED');
  expect(attempts.slice(0, 3)).toEqual([1, 2, 3]);
});

test('fault 101: while Redis is a replica, a new connection is made every 5 s at most', async () => {
  const fake = await startFakeRedis((name) =>
    name === 'INFO'
      ? infoOf({})
      : name === 'SET'
        ? "-READONLY You can't write against a read only replica.\r\n"
        : bulk('v'),
  );
  onTestFinished(() => fake.stop());
  const time = vi.spyOn(performance, 'now').mockReturnValue(1_000_000);
  onTestFinished(() => time.mockRestore());
  const { redis: mine } = open({ port: fake.port, ...quick });
  /** How many connections there were after a write that was refused. */
  const connectionsAfterWrite = async () => {
    await expect(mine.set('x', 1)).rejects.toThrow('READONLY');
    await mine.get('x');
    return fake.commands.filter((name) => name === 'INFO').length;
  };
  expect([await connectionsAfterWrite(), await connectionsAfterWrite()]).toEqual([2, 2]);
  time.mockReturnValue(1_005_000);
  expect(await connectionsAfterWrite()).toBe(3);
});

test('commands fail if they wait when the connection is closed, and later ones too', async () => {
  const { redis: mine, connection, faults } = open({ port: 1, retryStrategy: () => 60_000 });
  const waiting = mine.get('x').catch((error: Error) => error.message);
  await vi.waitUntil(() => faults.length > 0);
  await connection.close();
  expect([await waiting, await mine.get('y').catch((error: Error) => error.message)]).toEqual(
    Array(2).fill(expect.stringMatching(/closed|ECONNREFUSED/)),
  );
});
