import { expect, test } from 'vitest';
import type { JobOutcome, ReaperOptions } from '../../../src/index.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { createSearch } from '../../../src/io/evidence/search.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { keysOf } from '../../../src/io/redis/keys.ts';
import { createScripts, scriptOfDigest } from '../../../src/io/redis/scripts.ts';
import { type Command, everySchedule } from '../../support/everySchedule.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, second, seedJob } from '../../support/jobs.ts';
import { turnTaking } from '../../support/turnTaking.ts';

const { server, redis, opened, upstream } = await redisFixture();

const entry = (id: string, args: Record<string, unknown> = {}) =>
  JSON.stringify({ name: 'X', id, t: second(-100_000), args });
const silent = (id: string, fields: Record<string, string | number> = {}) =>
  seedJob(redis, id, { age: 100_000, ...fields });
const livePool = async (pool: string, workers = `${pool}-w`, age = 0) => {
  await redis.sadd('t:worker_pools', pool);
  await redis.hset(`t:worker_pools:${pool}`, { heartbeat_at: second(-age), worker_ids: workers, job_names: 'X' });
};
const observe = (worker: string, id: string, more: Record<string, string | number> = {}) =>
  redis.hset(`t:worker:${worker}`, { job_name: 'X', job_id: id, started_at: second(-90_000), args: '', ...more });

/** One sweep; what was decided on each job, in words. */
const sweep = async (options: Partial<ReaperOptions> = {}): Promise<Record<string, string>> => {
  const reaper = opened.create({ redis: server.url, ...options });
  const words: Record<string, string> = {};
  reaper.on('job', ({ id, verdict, reason, facts }: JobOutcome) => {
    words[id] = `${verdict} ${reason} ${facts.evidence?.found}`;
  });
  await reaper.sweep();
  return words;
};

test('defect 25: a job that waits in a queue for longer than its limit is not hung', async () => {
  const seed = async () => {
    await redis.flushall();
    const at = await silent('a', { status: 'Pending' });
    await redis.hset('t:job_stats:a', 'ack', `{"status":"Pending","revision":${at},"check_in_at":0}`);
    // The second may turn meanwhile: the entry before which the job goes must be the very one that was pushed.
    const others = Array.from({ length: 2_500 }, (_, i) => entry(`other-${i}`));
    await redis.lpush('t:jobs:X', ...others);
    expect(await redis.linsert('t:jobs:X', 'BEFORE', others[1_200] as string, entry('a'))).toBe(2_501);
  };
  await seed();
  await upstream.sync();
  expect(await redis.hget('t:job_stats:a', 'status')).toBe('Error');

  await seed();
  expect(await sweep()).toEqual({ a: 'keep in-queue queue' });
  expect(await redis.hget('t:job_stats:a', 'status')).toBe('Pending');
});

test('defect 26: a job that a worker of a live pool is observed to run is never hung', async () => {
  const seed = async () => {
    await redis.flushall();
    const at = await silent('a');
    await redis.hset('t:job_stats:a', 'ack', `{"status":"Running","revision":${at},"check_in_at":0}`);
    await livePool('p');
    await observe('p-w', 'a');
  };
  await seed();
  await upstream.sync();
  expect(await redis.hget('t:job_stats:a', 'status')).toBe('Error');

  await seed();
  expect(await sweep()).toEqual({ a: 'keep observed observed' });
  // A limit to its run is another thing than a limit to its silence, and set by type.
  expect(await sweep({ runTimeLimitByType: { X: '90100s', Y: '1s' } })).toEqual({ a: 'keep observed observed' });
  expect(await sweep({ runTimeLimitByType: { X: '80000s' } })).toEqual({ a: 'fail hung observed' });
  expect(await redis.hget('t:job_stats:a', 'status')).toBe('Error');
});

test('a job is kept in every place from which it can still run, and not in dead or nowhere', async () => {
  await livePool('p');
  await livePool('gone', 'gone-w', 60);
  for (const id of ['queue', 'scheduled', 'retry', 'held', 'left', 'dead', 'nowhere'])
    await silent(id, { status: 'Pending' });
  for (const id of ['ran', 'observedByTheDead', 'runsAgain']) await silent(id);
  await redis.lpush('t:jobs:X', entry('queue'), entry('runsAgain'));
  await redis.zadd('t:scheduled', second(100), entry('scheduled'));
  await redis.zadd('t:retry', second(100), entry('retry'));
  await redis.zadd('t:dead', second(-100), entry('dead'), second(-200), entry('runsAgain'));
  await redis.rpush('t:jobs:X:p:inprogress', entry('held'));
  await redis.rpush('t:jobs:X:gone:inprogress', entry('left'), entry('ran'));
  await observe('gone-w', 'observedByTheDead');
  expect(await sweep()).toEqual({
    queue: 'keep in-queue queue',
    scheduled: 'keep in-queue scheduled',
    retry: 'keep in-queue retry',
    held: 'keep in-queue held',
    left: 'keep in-queue unconfirmed',
    runsAgain: 'keep in-queue queue',
    ran: 'keep in-queue unconfirmed',
    dead: 'fail hung dead',
    nowhere: 'fail hung nowhere',
    observedByTheDead: 'keep observed observed',
  });
});

test('a periodic execution is found by the id of its policy and its epoch, in a queue and in an observation', async () => {
  await livePool('p', 'w1,w2');
  for (const epoch of [1, 2, 3, 4]) await silent(`policy@${epoch}`, { status: epoch === 4 ? 'Running' : 'Pending' });
  await redis.lpush('t:jobs:X', entry('policy', { _job_kind_periodic_: '1' }), entry('policy'));
  await observe('w1', 'policy', { args: '{"_job_kind_periodic_":"4","secret":"s"}' });
  await observe('w2', 'policy');
  expect(await sweep()).toEqual({
    'policy@1': 'keep in-queue queue',
    'policy@2': 'fail hung nowhere',
    'policy@3': 'fail hung nowhere',
    'policy@4': 'keep observed observed',
  });
});

test('entries in any form of JSON are read; an unreadable entry belongs to no job', async () => {
  const forms = {
    spaced: '{ "id" : "spaced", "name":"X" }',
    escaped: '{"name":"X","id":"esc\\u0061ped","t":1,"args":{}}',
    late: '{"args":{"id":"nested"},"t":12345678901234567890,"name":"X","id":"late"}',
    nested: 'no JSON {"name":"X","id":"nested",',
  };
  for (const id of Object.keys(forms)) await silent(id, { status: 'Pending' });
  await redis.lpush('t:jobs:X', ...Object.values(forms), '[]', 'null', '{"id":7}');
  expect(await sweep()).toEqual({
    spaced: 'keep in-queue queue',
    escaped: 'keep in-queue queue',
    late: 'keep in-queue queue',
    nested: 'fail hung nowhere',
  });
});

test('a job that may be in a place that cannot be read is not failed', async () => {
  await silent('a', { status: 'Pending' });
  await silent('b', { status: 'Pending' });
  await redis.set('t:jobs:X', 'no list');
  await redis.zadd('t:scheduled', 1, entry('b'));
  expect(await sweep()).toEqual({ a: 'keep inconclusive unreadable', b: 'keep in-queue scheduled' });
});

test('a job is not failed if what a worker runs cannot be read', async () => {
  await livePool('p');
  await silent('a');
  await redis.set('t:worker:p-w', 'no hash');
  expect(await sweep()).toEqual({ a: 'keep inconclusive unreadable' });
});

test('a search runs only if a job looks hung, and reads each place once for all of them', async () => {
  const calls = async () => {
    const stats = await redis.info('commandstats');
    const of = (name: string) => Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
    return { lists: of('lrange'), sets: of('zscan'), observations: of('hmget') };
  };
  await livePool('p');
  for (let i = 0; i < 100; i++)
    await seedJob(redis, `healthy-${i}`, { ack: `{"status":"Running","revision":${second(-600)}}` });
  await redis.config('RESETSTAT');
  await sweep();
  // (read_facts uses HMGET inside of Redis: that is the hundred.)
  expect(await calls()).toEqual({ lists: 0, sets: 0, observations: 100 });

  for (let i = 0; i < 300; i++) await silent(`silent-${i}`, { status: 'Pending' });
  for (let i = 0; i < 3_500; i++) void redis.lpush('t:jobs:X', entry(`silent-${i % 300}`));
  await redis.llen('t:jobs:X');
  await redis.config('RESETSTAT');
  const words = await sweep({ sweep: { pageSize: 50 } });
  expect(Object.values(words).filter((said) => said === 'keep in-queue queue')).toHaveLength(300);
  const { lists, sets } = await calls();
  // Some thousand entries in steps of up to 64; a second walk would make twice as many.
  expect(lists).toBeLessThanOrEqual(80);
  expect(sets).toBe(3);
});

test('a job that was found nowhere is not failed if it has moved since', async () => {
  await silent('a', { status: 'Pending' });
  let isDone = false;
  const client = opened.hold(
    intercept(redis, 'evalsha', async (args) => {
      if (isDone || scriptOfDigest(String(args[0])) !== 'fail_job') return;
      isDone = true;
      await redis.hset('t:job_stats:a', { status: 'Running', update_time: second() });
    }),
  );
  await sweep({ redis: client });
  expect([isDone, await redis.hget('t:job_stats:a', 'status')]).toEqual([true, 'Running']);
});

test('explain lists where it searched for a job that looks hung, and what it found', async () => {
  await silent('a', { status: 'Pending' });
  await silent('b', { status: 'Pending' });
  await redis.lpush('t:jobs:X', entry('a'));
  const reaper = opened.create({ redis: server.url });
  const [a, b] = [await reaper.explain('a'), await reaper.explain('b')];
  expect(a).toMatchObject({ verdict: 'keep', reason: 'in-queue', facts: { evidence: { found: 'queue' } } });
  expect(b).toMatchObject({ verdict: 'fail', reason: 'hung', facts: { evidence: { found: 'nowhere' } } });
  expect(b.detail).toContain('nowhere');
  expect(b.facts.evidence?.lookedIn).toContain('all queues');
});

/** Looks for one job as a sweep does, one command at a time. */
const lookFor = async (command: Command): Promise<string> => {
  const client = turnTaking(redis, command, 'search');
  const keys = keysOf('t');
  const connection = { redis: client, description: '', epoch: () => 1, close: async () => undefined };
  const fixed = { heartbeatAge: 10_000, batch: 1, recovery: { maxRecoveries: 3, windowS: 86_400 }, clock: systemClock };
  const pools = createPools({ connection, keys, scripts: createScripts(client), jobTypes: ['X'], ...fixed });
  // What is known of the pools is not what is tried here: it is read at one moment.
  const survey = { pools: [{ pool: 'p', isAlive: true, workerIds: ['w'] }], types: ['X'], lists: [] };
  const still = { ...pools, survey: async () => survey as unknown as Awaited<ReturnType<typeof pools.readRegistry>> };
  const search = createSearch({ connection, keys, pools: still, pace: noPace, seed: 1 });
  const facts = { id: 'a', name: 'X', readAt: 0, stats: 'found', hasHook: false } as const;
  search.add([facts]);
  await search.run();
  return search.evidenceOf(facts).found;
};

const isElsewhere = (label: string) =>
  /^(sscan|hscan|time|exists \S+:lock_info|evalsha \w+ 1 t:(retry|dead)$)/.test(label);

test.each([
  ['from the queue to a worker', 'queue'],
  ['out of scheduled, through the queue, to a worker', 'scheduled'],
  ["from a pool's list back into the queue", 'held'],
])('an entry that moves %s while it is looked for is found, in every order', async (_, from) => {
  const a = entry('a');
  let found = '';
  const runs = await everySchedule({
    reset: async () => {
      await redis.flushall();
      await redis.lpush('t:jobs:X', ...Array.from({ length: 3 }, (__, i) => entry(`other-${i}`)));
      if (from === 'queue') await redis.rpush('t:jobs:X', a);
      if (from === 'scheduled') await redis.zadd('t:scheduled', 1, a);
      if (from === 'held') await redis.lpush('t:jobs:X:p:inprogress', a);
    },
    body: (command) => [
      lookFor(command).then((words) => {
        found = words;
      }),
      (async () => {
        const move = (label: string, act: () => Promise<unknown>) => command('mover', label, act);
        if (from === 'scheduled') {
          await move('enqueue', () => redis.multi().zrem('t:scheduled', a).rpush('t:jobs:X', a).exec());
        }
        if (from === 'held') await move('requeue', () => redis.rpoplpush('t:jobs:X:p:inprogress', 't:jobs:X'));
        else {
          await move('fetch', () => redis.rpoplpush('t:jobs:X', 't:jobs:X:p:inprogress'));
          await move('observe', () => redis.hset('t:worker:w', { job_id: 'a', job_name: 'X', args: '' }));
        }
      })(),
    ],
    check: async () => expect(found).not.toBe('nowhere'),
    crashes: false,
    // The search only reads, the mover has one command at a time, and some places are none that the entry moves through.
    commute: (one, other) => one.who === other.who || isElsewhere(one.label) || isElsewhere(other.label),
  });
  expect(runs).toBeGreaterThan(5);
});
