/** The acts of a plan of a rescue, done later: each dead pool gets exactly what was planned, or nothing. A real Redis. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readPlan, writePlan } from '../../../src/cli/planFile.ts';
import type { PlannedRescue, PoolOutcome, ReaperOptions, RescueOptions } from '../../../src/index.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, second, seedJob } from '../../support/jobs.ts';
import { entryOf, idsIn, seedPool } from '../../support/pools.ts';

const { server, redis, opened } = await redisFixture();
const rescue = async (given: RescueOptions, options: Partial<ReaperOptions> = {}) => {
  const reaper = opened.create({ redis: server.url, rescue: { orphanedAfter: 0, batchSize: 2 }, ...options });
  const pools: PoolOutcome[] = [];
  reaper.on('pool', (outcome) => void pools.push(outcome));
  const summary = await reaper.rescue({ grace: 0, ...given });
  await reaper.stop({ timeout: 0 });
  return { pools, summary };
};
const plan = async (): Promise<PlannedRescue[]> =>
  (await rescue({ plan: true })).pools.flatMap(({ act }) => (act === undefined ? [] : [act]));
const deaths = JSON.stringify([1, 2, 3].map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]));

const moves = [
  'beats',
  'another entry',
  'an entry less',
  'another type',
  'unregistered',
  'now poison',
  'gone',
] as const;
const move = async (pool: string, what: (typeof moves)[number]) => {
  const list = `t:jobs:X:${pool}:inprogress`;
  if (what === 'beats') await redis.hset(`t:worker_pools:${pool}`, 'heartbeat_at', second(5) - 5);
  else if (what === 'another entry') await redis.lpush(list, entryOf(`${pool}-new`));
  else if (what === 'an entry less') await redis.rpop(list);
  else if (what === 'another type') await redis.lpush(`t:jobs:Y:${pool}:inprogress`, entryOf(`${pool}-y`, 'Y'));
  else if (what === 'unregistered') await redis.srem('t:worker_pools', pool);
  else if (what === 'now poison') await redis.hset('t:reaper:recoveries', `${pool}-0`, deaths);
  else {
    await redis.del(list, `t:worker_pools:${pool}`);
    await redis.srem('t:worker_pools', pool);
    await redis.hdel('t:jobs:X:lock_info', pool);
  }
};
/** Everything that Redis holds of a pool. */
const stateOf = async (pool: string) => ({
  lists: await Promise.all(['X', 'Y'].map((type) => redis.lrange(`t:jobs:${type}:${pool}:inprogress`, 0, -1))),
  beat: await redis.hgetall(`t:worker_pools:${pool}`),
  isRegistered: await redis.sismember('t:worker_pools', pool),
  count: await redis.hget('t:jobs:X:lock_info', pool),
});
const world = fc.array(
  fc.record({
    entries: fc.integer({ min: 1, max: 5 }),
    isPoison: fc.boolean(),
    move: fc.option(fc.constantFrom(...moves), { nil: undefined, freq: 2 }),
  }),
  { minLength: 1, maxLength: 4 },
);

test('from any state, the acts of a plan do exactly the plan, and leave every pool that has moved since', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(world, fc.boolean(), async (given, areMoved) => {
      await redis.flushall();
      const names = given.map((_, i) => `p${i}`);
      for (const [i, { entries, isPoison }] of given.entries()) {
        const ids = Array.from({ length: entries }, (_, n) => `p${i}-${n}`);
        await seedPool(redis, `p${i}`, { heartbeat: second(-100), holds: new Map([['X', ids]]) });
        if (isPoison) await redis.hset('t:reaper:recoveries', ids.at(-1) as string, deaths);
      }
      await redis.incrby('t:jobs:Z:lock', 4);
      await seedPool(redis, 'live', { heartbeat: second(), holds: new Map([['X', ['kept']]]) });
      await seedJob(redis, 'kept', { status: 'Success' });
      const acts = await plan();
      expect(acts.map(({ pool }) => pool).sort()).toEqual(names);
      const isMoved = (i: number) => areMoved && given[i]?.move !== undefined;
      for (const [i, { move: what }] of given.entries()) if (areMoved && what !== undefined) await move(`p${i}`, what);
      await seedPool(redis, 'later', { heartbeat: second(-100), holds: new Map([['X', ['later']]]) });
      const all = [...names, 'live', 'later'];
      const before = new Map(await Promise.all(all.map(async (pool) => [pool, await stateOf(pool)] as const)));
      const { pools, summary } = await rescue({ acts });

      expect(summary).toMatchObject({ isScoped: true, orphaned: 0, finished: 0, drift: [] });
      for (const { pool, outcome, isMoved: hasMoved } of pools) {
        seen.add(outcome);
        expect([outcome, hasMoved]).toEqual(outcome === 'abandoned' ? ['abandoned', true] : ['rescued', undefined]);
        expect(names).toContain(pool);
      }
      const queued = await idsIn(redis, 't:jobs:X');
      for (const [i, pool] of names.entries()) {
        const act = acts.find((one) => one.pool === pool);
        const rescued = pools.find((one) => one.pool === pool && one.outcome === 'rescued');
        const isSame =
          isMoved(i) && !(given[i]?.move === 'now poison' && given[i]?.entries === 1 && given[i]?.isPoison);
        expect(rescued === undefined).toBe(isSame);
        if (rescued === undefined) expect(await stateOf(pool)).toEqual(before.get(pool));
        else {
          expect(queued.filter((id) => id.startsWith(`${pool}-`))).toHaveLength(act?.entries.X ?? 0);
          expect((rescued.poison ?? []).map(({ id, type }) => ({ id, type }))).toEqual(act?.poison);
          expect(await stateOf(pool)).toEqual({ lists: [[], []], beat: {}, isRegistered: 0, count: null });
        }
      }
      for (const pool of ['live', 'later']) expect(await stateOf(pool)).toEqual(before.get(pool));
      expect(await redis.get('t:jobs:Z:lock')).toBe('4');
    }),
    { numRuns: 40, endOnFailure: false },
  );
  expect([...seen].sort()).toEqual(['abandoned', 'rescued']);
});

test('a pool that gets an entry while it is rescued keeps it, and stays registered', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-100), holds: new Map([['X', ['a', 'b', 'c']]]) });
  const acts = await plan();
  let calls = 0;
  const client = intercept(redis, 'evalsha', async (args) => {
    if (!args.includes('t:jobs:X:lock') || !args.includes('t:reaper:recovered') || ++calls !== 2) return;
    await redis.lpush('t:jobs:X:p:inprogress', entryOf('new'));
  });
  const { pools } = await rescue({ acts }, { redis: opened.hold(client) });
  expect(pools).toMatchObject([{ pool: 'p', outcome: 'abandoned', isMoved: true, moved: { X: 3 } }]);
  expect(await idsIn(redis, 't:jobs:X:p:inprogress')).toEqual(['new']);
  expect(await redis.sismember('t:worker_pools', 'p')).toBe(1);
});

test('a second entry of a job that is to be quarantined once is left', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-100), holds: new Map([['X', ['a', 'b']]]) });
  await redis.hset('t:reaper:recoveries', 'a', deaths);
  const acts = await plan();
  expect(acts).toMatchObject([{ entries: { X: 1 }, poison: [{ id: 'a', type: 'X' }] }]);
  const list = 't:jobs:X:p:inprogress';
  let isThere = false;
  const client = intercept(redis, 'evalsha', async (args) => {
    if (isThere || !args.includes('t:reaper:recovered') || !(await redis.hexists('t:reaper:quarantine', 'a'))) return;
    // The next one again, and its job would be quarantined again.
    isThere = true;
    await redis.rpush(list, entryOf('a'));
    await redis.hset('t:reaper:recoveries', 'a', deaths);
  });
  const { pools } = await rescue({ acts }, { redis: opened.hold(client) });
  expect(pools).toMatchObject([{ pool: 'p', outcome: 'abandoned', isMoved: true, quarantined: 1 }]);
  expect(await idsIn(redis, list)).toContain('a');
});

test('acts of a plan go with no pools and no plan', async () => {
  const reaper = opened.create({ redis: server.url });
  await expect(reaper.rescue({ acts: [], pools: ['p'] })).rejects.toThrow('rescue: acts: names the pools itself');
  await expect(reaper.rescue({ acts: [], plan: true })).rejects.toThrow('rescue: acts: names the pools itself');
  await expect(reaper.rescue({ acts: [{ pool: 'p' }] as never })).rejects.toThrow('rescue: acts.0.heartbeat: ');
});

test.each(['__proto__', 'constructor', 'a b:c', '\u001b[31m\nü'])(
  'fault 123: a plan for the type %j is done as planned, from a file too',
  async (type) => {
    await seedPool(redis, 'p', { heartbeat: second(-100), jobNames: type, holds: new Map([[type, ['a', 'b']]]) });
    await redis.sadd('t:known_jobs', type);
    const acts = await plan();
    const file = join(mkdtempSync(join(tmpdir(), 'plan-')), 'plan');
    const header = { kind: 'rescue', namespace: 't', redis: '-', createdAt: '-' } as const;
    const writer = writePlan(file, header, false);
    for (const act of acts) writer.add(act);
    writer.finish();
    const read = readPlan(file, 't');
    rmSync(dirname(file), { recursive: true });
    expect(read.pools).toEqual(acts);
    expect((await rescue({ acts: read.pools })).summary).toMatchObject({ entries: 2, pools: { rescued: 1 } });
    expect((await idsIn(redis, `t:jobs:${type}`)).sort()).toEqual(['a', 'b']);
  },
);

test('fault 123: a job that several dead pools hold is requeued from all of them, as its plan says', async () => {
  await redis.hset('t:reaper:recoveries', 'j', JSON.stringify([[second(-600), 'gone', second(-700)]]));
  const pools = ['p1', 'p2', 'p3', 'p4'];
  for (const pool of pools)
    await seedPool(redis, pool, { heartbeat: second(-100), holds: new Map([['X', ['j', pool]]]) });
  const acts = await plan();
  expect(acts.map(({ entries }) => entries)).toEqual(pools.map(() => ({ X: 2 })));
  const { summary } = await rescue({ acts });
  expect(summary).toMatchObject({ entries: 8, quarantined: 0, pools: { rescued: 4, abandoned: 0 } });
});

test('fault 123: a registered pool without a name does not stop the plan of the others', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-100), holds: new Map([['X', ['a']]]) });
  await redis.sadd('t:worker_pools', '');
  const acts = await plan();
  expect(acts.map(({ pool }) => pool).sort()).toEqual(['', 'p']);
  expect((await rescue({ acts })).summary).toMatchObject({ pools: { rescued: 1, cleaned: 1, abandoned: 0 } });
  expect(await redis.smembers('t:worker_pools')).toEqual([]);
});

test('entries of a plan are counts', async () => {
  const reaper = opened.create({ redis: server.url });
  const [pool] = [{ pool: 'p', heartbeat: '', poison: [] }];
  for (const entries of [{ X: 0 }, { X: 1.5 }, { X: '1' }, { X: 2 ** 53 }, [1], null])
    await expect(reaper.rescue({ acts: [{ ...pool, entries }] as never })).rejects.toThrow(
      'rescue: acts.0.entries: must be an object: name → whole number above 0',
    );
});
