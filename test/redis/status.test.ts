/** What `status` and `explain` say of a real Redis: why jobs do not run, and where they are. */

import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import type { Reaper, ReaperOptions, ReaperStatus } from '../../src/index.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import { second, seedJob } from '../support/jobs.ts';
import { entryOf, seedPool } from '../support/pools.ts';

const { server, redis, keys, scripts, opened, upstream: _ } = await redisFixture();
const hookEndpoint = await hookEndpointFixture();
const create = (options: Partial<ReaperOptions> = {}): Reaper => opened.create({ redis: server.url, ...options });
const statusOf = (options?: Partial<ReaperOptions>): Promise<ReaperStatus> => create(options).status();
/** Everything that needs attention, with the command that helps. */
const linesOf = ({ problems }: ReaperStatus) =>
  problems
    .filter(({ severity }) => severity !== 'notice')
    .map(({ message, command }) => (command === undefined ? message : `${message} → ${command}`));

/** A live pool that takes X, with the workers of these jobs. */
const seedLive = async (jobs: readonly string[], { held = jobs, concurrency = 10 } = {}) => {
  await seedPool(redis, 'live', {
    heartbeat: second(),
    jobNames: 'X,Y',
    holds: new Map(held.length > 0 ? [['X', held]] : []),
  });
  await redis.hset(keys.heartbeat('live'), {
    pid: 7,
    host: 'h',
    concurrency,
    worker_ids: jobs.map((id) => `w-${id}`).join(','),
  });
  for (const id of jobs) {
    await redis.hset(keys.worker(`w-${id}`), { job_id: id, job_name: 'X', started_at: second(-60), args: '' });
  }
};
const enqueue = (type: string, ...ids: string[]) =>
  redis.lpush(keys.queue(type), ...ids.map((id) => entryOf(id, type)));

describe('a capped type whose lock is stuck', () => {
  const seedStuck = async () => {
    await seedLive(['r1', 'r2', 'r3']);
    await redis.set(keys.maxConcurrency('X'), 200);
    await redis.set(keys.lock('X'), 20_517);
    await enqueue('X', 'first', 'second');
  };

  test('is named first, and runs after the command that status names', async () => {
    await seedStuck();
    const status = await statusOf();
    expect(linesOf(status)).toEqual(['X: 2 jobs wait, lock 20,517 ≥ cap 200, 3 running → reaper rescue']);
    expect(status.queues[0]).toMatchObject({ type: 'X', running: 3, inProgress: 3, drift: 20_514, livePools: 1 });
    await create().rescue();
    expect(linesOf(await statusOf())).toEqual([]);
  });

  test('keeps its jobs from running, says explain', async () => {
    await seedStuck();
    const { blockers, places } = await create().explain('second');
    expect(blockers).toEqual([
      {
        code: 'blocked-by-lock',
        message: 'waits at position 2 in queue X, which is blocked: lock 20,517 ≥ cap 200, 3 running',
        command: 'reaper rescue',
      },
    ]);
    expect(places).toEqual([{ kind: 'queue', type: 'X', ahead: 1 }]);
  });

  test('is only busy if as many jobs run', async () => {
    await seedStuck();
    await redis.set(keys.maxConcurrency('X'), 3);
    await redis.set(keys.lock('X'), 3);
    expect(linesOf(await statusOf())).toEqual([]);
    expect((await create().explain('first')).blockers).toEqual([
      {
        code: 'at-cap',
        message: 'waits at position 1 in queue X, which runs as many jobs as its cap allows (3)',
        command: undefined,
      },
    ]);
  });

  test('that dead pools hold is named with them', async () => {
    await seedLive(['r1']);
    await seedPool(redis, 'dead', { heartbeat: second(-7_200), holds: new Map([['X', ['d1', 'd2']]]) });
    await redis.set(keys.maxConcurrency('X'), 3);
    await enqueue('X', 'a');
    expect(linesOf(await statusOf())).toEqual([
      'X: 1 job waits, lock 3 ≥ cap 3, 1 running → reaper rescue',
      'pool dead: dead, no heartbeat for 2 h, holds 2 entries → reaper rescue',
    ]);
    expect((await create().explain('d1')).blockers).toEqual([
      {
        code: 'held-by-dead-pool',
        message: 'is held by dead pool dead: a rescue requeues it',
        command: 'reaper rescue',
      },
    ]);
  });
});

test('counters that move while status reads them are no drift', async () => {
  await seedLive(['r1']);
  const client = opened.hold(redis.duplicate());
  const llen = client.llen.bind(client);
  // Between the lists and the counters, two jobs start.
  client.llen = (async (key: string) => {
    const length = await llen(key);
    if (key.endsWith(':inprogress') && (await redis.get(keys.lock('X'))) === '1') {
      await seedPool(redis, 'live', { heartbeat: second(), jobNames: 'X,Y', holds: new Map([['X', ['r2', 'r3']]]) });
    }
    return length;
  }) as typeof client.llen;
  const status = await statusOf({ redis: client });
  expect(status.queues[0]).toMatchObject({ lock: 3, inProgress: 3, running: 3, drift: 0, lockInfoDrift: 0 });
  expect(linesOf(status)).toEqual([]);
});

test('entries of dead pools do not run, whatever the counters say', async () => {
  await seedLive(['r1']);
  await seedPool(redis, 'dead', { heartbeat: second(-600), holds: new Map([['X', ['d1', 'd2']]]) });
  await redis.set(keys.lock('X'), 9);
  const { queues } = await statusOf();
  expect(queues[0]).toMatchObject({ type: 'X', inProgress: 3, running: 1, lock: 9, drift: 6 });
});

test('fields of lock_info that are wrong are drift, though their sum is right', async () => {
  await seedLive(['r1']);
  await redis.hset(keys.lockInfo('X'), { live: 2, gone: -1 });
  const { queues, problems } = await statusOf();
  expect(queues[0]).toMatchObject({ type: 'X', lock: 1, lockInfo: 1, drift: 0, lockInfoDrift: 2 });
  expect(problems.find(({ code }) => code === 'counter-drift')?.message).toBe('X: lock_info is off by 2');
});

test.each([
  ['lock', '', 1],
  ['lock', 'abc', 1],
  ['lock', '1.5', 1],
  ['lock', '1', 0],
  ['lock_info', '', 1],
  ['lock_info', ' 1', 1],
  ['lock_info', '1', 0],
] as const)('a %s of "%s" is a problem exactly if a rescue writes it', async (counter, text, broken) => {
  await seedLive(['r1']);
  if (counter === 'lock') await redis.set(keys.lock('X'), text);
  else await redis.hset(keys.lockInfo('X'), 'live', text);
  const { queues, problems } = await statusOf();
  expect(queues[0]).toMatchObject({ type: 'X', brokenCounters: broken });
  expect(problems.some(({ code }) => code === 'counter-drift')).toBe(broken === 1);
  expect((await create().rescue({ grace: 0, plan: true })).drift).toHaveLength(broken);
});

test('counters are read as the scripts read them: in digits, or as 0', async () => {
  await seedLive(['r1', 'r2']);
  await redis.set(keys.lock('X'), '0x10');
  await redis.hset(keys.lockInfo('X'), 'live', '0x10');
  const { queues } = await statusOf();
  expect(queues[0]).toMatchObject({ lock: 0, lockInfo: 0, inProgress: 2, drift: -2, lockInfoDrift: 2 });
  // These counters agree with the lists, for a reader that takes other texts than digits.
  await redis.set(keys.lock('X'), '0x2');
  await redis.hset(keys.lockInfo('X'), 'live', '2e0');
  expect((await statusOf()).queues[0]).toMatchObject({ lock: 0, lockInfo: 0, drift: -2, lockInfoDrift: 2 });
  await redis.hset(keys.lockInfo('X'), 'live', 2);
  expect((await statusOf()).queues[0]).toMatchObject({ lock: 0, lockInfo: 2, drift: -2, lockInfoDrift: 0 });
});

test('queues, pools and ages are shown', async () => {
  await seedLive(['r1', 'r2']);
  await redis.lpush(
    keys.queue('Y'),
    `{"name":"Y","id":"old","t":${second(-7_200)},"args":{"x":"${'x'.repeat(1_000_000)}"}}`,
  );
  await enqueue('Y', 'new');
  const { queues, pools, readAt } = await statusOf();
  expect(Math.abs(Date.parse(readAt) - Date.now())).toBeLessThan(3_600_000);
  expect(queues.map(({ type }) => type)).toEqual(['X', 'Y']);
  expect(queues[0]).toMatchObject({ queued: 0, oldestId: undefined, oldestAt: undefined, oldestAgeMs: undefined });
  const { oldestAt, oldestAgeMs } = queues[1] ?? {};
  expect(queues[1]).toMatchObject({ queued: 2, oldestId: 'old', livePools: 1 });
  expect(Date.parse(readAt) - Date.parse(oldestAt ?? '')).toBe(oldestAgeMs);
  expect(oldestAgeMs).toBeGreaterThan(7_100_000);
  expect(pools).toMatchObject([
    { pool: 'live', host: 'h', pid: 7, concurrency: 10, busy: 2, inProgress: 2, orphaned: 0, jobTypes: ['X', 'Y'] },
  ]);
});

test('a live pool that does not say which types it takes counts for each of them', async () => {
  await seedLive([]);
  await seedPool(redis, 'any', { heartbeat: second(), jobNames: '' });
  await enqueue('Y', 'a');
  await enqueue('Z', 'b');
  const { queues } = await statusOf();
  expect(queues.map(({ type, livePools }) => [type, livePools])).toEqual(
    expect.arrayContaining([
      ['Y', 2],
      ['Z', 1],
    ]),
  );
});

test.each([
  ['no JSON', 'x', undefined, undefined],
  ['no id', '{"t":5}', undefined, 5],
  ['no time', '{"id":"a"}', 'a', undefined],
  ['a time that is a text', '{"id":"a","t":"5"}', 'a', undefined],
  ['a negative time', '{"id":"a","t":-5}', 'a', undefined],
  ['a time that is too large', '{"id":"a","t":1e999}', 'a', undefined],
  ['a second time', '{"id":"a","t":5,"t":6}', 'a', 6],
  ['an execution of a policy', '{"id":"a","t":6.5,"args":{"_job_kind_periodic_":"7"}}', 'a@7', 6.5],
])('the oldest entry of a queue may be one with %s', async (_name, entry, oldestId, oldestAt) => {
  await redis.rpush(keys.queue('X'), '{"id":"new","t":9}', entry);
  expect(await scripts.run('read_queue', [keys.queue('X')])).toEqual({
    outcome: 'read',
    length: 2,
    oldestId,
    oldestAt,
  });
});

describe('jobs that wait for', () => {
  test('a paused type run after the command that status names', async () => {
    await seedLive([]);
    await enqueue('X', 'a');
    await redis.set(keys.paused('X'), 1);
    const status = await statusOf({ redis: `${server.url}/1` }).then(() => statusOf());
    expect(linesOf(status)).toEqual(['X: 1 job waits, the type is paused → redis-cli DEL t:jobs:X:paused']);
    expect((await create().explain('a')).blockers).toEqual([
      {
        code: 'type-paused',
        message: 'waits at position 1 in queue X, which is paused',
        command: 'redis-cli DEL t:jobs:X:paused',
      },
    ]);
  });

  test('a pool that takes them', async () => {
    await seedLive([]);
    await enqueue('Z', 'a');
    expect(linesOf(await statusOf())).toEqual(['Z: 1 job waits, no live pool takes it; start one that does']);
    expect((await create().explain('a')).blockers).toMatchObject([
      { code: 'no-live-pool', message: 'waits at position 1 in queue Z, which no live pool takes' },
    ]);
  });

  test('nothing but their turn', async () => {
    await seedLive(['r']);
    await enqueue('X', 'a', 'b');
    expect(linesOf(await statusOf())).toEqual([]);
    expect((await create().explain('b')).blockers).toEqual([
      { code: 'queued', message: 'waits at position 2 in queue X', command: undefined },
    ]);
  });
});

describe('entries of a live pool that look orphaned', () => {
  test('are those beyond its concurrency', async () => {
    await seedLive(['r1', 'r2'], { held: ['r1', 'r2', 'lost'], concurrency: 2 });
    expect(linesOf(await statusOf())).toEqual([
      'pool live: alive, holds 1 entry that no worker seems to run → reaper rescue',
    ]);
  });

  test('are those that rescue passes have seen unobserved for long enough', async () => {
    await seedLive(['r1'], { held: ['r1', 'lost'] });
    const options = { rescue: { orphanedAfter: 0, interval: '1h' } } as const;
    // No proof: the worker has not begun another job since.
    await create(options).rescue({ grace: 0 });
    expect(await redis.hlen(keys.unobserved('live'))).toBe(1);
    expect((await statusOf(options)).pools[0]?.orphaned).toBe(1);
    expect((await statusOf({ rescue: { interval: '1h' } })).pools[0]?.orphaned).toBe(0);
    await redis.hincrby(keys.workerRecords('live'), 'at', -7_300_000);
    for (const [field, text] of Object.entries(await redis.hgetall(keys.unobserved('live'))))
      await redis.hset(keys.unobserved('live'), field, text.replace(/^\d+/, '1'));
    const reaper = create(options);
    expect((await reaper.status()).pools[0]?.orphaned).toBe(0);
    reaper.reload({ rescue: { interval: '2h' } });
    expect((await reaper.status()).pools[0]?.orphaned).toBe(1);
    expect((await create().explain('lost')).blockers).toEqual([
      {
        code: 'held',
        message: 'is held by live pool live, and no worker is observed to run it',
        command: 'reaper rescue',
      },
    ]);
  });
});

test('entries of a pool whose workers never say what they run do not look orphaned', async () => {
  await seedLive([], { held: ['a'] });
  const options = { rescue: { orphanedAfter: 0, interval: '1h' } } as const;
  await create(options).rescue({ grace: 0 });
  expect(await redis.hlen(keys.unobserved('live'))).toBe(1);
  expect((await statusOf(options)).pools[0]?.orphaned).toBe(0);
});

test('jobs to repair are counted without those whose hook waits already', async () => {
  await seedLive([]);
  for (const id of ['a', 'b'])
    await seedJob(redis, id, { status: 'Success', web_hook_url: `${hookEndpoint.url}/503/x` });
  await redis.hset(keys.track, 'missing', 2);
  expect(linesOf(await statusOf())).toEqual([
    '3 of 3 tracked jobs to repair: 2 refire, 1 untrack → reaper sweep --plan',
  ]);
  await create({ hooks: { breakerThreshold: 1 } }).sweep();
  await redis.hset(keys.track, 'missing', 2);
  const status = await statusOf({ hooks: { breakerThreshold: 1 } });
  expect(status.tracked).toMatchObject({ byVerdict: { refire: 2, untrack: 1 }, refireWithHook: 2 });
  expect(linesOf(status)).toEqual([
    expect.stringMatching(
      new RegExp(
        `^${hookEndpoint.url}: circuit open for .* \\(\\d failures?, last 503\\), 2 hooks wait → reaper hooks list --endpoint ${hookEndpoint.url}$`,
      ),
    ),
    '1 of 3 tracked jobs to repair: 1 untrack → reaper sweep --plan',
  ]);
});

test('parked hooks of running jobs are not to repair by a sweep', async () => {
  await seedLive([]);
  await seedJob(redis, 'a', { web_hook_url: `${hookEndpoint.url}/400/x` });
  await create().sweep();
  expect(linesOf(await statusOf())).toEqual(['1 hook is parked: retry or drop it → reaper hooks']);
});

test('a Redis that refuses writes is named, and not written to', async () => {
  await redis.config('SET', 'maxmemory', '1');
  try {
    expect(linesOf(await statusOf())).toEqual([
      'no pass can run: Redis has no memory left (OOM): raise its maxmemory, or free some → reaper doctor',
    ]);
  } finally {
    await redis.config('SET', 'maxmemory', '0');
  }
  expect((await statusOf()).suspended).toBeUndefined();
  expect(await redis.dbsize()).toBe(0);
});

test('passes of a running reaper that are suspended are named with the reason', async () => {
  await redis.set(keys.probe, 'x');
  await redis.del(keys.probe);
  await redis.call('ACL', 'SETUSER', 'u', 'reset', 'on', '>p', '~*', '+@all', '-set');
  const reaper = create({ redis: server.url.replace('//', '//u:p@') });
  await reaper.rescue().catch(() => undefined);
  expect((await reaper.status()).suspended).toMatchObject({ code: 'redis-no-permission' });
  await redis.call('ACL', 'DELUSER', 'u');
});

test.each([[{}], [{ since: 'soon' }], [{ since: '1e999' }]])(
  'a lease without a time that can be read names its leader, and no time: %o',
  async (since) => {
    await redis.hset(keys.lease, { host: 'core-1:7', holder: 'x', until: Date.now() + 60_000, ...since });
    await redis.hset(keys.progress, { begun: 'x', ended: '1e999', scanned: 'x', total: '-', rescue_ended: '' });
    const { leader } = await statusOf();
    expect(leader).toEqual({
      ...{ host: 'core-1:7', isThisHost: false, isSweeping: false, scanned: 0, total: 0 },
      ...{ leaderSinceAt: undefined, sweepStartedAt: undefined, sweepEndedAt: undefined, rescueEndedAt: undefined },
    });
  },
);

describe('in an empty namespace', () => {
  const at = (db: number) => opened.hold(new Redis({ port: server.port, db }));

  test('other namespaces and databases that are in use are named, with the options to type', async () => {
    await redis.sadd('{t}:known_jobs', 'X');
    await at(4).hset('t:job_track:inprogress', 'a', 1);
    await at(5).sadd("it's:worker_pools", 'p');
    await at(6).set('other', 1);
    const { elsewhere, hint, problems } = await statusOf();
    const host = server.url.replace(/\/$/, '');
    expect(elsewhere.map(({ database, namespace, options }) => [database, namespace, options])).toEqual([
      [0, '{t}', "--namespace '{t}'"],
      [4, 't', `--redis ${host}/4`],
      [5, "it's", `--redis ${host}/5 --namespace 'it'\\''s'`],
    ]);
    expect(hint).toBe('namespace t is empty, but {t} is not: did you mean that one?');
    expect(problems.filter(({ code }) => code === 'namespace-elsewhere').map(({ command }) => command)).toEqual([
      "reaper status --namespace '{t}'",
      `reaper status --redis ${host}/4`,
      `reaper status --redis ${host}/5 --namespace 'it'\\''s'`,
    ]);
  });

  test('explain names them too, with the command, if it finds nothing about the job', async () => {
    await redis.sadd('{t}:known_jobs', 'X');
    await at(4).hset('t:job_track:inprogress', 'a', 1);
    const { elsewhere } = await create().explain('a');
    expect(elsewhere.map(({ hint, options }) => `${hint} ${options}`)).toEqual([
      "namespace t is empty, but {t} is not: did you mean that one? --namespace '{t}'",
      `namespace t is empty in database 0, but t in database 4 is not: did you mean that one? --redis ${server.url.replace(/\/$/, '')}/4`,
    ]);
    // Of two namespaces in use, the job may be in the other one.
    await redis.sadd(keys.knownJobs, 'X');
    expect((await create().explain('a')).elsewhere.map(({ hint }) => hint)).toEqual([
      'namespace {t} is in use too: did you mean that one?',
      'namespace t in database 4 is in use too: did you mean that one?',
    ]);
    await seedJob(redis, 'a');
    expect((await create().explain('a')).elsewhere).toEqual([]);
  });

  test('no password is named', async () => {
    await redis.call('ACL', 'SETUSER', 'u', 'reset', 'on', '>hunter2', '~*', '+@all');
    await at(4).sadd('t:known_jobs', 'X');
    const url = server.url.replace('//', '//u:hunter2@');
    const { elsewhere } = await statusOf({ redis: url });
    expect(elsewhere.map(({ options }) => options)).toEqual([`--redis 'redis://…@127.0.0.1:${server.port}/4'`]);
    await redis.call('ACL', 'DELUSER', 'u');
  });

  test('nothing is named if nothing is in use, or if jobs wait here', async () => {
    expect(await statusOf()).toMatchObject({ elsewhere: [], hint: undefined });
    await redis.sadd('{t}:known_jobs', 'X');
    await enqueue('X', 'a');
    expect((await statusOf()).elsewhere).toEqual([]);
    await redis.del(keys.queue('X'));
    await redis.sadd(keys.knownJobs, 'X');
    expect((await statusOf()).elsewhere).toEqual([]);
  });
});

describe('explain says of a job', () => {
  const blockersOf = async (id: string) =>
    (await create().explain(id)).blockers.map(({ code, message, command }) =>
      [code, message, ...(command === undefined ? [] : [command])].join('; '),
    );

  test('that runs, who runs it, and nothing else', async () => {
    await seedLive(['r1']);
    await seedJob(redis, 'r1');
    expect(await blockersOf('r1')).toEqual([
      expect.stringMatching(/^running; runs: a worker of pool live runs it since \S+Z, 1 min( \d s)? ago$/),
    ]);
  });

  test.each(['soon', '1e999', '-'])('that runs since a time that cannot be read, no time: %s', async (startedAt) => {
    await seedLive(['a']);
    await redis.hset(keys.worker('w-a'), 'started_at', startedAt);
    const { places } = await create().explain('a');
    expect(places.filter(({ kind }) => kind === 'observed')).toEqual([
      { kind: 'observed', pool: 'live', type: 'X', isPoolAlive: true },
    ]);
  });

  test('that has ended, that it has', async () => {
    await seedJob(redis, 'a', { status: 'Stopped' });
    expect(await blockersOf('a')).toEqual(['ended; has ended: Stopped']);
  });

  test('that has failed before and waits, first what it waits for', async () => {
    await seedLive([]);
    for (const [id, status] of [
      ['again', 'Error'],
      ['stopped', 'Stopped'],
    ] as const) {
      await seedJob(redis, id, { status });
      await enqueue('X', id);
    }
    expect(await blockersOf('again')).toEqual([
      expect.stringMatching(/^queued; waits at position \d in queue X$/),
      'ended; has ended: Error',
    ]);
    expect((await blockersOf('stopped'))[0]).toBe('ended; has ended: Stopped');
  });

  test('that its endpoint has seen end, that it has, and not that it is lost', async () => {
    const ack = JSON.stringify({ status: 'Success', revision: second(-100), check_in_at: 0 });
    await seedJob(redis, 'a', { age: 100, ack });
    expect(await blockersOf('a')).toEqual([
      'ended; has ended: its endpoint has confirmed Success; reaper sweep --plan',
    ]);
  });

  test('that waits in retry or scheduled, until when', async () => {
    await redis.zadd(keys.retry, second(3_600), entryOf('a'));
    await redis.zadd(keys.scheduled, second(-3_600), entryOf('b'));
    expect(await blockersOf('a')).toEqual([
      expect.stringMatching(/^retry; waits in retry until \S+Z, in (1 h|59 min.*)$/),
    ]);
    expect(await blockersOf('b')).toEqual([expect.stringMatching(/^scheduled; is scheduled for \S+Z, 1 h ago$/)]);
  });

  test('that is dead or in quarantine, since when, and how it is released', async () => {
    await redis.zadd(keys.dead, second(-3_600), entryOf('a'), second(-3_600), entryOf("it's"));
    await redis.hset(keys.quarantine, "it's", '{}');
    expect(await blockersOf('a')).toEqual([
      expect.stringMatching(/^dead; is among the dead jobs since \S+Z, 1 h ago: nothing runs it again$/),
    ]);
    expect(await blockersOf("it's")).toEqual([
      expect.stringMatching(/^quarantined; is in quarantine since .*; reaper quarantine release --id 'it'\\''s'$/),
    ]);
  });

  test('that is nowhere, where it was looked for', async () => {
    await seedJob(redis, 'a', { age: 100_000 });
    const places = 'workers, in-progress lists, scheduled, retry, dead, all queues';
    expect(await blockersOf('a')).toEqual([`nowhere; is lost: its entry is in none of ${places}; reaper sweep --plan`]);
    await redis.hdel(keys.track, 'a');
    expect(await blockersOf('a')).toEqual([`nowhere; is lost: its entry is in none of ${places}`]);
    await redis.set(keys.dead, 'no set');
    expect(await blockersOf('a')).toEqual([
      'nowhere; was not found, and a place in which it may be cannot be read; reaper doctor',
    ]);
  });

  test('that is a policy, that its executions run', async () => {
    await seedJob(redis, 'p', { kind: 'Periodic', status: 'Scheduled' });
    expect(await blockersOf('p')).toEqual(['periodic; is a policy: its executions run, each as a job of its own']);
  });

  test('that Redis does not know, that it is unknown', async () => {
    expect(await blockersOf('a')).toEqual([
      `unknown; is unknown: nothing in namespace t on 127.0.0.1:${server.port}/0 is about it`,
    ]);
  });

  test('in several places, all reasons, the nearest one first', async () => {
    await seedLive([]);
    await enqueue('X', 'a');
    await redis.set(keys.paused('X'), 1);
    await redis.set(keys.maxConcurrency('X'), 1);
    await redis.set(keys.lock('X'), 1);
    await redis.zadd(keys.dead, 5, entryOf('a'));
    expect((await create().explain('a')).blockers.map(({ code }) => code)).toEqual([
      ...['blocked-by-lock', 'type-paused', 'dead'],
    ]);
  });
});
