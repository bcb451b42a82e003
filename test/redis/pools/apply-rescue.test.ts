/** The acts of a plan of a rescue, done later: each dead pool gets exactly what was planned, or nothing. A real Redis. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readPlan, writePlan } from '../../../src/cli/planFile.ts';
import type { PlannedChange, PlannedRescue, PoolOutcome, ReaperOptions, RescueOptions } from '../../../src/index.ts';
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
/** Larger batches than those of the acts: what is planned is done, however many entries it is. */
const plan = async (): Promise<readonly PlannedChange[]> =>
  (await rescue({ plan: true }, { rescue: { orphanedAfter: 0, batchSize: 20 } })).summary.acts ?? [];
const deaths = JSON.stringify([1, 2, 3].map((n) => [second(-3_600 + n), `gone${n}`, second(-3_700)]));

const moves = [
  'beats',
  'another entry',
  'an entry for another',
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
  else if (what === 'an entry for another') {
    await redis.rpop(list);
    await redis.rpush(list, entryOf(`${pool}-new`));
  } else if (what === 'an entry less') await redis.rpop(list);
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
const pools = fc.array(
  fc.record({
    entries: fc.integer({ min: 1, max: 5 }),
    isPoison: fc.boolean(),
    move: fc.option(fc.constantFrom(...moves), { nil: undefined, freq: 2 }),
  }),
  { minLength: 1, maxLength: 3 },
);

const liveKinds = ['orphan', 'ended', 'poison'] as const;
const liveMoves = ['runs', 'left', 'changed', 'twice', 'recoveries'] as const;
type Live = { readonly kind: (typeof liveKinds)[number]; readonly move: (typeof liveMoves)[number] | undefined };
const liveEntries = fc.array(
  fc.record({
    kind: fc.constantFrom(...liveKinds),
    move: fc.option(fc.constantFrom(...liveMoves), { nil: undefined, freq: 2 }),
  }),
  { maxLength: 4 },
);
const actOf = { orphan: 'requeue-orphan', ended: 'finish', poison: 'quarantine' } as const;
const liveList = 't:jobs:L:live:inprogress';
const idOf = ({ kind }: Pick<Live, 'kind'>, i: number) => `${kind}-${i}`;
/** A pool with a worker for each entry, which runs another job. */
const seedLive = async (pool: string, entries: readonly Pick<Live, 'kind'>[]) => {
  const ids = entries.map(idOf);
  await seedPool(redis, pool, {
    heartbeat: second(5) - 5,
    jobNames: 'L',
    holds: new Map(ids.length > 0 ? [['L', ids]] : []),
  });
  await redis.hset(`t:worker_pools:${pool}`, 'worker_ids', [...ids, 'more'].map((id) => `w-${pool}-${id}`).join(','));
  for (const [i, id] of [...ids, 'more'].entries()) {
    const run = { job_name: 'L', job_id: `run${i}`, started_at: second(-50), args: '' };
    await redis.hset(`t:worker:w-${pool}-${id}`, run);
  }
  for (const [i, { kind }] of entries.entries()) {
    const id = idOf({ kind }, i);
    await seedJob(redis, id, { status: kind === 'ended' ? 'Success' : 'Pending', age: 600, name: 'L' });
    if (kind === 'poison') await redis.hset('t:reaper:recoveries', id, deaths);
  }
};
const moveLive = async (id: string, { kind, move: what }: Live) => {
  if (what === 'runs') await redis.hset(`t:worker:w-live-${id}`, 'job_id', id, 'started_at', second());
  else if (what === 'left') await redis.lrem(liveList, 1, entryOf(id, 'L'));
  else if (what === 'twice') await redis.lpush(liveList, entryOf(id, 'L'));
  else if (what === 'changed') await redis.hset(`t:job_stats:${id}`, 'update_time', second(-300));
  else if (kind === 'poison') await redis.hdel('t:reaper:recoveries', id);
  else await redis.hset('t:reaper:recoveries', id, deaths);
};
const isStill = ({ kind, move: what }: Live) =>
  what === undefined || (kind === 'ended' && (what === 'runs' || what === 'recoveries'));
const stateOfEntry = async (id: string) => ({
  held: (await idsIn(redis, liveList)).filter((one) => one === id).length,
  queued: (await idsIn(redis, 't:jobs:L')).filter((one) => one === id).length,
  stats: await redis.hgetall(`t:job_stats:${id}`),
  quarantine: await redis.hexists('t:reaper:quarantine', id),
});

const driftMoves = ['right', 'more', 'another field', 'busy'] as const;
const drifts = fc.array(
  fc.record({
    lock: fc.integer({ min: -2, max: 3 }),
    field: fc.constantFrom('1', '3', 'x'),
    move: fc.option(fc.constantFrom(...driftMoves), { nil: undefined, freq: 2 }),
  }),
  { maxLength: 3 },
);
const moveDrift = async (type: string, what: (typeof driftMoves)[number]) => {
  const [lock, info] = [`t:jobs:${type}:lock`, `t:jobs:${type}:lock_info`];
  if (what === 'right') await redis.del(lock, info);
  else if (what === 'more') await redis.incr(lock);
  else if (what === 'another field') await redis.hset(info, 'other', 2);
  else {
    // As a fetch does.
    await redis.lpush(`t:jobs:${type}:other:inprogress`, entryOf('busy', type));
    await redis.incr(lock);
    await redis.hincrby(info, 'other', 1);
  }
};
const countersOf = async (type: string) => [
  await redis.get(`t:jobs:${type}:lock`),
  await redis.hgetall(`t:jobs:${type}:lock_info`),
];

/** Examples in which every kind of entry has every kind of move. */
const everyEntry = (areMoved: boolean): [never[], Live[], never[], boolean] => [
  [],
  liveMoves.flatMap((what) => liveKinds.map((kind) => ({ kind, move: what }))),
  [],
  areMoved,
];
const everyDrift: [never[], never[], { lock: number; field: 'x'; move: (typeof driftMoves)[number] }[], boolean] = [
  [],
  [],
  driftMoves.map((what) => ({ lock: 2, field: 'x', move: what })),
  true,
];

test('from any state, the acts of a plan do exactly the plan, and leave everything that has moved since', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(pools, liveEntries, drifts, fc.boolean(), async (given, live, drifted, areMoved) => {
      await redis.flushall();
      const names = given.map((_, i) => `p${i}`);
      for (const [i, { entries, isPoison }] of given.entries()) {
        const ids = Array.from({ length: entries }, (_, n) => `p${i}-${n}`);
        await seedPool(redis, `p${i}`, { heartbeat: second(-100), holds: new Map([['X', ids]]) });
        if (isPoison) await redis.hset('t:reaper:recoveries', ids.at(-1) as string, deaths);
      }
      await seedPool(redis, 'other', { heartbeat: second(5) - 5, holds: new Map([['X', ['kept']]]) });
      await seedJob(redis, 'kept', { status: 'Success', age: 0 });
      await seedLive('live', live);
      for (const [i, { lock, field }] of drifted.entries()) {
        await redis.set(`t:jobs:D${i}:lock`, lock);
        await redis.hset(`t:jobs:D${i}:lock_info`, 'live', field);
      }
      const acts = await plan();
      const isPool = (act: PlannedChange): act is PlannedRescue => !('act' in act);
      expect(
        acts
          .filter(isPool)
          .map(({ pool }) => pool)
          .sort(),
      ).toEqual(names);
      const liveActs = acts.flatMap((act) => (isPool(act) ? [] : [act]));
      expect(liveActs.map((act) => [act.act, 'id' in act ? act.id : act.type]).sort()).toEqual(
        [
          ...live.map((one, i) => [actOf[one.kind], idOf(one, i)]),
          ...drifted.map((_, i) => ['rebuild-counters', `D${i}`]),
        ].sort(),
      );

      const moveOf = <Move>(one: { readonly move: Move | undefined }) => (areMoved ? one.move : undefined);
      for (const [i, one] of given.entries()) if (areMoved && one.move !== undefined) await move(`p${i}`, one.move);
      for (const [i, one] of live.entries()) if (areMoved && one.move !== undefined) await moveLive(idOf(one, i), one);
      for (const [i, one] of drifted.entries())
        if (areMoved && one.move !== undefined) await moveDrift(`D${i}`, one.move);
      // What has come up since is in no act.
      await seedPool(redis, 'later', { heartbeat: second(-100), holds: new Map([['X', ['later']]]) });
      await redis.lpush(liveList, entryOf('late', 'L'));
      await seedJob(redis, 'late', { status: 'Pending', age: 600, name: 'L' });
      await redis.set('t:jobs:Z:lock', 4);
      const all = [...names, 'other', 'later'];
      const before = new Map(await Promise.all(all.map(async (pool) => [pool, await stateOf(pool)] as const)));
      const entriesBefore = await Promise.all(live.map((one, i) => stateOfEntry(idOf(one, i))));
      const countersBefore = await Promise.all(drifted.map((_, i) => countersOf(`D${i}`)));
      const { pools: outcomes, summary } = await rescue({ acts });

      expect(summary).toMatchObject({ isScoped: true });
      for (const { pool, outcome, isMoved: hasMoved } of outcomes) {
        seen.add(outcome);
        expect([outcome, hasMoved]).toEqual(
          outcome === 'abandoned' ? ['abandoned', true] : [expect.stringMatching('rescued|cleaned'), undefined],
        );
        expect(names).toContain(pool);
      }
      const queued = await idsIn(redis, 't:jobs:X');
      for (const [i, pool] of names.entries()) {
        const act = acts.filter(isPool).find((one) => one.pool === pool);
        const rescued = outcomes.find((one) => one.pool === pool && one.outcome !== 'abandoned');
        const { entries, isPoison } = given[i] as (typeof given)[number];
        const what = moveOf(given[i] as (typeof given)[number]);
        const isLess = what === 'an entry less' && !(isPoison && entries === 1);
        const isSame = what === undefined || isLess || (what === 'now poison' && entries === 1 && isPoison);
        expect(rescued !== undefined).toBe(isSame);
        if (rescued === undefined) expect(await stateOf(pool)).toEqual(before.get(pool));
        else {
          const left = (act?.entries.X ?? 0) - (isLess ? 1 : 0);
          expect(queued.filter((id) => id.startsWith(`${pool}-`))).toHaveLength(left);
          expect((rescued.poison ?? []).map(({ id, type }) => ({ id, type }))).toEqual(act?.poison);
          expect(await stateOf(pool)).toEqual({ lists: [[], []], beat: {}, isRegistered: 0, count: null });
        }
      }
      for (const pool of ['other', 'later']) expect(await stateOf(pool)).toEqual(before.get(pool));

      const { done = [], left = [] } = summary.applied ?? {};
      expect(left.every(({ isMoved: hasMoved }) => hasMoved)).toBe(true);
      expect([...done, ...left.map(({ act }) => act)]).toHaveLength(liveActs.length);
      const isDone = (name: string) => done.some((act) => ('id' in act ? act.id : act.type) === name);
      for (const [i, one] of live.entries()) {
        const id = idOf(one, i);
        const after = await stateOfEntry(id);
        expect([id, isDone(id)]).toEqual([id, !areMoved || isStill(one)]);
        seen.add(isDone(id) ? one.kind : `${one.move}`);
        if (!isDone(id)) expect(after).toEqual(entriesBefore[i]);
        else expect(after).toMatchObject({ held: 0, queued: one.kind === 'orphan' ? 1 : 0 });
        if (isDone(id)) expect(after.quarantine).toBe(one.kind === 'poison' ? 1 : 0);
      }
      expect(await stateOfEntry('late')).toMatchObject({ held: 1, queued: 0 });
      for (const [i, one] of drifted.entries()) {
        const what = moveOf(one);
        expect(isDone(`D${i}`)).toBe(what === undefined || what === 'busy');
        seen.add(isDone(`D${i}`) ? `counters ${what}` : `${what}`);
        const right = what === 'busy' ? ['1', { other: '1' }] : ['0', {}];
        expect(await countersOf(`D${i}`)).toEqual(isDone(`D${i}`) ? right : countersBefore[i]);
      }
      expect(await redis.get('t:jobs:Z:lock')).toBe('4');
    }),
    { numRuns: 40, endOnFailure: false, examples: [everyEntry(true), everyEntry(false), everyDrift] },
  );
  expect([...seen].sort()).toEqual(
    [
      ...['abandoned', 'rescued', ...liveKinds, ...liveMoves],
      ...['counters undefined', 'counters busy', 'right', 'more', 'another field'],
    ].sort(),
  );
});

test('a pool that gets an entry while it is rescued keeps it and what is left, and stays registered', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-100), holds: new Map([['X', ['a', 'b', 'c']]]) });
  const acts = await plan();
  let calls = 0;
  const client = intercept(redis, 'evalsha', async (args) => {
    if (!args.includes('t:jobs:X:lock') || !args.includes('t:reaper:recovered') || ++calls !== 2) return;
    await redis.lpush('t:jobs:X:p:inprogress', entryOf('new'));
  });
  const { pools } = await rescue({ acts }, { redis: opened.hold(client) });
  expect(pools).toMatchObject([{ pool: 'p', outcome: 'abandoned', isMoved: true, moved: { X: 2 } }]);
  expect(await idsIn(redis, 't:jobs:X:p:inprogress')).toEqual(['new', 'c']);
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

const whysOf = ({ summary }: Awaited<ReturnType<typeof rescue>>) =>
  (summary.applied?.left ?? []).map(({ act, why, isMoved: hasMoved }) => [act.act, why, hasMoved]);

test('an entry that no pass has observed before is looked at twice, and once without a grace', async () => {
  await seedLive('live', [{ kind: 'orphan' }]);
  const acts = await plan();
  expect(acts).toMatchObject([{ act: 'requeue-orphan', id: 'orphan-0' }]);
  await redis.lpush(liveList, entryOf('late', 'L'));
  await seedJob(redis, 'late', { status: 'Pending', age: 600, name: 'L' });
  const options = { rescue: { orphanedAfter: 300 } };
  const once = await rescue({ acts }, options);
  expect(whysOf(once)).toEqual([['requeue-orphan', 'it has not been unobserved for long enough', true]]);
  expect(await idsIn(redis, 't:jobs:L')).toEqual([]);
  await redis.del('t:reaper:workers:live', 't:reaper:unobserved:live');
  const twice = await rescue({ acts, grace: 1 }, options);
  expect([twice.summary.applied, twice.summary.orphaned]).toEqual([{ done: acts, left: [] }, 1]);
  expect(await idsIn(redis, 't:jobs:L')).toEqual(['orphan-0']);
  expect(await idsIn(redis, liveList)).toEqual(['late']);
});

test('entries that the first try has requeued or left are not tried a second time', async () => {
  await seedLive('live', [{ kind: 'ended' }, { kind: 'orphan' }, { kind: 'orphan' }]);
  const acts = await plan();
  await redis.lrem(liveList, 1, entryOf('orphan-1', 'L'));
  const { summary } = await rescue({ acts, grace: 1 }, { rescue: { orphanedAfter: 100 } });
  expect(summary.applied?.done.map((act) => 'id' in act && act.id)).toEqual(['ended-0', 'orphan-2']);
  expect(whysOf({ summary, pools: [] })).toEqual([
    ['requeue-orphan', 'it is not in the in-progress list any more', true],
  ]);
});

test('a live pool of a plan that has died is not rescued, and its entries are left', async () => {
  await seedLive('live', [{ kind: 'orphan' }, { kind: 'ended' }]);
  const acts = await plan();
  await redis.hset('t:worker_pools:live', 'heartbeat_at', second(-100));
  const applied = await rescue({ acts });
  expect(whysOf(applied).map(([, why]) => why)).toEqual(['its pool is not alive', 'its pool is not alive']);
  expect([applied.pools, applied.summary.suspects]).toEqual([[], 0]);
  expect(await stateOf('live')).toMatchObject({ isRegistered: 1 });
  expect(await idsIn(redis, liveList)).toEqual(['ended-1', 'orphan-0']);
});

test('some acts of a plan alone: counters count lists that nothing names, and their pool is rescued later', async () => {
  await redis.lpush('t:jobs:X:stray:inprogress', entryOf('a'), entryOf('b'));
  await redis.hset('t:jobs:X:lock_info', { gone: 2 });
  const acts = await plan();
  expect(acts.map((act) => ('act' in act ? act.act : act.pool)).sort()).toEqual(['gone', 'rebuild-counters', 'stray']);
  const [counters = [], others = []] = [true, false].map((isLive) => acts.filter((act) => 'act' in act === isLive));
  const first = await rescue({ acts: counters });
  expect(first.summary).toMatchObject({ applied: { done: counters, left: [] }, suspects: 0 });
  expect(await countersOf('X')).toEqual(['2', { stray: '2' }]);
  const second = await rescue({ acts: others });
  expect(second.pools.map(({ pool, outcome }) => [pool, outcome])).toEqual([['stray', 'rescued']]);
  expect(whysOf(await rescue({ acts: counters }))).toEqual([
    ['rebuild-counters', 'its counters are not wrong in the way that was planned, or are right already', true],
  ]);
});

test.each<[string, string[], () => Promise<unknown>]>([
  ['a job that was to be requeued', [], () => redis.hset('t:reaper:recoveries', 'b', deaths)],
  // As many entries would be requeued as planned, and the job of one of them was to be quarantined.
  [
    'no job any more',
    ['b'],
    () => Promise.all([redis.hdel('t:reaper:recoveries', 'b'), redis.rpop('t:jobs:X:p:inprogress')]),
  ],
])('a dead pool of which %s would be quarantined is left whole', async (_, poison, change) => {
  await seedPool(redis, 'p', { heartbeat: second(-100), holds: new Map([['X', ['a', 'b', 'c']]]) });
  for (const id of poison) await redis.hset('t:reaper:recoveries', id, deaths);
  const acts = await plan();
  await change();
  const before = await stateOf('p');
  expect((await rescue({ acts })).pools).toMatchObject([
    { pool: 'p', isMoved: true, error: 'not as planned: other jobs would be quarantined' },
  ]);
  expect(await stateOf('p')).toEqual(before);
  expect(await redis.exists('t:jobs:X', 't:dead')).toBe(0);
});

test('a pool that has lived since its plan, and died again, is left', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-100), jobNames: 'X', holds: new Map([['X', ['a']]]) });
  const acts = await plan();
  await redis.hset('t:worker_pools:p', 'heartbeat_at', second(-50));
  const { pools } = await rescue({ acts });
  const error = 'not as planned: it has written a heartbeat since';
  expect(pools).toMatchObject([{ pool: 'p', outcome: 'abandoned', error }]);
  expect(await idsIn(redis, 't:jobs:X:p:inprogress')).toEqual(['a']);
});

test('a dead pool whose counts were rebuilt since is rescued as planned', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-100) });
  await redis.hset('t:jobs:X:lock_info', { p: 3 });
  const acts = await plan();
  await redis.hdel('t:jobs:X:lock_info', 'p');
  expect((await rescue({ acts })).pools).toMatchObject([{ pool: 'p', outcome: 'rescued' }]);
});

test('counters of a plan are left when their type needs several steps since', async () => {
  await redis.set('t:jobs:D:lock', 2);
  const acts = await plan();
  expect(acts).toMatchObject([{ act: 'rebuild-counters', type: 'D' }]);
  await seedPool(redis, 'live', { heartbeat: second(5) - 5 });
  await redis.hset('t:jobs:D:lock_info', Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`g${i}`, 0])));
  expect(whysOf(await rescue({ acts }))).toEqual([
    ['rebuild-counters', 'it has too many lists now to be compared with the plan in one step', true],
  ]);
  expect(await redis.get('t:jobs:D:lock')).toBe('2');
});

test('a reaper that only plans does no act of a plan', async () => {
  await seedLive('live', [{ kind: 'orphan' }, { kind: 'ended' }, { kind: 'poison' }]);
  await seedPool(redis, 'p', { heartbeat: second(-100), holds: new Map([['X', ['a']]]) });
  await redis.set('t:jobs:D:lock', 2);
  const acts = await plan();
  const before = [await stateOf('p'), await redis.lrange(liveList, 0, -1), await countersOf('D')];
  const done = await rescue({ acts }, { plan: true });
  expect(whysOf(done).map(([, why]) => why)).toEqual(Array(4).fill('this reaper only plans'));
  expect(done.pools).toMatchObject([{ pool: 'p', outcome: 'planned' }]);
  expect([await stateOf('p'), await redis.lrange(liveList, 0, -1), await countersOf('D')]).toEqual(before);
});

test('what cannot be read is named, and is no move', async () => {
  await seedLive('live', [{ kind: 'orphan' }]);
  await redis.set('t:jobs:D:lock', 2);
  const acts = await plan();
  await redis.set('t:jobs:D:lock_info', 'x');
  await redis.set('t:jobs:L', 'x');
  const whys = whysOf(await rescue({ acts }));
  expect(whys.map(([act, , hasMoved]) => [act, hasMoved])).toEqual([
    ['rebuild-counters', false],
    ['requeue-orphan', false],
  ]);
  expect(whys.map(([, why]) => why)).toEqual([
    expect.stringContaining('t:jobs:D:lock_info'),
    expect.stringContaining('t:jobs:L'),
  ]);
});

test('each act that fails is left with its own reason', async () => {
  await seedLive('live', [{ kind: 'orphan' }, { kind: 'ended' }, { kind: 'orphan' }]);
  const other = entryOf('other', 'M');
  await redis.hset('t:worker_pools:live', 'job_names', 'L,M');
  await redis.lpush('t:jobs:M:live:inprogress', other);
  await seedJob(redis, 'other', { status: 'Pending', age: 600, name: 'M' });
  const acts = await plan();
  await redis.set('t:jobs:L', 'x');
  await redis.set('t:jobs:M', 'x');
  const left = (await rescue({ acts })).summary.applied?.left ?? [];
  expect(left.map(({ act, why }) => [act.type, /t:jobs:\w+/.exec(why)?.[0]]).sort()).toEqual([
    ['L', 't:jobs:L'],
    ['L', 't:jobs:L'],
    ['M', 't:jobs:M'],
  ]);
});

test('acts of a plan go with no pools and no plan', async () => {
  const reaper = opened.create({ redis: server.url });
  await expect(reaper.rescue({ acts: [], pools: ['p'] })).rejects.toThrow('rescue: acts: names the pools itself');
  await expect(reaper.rescue({ acts: [], plan: true })).rejects.toThrow('rescue: acts: names the pools itself');
  const wrong = (act: object) => expect(reaper.rescue({ acts: [act] as never })).rejects;
  await wrong({ pool: 'p' }).toThrow('rescue: acts.0.heartbeat: ');
  await wrong({ act: 'finish', pool: 'p' }).toThrow('rescue: acts.0.id: ');
  await wrong({ act: 'rebuild-counters', type: 'X', fingerprint: '' }).toThrow('acts.0.fingerprint: must not be empty');
  await wrong({ act: 'keep' }).toThrow('rescue: acts.0.act: must be one of requeue-orphan, finish, ');
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
    expect(read.changes).toEqual(acts);
    expect((await rescue({ acts: read.changes })).summary).toMatchObject({ entries: 2, pools: { rescued: 1 } });
    expect((await idsIn(redis, `t:jobs:${type}`)).sort()).toEqual(['a', 'b']);
  },
);

test('fault 123: a job that several dead pools hold is requeued from all of them, as its plan says', async () => {
  await redis.hset('t:reaper:recoveries', 'j', JSON.stringify([[second(-600), 'gone', second(-700)]]));
  const pools = ['p1', 'p2', 'p3', 'p4'];
  for (const pool of pools)
    await seedPool(redis, pool, { heartbeat: second(-100), holds: new Map([['X', ['j', pool]]]) });
  const acts = await plan();
  expect(acts.flatMap((act) => ('entries' in act ? [act.entries] : []))).toEqual(pools.map(() => ({ X: 2 })));
  const { summary } = await rescue({ acts });
  expect(summary).toMatchObject({ entries: 8, quarantined: 0, pools: { rescued: 4, abandoned: 0 } });
});

test('fault 123: a plan that was cut off at any step is done to its end by the next run, though its pools share jobs', async () => {
  const names = ['p1', 'p2', 'p3', 'p4'];
  const options = { rescue: { orphanedAfter: 0, batchSize: 1, concurrency: 1 } };
  let cuts = 0;
  for (let isCut = true; isCut; ) {
    await redis.flushall();
    for (const pool of names)
      await seedPool(redis, pool, { heartbeat: second(-100), holds: new Map([['X', ['j', 'bad', pool]]]) });
    await redis.hset('t:reaper:recoveries', 'j', JSON.stringify(JSON.parse(deaths).slice(1)), 'bad', deaths);
    const acts = await plan();
    const kill = new AbortController();
    let [calls, entries, quarantined] = [0, 0, 0];
    const client = intercept(redis, 'evalsha', async (args) => {
      if (args.includes('t:reaper:recovered') && ++calls === cuts + 1) kill.abort();
    });
    const count = (outcome: PoolOutcome) => {
      entries += outcome.entries;
      quarantined += outcome.quarantined;
    };
    const reaper = opened.create({ redis: opened.hold(client), ...options });
    reaper.on('pool', count);
    await reaper.rescue({ acts, grace: 0, signal: kill.signal }).catch(() => {});
    await reaper.stop({ timeout: 0 });
    isCut = kill.signal.aborted;
    cuts += 1;
    const again = await rescue({ acts }, options);
    again.pools.forEach(count);
    expect([cuts, again.pools.filter(({ outcome }) => outcome === 'abandoned')]).toEqual([cuts, []]);
    expect([entries, quarantined]).toEqual([8, 4]);
    expect((await idsIn(redis, 't:jobs:X')).sort()).toEqual([...['j', 'j', 'j', 'j'], ...names].sort());
  }
  expect(cuts).toBeGreaterThan(8);
});

test('fault 123: what another plan has requeued counts: its job is left where it would be quarantined by now', async () => {
  await redis.hset('t:reaper:recoveries', 'j', JSON.stringify(JSON.parse(deaths).slice(1)));
  const dies = (pool: string) => seedPool(redis, pool, { heartbeat: second(-100), holds: new Map([['X', ['j']]]) });
  await dies('p1');
  const before = await plan();
  await dies('p2');
  const acts = (await plan()).filter((act) => 'pool' in act && act.pool === 'p2');
  expect((await rescue({ acts: before })).pools).toMatchObject([{ pool: 'p1', outcome: 'rescued' }]);
  expect((await rescue({ acts })).pools).toMatchObject([{ pool: 'p2', outcome: 'abandoned', isMoved: true }]);
});

test('fault 123: a registered pool without a name does not stop the plan of the others', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-100), holds: new Map([['X', ['a']]]) });
  await redis.sadd('t:worker_pools', '');
  const acts = await plan();
  expect(acts.flatMap((act) => ('pool' in act ? [act.pool] : [])).sort()).toEqual(['', 'p']);
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
