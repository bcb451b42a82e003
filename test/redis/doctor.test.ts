import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkOfRefusal, createDoctor } from '../../src/doctor/doctor.ts';
import { kindsOfKeys, typesByName } from '../../src/doctor/keyTypes.ts';
import { checkVersion } from '../../src/doctor/server.ts';
import { databaseOf } from '../../src/doctor/source.ts';
import type { DoctorCheck, DoctorReport, ReaperOptions } from '../../src/index.ts';
import { systemClock } from '../../src/io/clock.ts';
import { keysOf } from '../../src/io/redis/keys.ts';
import { aclRules } from '../../src/io/redis/rights.ts';
import { second } from '../support/jobs.ts';
import { trackOpened } from '../support/reapers.ts';
import { hasFineRights, type RedisServer, redisVersion, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
const opened = trackOpened();
const servers: RedisServer[] = [];
beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => server.client.flushall());
afterEach(async () => {
  await opened.close();
  await Promise.all(servers.splice(0).map((one) => one.stop()));
});
afterAll(() => server.stop());

const keys = keysOf('t');
const start = async (...args: string[]) => {
  const one = await startRedis(...args);
  servers.push(one);
  return one;
};
const examine = (options: Partial<ReaperOptions> = {}) => opened.create({ redis: server.url, ...options }).doctor();
/** What is said of one thing: `ok` or `!!` before each line. */
const linesOf = ({ checks }: DoctorReport, what: string) =>
  checks.filter((check) => check.what === what).map(({ ok, detail }) => `${ok ? 'ok' : '!!'} ${detail}`);
const todoOf = ({ checks }: DoctorReport, what: string) => checks.find((one) => one.what === what && !one.ok)?.todo;

/** Everything that is in the database of a client. */
const dump = async (redis: Redis) =>
  Object.fromEntries(
    await Promise.all((await redis.keys('*')).sort().map(async (key) => [key, await redis.dumpBuffer(key)] as const)),
  );

/** What is checked on this very client, whatever a reaper would make of it. */
const doctorOf = (redis: Redis, database: number, watchFor = 0) =>
  createDoctor({
    connection: { redis, description: '', epoch: () => 1, close: async () => undefined },
    keys,
    namespace: 't',
    database,
    clock: systemClock,
    openConnection: undefined,
    watchFor,
  });

/** A user with the rights that are needed, less some, plus others. */
const allow = async (...more: string[]) => {
  await server.client.acl('SETUSER', 'some', 'reset', 'on', '>secret', ...aclRules('t', redisVersion), ...more);
  return `redis://some:secret@127.0.0.1:${server.port}`;
};

test('every check is fine on a healthy Redis, and nothing is changed', async () => {
  await server.client.sadd(keys.pools, 'p');
  await server.client.hset(keys.heartbeat('p'), 'heartbeat_at', second());
  await server.client.sadd(keys.knownJobs, 'X');
  await server.client.rpush(keys.queue('X'), '{}');
  await server.client.set(keys.lock('X'), 1);
  const before = await dump(server.client);
  const report = await examine();
  expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(report).toMatchObject({ ok: true, namespace: 't', redis: `127.0.0.1:${server.port}/0` });
  expect(linesOf(report, 'database')).toEqual(['ok database 0']);
  expect(linesOf(report, 'clock')).toHaveLength(2);
  expect(await dump(server.client)).toEqual(before);
});

test('an empty Redis is fine too', async () => {
  const report = await examine();
  expect([report.ok, linesOf(report, 'namespace')]).toEqual([true, ['ok t is empty: no jobservice has used it yet']]);
});

test('an unreachable Redis is an error that names its address', async () => {
  const reaper = opened.create({ redis: { port: 1, host: '127.0.0.1', retryStrategy: () => null } });
  await expect(reaper.doctor()).rejects.toThrow('Redis at 127.0.0.1:1/0 cannot be reached');
});

describe('the server', () => {
  test.each([
    ['5.0.14', false],
    ['6.0.16', false],
    ['6.2.0', true],
    ['7.0.15', true],
    ['10.0.0', true],
  ])('version %s', (version, ok) => {
    const facts = { version, mode: undefined, role: undefined, database: undefined };
    expect(checkVersion(facts)).toMatchObject({
      ok,
      isBlocking: !ok,
      todo: ok ? undefined : 'upgrade it to Redis 6.2 or newer',
    } satisfies Partial<DoctorCheck>);
  });

  test('a replica is not suitable', async () => {
    const replica = await start('--replicaof', '127.0.0.1', String(server.port));
    const report = await examine({ redis: replica.url });
    expect(linesOf(report, 'role')).toEqual(['!! this Redis is a read-only replica']);
    expect(todoOf(report, 'role')).toContain('address of the master');
  });

  test('a cluster is not suitable', async () => {
    const cluster = await start('--cluster-enabled', 'yes');
    const report = await examine({ redis: cluster.url });
    expect(linesOf(report, 'cluster')).toEqual([expect.stringMatching(/^!! .* in cluster mode/)]);
  });

  test('the reason why a handshake is refused is one failed check; an unreachable Redis stays an error', () => {
    const refusal = (code: string, message: string) =>
      Object.assign(new Error(message), { name: 'UnusableRedisError', code });
    expect(
      checkOfRefusal(refusal('redis-wrong-database', 'database 99 of Redis at h:1/99 cannot be used: use database 0')),
    ).toEqual({
      what: 'database',
      ok: false,
      detail: 'database 99 of Redis at h:1/99 cannot be used',
      todo: 'use database 0',
      isBlocking: true,
    });
    expect(() => checkOfRefusal(refusal('redis-wrong-password', 'wrong password'))).toThrow('wrong password');
    expect(() => checkOfRefusal(new Error('away'))).toThrow('away');
  });

  test('a connection in another database than the configured one is found', async () => {
    const client = opened.hold(new Redis({ port: server.port, db: 3 }));
    const ask = doctorOf(client, databaseOf(client));
    expect(linesOf(await ask(), 'database')).toEqual(['ok database 3']);
    await client.select(5);
    const report = await ask();
    expect(linesOf(report, 'database')).toEqual(['!! the connection is in database 5, not in 3']);
    expect(report.checks.find(({ what }) => what === 'database')?.isBlocking).toBe(true);
  });

  test('version, role and mode are known without INFO too', async () => {
    const report = await examine({ redis: await allow('-info') });
    const said = ['version', 'role', 'cluster'].flatMap((what) => linesOf(report, what));
    expect(said).toEqual([expect.stringMatching(/^ok Redis \d+\.\d+/), 'ok master', 'ok not a cluster']);
    expect(linesOf(report, 'eviction')).toEqual(['!! INFO is not allowed, so eviction cannot be checked']);
  });
});

describe('rights', () => {
  test.runIf(hasFineRights)('all missing rights are named at once, each with its rule', async () => {
    const report = await examine({ redis: await allow('-ltrim', '-hset', '-client|setname') });
    const missing = report.checks.filter(({ what }) => what === 'rights');
    expect(missing.map(({ todo, isBlocking }) => `${todo} ${isBlocking}`).sort()).toEqual([
      'ACL SETUSER <user> +client|setname false',
      'ACL SETUSER <user> +hset true',
      'ACL SETUSER <user> +ltrim true',
    ]);
    expect(linesOf(report, 'rights')).toContain(
      '!! no right to run LTRIM; without it these stop: rescues of dead pools',
    );
  });

  test('a user without the keys of the namespace gets one line, not one for every command', async () => {
    const report = await examine({ redis: await allow('resetkeys', '~other:*') });
    expect(linesOf(report, 'rights')).toEqual([
      '!! no key of the namespace t is allowed, or no command that reads and writes them',
    ]);
    expect(todoOf(report, 'rights')).toContain("ACL SETUSER <user> '~t:*' ");
  });

  test.runIf(hasFineRights)('keys that are not allowed, or only for reading, are named', async () => {
    const patterns = [
      '~t:jobs:*',
      '~t:job_*',
      '~t:worker*',
      '~t:reaper:*',
      '~t:retry',
      '~t:scheduled',
      '~t:executions:*',
    ];
    const report = await examine({ redis: await allow('resetkeys', ...patterns, '%R~t:known_jobs', '%R~t:dead') });
    expect(linesOf(report, 'rights')).toEqual(['!! no right to write t:dead']);
    const less = await examine({ redis: await allow('resetkeys', ...patterns) });
    expect(linesOf(less, 'rights').sort()).toEqual(['!! no right to read t:dead', '!! no right to read t:known_jobs']);
  });

  test.runIf(hasFineRights).each([
    ['ACL DRYRUN', ['+acl|dryrun', '+acl|whoami'], ['EVAL', 'LPUSH', 'LTRIM']],
    [
      'commands that change nothing',
      [],
      ['EVAL', 'LTRIM', 'these cannot be checked without EVAL: HSETNX, LPUSH, RPUSH, SADD'],
    ],
  ])('without EVAL they are asked for by %s', async (_, more, found) => {
    await server.client.hset(keys.track, 'f', 2);
    await server.client.rpush(keys.queue('X'), 'a', 'b');
    for (const name of [keys.probe, 't:reaper:doctor', 't:job_stats:reaper:doctor', 't:jobs:reaper:doctor'])
      await server.client.rpush(name, 'c', 'd');
    const before = await dump(server.client);
    const report = await examine({ redis: await allow('-eval', '-ltrim', '-lpush', ...more) });
    const lines = linesOf(report, 'rights');
    expect(lines).toHaveLength(found.length);
    for (const [i, words] of found.entries()) expect(lines[i]).toContain(words);
    expect(await dump(server.client)).toEqual(before);
  });
});

describe('the namespace', () => {
  test.each([
    ['t', '{t}'],
    ['{t}', 't'],
    ['typo', 'harbor'],
  ])('%s is empty, %s is not', async (given, other) => {
    await server.client.sadd(`${other}:worker_pools`, 'p');
    const report = await examine({ namespace: given });
    expect(report.ok).toBe(false);
    expect(linesOf(report, 'namespace')).toEqual([`!! ${given} is empty, but these are not: ${other}`]);
  });

  test('the other form is found by the names of keys if those keys may not be read', async () => {
    await server.client.sadd('{t}:worker_pools', 'p');
    const report = await examine({ redis: await allow() });
    expect(linesOf(report, 'namespace')).toEqual(['!! t is empty, but these are not: {t}']);
  });

  test('another database that holds it is named, and the main connection stays in its own', async () => {
    await server.client.select(4);
    await server.client.hset(keys.track, 'a', 2);
    await server.client.select(0);
    const reaper = opened.create({ redis: `${server.url}/1` });
    const report = await reaper.doctor();
    expect(linesOf(report, 'namespace')).toEqual(['!! t is empty in database 1, but not in database 4']);
    expect(todoOf(report, 'namespace')).toContain('/4 at the end of the Redis URL');
    expect(await reaper.tracked()).toBe(0);
    expect((await server.client.client('LIST')) as string).not.toMatch(/name=jobservice-reaper .* db=4 /);

    await server.client.hset(keys.track, 'a', 2);
    expect(linesOf(await examine(), 'namespace')).toEqual(['ok t is in use, also in database 4']);
  });

  test("with a client of the caller's, or without SELECT, the report says that other databases are not checked", async () => {
    await server.client.select(4);
    await server.client.hset(keys.track, 'a', 2);
    await server.client.select(0);
    const client = opened.hold(new Redis({ port: server.port }));
    expect(linesOf(await examine({ redis: client }), 'namespace')[0]).toContain(
      "other databases are not checked: the caller's client is in use",
    );
    const refused = await examine({ redis: await allow('-select') });
    expect(linesOf(refused, 'namespace')[0]).toMatch(/other databases are not checked: SELECT is not allowed/);
  });
});

describe('keys of the wrong type', () => {
  const strings = [
    keys.track,
    keys.pools,
    keys.knownJobs,
    keys.retry,
    keys.scheduled,
    keys.dead,
    keys.queue('X'),
    keys.inProgress('X', 'p'),
    keys.lockInfo('X'),
    keys.heartbeat('p'),
    keys.worker('w'),
    keys.stats('j'),
    keys.executions('policy'),
    keys.hooks,
    keys.parkedHooks,
    keys.hookEndpoints,
    keys.dueHooks('http://core'),
    keys.hookEndpoint('http://core'),
    keys.observed,
    keys.recoveries,
    keys.recovered,
    keys.quarantine,
    keys.lease,
    keys.progress,
  ];
  const lists = [keys.lock('X'), keys.maxConcurrency('X'), keys.paused('X')];

  test('each is named, with its type and the required one', async () => {
    for (const key of strings) await server.client.set(key, 'x');
    for (const key of lists) await server.client.rpush(key, 'x');
    const lines = linesOf(await examine(), 'keys');
    expect(lines).toHaveLength(strings.length + lists.length);
    for (const key of strings)
      expect(lines).toContainEqual(expect.stringContaining(`!! ${key} holds a string, where a `));
    for (const key of lists) expect(lines).toContain(`!! ${key} holds a list, where a string is needed`);
  });

  test('every key that has a name in src/io/redis/keys.ts has a type in src/doctor/keyTypes.ts, and rights that are checked', () => {
    const typeOf = typesByName(keys);
    const kinds = new Set(kindsOfKeys(keys).map(({ key }) => key));
    const { prefix: _, jobsPrefix: __, jobsPattern: ___, ...named } = keys;
    const names = Object.entries(named).flatMap(([what, key]) => {
      const name =
        typeof key === 'function' ? (key as (...names: string[]) => unknown)('reaper:doctor', 'doctor') : key;
      return typeof name === 'string' && name.startsWith('t:')
        ? [{ what, type: typeOf(name), isAskedFor: kinds.has(name) }]
        : [];
    });
    expect(names.length).toBeGreaterThan(25);
    expect(names.filter(({ type, isAskedFor }) => type === undefined || !isAskedFor)).toEqual([]);
  });

  test('other keys of the namespace, and keys of others, are not judged', async () => {
    await server.client.set('t:unique:X:{}', 1);
    await server.client.set('t:last_periodic_enqueue', 1);
    await server.client.set('other:jobs:X', 1);
    expect((await examine()).ok).toBe(true);
  });

  test('with too many keys, those with known names are still checked, and the report says so', async () => {
    await server.client.eval("for i = 1, 150000 do redis.call('SET', 'other:' .. i, 1) end", 0);
    await server.client.sadd(keys.knownJobs, 'X');
    expect(linesOf(await examine(), 'keys')[0]).toMatch(/^ok .*; stopped after 100,000 keys of the database$/);
    await server.client.set(keys.queue('X'), 'x');
    expect(linesOf(await examine(), 'keys')).toEqual(['!! t:jobs:X holds a string, where a list is needed']);
  });
});

describe('eviction', () => {
  test('a policy that evicts, and keys that were evicted', async () => {
    const one = await start('--maxmemory', '3mb', '--maxmemory-policy', 'allkeys-lru');
    const fresh = await examine({ redis: one.url });
    expect(linesOf(fresh, 'eviction')).toEqual(['!! maxmemory-policy is allkeys-lru: Redis may remove jobs']);
    expect(todoOf(fresh, 'eviction')).toContain('noeviction');
    for (let i = 0; i < 400; i++) await one.client.set(`other:${i}`, 'x'.repeat(10_000));
    const full = await examine({ redis: one.url });
    expect(linesOf(full, 'eviction')[0]).toMatch(/it has evicted \d+ keys$/);
    await one.client.config('SET', 'maxmemory-policy', 'noeviction');
    await one.client.config('SET', 'maxmemory', '1');
    const tight = await examine({ redis: one.url });
    expect(linesOf(tight, 'eviction')).toEqual(['!! Redis has no memory left and refuses writes']);
    await one.client.config('SET', 'maxmemory', '0');
    const after = await examine({ redis: one.url });
    expect(linesOf(after, 'eviction')[0]).toMatch(/^!! Redis has evicted \d+ keys since its start/);
  });
});

describe('clocks', () => {
  test.each([
    [90_000, '90 s ahead of'],
    [-7_200_000, '2 h behind'],
  ])('this host, %i ms off', async (offset, words) => {
    const report = await examine({ clock: { ...systemClock, now: () => Date.now() + offset } });
    expect(linesOf(report, 'clock')[0]).toBe(`!! this host is ${words} the clock of Redis`);
    expect(todoOf(report, 'clock')).toContain('NTP');
  });

  test('pools with heartbeats that are ahead, or behind and moving, but not dead pools', async () => {
    const beat = async (pool: string, offset: number) => {
      await server.client.sadd(keys.pools, pool);
      await server.client.hset(keys.heartbeat(pool), 'heartbeat_at', second(offset));
    };
    await beat('right', 0);
    await beat('ahead', 30);
    await beat('dead', -600);
    await beat('behind', -20);
    const beating = setInterval(() => void beat('behind', -20), 100);
    const report = await doctorOf(server.client, 0, 2_500)();
    clearInterval(beating);
    expect(linesOf(report, 'clock').slice(1)).toEqual([
      expect.stringMatching(/^!! the heartbeat of pool ahead is \d+ s ahead of the clock of Redis$/),
      expect.stringMatching(/^!! the heartbeat of pool behind is \d+ s behind the clock of Redis$/),
    ]);
  });
});

describe('before the first pass', () => {
  const seed = () => server.client.rpush(keys.inProgress('X', 'dead1'), '{"name":"X","id":"j","args":{}}');
  const short = {
    lease: { duration: 1_000, renewInterval: 100 },
    sweep: { initialDelay: 0, interval: 50 },
    rescue: { initialDelay: 0, interval: 50, grace: 0 },
  };

  test.each(['auto', 'always'] as const)(
    'with role %s, a missing right is an error event, and no pass begins until it is there',
    async (role) => {
      await seed();
      const reaper = opened.create({ ...short, redis: await allow('-ltrim'), role });
      const errors: string[] = [];
      let rescued = 0;
      reaper.on('error', ({ message }) => errors.push(message));
      reaper.on('rescue', ({ suspended }) => void (suspended === undefined && rescued++));
      reaper.start();
      await vi.waitUntil(() => errors.length > 0);
      expect(errors[0]).toContain('this reaper cannot work: no right to run LTRIM');
      expect(reaper.health().detail).toContain('no right to run LTRIM');
      expect(reaper.health().suspended).toMatchObject({ rescue: { code: 'blocked' } });
      expect([rescued, await server.client.llen(keys.inProgress('X', 'dead1'))]).toEqual([0, 1]);

      await allow();
      await vi.waitUntil(() => server.client.llen(keys.queue('X')));
      await vi.waitUntil(() => !reaper.health().detail.includes('LTRIM'));
    },
  );

  test.runIf(hasFineRights)('a missing optional right is only a warning', async () => {
    await seed();
    const reaper = opened.create({ ...short, redis: await allow('-client|setname') });
    reaper.start();
    await vi.waitUntil(() => server.client.llen(keys.queue('X')));
  });

  test('a plan needs no right to write', async () => {
    await seed();
    const reaper = opened.create({ ...short, redis: await allow('-ltrim', '-lpush', '-hset'), plan: true });
    const planned = new Promise((resolve) => reaper.on('rescue', ({ entries }) => entries === 1 && resolve(entries)));
    reaper.start();
    expect(await planned).toBe(1);
  });
});
