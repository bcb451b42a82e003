import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createScripts, type ScriptName } from '../../../src/io/redis/scripts.ts';
import { judgedFingerprint, placeOf, second, seedJob } from '../../support/jobs.ts';
import { includePath, scriptPath } from '../../support/luaFiles.ts';
import { trackOpened } from '../../support/reapers.ts';
import { type RedisServer, startRedis } from '../../support/redisServer.ts';

// Each script that moves entries does all or nothing: with any of its commands taken away, and with any of its keys being of
// another type. Run again, it changes nothing more.

let server: RedisServer;
let redis: Redis;
const opened = trackOpened();
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
});
afterAll(async () => {
  await opened.close();
  await server.stop();
});

const keys = keysOf('t');
const entryOf = (id: string) => `{"name":"X","id":"${id}","t":1700000000,"args":{}}`;
const list = keys.inProgress('X', 'p');
const fieldOf = (entry: string) => `${createHash('sha1').update(entry).digest('hex')} X`;
const holdAll = async (ids: readonly string[], heartbeat: number) => {
  await redis.flushall();
  await redis.sadd(keys.pools, 'p');
  await redis.hset(keys.heartbeat('p'), { heartbeat_at: heartbeat, job_names: 'X', worker_ids: 'w' });
  await redis.rpush(list, ...ids.map(entryOf));
  await redis.set(keys.lock('X'), ids.length);
  await redis.hset(keys.lockInfo('X'), 'p', ids.length);
};
/** Records that no worker is observed with the entry of the job a. */
const observeAll = () =>
  createScripts(redis).run(
    'observe_pool',
    [keys.workerRecords('p'), keys.unobserved('p'), keys.worker('w'), keys.stats('a'), keys.beforeQuarantine('a')],
    ['', 60, '', 1, 'w', fieldOf(entryOf('a'))],
  );
const counters = [keys.lock('X'), keys.lockInfo('X')];
const dead = second(-60);
/** Read once: two runs that are compared hold the same second. */
const live = second();
const liveWithin = 3_600_000;
const deaths = JSON.stringify([300, 200, 100].map((age) => [second(-age), 'q', second(-age)]));
const hookKeys = [keys.hooks, keys.parkedHooks, keys.hookEndpoints, keys.dueHooks('http://h')];

interface Case {
  readonly set: () => Promise<unknown>;
  readonly keys: readonly string[];
  readonly args: () => Promise<(string | number)[]>;
  /** Keys that may be unusable without holding an entry back. */
  readonly optional: readonly string[];
}
const cases: Partial<Record<ScriptName, Case>> = {
  requeue: {
    set: () => holdAll(['a', 'b', 'c'], dead),
    keys: [
      keys.pools,
      keys.heartbeat('p'),
      keys.recoveries,
      keys.recovered,
      keys.quarantine,
      keys.dead,
      keys.rescueNote('p'),
      list,
      keys.queue('X'),
      ...counters,
    ],
    args: async () => ['p', 10_000, dead, 10, 3, 86_400, '', 'X'],
    optional: [...counters, keys.recoveries, keys.recovered, keys.quarantine, keys.dead, keys.rescueNote('p')],
  },
  requeue_orphan: {
    async set() {
      await holdAll(['a', 'b'], live);
      await seedJob(redis, 'a', { status: 'Pending' });
      await observeAll();
    },
    keys: [
      keys.pools,
      keys.heartbeat('p'),
      list,
      keys.queue('X'),
      ...counters,
      keys.stats('a'),
      keys.recoveries,
      keys.recovered,
      keys.quarantine,
      keys.dead,
      keys.beforeQuarantine('a'),
      keys.workerRecords('p'),
      keys.unobserved('p'),
      keys.worker('w'),
    ],
    args: async () => [
      'p',
      liveWithin,
      placeOf(entryOf('a'), 2),
      'a',
      fieldOf(entryOf('a')),
      0,
      '',
      3,
      86_400,
      '',
      '',
      '',
      'w',
    ],
    optional: [...counters, keys.recoveries, keys.recovered, keys.quarantine, keys.dead],
  },
  finish_entry: {
    async set() {
      await holdAll(['a', 'b'], live);
      await seedJob(redis, 'a', { status: 'Success', update_time: 1_000, revision: 1_000 });
      await redis.hset(keys.worker('w'), { job_id: 'a', job_name: 'X', started_at: 1_000, args: '' });
    },
    keys: [keys.pools, keys.heartbeat('p'), list, ...counters, keys.stats('a'), keys.worker('w')],
    args: async () => ['p', liveWithin, placeOf(entryOf('a'), 2), 'a', '1000', '1000', 60],
    optional: [...counters, keys.worker('w')],
  },
  quarantine_entry: {
    async set() {
      await holdAll(['b', 'a'], dead);
      await redis.hset(keys.recoveries, 'a', deaths);
      await seedJob(redis, 'a', { web_hook_url: 'http://h', update_time: 1_000, revision: 1_000, enqueue_time: 1_000 });
    },
    keys: [
      keys.pools,
      keys.heartbeat('p'),
      list,
      keys.rescueNote('p'),
      ...counters,
      keys.dead,
      keys.recoveries,
      keys.quarantine,
      keys.stats('a'),
      keys.track,
      ...hookKeys,
      keys.beforeQuarantine('a'),
    ],
    args: async () => {
      const judged = await judgedFingerprint(redis, keys.stats('a'));
      return ['p', 10_000, dead, 3, 86_400, 'X', 'a', judged, 'http://h', '1000', 100];
    },
    // Stats that cannot be read are not written: then nothing is tracked and no hook is enqueued.
    optional: [...counters, keys.stats('a'), keys.rescueNote('p')],
  },
  quarantine_orphan: {
    async set() {
      await holdAll(['a', 'b'], live);
      await redis.hset(keys.recoveries, 'a', deaths);
      const stats = { update_time: 1_000, revision: 1_000, enqueue_time: 1_000 };
      await seedJob(redis, 'a', { status: 'Pending', web_hook_url: 'http://h', ...stats });
      await observeAll();
    },
    keys: [
      ...[list, ...counters, keys.dead, keys.recoveries, keys.quarantine, keys.stats('a'), keys.track],
      ...[...hookKeys, keys.beforeQuarantine('a')],
      ...[keys.pools, keys.heartbeat('p'), keys.workerRecords('p'), keys.unobserved('p'), keys.worker('w')],
    ],
    args: async () => {
      const judged = await judgedFingerprint(redis, keys.stats('a'));
      const proof = [liveWithin, fieldOf(entryOf('a')), 0, '', '', 'w'];
      return ['p', placeOf(entryOf('a'), 2), 3, 86_400, 'X', 'a', judged, 'http://h', '1000', 100, '', ...proof];
    },
    optional: counters,
  },
  release_quarantined: {
    async set() {
      await holdAll(['a'], dead);
      await redis.zadd(keys.dead, 1, 'member');
      const record = { at: 1, recoveries: [[1, 'p', '']], entries: [['X', entryOf('a'), 'member']] };
      await redis.hset(keys.quarantine, 'a', JSON.stringify(record));
      await redis.hset(keys.recoveries, 'a', deaths);
    },
    keys: [keys.quarantine, keys.dead, keys.recoveries, keys.queue('X')],
    args: async () => {
      const text = await redis.hget(keys.quarantine, 'a').catch(() => null);
      return [
        'a',
        createHash('sha1')
          .update(text ?? '')
          .digest('hex'),
        '',
      ];
    },
    optional: [keys.recoveries],
  },
};

const dump = async (without: readonly string[] = []) =>
  Object.fromEntries(
    await Promise.all(
      (await redis.keys('*'))
        .filter((key) => !without.includes(key))
        .sort()
        .map(async (key) => [key, (await redis.dumpBuffer(key)).toString('hex')] as const),
    ),
  );
/** They hold times, and what could not be used. */
const records = [
  keys.recoveries,
  keys.recovered,
  keys.quarantine,
  keys.beforeQuarantine('a'),
  keys.dead,
  keys.stats('a'),
  keys.workerRecords('p'),
  ...hookKeys,
];
/** What a script answers that has changed nothing. */
const refusals = ['undecided', 'early', 'overtaken', 'gone'];
const standing = async (without: readonly string[] = []) => {
  const lists = await Promise.all([list, keys.queue('X')].map((key) => redis.lrange(key, 0, -1).catch(() => [])));
  const taken = await redis.zcard(keys.dead).catch(() => -1);
  return { lists, taken, rest: await dump([...without, ...records]) };
};
const sourceOf = (path: string, seen = new Set<string>()): string => {
  const text = readFileSync(path, 'utf8');
  const included = [...text.matchAll(/^--- @include (\w+)$/gm)].map(([, name]) => includePath(name as string));
  return text + included.map((one) => (seen.has(one) ? '' : sourceOf(one, seen.add(one)))).join('');
};
const commandsOf = (name: string) =>
  [
    ...new Set(
      [...sourceOf(scriptPath(name)).matchAll(/redis\.p?call\('(\w+)'/g)].map(([, command]) => command as string),
    ),
  ].sort();

describe.each(Object.entries(cases))('fault 107: %s', (name, { set, keys: given, args, optional }) => {
  const run = async (client: Redis) => createScripts(client).run(name as ScriptName, given, await args());
  const clean = async () => {
    await set();
    await run(redis);
    return standing();
  };

  test('run again changes nothing more', async () => {
    await clean();
    const once = await dump();
    await run(redis);
    expect(await dump()).toEqual(once);
  });

  test.each(commandsOf(name))('without the right to %s does all or nothing', async (command) => {
    const after = await clean();
    await set();
    const before = await dump();
    await redis.call(
      'ACL',
      'SETUSER',
      'limited',
      'reset',
      'on',
      '>pw',
      '~*',
      '&*',
      '+@all',
      `-${command.toLowerCase()}`,
    );
    const limited = new Redis({ port: server.port, username: 'limited', password: 'pw', enableReadyCheck: false });
    limited.on('error', () => undefined);
    const refused = await run(limited).then(
      (reply) => refusals.includes((reply as { outcome: string }).outcome),
      () => true,
    );
    limited.disconnect();
    if (refused) expect(await dump()).toEqual(before);
    else expect(await standing()).toEqual(after);
  });

  test.each(given)('with %s being of another type does all or nothing', async (key) => {
    const after = await clean();
    await set();
    await redis.del(key);
    const isString = [keys.lock('X'), keys.beforeQuarantine('a'), keys.rescueNote('p')].includes(key);
    if (isString) await redis.rpush(key, 'x');
    else await redis.set(key, 'of another type');
    const before = await dump();
    const refused = await run(redis).then(
      (reply) => (refusals.includes((reply as { outcome: string }).outcome) ? '' : undefined),
      (error: Error) => error.message,
    );
    expect(refused === undefined).toBe(optional.includes(key));
    if (refused !== undefined) {
      expect(await dump()).toEqual(before);
      return;
    }
    const { [key]: _, ...rest } = after.rest;
    const now = await standing([key]);
    expect({ ...now, taken: after.taken }).toEqual({ ...after, rest: key === keys.stats('a') ? now.rest : rest });
    expect((await dump())[key]).toBe(before[key]);
  });
});

test('fault 107: records of recoveries that cannot be used hold no entry of a dead pool back, and are named once', async () => {
  await holdAll(['a', 'b', 'c'], dead);
  await redis.set(keys.recoveries, 'no hash');
  const reaper = opened.create({ redis: server.url, rescue: { batchSize: 1 } });
  const faults: unknown[] = [];
  reaper.on('error', ({ where, message }) => faults.push({ where, message }));
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 3, pools: { rescued: 1 } });
  expect(faults).toEqual([
    { where: 'recording recoveries', message: `WRONGTYPE ${keys.recoveries} holds a string, where a hash is needed` },
  ]);
});

test('fault 107: a queue of another type is named, and nothing is moved', async () => {
  await cases.requeue?.set();
  await redis.set(keys.queue('X'), 'no list');
  const { keys: given, args } = cases.requeue as Case;
  await expect(createScripts(redis).run('requeue', given, await args())).rejects.toThrow(
    `WRONGTYPE ${keys.queue('X')} holds a string, where a list is needed`,
  );
});
