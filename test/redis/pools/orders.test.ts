import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createJobActs } from '../../../src/io/acts.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { createHookRecords } from '../../../src/io/hooks/records.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { createTrackedJobs } from '../../../src/io/jobs/trackedJobs.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import type { TrackedJob } from '../../../src/machines/facts.ts';
import { judge } from '../../../src/machines/verdict.ts';
import { type Command, everySchedule } from '../../support/everySchedule.ts';
import { nowhere, policy } from '../../support/facts.ts';
import { type RedisServer, startRedis } from '../../support/redisServer.ts';
import { turnTaking } from '../../support/turnTaking.ts';

// Each of these runs the real code against a real Redis, one command at a time, in every order that Redis can see, and
// with each actor dying before each of its commands.

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
  // Loaded beforehand: a script that Redis does not know yet takes one command more, and every run must be alike.
  const names = [
    'acknowledge',
    'read_facts',
    'rebuild_counters',
    'requeue',
    'reset_job',
    'restore_ack',
    'set_status',
    'fail_job',
  ] as const;
  for (const name of [...names, 'deregister_pool', 'untrack'] as const) {
    await createScripts(redis)
      .run(
        name,
        Array.from({ length: 7 }, () => 'none'),
        ['', '', '', ''],
      )
      .catch(() => undefined);
  }
  await redis.flushall();
});
afterAll(() => server.stop());

const keys = keysOf('t');
const second = (offset: number) => Math.floor(Date.now() / 1_000) + offset;

const connectionOf = (client: Redis) => ({
  redis: client,
  description: '',
  epoch: () => 1,
  close: async () => undefined,
});

/** Our rescue of one pool, as the chart of a pool goes: batches until none is left, settle, rebuild. */
const rescue = async (command: Command, who: string) => {
  const client = turnTaking(redis, command, who);
  const pools = createPools({
    connection: connectionOf(client),
    keys,
    scripts: createScripts(client),
    jobTypes: ['X'],
    heartbeatAge: 10_000,
    batch: 1,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: systemClock,
  });
  const suspect = { pool: 'p', heartbeat: String(oldBeat), types: ['X'], evidence: '', disruptions: 0, at: 0 };
  for (;;) {
    const requeued = await pools.requeue(suspect, ['X']);
    if (requeued.outcome !== 'moved') return;
    if (requeued.counts[0]?.left === 0) break;
  }
  await pools.deregister(suspect, ['X']);
  await rebuild(client);
};
const rebuild = (client: Redis) =>
  createScripts(client).run(
    'rebuild_counters',
    [keys.lock('X'), keys.lockInfo('X'), keys.inProgress('X', 'p'), keys.inProgress('X', 'q')],
    ['p', 'q'],
  );

let oldBeat = 0;
const fetchEntry = `
  if redis.call('LLEN', KEYS[1]) == 0 then return false end
  redis.call('INCR', KEYS[3]); redis.call('HINCRBY', KEYS[4], ARGV[1], 1)
  return redis.call('RPOPLPUSH', KEYS[1], KEYS[2])`;
const fetchBy = (command: Command, pool: string) =>
  command(pool, 'fetch', () =>
    redis.eval(fetchEntry, 4, keys.queue('X'), keys.inProgress('X', pool), keys.lock('X'), keys.lockInfo('X'), pool),
  ) as Promise<string | null>;
const finish = (command: Command, pool: string, entry: string) =>
  command(pool, 'finish', () =>
    redis
      .multi()
      .lrem(keys.inProgress('X', pool), 1, entry)
      .decr(keys.lock('X'))
      .hincrby(keys.lockInfo('X'), pool, -1)
      .rpush('t:done', entry)
      .exec(),
  );
const beat = (command: Command, pool: string) =>
  command(pool, 'heartbeat', () =>
    redis
      .multi()
      .sadd(keys.pools, pool)
      .hset(keys.heartbeat(pool), { heartbeat_at: second(0), job_names: 'X' })
      .exec(),
  );
const requeueUpstream = `
  local entry = redis.call('RPOPLPUSH', KEYS[1], KEYS[2])
  if not entry then return nil end
  redis.call('DECR', KEYS[3]); redis.call('HINCRBY', KEYS[4], ARGV[1], -1)
  return entry`;
/** gocraft's own reaper on the same pool: one entry a call, then the traces of the pool, then its stale locks. */
const gocraft = async (command: Command, who: string) => {
  const list = [keys.inProgress('X', 'p'), keys.queue('X'), keys.lock('X'), keys.lockInfo('X')];
  while ((await command(who, 'requeue one', () => redis.eval(requeueUpstream, 4, ...list, 'p'))) !== null);
  await command(who, 'del heartbeat', () => redis.del(keys.heartbeat('p')));
  await command(who, 'srem pool', () => redis.srem(keys.pools, 'p'));
  await command(who, 'stale locks', () =>
    redis.eval(
      `local count = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
       if count ~= 0 then redis.call('DECRBY', KEYS[1], count) end
       return redis.call('HDEL', KEYS[2], ARGV[1])`,
      2,
      keys.lock('X'),
      keys.lockInfo('X'),
      'p',
    ),
  );
};

const entries = ['{"id":"1"}', '{"id":"2"}'];
const resetPools = async () => {
  await redis.flushall();
  oldBeat = second(-60);
  await redis.sadd(keys.pools, 'p');
  await redis.hset(keys.heartbeat('p'), { heartbeat_at: oldBeat, job_names: 'X' });
  await redis.rpush(keys.inProgress('X', 'p'), ...entries);
  await redis.set(keys.lock('X'), 2);
  await redis.hset(keys.lockInfo('X'), 'p', 2);
};
const places = [keys.queue('X'), keys.inProgress('X', 'p'), keys.inProgress('X', 'q')];

/** Every entry in one place, as the same bytes; and after one more rebuild the counters are the lists. */
const checkEntries = async (done: 'may be done' | 'not done') => {
  const found = (await Promise.all(places.map((key) => redis.lrange(key, 0, -1)))).flat();
  const finished = done === 'may be done' ? await redis.lrange('t:done', 0, -1) : [];
  const all = [...new Set([...found, ...finished])].sort();
  expect(all).toEqual(entries);
  expect(found).toHaveLength(new Set(found).size);
  await rebuild(redis);
  let sum = 0;
  for (const pool of ['p', 'q']) {
    const length = await redis.llen(keys.inProgress('X', pool));
    sum += length;
    expect(Number((await redis.hget(keys.lockInfo('X'), pool)) ?? 0)).toBe(length);
  }
  expect(Number((await redis.get(keys.lock('X'))) ?? 0)).toBe(sum);
};
const checkNotNegative = async () => {
  expect(Number((await redis.get(keys.lock('X'))) ?? 0)).toBeGreaterThanOrEqual(0);
};

test('two rescues of one dead pool, in every order and with every crash point, lose and double no entry, and leave true counters', async () => {
  const runs = await everySchedule({
    reset: resetPools,
    body: (command) => [rescue(command, 'a'), rescue(command, 'b')],
    check: async () => {
      await checkNotNegative();
      await checkEntries('not done');
    },
    crashes: true,
  });
  expect(runs).toBeGreaterThan(50);
});

test("a rescue beside gocraft's own reaper loses and doubles no entry, and leaves true counters", async () => {
  const runs = await everySchedule({
    reset: resetPools,
    body: (command) => [rescue(command, 'a'), gocraft(command, 'g')],
    check: () => checkEntries('not done'),
    crashes: true,
  });
  expect(runs).toBeGreaterThan(50);
});

test('a rescue beside a live pool that fetches and finishes requeued entries leaves the pool its entries', async () => {
  const runs = await everySchedule({
    reset: resetPools,
    body: (command) => [
      rescue(command, 'a'),
      (async () => {
        await beat(command, 'q');
        const entry = await fetchBy(command, 'q');
        if (entry !== null) await finish(command, 'q', entry);
      })(),
    ],
    check: () => checkEntries('may be done'),
    crashes: true,
  });
  expect(runs).toBeGreaterThan(20);
});

test('a pool that writes a heartbeat again keeps the entries that it still holds', async () => {
  const heldAtBeat: number[] = [];
  await everySchedule({
    reset: async () => {
      heldAtBeat.length = 0;
      await resetPools();
    },
    body: (command) => [
      rescue(command, 'a'),
      (async () => {
        await beat(command, 'p');
        heldAtBeat.push(await redis.llen(keys.inProgress('X', 'p')));
      })(),
    ],
    check: async () => {
      if (heldAtBeat.length > 0) expect(await redis.llen(keys.inProgress('X', 'p'))).toBe(heldAtBeat[0]);
      // It is registered and writes a heartbeat, in either order: no script has removed it after its heartbeat.
      expect(await redis.sismember(keys.pools, 'p')).toBe(1);
      expect(await redis.hget(keys.heartbeat('p'), 'heartbeat_at')).not.toBe(String(oldBeat));
      await checkEntries('not done');
    },
    crashes: false,
  });
});

const status = (command: Command, who: string, args: readonly (string | number)[]) =>
  command(who, `set status ${args[0]}`, () =>
    createScripts(redis).run('set_status', [keys.stats('j'), keys.track], args),
  );
const acknowledge = (command: Command, who: string, args: readonly (string | number)[]) =>
  command(who, `ACK ${args[0]}`, () => createScripts(redis).run('acknowledge', [keys.stats('j'), keys.track], args));
const resetJob = (command: Command, who: string) =>
  command(who, 'reset', () =>
    createScripts(redis).run('reset_job', [keys.stats('j'), keys.track], ['j', 'Pending', '']),
  );

const hookSettings = { maxRecords: 100, breakerThreshold: 10, drainRate: 50, claimDuration: 60_000 };

/** A sweep's walk of one job: read, judge, act, as the chart of a job does it. */
const sweepJob = async (command: Command, who: string): Promise<string> => {
  const client = turnTaking(redis, command, who);
  const scripts = createScripts(client);
  const tracked = createTrackedJobs({
    connection: connectionOf(client),
    keys,
    scripts,
    pace: noPace,
    pageSize: 10,
    random: () => 0,
  });
  const connection = connectionOf(client);
  const records = createHookRecords({ connection, keys, scripts, settings: hookSettings, clock: systemClock });
  const hooks = {
    enqueue: async () => [{ outcome: 'enqueued' as const }],
    plan: async () => [],
    faults: async () => [],
    endpointFor: () => 'http://h',
    announce: () => undefined,
    holdText: () => undefined,
  };
  const acts = createJobActs({ keys, scripts, tracked, hooks, records, clock: systemClock });
  const loaded = await acts.load('j');
  const job: TrackedJob = { ...loaded, facts: { ...loaded.facts, evidence: nowhere } };
  const judgement = judge(job.facts, policy);
  return judgement.verdict === 'keep'
    ? 'kept'
    : `${judgement.verdict} ${(await acts[judgement.verdict]({ job, judgement })).outcome}`;
};

/** One second for all: facts of a job and of its ACK are compared. */
const longAgo = second(-100_000);
const seedJob = async (fields: Record<string, string | number>) => {
  await redis.flushall();
  const t = longAgo;
  await redis.hset(keys.stats('j'), {
    id: 'j',
    name: 'X',
    kind: 'Generic',
    status: 'Running',
    update_time: t,
    revision: t,
    web_hook_url: 'http://h',
    ...fields,
  });
  await redis.hset(keys.track, 'j', 2);
};

test('a job that finishes while it is judged hung keeps its result, in every order', async () => {
  let verdicts: string[] = [];
  await everySchedule({
    reset: () => {
      verdicts = [];
      return seedJob({});
    },
    body: (command) => [
      sweepJob(command, 'sweep').then((verdict) => verdicts.push(verdict)),
      status(command, 'worker', ['Success', longAgo, 'j']),
    ],
    check: async (trace) => {
      const succeeded = trace.indexOf('worker: set status Success');
      const judged = trace.findIndex((step) => step.startsWith('sweep: evalsha') || step.startsWith('sweep: eval'));
      const final = await redis.hget(keys.stats('j'), 'status');
      // Failed only where the act came before the result, which a job that has been silent for a day may suffer.
      if (final === 'Error') expect(trace.slice(0, succeeded).some((step) => step.startsWith('sweep'))).toBe(true);
      else expect(final).toBe('Success');
      expect(judged).toBeGreaterThanOrEqual(0);
      // Whatever came first, it was counted down once, and waits for its ACK.
      expect(await redis.hget(keys.track, 'j')).toBe('1');
    },
    crashes: false,
  });
});

test('a job that starts over while it is judged is never failed, reset to the old ACK or untracked', async () => {
  for (const fields of [
    {},
    { ack: `{"status":"Success","revision":${longAgo},"check_in_at":0}` },
    { status: 'Success', ack: `{"status":"Success","revision":${longAgo},"check_in_at":0}` },
  ]) {
    await everySchedule({
      reset: () => seedJob(fields),
      body: (command) => [sweepJob(command, 'sweep'), resetJob(command, 'worker')],
      check: async () => {
        expect(await redis.hgetall(keys.stats('j'))).toMatchObject({ status: 'Pending' });
        expect(await redis.hget(keys.track, 'j')).toBe('2');
        expect(await redis.hexists(keys.stats('j'), 'ack')).toBe(0);
      },
      crashes: false,
    });
  }
});

test('two sweeps fail a hung job once, and count it down once', async () => {
  let verdicts: string[] = [];
  await everySchedule({
    reset: () => {
      verdicts = [];
      return seedJob({});
    },
    body: (command) => ['a', 'b'].map((who) => sweepJob(command, who).then((verdict) => verdicts.push(verdict))),
    check: async (trace) => {
      if (!trace.some((step) => step.includes('dies')))
        expect(verdicts.filter((verdict) => verdict === 'fail done')).toHaveLength(1);
      const count = await redis.hget(keys.track, 'j');
      expect([await redis.hget(keys.stats('j'), 'status'), count]).toEqual(
        count === '2' ? ['Running', '2'] : ['Error', '1'],
      );
    },
    crashes: true,
  });
});

test('ACKs of two hosts in any order end in the newest state, and never untrack a job that is not final', async () => {
  const t = longAgo;
  await everySchedule({
    reset: () => seedJob({}),
    body: (command) => [
      acknowledge(command, 'a', ['Running', t, 0, 'j']),
      acknowledge(command, 'b', ['Running', t, t + 5, 'j']),
      (async () => {
        await status(command, 'c', ['Success', t, 'j']);
        await acknowledge(command, 'c', ['Success', t, 0, 'j']);
      })(),
    ],
    check: async (trace) => {
      const ack = JSON.parse((await redis.hget(keys.stats('j'), 'ack')) ?? '{}');
      const isAcknowledged = trace.includes('c: ACK Success');
      if (isAcknowledged) expect(ack.status).toBe('Success');
      expect(await redis.hget(keys.track, 'j')).toBe(
        isAcknowledged ? null : trace.includes('c: set status Success') ? '1' : '2',
      );
    },
    crashes: true,
  });
});
