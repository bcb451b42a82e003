/**
 * Upstream's faults in what becomes of a pool, by their numbers. Each test runs upstream's rule on a state and shows the
 * fault, then ours on the same state and shows that it is absent.
 */
import type { Redis } from 'ioredis';
import { expect, test, vi } from 'vitest';
import { SimulatedClock } from 'xstate';
import type { Reaper, ReaperOptions } from '../../../src/index.ts';
import { createScripts } from '../../../src/io/redis/scripts.ts';
import { countTimers, createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, second, seedJob } from '../../support/jobs.ts';
import { createUpstream } from '../../support/upstream.ts';

const { server, redis, opened, upstream } = await redisFixture();

const create = (options: Partial<ReaperOptions> = {}): Reaper => opened.create({ redis: server.url, ...options });
const rescue = () => create().rescue({ grace: 0 });
const failing = (command: 'evalsha' | 'eval', before: (args: readonly unknown[]) => unknown): Redis =>
  opened.hold(intercept(redis, command, before));

const queue = 't:jobs:X';
const list = (pool: string) => `${queue}:${pool}:inprogress`;
const lock = () => redis.get(`${queue}:lock`);
const lockInfo = (pool: string) => redis.hget(`${queue}:lock_info`, pool);
const beat = async (pool: string, at = second()) => {
  await redis.sadd('t:worker_pools', pool);
  await redis.hset(`t:worker_pools:${pool}`, { heartbeat_at: at, job_names: 'X' });
};
/** A pool that has fetched one entry. */
const fetchOne = async (pool: string, entry = 'entry') => {
  await redis.lpush(queue, entry);
  expect(await upstream.fetch('X', pool)).toBe(entry);
};

test('defect 1: a pool that boots during a rescue pass keeps its running job', async () => {
  await fetchOne('boots');
  await upstream.reenqueue(['X'], () => beat('boots'));
  expect(await redis.lrange(queue, 0, -1)).toEqual(['entry']);

  await redis.flushall();
  await fetchOne('boots');
  const clock = new SimulatedClock();
  const timers = countTimers(clock);
  const ended = create({ clock }).rescue({ grace: 15_000 });
  await vi.waitUntil(() => timers(15_000) === 1);
  await beat('boots');
  clock.increment(15_000);
  expect(await ended).toMatchObject({ pools: { alive: 1 }, entries: 0 });
  expect(await redis.llen(list('boots'))).toBe(1);
  // The script that moves entries sees a heartbeat that is written after the last look.
  const ofPool = ['t:worker_pools', 't:worker_pools:boots'];
  const ofReaper = [
    't:reaper:recoveries',
    't:reaper:recovered',
    't:reaper:quarantine',
    't:dead',
    't:reaper:rescues:boots',
  ];
  const keys = [...ofPool, ...ofReaper, list('boots'), queue, `${queue}:lock`, `${queue}:lock_info`];
  const args = ['boots', 10_000, '', 100, 3, 86_400, '', 'X'];
  expect(await createScripts(redis).run('requeue', keys, args)).toEqual({ outcome: 'alive' });
  expect(await redis.llen(queue)).toBe(0);
});

test('defect 2: a job that a falsely dead pool finishes does not let a second one past the cap', async () => {
  await redis.set(`${queue}:max_concurrency`, 1);
  await fetchOne('slow');
  await upstream.requeue('slow', ['X']);
  await upstream.finish('X', 'slow', 'entry');
  expect(await lock()).toBe('-1');
  await redis.lpush(queue, 'another');
  await beat('alive');
  expect([await upstream.fetch('X', 'alive'), await upstream.fetch('X', 'alive')]).toEqual(['entry', 'another']);

  await redis.del(list('alive'), `${queue}:lock_info`);
  await redis.set(`${queue}:lock`, -1);
  await redis.lpush(queue, 'entry', 'another');
  await rescue();
  expect(await lock()).toBe('0');
  expect([await upstream.fetch('X', 'alive'), await upstream.fetch('X', 'alive')]).toEqual(['entry', null]);
});

test('defect 3: no order of requeues makes a counter negative or raises it', async () => {
  const seed = async () => {
    await redis.flushall();
    await beat('alive');
    await fetchOne('alive', 'held');
    await redis.rpush(list('dead'), 'lost');
  };
  await seed();
  await upstream.requeue('dead', ['X']);
  expect([await lock(), await lockInfo('dead')]).toEqual(['0', '-1']);
  await redis.set(`${queue}:lock`, 1);
  await upstream.staleLocks('dead', ['X']);
  expect(await lock()).toBe('2');

  for (const isRequeuedFirst of [false, true]) {
    await seed();
    if (isRequeuedFirst) await upstream.requeue('dead', ['X']);
    await rescue();
    expect([await lock(), await lockInfo('dead'), await lockInfo('alive')]).toEqual(['1', null, '1']);
  }
});

test('defect 4: the surplus of a dead pool is subtracted and its field removed', async () => {
  const seed = async () => {
    await redis.flushall();
    await redis.mset(`${queue}:lock`, 5, `${queue}:max_concurrency`, 3);
    await redis.hset(`${queue}:lock_info`, 'dead', 5);
    await redis.rpush(list('dead'), 'entry');
  };
  await seed();
  for (let i = 0; i < 2; i++) await upstream.reenqueue(['X']);
  expect([await lock(), await lockInfo('dead')]).toEqual(['4', '4']);
  expect(await upstream.fetch('X', 'alive')).toBeNull();

  await seed();
  await rescue();
  expect([await lock(), await lockInfo('dead')]).toEqual(['0', null]);
  expect(await upstream.fetch('X', 'alive')).toBe('entry');
});

test('defect 5: a pool that a killed reaper has left half done is found again', async () => {
  await redis.sadd('t:known_jobs', 'X');
  await redis.set(`${queue}:lock`, 2);
  await redis.hset(`${queue}:lock_info`, 'dead', 2);
  await beat('dead', second(-60));
  await upstream.reapPools(['X'], { isKilled: true });
  await upstream.reapPools(['X']);
  await upstream.reenqueue(['X']);
  expect([await lock(), await lockInfo('dead')]).toEqual(['2', '2']);

  await rescue();
  expect([await lock(), await lockInfo('dead')]).toEqual(['0', null]);
});

test('defect 6: entries of a pool without a heartbeat, of an unknown type, are requeued', async () => {
  await fetchOne('dead');
  await redis.sadd('t:worker_pools', 'dead');
  await upstream.reapPools(['X']);
  for (let i = 0; i < 2; i++) {
    await upstream.reapPools(['X']);
    await upstream.reenqueue(['X', 'Y']);
  }
  expect([await redis.llen(list('dead')), await redis.llen(queue), await redis.exists(`${queue}:lock_info`)]).toEqual([
    1, 0, 0,
  ]);

  expect(await redis.scard('t:known_jobs')).toBe(0);
  await rescue();
  expect([await redis.llen(list('dead')), await redis.lrange(queue, 0, -1)]).toEqual([0, ['entry']]);
});

test('defect 7: an entry whose fetch got no reply is requeued although its pool lives', async () => {
  const entry = JSON.stringify({ name: 'X', id: 'lost', t: second(-60), args: {} });
  const seed = async () => {
    await redis.flushall();
    await redis.set(`${queue}:max_concurrency`, 1);
    await seedJob(redis, 'lost', { status: 'Pending' });
    await fetchOne('alive', entry); // The reply is lost: no worker has the job.
    await beat('alive');
    await redis.hset('t:worker_pools:alive', 'worker_ids', 'w1,w2');
    await redis.lpush(queue, 'next');
  };
  await seed();
  for (let i = 0; i < 2; i++) {
    await upstream.reapPools(['X']);
    await upstream.reenqueue(['X']);
  }
  expect(await upstream.fetch('X', 'alive')).toBeNull();

  await seed();
  // The observation of another worker shows that this pool writes observations.
  await redis.hset('t:worker:w1', { job_name: 'Y', job_id: 'other', started_at: second(), args: '' });
  const clock = new SimulatedClock();
  const timers = countTimers(clock);
  const ended = create({ clock }).rescue();
  await vi.waitUntil(() => timers(30_000) === 1);
  expect(await redis.lrange(list('alive'), 0, -1)).toEqual([entry]);
  clock.increment(30_000);
  expect(await ended).toMatchObject({ orphaned: 1, drift: [] });
  expect([await lock(), await lockInfo('alive'), await redis.llen(list('alive'))]).toEqual(['0', '0', 0]);
  expect([await upstream.fetch('X', 'alive'), await upstream.fetch('X', 'alive')]).toEqual(['next', null]);
  await upstream.finish('X', 'alive', 'next');
  expect(await upstream.fetch('X', 'alive')).toBe(entry);
});

test('defect 8: the clock of a host does not decide whether a pool lives', async () => {
  const seed = async () => {
    await redis.flushall();
    await fetchOne('alive');
    await beat('alive');
  };
  await seed();
  await upstream.reapPools(['X'], { now: second(15) });
  expect(await redis.llen(queue)).toBe(1);

  await seed();
  const clock = new SimulatedClock();
  clock.set(Date.now() + 3_600_000);
  await create({ clock }).rescue({ grace: 0 });
  expect([await redis.llen(queue), await redis.llen(list('alive'))]).toEqual([0, 1]);
});

test('defect 9: a pool that dies later is rescued without a restart, and a stop takes effect at once', async () => {
  /** Upstream's start: one look after 5 s, which no shutdown cancels. */
  const startUpstream = (clock: SimulatedClock) => {
    let looks = 0;
    clock.setTimeout(() => upstream.reenqueue(['X']).then(() => looks++), 5_000);
    return () => looks;
  };
  const theirs = new SimulatedClock();
  const looks = startUpstream(theirs);
  theirs.increment(5_000);
  await vi.waitUntil(() => looks() === 1);
  await fetchOne('dead');
  theirs.increment(86_400_000);
  expect(looks()).toBe(1);
  expect(await redis.llen(list('dead'))).toBe(1);

  const clock = new SimulatedClock();
  const reaper = create({ clock });
  let rescues = 0;
  reaper.on('rescue', () => void rescues++);
  await redis.rename(list('dead'), 't:aside');
  await redis.del(`${queue}:lock_info`);
  const held = new Promise((resolve) => reaper.on('leader', resolve));
  reaper.start();
  await held;
  clock.increment(5_000);
  await vi.waitUntil(() => rescues === 1);
  await redis.rename('t:aside', list('dead'));
  await vi.waitUntil(
    async () => {
      clock.increment(1_000);
      return (await redis.llen(queue)) === 1;
    },
    { interval: 5 },
  );

  const early = create({ clock: new SimulatedClock() });
  early.start();
  await early.stop();
});

test('defect 10: a job that kills its worker kills three more pools, not all of them', async () => {
  const entry = '{"name":"X","id":"killer","t":1}';
  const hosts = ['h0', 'h1', 'h2', 'h3', 'h4', 'h5'];
  /** Each host fetches the job if it is queued, and dies of it. Then a rescue looks for its pool. */
  const takeTurns = async (look: () => Promise<unknown>) => {
    const died: string[] = [];
    for (const host of hosts) {
      await beat(host, second(-60));
      if ((await upstream.fetch('X', host)) === entry) died.push(host);
      await look();
    }
    return died;
  };
  await redis.lpush(queue, entry);
  expect(await takeTurns(() => upstream.reapPools(['X']))).toEqual(hosts);

  await redis.flushall();
  await redis.lpush(queue, entry);
  expect(await takeTurns(rescue)).toEqual(['h0', 'h1', 'h2', 'h3']);
  expect([await redis.llen(queue), await lock()]).toEqual([0, '0']);
  expect(JSON.parse((await redis.zrange('t:dead', '0', '-1'))[0] as string)).toMatchObject({ id: 'killer', fails: 1 });
});

test('defect 11: one error of Redis does not end the pass over the pools', async () => {
  const seed = async () => {
    await redis.flushall();
    for (const pool of ['dead1', 'dead2', 'dead3']) {
      await fetchOne(pool, pool);
      await beat(pool, second(-60));
    }
  };
  const once = () => {
    let calls = 0;
    return () => {
      if (calls++ === 0) throw new Error('LOADING Redis is loading the dataset in memory');
    };
  };
  await seed();
  await expect(createUpstream(failing('eval', once())).reapPools(['X'])).rejects.toThrow('LOADING');
  expect(await redis.llen(queue)).toBe(0);

  await seed();
  const summary = await create({ redis: failing('evalsha', once()) }).rescue({ grace: 0 });
  expect(summary).toMatchObject({ pools: { rescued: 3 }, entries: 3 });
  expect(await redis.llen(queue)).toBe(3);
});

test('defect 13: a live pool whose heartbeats Redis refuses for a while keeps its entries, a dead pool does not', async () => {
  const refuse = () => redis.replicaof('127.0.0.1', 1);
  const accept = () => redis.replicaof('NO', 'ONE');
  const seed = async () => {
    await redis.flushall();
    await redis.sadd('t:known_jobs', 'X');
    for (const pool of ['lives', 'dead']) {
      await fetchOne(pool, pool);
      await beat(pool, second(-60)); // The last one that Redis has taken from the live pool.
    }
    await refuse();
    await expect(beat('lives')).rejects.toThrow('READONLY');
  };
  await seed();
  await accept();
  await upstream.reapPools(['X']);
  expect(await redis.llen(list('lives'))).toBe(0);

  await seed();
  const clock = createTestClock();
  const timers = countTimers(clock);
  const reaper = create({ clock, role: 'always' });
  const suspended: (string | undefined)[] = [];
  const ends: Record<string, string> = {};
  reaper.on('rescue', (summary) => void suspended.push(summary.suspended?.message));
  reaper.on('pool', ({ pool, outcome }) => {
    ends[pool] = outcome;
  });
  reaper.start();
  clock.advance(5_000);
  await vi.waitUntil(() => suspended.length === 1);
  expect(suspended[0]).toContain('READONLY');
  await accept();
  clock.advance(10_000);
  await vi.waitUntil(() => timers(15_000) === 1); // Both are suspects, whose graces end together.
  // Writes are refused again, and accepted before the grace is over: only the live pool has noticed.
  await refuse();
  await expect(beat('lives')).rejects.toThrow('READONLY');
  await accept();
  clock.advance(15_000);
  await vi.waitUntil(() => timers(1_000) === 2); // Neither can be judged.
  clock.advance(1_000);
  await vi.waitUntil(() => timers(15_000) === 2);
  expect([await redis.llen(list('lives')), await redis.llen(list('dead'))]).toEqual([1, 1]);
  await beat('lives');
  await clock.until(() => ends.lives && ends.dead);
  expect(ends).toEqual({ lives: 'alive', dead: 'rescued' });
  expect([await redis.llen(list('lives')), await redis.lrange(queue, 0, -1)]).toEqual([1, ['dead']]);
});
