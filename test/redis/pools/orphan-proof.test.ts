import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createReaper, type OrphanOutcome, type Reaper, type RescueSummary } from '../../../src/index.ts';
import { createTestClock, type TestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';

// What proves that no worker of a live pool runs an entry, where an observation may have got lost, been evicted or expired.

const { server, opened, keys } = await redisFixture();
beforeEach(async () => {
  clock = createTestClock();
});

const list = keys.inProgress('X', 'p');
let clock: TestClock;
const enqueued = second(-900);
const entryOf = (id: string, more: object = {}) =>
  JSON.stringify({ name: 'X', id, t: enqueued, args: { n: 1 }, ...more });
const hold = async (entry: string, status: string | undefined, fields: Record<string, number | string> = {}) => {
  const { id } = JSON.parse(entry);
  if (status !== undefined) await seedJob(server.client, id, { status, ...fields });
  await server.client.rpush(list, entry);
  await server.client.incr(keys.lock('X'));
  await server.client.hincrby(keys.lockInfo('X'), 'p', 1);
};
const beat = async (workers = 'w1,w2', pool = 'p') => {
  await server.client.sadd(keys.pools, pool);
  await server.client.hset(keys.heartbeat(pool), { heartbeat_at: second(), job_names: 'X', worker_ids: workers });
};
const observe = (worker: string, id: string, started = second(), more: object = {}) =>
  server.client.hset(keys.worker(worker), { job_name: 'X', job_id: id, started_at: started, args: '', ...more });
const idle = (worker: string) => server.client.del(keys.worker(worker));
const queued = () => server.client.lrange(keys.queue('X'), 0, -1);

/** A rescue that only looks: who asks for no grace does not wait for a second look. */
const look = async (reaper: Reaper): Promise<RescueSummary> => {
  await beat();
  return reaper.rescue({ grace: 0 });
};
const create = (more: object = {}) => opened.create({ redis: server.url, clock, ...more });
/** Looks 10 s apart. */
const looks = async (reaper: Reaper, count: number) => {
  let summary = await look(reaper);
  for (let i = 1; i < count; i++) {
    clock.advance(10_000);
    summary = await look(reaper);
  }
  return summary;
};

describe.each([
  ['Running', 'Running'],
  ['Stopped', 'Stopped'],
  ['Error', 'Error'],
  ['no stats', undefined],
])('fault 132: an entry whose job has %s', (_, status) => {
  test('stays where it is, however long it is unobserved', async () => {
    await hold(entryOf('j'), status);
    await observe('w1', 'other');
    await observe('w2', 'another');
    expect(await looks(create(), 12)).toMatchObject({ orphaned: 0, undecided: 1, oldestUndecidedMs: 110_000 });
    expect([await queued(), await server.client.llen(list)]).toEqual([[], 1]);
  });

  test('goes back once each worker was seen at another job that it began later', async () => {
    await hold(entryOf('j'), status);
    await observe('w1', 'a');
    const reaper = create();
    await looks(reaper, 2);
    await observe('w1', 'b');
    expect(await looks(reaper, 3)).toMatchObject({ orphaned: 0, undecided: 1 });
    await observe('w2', 'c');
    // An observation that is gone by now was seen all the same.
    await look(reaper);
    await idle('w2');
    expect(await queued()).toEqual([entryOf('j')]);
    expect(await server.client.get(keys.lock('X'))).toBe('0');
  });

  test('stays if a worker was observed with no other job, with one that it began before, or with this one', async () => {
    await hold(entryOf('j'), status);
    await observe('w1', 'a', second(-50));
    await observe('w2', 'b', second(-50));
    const reaper = create();
    await looks(reaper, 2);
    await observe('w1', 'c');
    await looks(reaper, 1);
    // The write of an older observation comes late; w2 has not begun anything since.
    await observe('w2', 'older', second(-90));
    expect(await looks(reaper, 5)).toMatchObject({ orphaned: 0, undecided: 1 });
    await observe('w2', 'j');
    expect(await looks(reaper, 1)).toMatchObject({ orphaned: 0, undecided: 0 });
    await idle('w2');
    // It was seen to be run: what was seen before counts no longer.
    expect(await looks(reaper, 6)).toMatchObject({ orphaned: 0, undecided: 1 });
  });
});

test('fault 132: the late write of a job that began before the entry was run proves nothing', async () => {
  await hold(entryOf('j'), 'Running', { update_time: second(-40) });
  const reaper = create();
  await looks(reaper, 2);
  await observe('w1', 'a', second(-50));
  await observe('w2', 'b');
  expect(await looks(reaper, 5)).toMatchObject({ orphaned: 0, undecided: 1 });
  await observe('w1', 'c', second(-30));
  clock.advance(10_000);
  expect(await looks(reaper, 1)).toMatchObject({ orphaned: 1 });
});

test('fault 132: one process and new ones decide alike, in the same pass', async () => {
  for (const isFresh of [false, true]) {
    await server.client.flushall();
    clock = createTestClock();
    await hold(entryOf('j'), 'Running');
    await observe('w1', 'a');
    let reaper = create();
    const lost: number[] = [];
    for (let i = 0; i < 6; i++) {
      if (i === 1) await observe('w1', 'b');
      if (i === 4) await observe('w2', 'c');
      if (isFresh) reaper = create();
      lost.push((await look(reaper)).orphaned);
      clock.advance(10_000);
    }
    expect(lost).toEqual([0, 0, 0, 0, 1, 0]);
  }
});

test('fault 111: a cut of the connection of the reaper changes nothing of what it decides', async () => {
  const old = entryOf('j', { t: second(-9_000) });
  await hold(old, 'Running');
  await observe('w1', 'a');
  const reaper = create();
  const cut = () => server.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  /** The first look after a cut may fail with the connection. */
  const lookAgain = () => vi.waitFor(() => look(reaper), 20_000);
  await look(reaper);
  await cut();
  clock.advance(15_000);
  await observe('w1', 'b');
  await observe('w2', 'c');
  await lookAgain();
  await cut();
  clock.advance(15_000);
  await lookAgain();
  expect([await queued(), await server.client.get(keys.lock('X'))]).toEqual([[old], '0']);
});

test('fault 149: an observation that was refused, evicted or expired before this reaper began keeps its job', async () => {
  await hold(entryOf('refused'), 'Running');
  await hold(entryOf('expired'), 'Running');
  await observe('w1', 'expired');
  const first = create();
  await looks(first, 2);
  await idle('w1');
  expect(await looks(create(), 8)).toMatchObject({ orphaned: 0, undecided: 2 });
  // Nor does it help where Redis was started again, or forgot what we know.
  await server.client.del(keys.workerRecords('p'), keys.unobserved('p'));
  await observe('w1', 'a');
  await observe('w2', 'b');
  expect(await looks(create(), 8)).toMatchObject({ orphaned: 0, undecided: 2 });
  expect(await queued()).toEqual([]);
});

test('fault 132: records of another process of Redis, or of a time to come, are void', async () => {
  for (const change of [{ run: 'other' }, { at: Date.now() + 3_600_000 }]) {
    await server.client.flushall();
    await hold(entryOf('j'), 'Pending');
    await server.client.zadd(keys.observed, second(), 'p');
    const reaper = create();
    await looks(reaper, 3);
    await server.client.hset(keys.workerRecords('p'), change);
    clock.advance(10_000);
    expect(await look(reaper)).toMatchObject({ orphaned: 0 });
    expect(await looks(reaper, 3)).toMatchObject({ orphaned: 0 });
    clock.advance(10_000);
    expect(await look(reaper)).toMatchObject({ orphaned: 1 });
  }
});

test('fault 132: a sign of life of the job starts the wait again', async () => {
  await hold(entryOf('j'), 'Running');
  const reaper = create();
  await looks(reaper, 2);
  await observe('w1', 'a');
  await observe('w2', 'b');
  await look(reaper);
  await server.client.hset(keys.stats('j'), 'check_in_at', second());
  clock.advance(10_000);
  expect(await looks(reaper, 8)).toMatchObject({ orphaned: 0, undecided: 1 });
});

test('fault 132: the Error of the attempt before is not a run; the Error of this one is', async () => {
  const failedAt = second(-300);
  await hold(entryOf('before', { fails: 1, err: 'x', failed_at: failedAt }), 'Error', { update_time: failedAt + 1 });
  await hold(entryOf('this', { fails: 1, err: 'x', failed_at: failedAt }), 'Error', { update_time: failedAt + 60 });
  await hold(entryOf('first'), 'Error', { update_time: failedAt });
  await server.client.zadd(keys.observed, second(), 'p');
  expect(await looks(create(), 4)).toMatchObject({ orphaned: 1, undecided: 2 });
  expect((await queued()).map((entry) => JSON.parse(entry).id)).toEqual(['before']);
});

describe('fault 132: stats from before the last recovery', () => {
  const recover = (id: string, age: number) =>
    server.client.hset(keys.recoveries, id, JSON.stringify([[second(-age), 'dead', '1']]));

  test.each([
    ['Running', 600, 600, 300, 1],
    ['Error', 600, 600, 300, 1],
    ['Running', 600, 200, 300, 0], // a check-in or another update since
    ['Running', 200, 600, 300, 0], // another attempt since
    ['Running', 305, 305, 300, 0], // the clock of the host may be behind by as much as its heartbeat is old
  ])('%s, revision %i s and update %i s old, recovered %i s ago: %i', async (status, revision, updated, age, lost) => {
    await hold(entryOf('j'), status, { revision: second(-revision), update_time: second(-updated) });
    await recover('j', age);
    await server.client.zadd(keys.observed, second(), 'p');
    const reaper = create();
    for (let i = 0; i < 4; i++) {
      await beat();
      await server.client.hset(keys.heartbeat('p'), 'heartbeat_at', second(-8));
      expect((await reaper.rescue({ grace: 0 })).orphaned).toBe(i === 3 ? lost : 0);
      clock.advance(10_000);
    }
  });

  test('of an entry that was there before that recovery prove nothing', async () => {
    await hold(entryOf('j'), 'Running', { revision: second(-600), update_time: second(-600) });
    await server.client.zadd(keys.observed, second(), 'p');
    const reaper = create();
    await look(reaper);
    await recover('j', -20);
    expect(await looks(reaper, 6)).toMatchObject({ orphaned: 0, undecided: 1 });
  });
});

test('fault 132: entries of one id in a list, and executions of one policy, are judged separately', async () => {
  const run = (epoch: string) => entryOf('policy', { args: { _job_kind_periodic_: epoch } });
  await hold(run('100'), undefined);
  await hold(run('200'), undefined);
  await seedJob(server.client, 'policy@100', { status: 'Running' });
  await seedJob(server.client, 'policy@200', { status: 'Pending' });
  await hold(entryOf('twice'), 'Running');
  await hold(entryOf('twice', { unique: true }), undefined);
  await observe('w1', 'twice');
  expect(await looks(create(), 4)).toMatchObject({ orphaned: 1, undecided: 1 });
  expect(await queued()).toEqual([run('200')]);
});

test('fault 132: the script decides by what is in Redis now, not by what the pass has read', async () => {
  await hold(entryOf('j'), 'Pending');
  await server.client.zadd(keys.observed, second(), 'p');
  const client = opened.hold(server.client.duplicate());
  const run = client.evalsha.bind(client);
  let scripts = 0;
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of a command
  (client as any).evalsha = async (...args: any[]) => {
    if (args.includes(keys.queue('X')) && args.includes(keys.workerRecords('p'))) {
      scripts += 1;
      await server.client.hset(keys.stats('j'), { status: 'Running', revision: second(), update_time: second() });
    }
    return (run as (...all: unknown[]) => Promise<unknown>)(...args);
  };
  expect(await looks(create({ redis: client }), 4)).toMatchObject({ orphaned: 0, undecided: 0 });
  expect([scripts > 0, await queued()]).toEqual([true, []]);
});

test('fault 132: unusable records are named, and do not affect other pools', async () => {
  await hold(entryOf('j'), 'Pending');
  await server.client.set(keys.workerRecords('p'), 'no hash');
  await beat('w9', 'q');
  await server.client.rpush(keys.inProgress('X', 'q'), entryOf('k'));
  await seedJob(server.client, 'k', { status: 'Pending' });
  await server.client.zadd(keys.observed, second(), 'p', second(), 'q');
  const reaper = create();
  const faults: string[] = [];
  reaper.on('error', ({ message }) => faults.push(message));
  for (let i = 0; i < 4; i++) {
    await beat('w9', 'q');
    await look(reaper);
    clock.advance(10_000);
  }
  expect((await queued()).map((entry) => JSON.parse(entry).id)).toEqual(['k']);
  expect(faults[0]).toContain(`WRONGTYPE ${keys.workerRecords('p')} holds a string`);
});

test('fault 132: a plan starts from the records in Redis, and reports what a rescue would do', async () => {
  await hold(entryOf('j'), 'Running');
  await observe('w1', 'a');
  await look(create());
  clock.advance(15_000);
  await observe('w1', 'b');
  await observe('w2', 'c');
  await look(create());
  clock.advance(15_000);
  await beat();
  const before = await server.client.hgetall(keys.workerRecords('p'));
  const planner = create({ plan: true });
  expect(await planner.rescue({ grace: 0 })).toMatchObject({ plan: true, orphaned: 1 });
  expect(await server.client.hgetall(keys.workerRecords('p'))).toEqual(before);
  expect(await queued()).toEqual([]);
  expect(await look(create())).toMatchObject({ orphaned: 1 });
});

test('what is kept of a pool expires, and of an entry that is gone nothing is kept', async () => {
  await hold(entryOf('j'), 'Running');
  const reaper = create();
  await look(reaper);
  expect(await server.client.hlen(keys.unobserved('p'))).toBe(1);
  for (const key of [keys.unobserved('p'), keys.workerRecords('p')]) {
    expect(await server.client.ttl(key)).toBeGreaterThan(86_000);
  }
  await server.client.del(list);
  await look(reaper);
  expect(await server.client.exists(keys.unobserved('p'))).toBe(0);
});

describe('fault 133: a Success older than a minute', () => {
  const stale = async (age: number, more: object = {}) => {
    await hold(entryOf('j'), 'Success', { age, ...more });
    await observe('w1', 'j', second(-age - 5));
    await server.client.set('t:jobs:X:max_concurrency', 1);
  };
  const stands = async () => [await server.client.llen(list), await server.client.exists(keys.worker('w1'))];

  test('ends its entry as a finish would, with the observation that named it', async () => {
    await stale(480);
    const reaper = create();
    const events: unknown[] = [];
    reaper.on('orphan', (entry) => events.push(entry));
    expect(await look(reaper)).toMatchObject({ finished: 1, orphaned: 0, drift: [] });
    expect(events).toEqual([
      { outcome: 'removed', id: 'j', type: 'X', pool: 'p', endedMs: expect.any(Number), plan: false },
    ]);
    expect([await stands(), await queued()]).toEqual([[0, 0], []]);
    expect([await server.client.get(keys.lock('X')), await server.client.hget(keys.lockInfo('X'), 'p')]).toEqual([
      '0',
      '0',
    ]);
    expect(await look(reaper)).toMatchObject({ finished: 0 });
  });

  test('ends it without an observation too, and leaves one of another job', async () => {
    await stale(480);
    await observe('w1', 'other');
    expect(await look(create())).toMatchObject({ finished: 1 });
    expect(await stands()).toEqual([0, 1]);
  });

  test('of an execution of a policy ends that one', async () => {
    const run = entryOf('policy', { args: { _job_kind_periodic_: '100' } });
    await hold(run, undefined);
    await seedJob(server.client, 'policy@100', { status: 'Success' });
    await observe('w1', 'policy', second(-700), { args: '{"_job_kind_periodic_":"100"}' });
    await observe('w2', 'policy', second(-700), { args: '{"_job_kind_periodic_":"200"}' });
    expect(await look(create())).toMatchObject({ finished: 1 });
    expect([await stands(), await server.client.exists(keys.worker('w2'))]).toEqual([[0, 0], 1]);
  });

  test.each([
    ['younger than a minute', 'Success', 40],
    ['ahead of the clock', 'Success', -600],
    ['of a job that was stopped', 'Stopped', 480],
    ['of a job that failed', 'Error', 480],
    ['of a job that runs', 'Running', 480],
  ])('is not one that is %s', async (_, status, age) => {
    await stale(age, { status });
    expect(await looks(create(), 5)).toMatchObject({ finished: 0, orphaned: 0, undecided: 0 });
    expect(await stands()).toEqual([1, 1]);
  });

  test('that is another one by the time of the script, or of a pool that is not seen to live, ends nothing', async () => {
    await stale(480);
    const reaper = create();
    await server.client.hset(keys.stats('j'), 'update_time', 'no number');
    expect(await look(reaper)).toMatchObject({ finished: 0 });
    await seedJob(server.client, 'j', { status: 'Success', age: 480 });
    await beat();
    await server.client.srem(keys.pools, 'p');
    expect(await reaper.rescue({ plan: true, grace: 0 })).toMatchObject({ finished: 0 });
    expect(await stands()).toEqual([1, 1]);
  });

  test('is only counted in a plan', async () => {
    await stale(480);
    const planner = create({ plan: true });
    const entries: unknown[] = [];
    planner.on('orphan', (entry) => entries.push(entry));
    await beat();
    expect(await planner.rescue({ grace: 0 })).toMatchObject({ finished: 1 });
    expect(entries).toMatchObject([{ plan: true }]);
    expect([await stands(), await server.client.get(keys.lock('X'))]).toEqual([[1, 1], '1']);
  });
});

test('two rescues by processes of their own, 30 s apart, decide like one', async () => {
  await hold(entryOf('j'), 'Pending');
  await server.client.zadd(keys.observed, second(), 'p');
  const run = async () => {
    await beat();
    const reaper = createReaper({ redis: server.url, namespace: 't', logger: false, clock });
    const orphans: OrphanOutcome[] = [];
    reaper.on('orphan', (entry) => orphans.push(entry));
    await reaper.rescue({ grace: 0 });
    await reaper.stop();
    return orphans;
  };
  expect(await run()).toEqual([]);
  clock.advance(30_000);
  expect(await run()).toEqual([
    { outcome: 'requeued', id: 'j', type: 'X', pool: 'p', unobservedMs: 30_000, plan: false },
  ]);
});

test('fault 149: without the right to INFO nothing is proven, for a restart would not be seen; the pool is named', async () => {
  await server.client.acl('SETUSER', 'blind', 'on', '>pw', '~*', '+@all', '-info');
  await hold(entryOf('j'), 'Pending');
  await server.client.zadd(keys.observed, second(), 'p');
  const warnings: string[] = [];
  const quiet = () => undefined;
  const logger = {
    debug: quiet,
    info: quiet,
    error: quiet,
    warn: (what: unknown) => void warnings.push(JSON.stringify(what)),
  };
  const blind = { redis: server.url.replace('redis://', 'redis://blind:pw@'), logger };
  for (const options of [blind, { ...blind, plan: true }]) {
    expect(await looks(create(options), 5)).toMatchObject({ orphaned: 0, undecided: 1 });
  }
  expect(warnings.filter((text) => text.includes('INFO'))).toHaveLength(2);
  // What such a user has noted proves nothing to another one either.
  expect(await looks(create(), 1)).toMatchObject({ orphaned: 0 });
  expect(await queued()).toEqual([]);
  await server.client.acl('DELUSER', 'blind');
});

test.each([keys.stats('j'), keys.worker('w1')])(
  'fault 108: %s of the wrong type is named where it keeps an entry from being judged',
  async (key) => {
    await hold(entryOf('j'), 'Pending');
    await server.client.zadd(keys.observed, second(), 'p');
    await server.client.del(key);
    await server.client.set(key, 'no hash');
    const left: unknown[] = [];
    const quiet = () => undefined;
    const logger = { debug: quiet, info: quiet, error: quiet, warn: (what: unknown) => void left.push(what) };
    expect(await looks(create({ logger }), 5)).toMatchObject({ orphaned: 0, undecided: 1 });
    expect(left).toMatchObject([{ skipped: { id: 'j', reason: expect.stringContaining(`${key}: holds a string`) } }]);
  },
);
