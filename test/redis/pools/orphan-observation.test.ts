/** What several passes over live and suspected pools remember and forget. An entry in doubt stays where it is. */
import type { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import type { SkippedOrphan } from '../../../src/io/pools/orphanJudge.ts';
import { createOrphans, type OrphanPass } from '../../../src/io/pools/orphans.ts';
import { createPools } from '../../../src/io/pools/rescue.ts';
import { createSuspects } from '../../../src/io/pools/suspects.ts';
import { createScripts, FencedError, type Scripts } from '../../../src/io/redis/scripts.ts';
import { createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';

const { redis, opened, connection, keys, scripts } = await redisFixture();

const connectionOf = (client: Redis) => ({ ...connection, redis: client });
/** Enqueued after the start of this Redis, which may have started in this second. */
const fresh = second(60);
const entryOf = (id: string, args = {}) => JSON.stringify({ name: 'X', id, t: fresh, args });
/** Writes entries of jobs that no worker has begun into the list of the live pool p. */
const hold = async (...entries: string[]) => {
  const pipeline = redis.pipeline();
  for (const entry of entries) {
    const { id, args } = JSON.parse(entry);
    const epoch = args?._job_kind_periodic_;
    await seedJob(redis, epoch === undefined ? id : `${id}@${epoch}`, { status: 'Pending' });
    pipeline.rpush(keys.inProgress('X', 'p'), entry);
  }
  await pipeline.exec();
  await redis.set(keys.lock('X'), entries.length);
  await redis.hset(keys.lockInfo('X'), 'p', entries.length);
};
const observe = (worker: string, id: string) =>
  redis.hset(keys.worker(worker), { job_name: 'X', job_id: id, started_at: second(), args: '' });

/** Passes over the pool p, one after the other. */
const createPasses = (client = redis) => {
  const clock = createTestClock();
  const scripts = createScripts(client);
  const skipped: SkippedOrphan[] = [];
  const calls: string[] = [];
  const taken: string[] = [];
  const orphans = createOrphans({
    connection: connectionOf(client),
    keys,
    scripts: {
      run(name: Parameters<Scripts['run']>[0], ...rest) {
        calls.push(name);
        return scripts.run(name, ...rest);
      },
      plan(name: Parameters<Scripts['plan']>[0], ...rest) {
        calls.push(name);
        return scripts.plan(name, ...rest);
      },
    } as Scripts,
    heartbeatAge: 10_000,
    orphanedAfter: 30_000,
    batch: 500,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    quarantine: {
      addOrphan: async (_, _type, id) => {
        taken.push(id);
        return { outcome: 'quarantined' };
      },
      keysFor: async () => [],
    },
    clock,
    onSkipped: (what) => skipped.push(what),
  });
  return {
    skipped,
    calls,
    taken,
    advance: clock.advance,
    async run({ isLive = true, ...more }: Partial<OrphanPass> & { isLive?: boolean } = {}) {
      await redis.sadd(keys.pools, 'p');
      await redis.hset(keys.heartbeat('p'), { heartbeat_at: second(), job_names: 'X', worker_ids: 'w1,w2' });
      const live = isLive ? [{ pool: 'p', workerIds: ['w1', 'w2'], types: ['X'] }] : [];
      return orphans.requeue(live, { plan: false, ...more });
    },
  };
};

describe('orphaned entries', () => {
  test('a plan names the jobs that would be quarantined, and quarantines none', async () => {
    await hold(entryOf('poison'));
    await observe('w1', 'other');
    const deaths = [1, 2, 3].map((n) => [second(-3_600 + n), `p${n}`, second(-3_700)]);
    await redis.hset(keys.recoveries, 'poison', JSON.stringify(deaths));
    const passes = createPasses();
    await passes.run({ plan: true });
    passes.advance(30_000);
    expect(await passes.run({ plan: true })).toMatchObject({
      orphaned: [],
      poison: [{ id: 'poison', type: 'X', pool: 'p' }],
    });
    expect(passes.taken).toEqual([]);
    await passes.run();
    passes.advance(30_000);
    expect(await passes.run()).toMatchObject({ orphaned: [], poison: [{ id: 'poison' }] });
    expect(passes.taken).toEqual(['poison']);
  });

  test('a user without INFO waits for no second pass, and the skipped pool is reported once', async () => {
    await redis.call('ACL', 'SETUSER', 'some', 'on', '>pass', '~*', '+@all', '-info');
    const client = redis.duplicate({ username: 'some', password: 'pass' });
    client.on('error', () => undefined);
    opened.hold(client);
    await hold(entryOf('a'));
    await redis.rpush(keys.inProgress('X', 'p'), 'no JSON');
    await observe('w1', 'other');
    const passes = createPasses(client);
    expect(await passes.run()).toMatchObject({ orphaned: [], undecided: 2, dueInMs: undefined });
    passes.advance(30_000);
    expect(await passes.run()).toMatchObject({ orphaned: [], undecided: 2, dueInMs: undefined });
    expect(passes.skipped).toEqual([{ pool: 'p', reason: expect.stringContaining('may not run INFO') }]);
    expect(await redis.llen(keys.inProgress('X', 'p'))).toBe(2);
    await redis.call('ACL', 'DELUSER', 'some');
  });

  test('a pass over other pools forgets nothing that a plan remembers', async () => {
    const plan = { plan: true };
    const elsewhere = { ...plan, isScoped: true, isLive: false };
    const passes = createPasses();
    await hold(entryOf('a'));
    await passes.run(plan);
    passes.advance(30_000);
    await passes.run(elsewhere);
    expect(await passes.run(plan)).toMatchObject({ unobserved: ['p'] });
    await observe('w1', 'other');
    await passes.run(plan);
    await redis.del(keys.worker('w1'));
    await passes.run(elsewhere);
    await passes.run(plan);
    passes.advance(30_000);
    expect(await passes.run(plan)).toMatchObject({ unobserved: [] });
  });

  test('a pass over other pools has no skipped pool reported again', async () => {
    const passes = createPasses();
    await hold(entryOf('a'));
    await passes.run();
    passes.advance(30_000);
    await passes.run();
    await passes.run({ isScoped: true, isLive: false });
    await passes.run();
    expect(passes.skipped).toEqual([{ pool: 'p', reason: expect.stringContaining('never said') }]);
  });

  test('after another host has taken over, no further entry is tried', async () => {
    await hold(...['a', 'b', 'c'].map((id) => entryOf(id)));
    await observe('w1', 'other');
    const passes = createPasses();
    await passes.run();
    passes.advance(30_000);
    const { orphaned, error } = await passes.run({ fence: { lease: 't:reaper:lease:rescue', token: '7' } });
    expect([orphaned, error]).toEqual([[], new FencedError().message]);
    expect(passes.calls.filter((name) => name === 'requeue_orphan')).toHaveLength(1);
    expect(await redis.llen(keys.inProgress('X', 'p'))).toBe(3);
  });

  test('a periodic execution that may have been observed until now starts its wait again', async () => {
    await hold(entryOf('policy', { _job_kind_periodic_: '7' }));
    await observe('w1', 'policy');
    const passes = createPasses();
    await passes.run();
    passes.advance(30_000);
    await passes.run();
    await observe('w1', 'other');
    expect(await passes.run()).toMatchObject({ orphaned: [], dueInMs: 30_000 });
    passes.advance(30_000);
    expect(await passes.run()).toMatchObject({ orphaned: [{ id: 'policy@7' }] });
  });

  test('the next pass is due when the last waiting entry is due', async () => {
    await hold(entryOf('a'));
    await observe('w1', 'other');
    const passes = createPasses();
    await passes.run();
    passes.advance(10_000);
    await hold(entryOf('b'));
    expect(await passes.run()).toMatchObject({ orphaned: [], dueInMs: 30_000 });
    passes.advance(10_000);
    expect(await passes.run()).toMatchObject({ orphaned: [], dueInMs: 20_000 });
  });
});

describe('the pool observer', () => {
  test('an entry that is observed in one pass of a plan starts its wait again', async () => {
    await hold(entryOf('a'));
    await observe('w1', 'other');
    const passes = createPasses();
    const plan = { plan: true };
    await passes.run(plan);
    passes.advance(29_000);
    await observe('w2', 'a');
    await passes.run(plan);
    await redis.del(keys.worker('w2'));
    passes.advance(1_000);
    expect(await passes.run(plan)).toMatchObject({ orphaned: [], dueInMs: 30_000 });
    passes.advance(30_000);
    expect(await passes.run(plan)).toMatchObject({ orphaned: [{ id: 'a', unobservedS: 30 }] });
  });

  test('a plan forgets a pool that is not live any more', async () => {
    await hold(entryOf('a'));
    await observe('w1', 'other');
    const passes = createPasses();
    await passes.run({ plan: true });
    passes.advance(29_000);
    await passes.run({ plan: true, isLive: false });
    passes.advance(1_000);
    expect(await passes.run({ plan: true })).toMatchObject({ orphaned: [], dueInMs: 30_000 });
  });

  test('all entries of a long list are judged', async () => {
    const ids = Array.from({ length: 320 }, (_, i) => `j${i}`);
    await hold(...ids.map((id) => entryOf(id)));
    await observe('w1', 'other');
    const passes = createPasses();
    await passes.run();
    passes.advance(30_000);
    const { orphaned } = await passes.run();
    expect(orphaned.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  });
});

describe('records of suspects', () => {
  const suspectsOf = () =>
    createSuspects({ connection: connectionOf(redis), keys, grace: 15_000, disruptions: () => 0 });
  const stateOf = (pool: string, isFresh: boolean, isRegistered = true) => ({
    pool,
    isRegistered,
    isFresh,
    heartbeat: String(second(isFresh ? 0 : -60)),
  });

  test('a pool with a new heartbeat loses its record in the next pass that sees it, even in an incomplete pass', async () => {
    const suspects = suspectsOf();
    await suspects.record([stateOf('a', false), stateOf('b', false)], 'known');
    expect((await redis.hkeys(keys.suspects)).toSorted()).toEqual(['a', 'b']);
    await suspects.record([stateOf('a', true)], 'known');
    expect(await redis.hkeys(keys.suspects)).toEqual(['b']);
  });

  test('beyond the limit, registered pools are recorded before unregistered ones', async () => {
    const left = Array.from({ length: 5_000 }, (_, i) => stateOf(`left-${i}`, false, false));
    await suspectsOf().record([...left, stateOf('died', false)], 'all');
    expect(await redis.hlen(keys.suspects)).toBe(5_000);
    expect(await redis.hexists(keys.suspects, 'died')).toBe(1);
  });
});

test('a pool whose heartbeat moves is not confirmed dead, even if the heartbeat is old', async () => {
  const fixed = {
    heartbeatAge: 100_000,
    batch: 1,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: systemClock,
  };
  const connection = connectionOf(redis);
  const pools = createPools({ connection, keys, scripts, jobTypes: [], grace: 0, ...fixed });
  const beat = (pool: string, age: number) => redis.hset(keys.heartbeat(pool), 'heartbeat_at', second(-age));
  await redis.sadd(keys.pools, 'behind', 'gone');
  await beat('behind', 600);
  await beat('gone', 600);
  await pools.recordStates((await pools.readRegistry(false)).pools);
  await beat('behind', 590);
  await pools.recordStates((await pools.readRegistry(false)).pools);
  const { pools: states } = await pools.readRegistry(false);
  const byPool = Object.fromEntries(states.map(({ pool, ...state }) => [pool, state]));
  expect(byPool.behind).toMatchObject({ isAlive: true, isFresh: false, isConfirmedDead: false });
  expect(byPool.gone).toMatchObject({ isAlive: false, isConfirmedDead: true });
});
