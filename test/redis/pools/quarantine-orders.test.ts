import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createQuarantineAdmin, type QuarantineCounts } from '../../../src/admin/quarantine.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { createHookRecords } from '../../../src/io/hooks/records.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { createTrackedJobs } from '../../../src/io/jobs/trackedJobs.ts';
import { createQuarantine, type Quarantined } from '../../../src/io/pools/quarantine.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createScripts, type ScriptName } from '../../../src/io/redis/scripts.ts';
import { type Command, everySchedule } from '../../support/everySchedule.ts';
import { second, seedJob } from '../../support/jobs.ts';
import { type RedisServer, startRedis } from '../../support/redisServer.ts';
import { repliesOf } from '../../support/states.ts';
import { turnTaking } from '../../support/turnTaking.ts';

// The quarantine and the release of poison jobs run here beside everything else that works on their
// entries, one command at a time, in every order that Redis can see, and with each actor dying before each of its commands.

let server: RedisServer;
let redis: Redis;
const keys = keysOf('t');
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
  // Loaded beforehand: a script that Redis does not know yet takes one command more, and every run must be alike.
  const names: ScriptName[] = [
    'release_quarantined',
    'quarantine_entry',
    'read_facts',
    'find_quarantined',
    'requeue',
    'set_status',
    'deregister_pool',
  ];
  const [none, no] = [Array.from({ length: 16 }, () => 'none'), Array.from({ length: 13 }, () => '')];
  for (const name of names)
    await createScripts(redis)
      .run(name, none, no)
      .catch(() => undefined);
  await redis.flushall();
});
afterAll(() => server.stop());

const limit = { maxRecoveries: 3, windowS: 86_400 };
let oldBeat = 0;
let quarantined: Quarantined[] = [];

const quarantineOf = (client: Redis) => {
  const connection = { redis: client, description: '', epoch: () => 1, close: async () => undefined };
  const scripts = createScripts(client);
  const records = createHookRecords({
    connection,
    keys,
    scripts,
    settings: { maxRecords: 100, breakerThreshold: 10, drainRate: 50, claimDuration: 60_000 },
    clock: systemClock,
  });
  const hooks = {
    enqueue: async () => ['enqueued' as const],
    plan: async () => [],
    endpointFor: () => 'http://h',
    announce: () => undefined,
    holdText: () => undefined,
  };
  const quarantine = createQuarantine({
    keys,
    scripts,
    tracked: createTrackedJobs({ connection, keys, scripts, pace: noPace, pageSize: 10, random: () => 0 }),
    hooks,
    records,
    heartbeatAge: 10_000,
    recovery: limit,
    clock: systemClock,
    onQuarantined: (one) => quarantined.push(one),
  });
  const pools = createPools({
    connection,
    keys,
    scripts,
    jobTypes: ['X'],
    heartbeatAge: 10_000,
    batch: 1,
    recovery: limit,
    clock: systemClock,
  });
  return { quarantine, pools };
};

/** Our rescue of one pool, as the chart of a pool goes. */
const rescue = async (command: Command, who: string) => {
  const { quarantine, pools } = quarantineOf(turnTaking(redis, command, who));
  const suspect = { pool: 'p', heartbeat: String(oldBeat), types: ['X'], evidence: '', disruptions: 0, at: 0 };
  for (;;) {
    const requeued = await pools.requeue(suspect, ['X']);
    if (requeued.outcome !== 'moved') return;
    if (requeued.poison !== undefined) {
      if ((await quarantine.add(suspect, 'X', requeued.poison)).outcome === 'alive') return;
    } else if (requeued.counts[0]?.left === 0) break;
  }
  await pools.deregister(suspect, ['X']);
};

const requeueUpstream = `
  local entry = redis.call('RPOPLPUSH', KEYS[1], KEYS[2])
  if not entry then return nil end
  redis.call('DECR', KEYS[3]); redis.call('HINCRBY', KEYS[4], ARGV[1], -1)
  return entry`;
const fetchUpstream = `
  if redis.call('LLEN', KEYS[1]) == 0 then return false end
  redis.call('INCR', KEYS[3]); redis.call('HINCRBY', KEYS[4], ARGV[1], 1)
  return redis.call('RPOPLPUSH', KEYS[1], KEYS[2])`;
const countersOf = () => [keys.lock('X'), keys.lockInfo('X')];
/** gocraft's own reaper on the same pool. */
const gocraft = async (command: Command) => {
  const list = [keys.inProgress('X', 'p'), keys.queue('X'), ...countersOf()];
  while ((await command('g', 'requeue one', () => redis.eval(requeueUpstream, 4, ...list, 'p'))) !== null);
  await command('g', 'del heartbeat', () => redis.del(keys.heartbeat('p')));
};
const fetchOnce = (command: Command, pool: string) =>
  command(pool, 'fetch', () =>
    redis.eval(fetchUpstream, 4, keys.queue('X'), keys.inProgress('X', pool), ...countersOf(), pool),
  );
const beat = (command: Command, pool: string) =>
  command(pool, 'heartbeat', () =>
    redis.multi().sadd(keys.pools, pool).hset(keys.heartbeat(pool), { heartbeat_at: second(), job_names: 'X' }).exec(),
  );

const bad = '{"name":"X","id":"bad","t":1,"args":{}}';
const good = '{"name":"X","id":"good","t":1,"args":{}}';
const reset = async () => {
  quarantined = [];
  oldBeat = second(-60);
  const deaths = [300, 200, 100].map((age) => [second(-age), 'q', second(-age)]);
  const state = redis
    .multi()
    .flushall()
    .sadd(keys.pools, 'p')
    .hset(keys.heartbeat('p'), { heartbeat_at: oldBeat, job_names: 'X' })
    .rpush(keys.inProgress('X', 'p'), good, bad)
    .set(keys.lock('X'), 2)
    .hset(keys.lockInfo('X'), 'p', 2)
    .hset(keys.recoveries, 'bad', JSON.stringify(deaths));
  await repliesOf(state);
  await seedJob(redis, 'bad', { web_hook_url: 'http://h' });
};

/** Every entry is in one place, as the same bytes, and what stands in `dead` has its record, its status and its hook. */
const check = async () => {
  const lists = [keys.queue('X'), keys.inProgress('X', 'p'), keys.inProgress('X', 'q')];
  const found = (await Promise.all(lists.map((key) => redis.lrange(key, 0, -1)))).flat();
  const dead = await redis.zrange(keys.dead, '0', '-1');
  expect([...found, ...dead.map((member) => `${member.split(',"fails":1')[0]}}`)].sort()).toEqual([bad, good]);
  const isDead = dead.length === 1;
  expect([await redis.hexists(keys.quarantine, 'bad'), await redis.hget(keys.stats('bad'), 'status')]).toEqual(
    isDead ? [1, 'Error'] : [0, 'Running'],
  );
  expect(await redis.hget(keys.track, 'bad')).toBe(isDead ? '1' : '2');
  expect(await redis.hexists(keys.hooks, 'bad')).toBe(isDead ? 1 : 0);
  expect(Number((await redis.get(keys.lock('X'))) ?? 0)).toBeGreaterThanOrEqual(0);
  return isDead;
};

test('two rescues that meet a poison job quarantine it once, in every order and dying anywhere', async () => {
  const runs = await everySchedule({
    reset,
    body: (command) => [rescue(command, 'a'), rescue(command, 'b')],
    check: async (trace) => {
      const isDead = await check();
      expect(quarantined.length).toBeLessThanOrEqual(1);
      if (!trace.some((step) => step.includes('dies'))) expect([isDead, quarantined.length]).toEqual([true, 1]);
    },
    crashes: true,
  });
  expect(runs).toBeGreaterThan(100);
});

test("a rescue beside gocraft's own requeue and a pool that fetches: the job is in its queue, taken, or in dead", async () => {
  const ends = new Set<boolean>();
  await everySchedule({
    reset,
    body: (command) => [rescue(command, 'a'), gocraft(command), fetchOnce(command, 'q')],
    check: async () => void ends.add(await check()),
    crashes: false,
  });
  expect(ends.size).toBe(2);
});

test('a pool that beats again before its job is quarantined keeps what it holds', async () => {
  const heldAtBeat: string[][] = [];
  const ends = new Set<boolean>();
  await everySchedule({
    reset: () => {
      heldAtBeat.length = 0;
      return reset();
    },
    body: (command) => [
      rescue(command, 'a'),
      (async () => {
        await beat(command, 'p');
        heldAtBeat.push(await redis.lrange(keys.inProgress('X', 'p'), 0, -1));
      })(),
    ],
    check: async () => {
      ends.add(await check());
      expect(await redis.lrange(keys.inProgress('X', 'p'), 0, -1)).toEqual(heldAtBeat[0]);
    },
    crashes: false,
  });
  expect(ends.size).toBe(2);
});

test('a job that ends while it is quarantined keeps its result, or was Error before; it is counted down once', async () => {
  const finals = new Set<string | null>();
  await everySchedule({
    reset,
    body: (command) => [
      rescue(command, 'a'),
      command('worker', 'succeeds', async () => {
        const revision = await redis.hget(keys.stats('bad'), 'revision');
        await createScripts(redis).run(
          'set_status',
          [keys.stats('bad'), keys.track],
          ['Success', Number(revision), 'bad'],
        );
      }),
    ],
    check: async () => {
      finals.add(await redis.hget(keys.stats('bad'), 'status'));
      expect(await redis.hget(keys.track, 'bad')).toBe('1');
      expect(await redis.zcard(keys.dead)).toBe(1);
    },
    crashes: false,
  });
  expect([...finals].sort()).toEqual(['Error', 'Success']);
});

test("two users release a job beside gocraft's retry of it: it is requeued once, and its record is gone", async () => {
  let counts: QuarantineCounts[] = [];
  const release = async (command: Command, who: string) => {
    const { quarantine } = quarantineOf(turnTaking(redis, command, who));
    counts.push(await createQuarantineAdmin(quarantine, false).release({ id: 'bad' }));
  };
  const enders = new Set<number>();
  await everySchedule({
    reset: async () => {
      await reset();
      const now: Command = (_, __, act) => act();
      await rescue(now, 'before');
      counts = [];
    },
    body: (command) => [
      release(command, 'a'),
      release(command, 'b'),
      command('g', 'retries', async () => {
        const [member] = await redis.zrange(keys.dead, '0', '-1');
        if (member === undefined) return;
        await redis.multi().zrem(keys.dead, member).lpush(keys.queue('X'), '{"name":"X","id":"bad","t":2}').exec();
      }),
    ],
    check: async (trace) => {
      const ids = (await redis.lrange(keys.queue('X'), 0, -1)).map((entry) => JSON.parse(entry).id);
      const died = trace.some((step) => step.includes('dies'));
      expect(ids.filter((id) => id === 'bad')).toHaveLength(died ? ids.length - 1 : 1);
      expect(await redis.zcard(keys.dead)).toBe(2 - ids.length);
      const released = counts.reduce((sum, { done }) => sum + done, 0);
      expect(released).toBeLessThanOrEqual(1);
      if (!died) expect(await redis.hexists(keys.quarantine, 'bad')).toBe(0);
      enders.add(released);
    },
    crashes: true,
  });
  expect([...enders].sort()).toEqual([0, 1]);
});
