import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createOrphans, type Orphans } from '../../../src/io/pools/orphans.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { createTestClock } from '../../support/clock.ts';
import { type Command, everySchedule } from '../../support/everySchedule.ts';
import { placeOf, second, seedJob } from '../../support/jobs.ts';
import { type RedisServer, startRedis } from '../../support/redisServer.ts';
import { turnTaking } from '../../support/turnTaking.ts';
import { createUpstream } from '../../support/upstream.ts';

// Putting back a lost entry against all that may happen to it at the same moment, one command at a time, in every order
// that Redis can see, and with each actor dying before each of its commands.

let server: RedisServer;
let redis: Redis;
let upstream: ReturnType<typeof createUpstream>;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
  upstream = createUpstream(redis);
  // Loaded beforehand: a script that Redis does not know yet takes one command more, and every run must be alike.
  await lookNow();
  await requeueNow();
});
afterAll(() => server.stop());

const keys = keysOf('t');
const held = (pool: string) => keys.inProgress('X', pool);
// Enqueued after the start of this Redis, whose second may be the same one.
const enqueuedAt = second(60);
const entryOf = (id: string) => JSON.stringify({ name: 'X', id, t: enqueuedAt, args: {} });
const entry = entryOf('lost');
const other = entryOf('other');
const beat = (pool: string, workers: string, at = second()) =>
  redis
    .multi()
    .sadd(keys.pools, pool)
    .hset(keys.heartbeat(pool), { heartbeat_at: at, job_names: 'X', worker_ids: workers })
    .exec();
/** What the script has said in the order that is tried. */
const replies: string[] = [];
const reset = async () => {
  replies.length = 0;
  await redis.flushall();
  await beat('p', 'w1');
  await beat('q', 'w9');
  await redis.rpush(held('p'), other, entry);
  await redis.set(keys.lock('X'), 2);
  await redis.hset(keys.lockInfo('X'), 'p', 2);
  await seedJob(redis, 'lost', { status: 'Pending' });
  await lookNow();
};
const field = `${createHash('sha1').update(entry).digest('hex')} X`;
const lookNow = () =>
  createScripts(redis).run(
    'observe_pool',
    [
      keys.workerRecords('p'),
      keys.unobserved('p'),
      keys.worker('w1'),
      keys.stats('lost'),
      keys.beforeQuarantine('lost'),
    ],
    ['', 60, '', 1, 'w1', field],
  );
const requeueNow = async () => {
  const { outcome } = await createScripts(redis).run(
    'requeue_orphan',
    [
      keys.pools,
      keys.heartbeat('p'),
      held('p'),
      keys.queue('X'),
      keys.lock('X'),
      keys.lockInfo('X'),
      keys.stats('lost'),
      keys.recoveries,
      keys.recovered,
      keys.quarantine,
      keys.dead,
      keys.beforeQuarantine('lost'),
      keys.workerRecords('p'),
      keys.unobserved('p'),
      keys.worker('w1'),
    ],
    ['p', 10_000, placeOf(entry, 1), 'lost', field, 0, '', 3, 86_400, '', '', '', 'w1'],
  );
  return outcome;
};
/** Notes in `replies` what the script says. */
const putBack = async (command: Command, who: string) => {
  replies.push(await command(who, 'requeue', requeueNow));
};
const observe = (command: Command, id: string) =>
  command('p', `observe ${id}`, () => redis.hset(keys.worker('w1'), { job_id: id, job_name: 'X', args: '' }));
const finish = (command: Command, pool: string, finished: string) =>
  command(pool, 'finish', async () => {
    await upstream.finish('X', pool, finished);
    await redis.rpush('t:done', finished);
  });
const rebuild = () =>
  createScripts(redis).run('rebuild_counters', [keys.lock('X'), keys.lockInfo('X'), held('p'), held('q')], ['p', 'q']);

/** Each entry in one place as the same bytes, or done; and after one more rebuild the counters are the lists. */
const check = async () => {
  const lists = [keys.queue('X'), held('p'), held('q')];
  const found = (await Promise.all(lists.map((list) => redis.lrange(list, 0, -1)))).flat();
  expect(new Set(found).size).toBe(found.length);
  expect([...new Set([...found, ...(await redis.lrange('t:done', 0, -1))])].sort()).toEqual([entry, other].sort());
  await rebuild();
  const lengths = await Promise.all(['p', 'q'].map((pool) => redis.llen(held(pool))));
  const fields = await Promise.all(['p', 'q'].map((pool) => redis.hget(keys.lockInfo('X'), pool)));
  expect(fields.map((field) => Number(field ?? 0))).toEqual(lengths);
  expect(Number((await redis.get(keys.lock('X'))) ?? 0)).toBe(lengths.reduce((a, b) => a + b));
};
/** Whether something came before the script in this order, and so must have kept it from acting. */
const isBefore = (trace: readonly string[], label: string) => {
  const at = trace.indexOf(label);
  return at >= 0 && at < trace.findIndex((step) => step.endsWith('requeue'));
};

test('beside a worker with a late observation of the job that then finishes it, the entry stays from then on', async () => {
  const runs = await everySchedule({
    reset,
    body: (command) => [
      putBack(command, 'a'),
      (async () => {
        await observe(command, 'lost');
        await finish(command, 'p', entry);
        await command('p', 'idle', () => redis.del(keys.worker('w1')));
      })(),
    ],
    check: async (trace) => {
      if (isBefore(trace, 'p: observe lost') && replies.length > 0) {
        expect(replies).toEqual([isBefore(trace, 'p: finish') ? 'gone' : 'observed']);
        expect(await redis.llen(keys.queue('X'))).toBe(0);
      } else if (replies.length > 0) expect(replies).toEqual(['requeued']);
      await check();
    },
    crashes: true,
  });
  expect(runs).toBeGreaterThan(8);
});

test('two reapers and a pool that fetches the requeued entry: it is requeued once, and run once', async () => {
  const runs = await everySchedule({
    reset,
    body: (command) => [
      putBack(command, 'a'),
      putBack(command, 'b'),
      (async () => {
        const fetched = (await command('q', 'fetch', () => upstream.fetch('X', 'q'))) as string | null;
        if (fetched !== null) await finish(command, 'q', fetched);
      })(),
    ],
    check: async (trace) => {
      if (!trace.some((step) => step.includes('dies'))) expect([...replies].sort()).toEqual(['gone', 'requeued']);
      expect(Number(await redis.get(keys.lock('X')))).toBeGreaterThanOrEqual(0);
      expect((await redis.lrange('t:done', 0, -1)).length).toBeLessThanOrEqual(1);
      await check();
    },
    crashes: true,
  });
  expect(runs).toBeGreaterThan(15);
});

test('beside heartbeats: a pool with other workers, or an old heartbeat, is not touched', async () => {
  for (const [label, act, reply] of [
    ['other workers', () => beat('p', 'w1,w2'), 'changed'],
    ['fewer workers', () => beat('p', 'w1'), 'requeued'],
    ['an old heartbeat', () => beat('p', 'w1', second(-60)), 'dead'],
    ['leaves', () => redis.srem(keys.pools, 'p'), 'dead'],
    ['its workers are not known', () => redis.hdel(keys.heartbeat('p'), 'worker_ids'), 'undecided'],
    ['an observation that cannot be read', () => redis.lpush(keys.worker('w1'), 'x'), 'undecided'],
    [
      'a periodic execution of it',
      () => redis.hset(keys.worker('w1'), { job_id: 'lost', args: '{"_job_kind_periodic_":"9"}' }),
      'requeued',
    ],
  ] as const) {
    await everySchedule({
      reset,
      body: (command) => [putBack(command, 'a'), command('p', label, act as () => Promise<unknown>)],
      check: async (trace) => {
        expect(replies).toEqual([isBefore(trace, `p: ${label}`) ? reply : 'requeued']);
        await check();
      },
      crashes: false,
    });
  }
});

test("beside gocraft's own reaper, which considers the pool dead: no entry is lost or doubled, and counters are true", async () => {
  const runs = await everySchedule({
    reset,
    body: (command) => [
      putBack(command, 'a'),
      (async () => {
        for (let i = 0; i < 2; i++) await command('g', 'requeue', () => upstream.requeue('p', ['X']));
        await command('g', 'del heartbeat', () => redis.del(keys.heartbeat('p')));
        await command('g', 'srem pool', () => redis.srem(keys.pools, 'p'));
        await command('g', 'stale locks', () => upstream.staleLocks('p', ['X']));
      })(),
      (async () => {
        const fetched = (await command('q', 'fetch', () => upstream.fetch('X', 'q'))) as string | null;
        if (fetched !== null) await finish(command, 'q', fetched);
      })(),
    ],
    check,
    crashes: true,
  });
  expect(runs).toBeGreaterThan(100);
});

/** The scripts of a look that read have one key. */
const onlyReads = (label: string) => /^(hmget|hscan|time|evalsha \w+ 1 )/.test(label);
/** In keys that no worker writes. */
const isElsewhere = (label: string) => /^(hmget|hscan|hdel|time)/.test(label);

test('a second try beside a worker that reports its job and finishes moves nothing after the report', async () => {
  const live = [{ pool: 'p', workerIds: ['w1'], types: ['X'] }];
  /** Has the commands of the second look wait for their turns; those of the first go straight to Redis. */
  let turn: Command = (_, __, act) => act();
  const client = turnTaking(redis, (who, label, act) => turn(who, label, act), 'a');
  let orphans: Orphans;
  const runs = await everySchedule({
    reset: async () => {
      await reset();
      await redis.zadd(keys.observed, String(second()), 'p');
      await redis.hset(keys.worker('w1'), { job_id: 'other', job_name: 'X', args: '' });
      turn = (_, __, act) => act();
      const clock = createTestClock();
      orphans = createOrphans({
        connection: { redis: client, description: '', epoch: () => 1, close: async () => undefined },
        keys,
        scripts: createScripts(client),
        heartbeatAge: 10_000,
        orphanedAfter: 30_000,
        batch: 10,
        recovery: { maxRecoveries: 3, windowS: 86_400 },
        quarantine: { addOrphan: async () => ({ outcome: 'again' as const }), keysFor: async () => [] },
        clock,
        onSkipped: () => undefined,
      });
      await orphans.requeue(live, { plan: false });
      clock.advance(30_000);
      await redis.del(keys.worker('w1'));
    },
    body: (command) => {
      turn = command;
      return [
        orphans.requeue(live, { plan: false }),
        (async () => {
          await observe(command, 'lost');
          await finish(command, 'p', entry);
          await command('p', 'idle', () => redis.del(keys.worker('w1')));
        })(),
      ];
    },
    check: async (trace) => {
      // Two scripts of the look read, the third one records what it has seen, the fourth one decides.
      const script = trace.findLastIndex((step) => step.startsWith('a: eval'));
      const scripts = trace.filter((step) => step.startsWith('a: eval')).length;
      const queued = await redis.lrange(keys.queue('X'), 0, -1);
      // Once the worker has spoken nothing is moved, whatever the look had seen before.
      expect(queued.includes(entry)).toBe(scripts === 4 && script < trace.indexOf('p: observe lost'));
      await check();
    },
    crashes: false,
    commute: (one, other) =>
      one.who === other.who
        ? onlyReads(one.label) && onlyReads(other.label)
        : isElsewhere(one.label) || isElsewhere(other.label),
  });
  expect(runs).toBeGreaterThan(30);
});

test('fault 132: beside a worker that begins the job, the unobserved entry stays once the job is Running', async () => {
  await everySchedule({
    reset,
    body: (command) => [
      putBack(command, 'a'),
      command('p', 'begins', () => redis.hset(keys.stats('lost'), { status: 'Running', update_time: second() })),
    ],
    check: async (trace) => {
      expect(replies).toEqual([isBefore(trace, 'p: begins') ? 'early' : 'requeued']);
      await check();
    },
    crashes: false,
  });
});

describe('fault 133: finishing a stale entry', () => {
  const finishStale = async (command: Command, who: string) => {
    const reply = await command(who, 'finish stale', async () => {
      const { outcome } = await createScripts(redis).run(
        'finish_entry',
        [
          keys.pools,
          keys.heartbeat('p'),
          held('p'),
          keys.lock('X'),
          keys.lockInfo('X'),
          keys.stats('lost'),
          keys.worker('w1'),
        ],
        ['p', 10_000, placeOf(entry, 1), 'lost', '1000', '1000', 60],
      );
      if (outcome === 'done') await redis.rpush('t:done', entry);
      return outcome;
    });
    replies.push(reply);
  };
  const resetStale = async () => {
    await reset();
    await seedJob(redis, 'lost', { status: 'Success', update_time: 1_000, revision: 1_000 });
    await redis.hset(keys.worker('w1'), { job_id: 'lost', job_name: 'X', args: '' });
  };
  beforeAll(async () => {
    await resetStale();
    await finishStale((_, __, act) => act(), 'a');
  });

  test('beside another reaper, the late finish of its worker and the next fetch, it ends once, and counters are true', async () => {
    const runs = await everySchedule({
      reset: resetStale,
      body: (command) => [
        finishStale(command, 'a'),
        finishStale(command, 'b'),
        (async () => {
          await finish(command, 'p', entry);
          await observe(command, 'other');
        })(),
      ],
      check: async (trace) => {
        if (!trace.some((step) => step.includes('dies'))) {
          expect(replies.filter((reply) => reply === 'done').length).toBeLessThanOrEqual(1);
          // What its worker says of its next job stands.
          expect(await redis.hget(keys.worker('w1'), 'job_id')).toBe('other');
        }
        expect(Number(await redis.get(keys.lock('X')))).toBeGreaterThanOrEqual(-1);
        await check();
      },
      crashes: true,
    });
    expect(runs).toBeGreaterThan(15);
  });

  test("beside gocraft's own reaper, and a reset that starts the job again, the entry is checked again", async () => {
    const runs = await everySchedule({
      reset: resetStale,
      body: (command) => [
        finishStale(command, 'a'),
        command('h', 'resets', () => upstream.reset('lost', 'Pending')),
        (async () => {
          for (let i = 0; i < 2; i++) await command('g', 'requeue', () => upstream.requeue('p', ['X']));
          const fetched = (await command('q', 'fetch', () => upstream.fetch('X', 'q'))) as string | null;
          if (fetched !== null) await finish(command, 'q', fetched);
        })(),
      ],
      check: async (trace) => {
        const at = trace.indexOf('a: finish stale');
        const isOvertaken = trace.slice(0, at).includes('h: resets');
        if (replies.includes('done')) expect(isOvertaken).toBe(false);
        await check();
      },
      crashes: true,
    });
    expect(runs).toBeGreaterThan(20);
  });
});
