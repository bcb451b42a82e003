import { afterAll, expect, test } from 'vitest';
import { createActor, SimulatedClock } from 'xstate';
import type { JobOutcome } from '../../src/machines/job.ts';
import { FencedError } from '../../src/machines/lease.ts';
import { PermanentError } from '../../src/machines/permanent.ts';
import { RefusedError } from '../../src/machines/refusal.ts';
import { type Restored, type SupervisorEmitted, supervisorMachine } from '../../src/machines/supervisor.ts';
import { emptyTally } from '../../src/machines/tally.ts';
import { jobFor, policy } from '../support/facts.ts';
import { createCoverage, createRemote, flush } from '../support/paths.ts';

// The chart is parallel and takes requests without end: its paths have no number. These are sequences by hand, held to
// the same gate: every transition is taken.

const remote = createRemote();
const machine = supervisorMachine.provide({
  actors: {
    lane: remote.logic(),
    pool: remote.logic(),
    readPage: remote.logic(),
    examine: remote.logic(),
    watch: remote.logic(),
    find: remote.logic(),
    restore: remote.logic(),
    recount: remote.logic(),
    completePass: remote.logic(),
    acquireLease: remote.logic(),
  },
});
const coverage = createCoverage(machine);

const hour = 3_600_000;
const grace = 15_000;

const start = (lanes = 1, poolSlots = 1, plan = false, needsLease = false) => {
  const clock = new SimulatedClock();
  const emitted: SupervisorEmitted[] = [];
  const actor = createActor(machine, {
    clock,
    inspect: coverage.inspect,
    input: { policy, lanes, poolSlots, poolGrace: grace, plan, needsLease },
  });
  for (const type of [
    'sweep.started',
    'sweep.ended',
    'rescue.started',
    'rescue.ended',
    'job',
    'pool',
    'lost',
    'finished',
    'lease',
    'fault',
  ] as const) {
    actor.on(type, (event) => void emitted.push(event));
  }
  actor.start();
  const then = async (act: () => unknown) => {
    await flush();
    act();
    await flush();
  };
  return {
    actor,
    emitted,
    of: <Type extends SupervisorEmitted['type']>(type: Type) =>
      emitted.filter((event): event is Extract<SupervisorEmitted, { type: Type }> => event.type === type),
    value: () => actor.getSnapshot().value as { sweep: unknown; rescue: unknown; life: unknown; lease: unknown },
    context: () => actor.getSnapshot().context,
    send: (event: Parameters<typeof actor.send>[0]) => then(() => actor.send(event)),
    answer: (id: string, output: unknown) => then(() => remote.resolve(actor, id, output)),
    fail: (id: string, error = new Error('Redis is down')) => then(() => remote.reject(actor, id, error)),
    tick: (ms: number) => then(() => clock.increment(ms)),
  };
};
type Driver = ReturnType<typeof start>;

const page = (isLast: boolean, ...jobs: ReturnType<typeof jobFor>[]) => ({ jobs, isLast });
const sweepNow = (number: number, plan = false) => ({ type: 'sweep.now' as const, request: { number, plan } });
const rescueNow = (number: number, more: { plan?: boolean; grace?: number } = {}) => ({
  type: 'rescue.now' as const,
  request: { number, plan: more.plan === true, grace: more.grace, thorough: true },
});
const suspect = (pool: string) => ({
  pool,
  heartbeat: '',
  types: ['A'],
  evidence: 'no heartbeat',
  disruptions: 0,
  at: 0,
});
const found = (...pools: string[]) => ({
  alive: 1,
  clockAhead: 0,
  suspects: pools.map(suspect),
  types: ['A'],
  lists: [],
  live: [],
  unreadable: [],
});
const lost = (id: string, plan = false) => ({ id, type: 'A', pool: 'p', unobservedS: 30, plan });
const restored = (more: Partial<Restored> = {}): Restored => ({
  lost: [],
  unobserved: [],
  undecided: 0,
  oldestUndecidedS: 0,
  finished: [],
  poison: [],
  dueInMs: undefined,
  ...more,
});
const recounted = { drift: [], unreadable: [], locks: new Map() };
const rescued = (pool: string) => ({
  pool,
  outcome: 'rescued' as const,
  evidence: '',
  moved: { A: 2 },
  entries: 2,
  quarantined: 0,
});
const outcome: JobOutcome = {
  id: 'j1',
  verdict: 'fail',
  reason: 'hung',
  rule: 4,
  outcome: 'done',
  facts: jobFor('fail').facts,
};
const freed = { type: 'lane.freed' as const, lane: 'lane-0', outcome };
const acting = (...jobs: ReturnType<typeof jobFor>[]) => ({ acting: jobs, tally: emptyTally });

test('it rests until it is scheduled, then waits for its times, again and again', async () => {
  const it = start();
  expect(it.value()).toEqual({ sweep: 'idle', rescue: 'idle', life: 'running', lease: 'off' });
  await it.send({ type: 'schedule' });
  expect(it.value()).toEqual({ sweep: 'waiting', rescue: 'waiting', life: 'running', lease: 'off' });
  await it.tick(10_000);
  expect(it.value().rescue).toEqual({ finding: 'looking' });
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  expect(it.value().rescue).toBe('waiting');
  await it.tick(hour);
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
  await it.answer('readPage', page(true));
  await it.answer('examine', acting());
  expect(it.value().sweep).toBe('waiting');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 0, plan: false } }]);
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 0, suspects: 0, alive: 1 } }]);
});

test('where every pass is a plan, scheduled ones are, and those of callers who did not say so', async () => {
  const it = start(1, 1, true);
  await it.send({ type: 'schedule' });
  await it.tick(10_000);
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  await it.tick(hour);
  await it.answer('readPage', page(true));
  await it.answer('examine', acting());
  await it.send(sweepNow(1));
  await it.send(rescueNow(2));
  expect(it.of('sweep.started').map(({ request }) => request.plan)).toEqual([true, true]);
  expect(it.of('rescue.started').every(({ request }) => request.plan)).toBe(true);
});

test('a request cuts the waiting short', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  await it.send(sweepNow(1));
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
  await it.send(rescueNow(2));
  expect(it.value().rescue).toEqual({ finding: 'looking' });
});

test('the next page is asked for only once every job of this one has a lane, and the end waits for the lanes', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', page(false, jobFor('fail'), jobFor('fail')));
  await it.answer('examine', acting(jobFor('fail'), jobFor('fail')));
  expect(it.value().sweep).toEqual({ scanning: 'dealing' });
  await it.send(freed);
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
  await it.answer('readPage', page(true));
  await it.answer('examine', acting());
  expect(it.value().sweep).toBe('draining');
  expect(it.of('sweep.ended')).toEqual([]);
  await it.send(freed);
  expect(it.value().sweep).toBe('idle');
  expect(it.of('job')).toHaveLength(2);
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, tally: { scanned: 2, verdicts: { fail: 2 } } } }]);
});

test('a page that can not be read is tried again after a pause, and given up after seven failures', async () => {
  const it = start();
  await it.send(sweepNow(1));
  for (let i = 0; i < 6; i++) {
    await it.fail('readPage');
    expect(it.value().sweep).toEqual({ scanning: 'pausing' });
    await it.tick(hour);
    expect(it.value().sweep).toEqual({ scanning: 'reading' });
  }
  await it.fail('readPage');
  expect(it.value().sweep).toBe('idle');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, error: 'Redis is down' } }]);
  expect(it.of('fault')).toHaveLength(6);
});

test('fault 119: a sweep that Redis refuses to begin is suspended, and the next one begins afresh', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.send(sweepNow(2));
  await it.fail('readPage', new RefusedError('Redis is a replica'));
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, suspended: 'Redis is a replica' } }]);
  expect(it.of('sweep.ended')[0]?.result).not.toHaveProperty('error');
  await it.answer('readPage', page(true));
  await it.answer('examine', acting());
  expect(it.of('sweep.ended')[1]?.result).not.toHaveProperty('suspended');
  expect(it.of('fault')).toEqual([]);
});

test('fault 119: a sweep whose act is refused deals no more jobs, and ends once its lanes are idle', async () => {
  const it = start(2);
  await it.send(sweepNow(1));
  await it.answer('readPage', page(false, jobFor('fail'), jobFor('fail'), jobFor('fail')));
  await it.answer('examine', acting(jobFor('fail'), jobFor('fail'), jobFor('fail')));
  await it.send({
    ...freed,
    outcome: { ...outcome, outcome: 'abandoned', isRefused: true, error: 'Redis is a replica' },
  });
  expect([it.value().sweep, it.context().acting]).toEqual(['draining', []]);
  await it.send({
    ...freed,
    lane: 'lane-1',
    outcome: { ...outcome, outcome: 'abandoned', isRefused: true, error: 'said later' },
  });
  expect(it.of('sweep.ended')).toMatchObject([
    { result: { suspended: 'Redis is a replica', tally: { scanned: 2, outcomes: { abandoned: 2 } } } },
  ]);
});

test('fault 119: a sweep whose hooks can not be noted keeps its counts and is suspended', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', page(false, jobFor('refire')));
  await it.answer('examine', { ...acting(), suspended: 'Redis has no memory left' });
  expect(it.of('sweep.ended')).toMatchObject([{ result: { suspended: 'Redis has no memory left' } }]);
});

test('a page that can never be read ends the sweep with its error at once', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.fail('readPage', new PermanentError('WRONGTYPE'));
  expect(it.of('sweep.ended')).toMatchObject([{ result: { error: 'WRONGTYPE' } }]);
});

test('a page that can not be examined ends the sweep with its error, and the next one begins afresh', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.send(sweepNow(2));
  await it.answer('readPage', page(false));
  await it.fail('examine');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, error: 'Redis is down' } }]);
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
  expect(it.of('sweep.started').map(({ request }) => request.number)).toEqual([1, 2]);
});

test('fault 108: what can not be read is named by the pass, by whichever step has met it, and once', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', { ...found('p1'), unreadable: ['a', 'b'], clockAhead: 2 });
  await it.answer('recount', { ...recounted, unreadable: ['b', 'c'] });
  await it.answer('restore', restored());
  await it.tick(grace);
  await it.answer('pool-0', { ...rescued('p1'), outcome: 'abandoned', unreadable: ['c', 'd'] });
  expect(it.of('rescue.ended')).toMatchObject([{ result: { unreadable: ['a', 'b', 'c', 'd'], clockAhead: 2 } }]);
});

test('each suspected pool gets one actor, in as many slots as there are, and the pass ends with the last of them', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found('p1', 'p2'));
  await it.answer('recount', {
    ...recounted,
    drift: [{ type: 'A', lockBefore: '3', lock: '1', fields: 0, size: { lock: 2, lockInfo: 0 } }],
  });
  await it.answer('restore', restored());
  expect(it.context().slots).toEqual({});
  await it.tick(grace);
  expect(it.context().slots).toEqual({ 'pool-0': 'p1' });
  await it.answer('pool-0', rescued('p1'));
  expect(it.context().slots).toEqual({ 'pool-0': 'p2' });
  expect(it.of('rescue.ended')).toEqual([]);
  await it.answer('pool-0', rescued('p2'));
  expect(it.context().slots).toEqual({});
  expect(it.of('rescue.ended')).toMatchObject([
    { result: { number: 1, suspects: 2, entries: 4, pools: { rescued: 2 }, drift: [{ type: 'A' }] } },
  ]);
});

test('a pool that is in hand gets no second actor; both callers wait for it, and the first one reports it', async () => {
  const it = start(1, 2);
  await it.send(rescueNow(1));
  await it.answer('find', found('p1'));
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  await it.send(rescueNow(2, { grace: 0 }));
  await it.answer('find', found('p1'));
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  expect(it.context().slots).toEqual({ 'pool-0': 'p1' });
  expect(it.of('rescue.ended')).toEqual([]);
  await it.answer('pool-0', rescued('p1'));
  expect(it.of('rescue.ended').map(({ result }) => [result.number, result.pools.rescued, result.entries])).toEqual([
    [1, 1, 2],
    [2, 0, 0],
  ]);
});

test.each([
  [true, false],
  [false, true],
])(
  'fault 142: a pool that is looked at for a plan (%s) gets another actor for a rescue (plan: %s), each its own pass',
  async (first, second) => {
    const it = start(1, 2);
    const begin = async (number: number, plan: boolean) => {
      await it.send(rescueNow(number, { plan }));
      await it.answer('find', found('p1'));
      await it.answer('recount', recounted);
      await it.answer('restore', restored());
    };
    await begin(1, first);
    await begin(2, second);
    await it.tick(grace);
    expect(it.context().slots).toEqual({ 'pool-0': 'p1', 'pool-1': 'p1' });
    const outcomeOf = (plan: boolean) => ({ ...rescued('p1'), outcome: plan ? 'planned' : 'rescued' });
    await it.answer('pool-1', outcomeOf(second));
    await it.answer('pool-0', outcomeOf(first));
    const ends = it.of('rescue.ended').map(({ result }) => [result.number, result.plan, result.pools, result.entries]);
    const pools = (plan: boolean) => ({
      alive: 0,
      abandoned: 0,
      cleaned: 0,
      rescued: plan ? 0 : 1,
      planned: plan ? 1 : 0,
    });
    expect(ends).toEqual([
      [2, second, pools(second), 2],
      [1, first, pools(first), 2],
    ]);
    expect(it.context()).toMatchObject({ slots: {}, slotPools: {} });
  },
);

test('fault 135: a pool is reported by the pass that has found it, and by no later one that finds it in hand', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  for (const pass of [1, 2]) {
    await it.tick(10_000);
    await it.answer('find', found('p1'));
    await it.answer('recount', recounted);
    await it.answer('restore', restored());
    expect(it.of('rescue.started').at(-1)).toMatchObject({ pass, request: { number: 0 } });
  }
  expect(it.of('rescue.ended')).toMatchObject([{ pass: 2, result: { suspects: 0, entries: 0 } }]);
  await it.tick(5_000);
  await it.answer('pool-0', rescued('p1'));
  expect(it.of('rescue.ended').slice(1)).toMatchObject([
    { pass: 1, result: { suspects: 1, entries: 2, pools: { rescued: 1 } } },
  ]);
  expect(it.of('pool')).toMatchObject([{ since: 0, outcome: { pool: 'p1' } }]);
});

test.each([undefined, 0])(
  'fault 115: a pool of a scheduled pass is reported by the pass that a caller asks for since (grace %s)',
  async (asked) => {
    const it = start(1, 2);
    await it.send({ type: 'schedule' });
    await it.tick(10_000);
    await it.answer('find', found('p1', 'p2'));
    await it.answer('recount', recounted);
    await it.answer('restore', restored());
    await it.send(rescueNow(1, asked === undefined ? {} : { grace: asked }));
    await it.answer('find', found('p1'));
    await it.answer('recount', recounted);
    await it.answer('restore', restored());
    if (asked === undefined) await it.tick(grace);
    // Without grace what waits is meant too, found by this pass or not.
    expect(it.context().slots).toEqual({ 'pool-0': 'p1', 'pool-1': 'p2' });
    await it.answer('pool-0', rescued('p1'));
    await it.answer('pool-1', rescued('p2'));
    expect(it.of('rescue.ended').map(({ result }) => [result.number, result.suspects, result.entries])).toEqual([
      [1, 1, 2],
      [0, 1, 2],
    ]);
  },
);

test('plans, which change nothing, report what they find in full, each of them that was asked for', async () => {
  const it = start();
  for (const number of [1, 2]) {
    await it.send(rescueNow(number, { plan: true }));
    await it.answer('find', found('p1'));
    await it.answer('recount', recounted);
    await it.answer('restore', restored());
  }
  await it.tick(grace);
  await it.answer('pool-0', { ...rescued('p1'), outcome: 'planned' });
  expect(it.of('rescue.ended').map(({ result }) => [result.number, result.entries])).toEqual([
    [1, 2],
    [2, 2],
  ]);
});

test('fault 140: graces run side by side whatever the slots do, and pools with entries get the next slots', async () => {
  const it = start(1, 1);
  await it.send(rescueNow(1));
  const many = found('stale-1', 'stale-2', 'holds');
  await it.answer('find', {
    ...many,
    suspects: many.suspects.map((one) => ({ ...one, holdsEntries: one.pool === 'holds' })),
  });
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  await it.tick(grace - 1);
  expect(it.context().slots).toEqual({});
  await it.tick(1);
  expect(it.context()).toMatchObject({ slots: { 'pool-0': 'holds' }, graces: [] });
  await it.answer('pool-0', rescued('holds'));
  expect(it.context().slots).toEqual({ 'pool-0': 'stale-1' });
  // One that comes up with entries later is not behind those that wait.
  await it.send(rescueNow(2, { grace: 0 }));
  await it.answer('find', { ...found(), suspects: [{ ...suspect('late'), holdsEntries: true }] });
  await it.answer('pool-0', { ...rescued('stale-1'), outcome: 'cleaned', moved: {}, entries: 0 });
  expect(it.context().slots).toEqual({ 'pool-0': 'late' });
});

test('a pool that is to be looked at again gives its slot back and waits out its grace beside the others', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found('p1', 'p2'));
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  await it.tick(grace);
  const before = { moved: { A: 1 }, quarantined: [], failures: 1, error: 'READONLY' };
  await it.answer('pool-0', { again: { suspect: { ...suspect('p1'), at: 20_000 }, plan: false, grace, before } });
  expect(it.context()).toMatchObject({ slots: { 'pool-0': 'p2' }, graces: [{ dueAt: 35_000 }] });
  await it.answer('pool-0', rescued('p2'));
  await it.tick(grace);
  expect(it.context().slots).toEqual({ 'pool-0': 'p1' });
  await it.answer('pool-0', rescued('p1'));
  expect(it.of('rescue.ended')).toMatchObject([{ result: { pools: { rescued: 2 } } }]);

  const stopped = await stopWhile(async (driver) => {
    await driver.send(rescueNow(1));
    await driver.answer('find', found('p1', 'p2'));
    await driver.answer('recount', recounted);
    await driver.answer('restore', restored());
    await driver.tick(grace);
  });
  await stopped.answer('pool-0', { again: { suspect: suspect('p1'), plan: false, grace, before } });
  expect(stopped.of('pool').map(({ outcome: { pool, entries } }) => [pool, entries])).toEqual([
    ['p2', 0],
    ['p1', 1],
  ]);
  expect(stopped.of('rescue.ended')).toMatchObject([{ result: { entries: 1, pools: { abandoned: 2 } } }]);
});

test('fault 137: a heartbeat that grows old begins the next pass; what keeps one from seeing that is reported', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  await it.answer('watch', undefined);
  expect(it.value().rescue).toEqual({ finding: 'looking' });
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  await it.fail('watch');
  expect(it.value().rescue).toBe('waiting');
  expect(it.of('fault')).toEqual([{ type: 'fault', where: 'watching heartbeats', error: 'Redis is down' }]);
  await it.tick(10_000);
  expect(it.value().rescue).toEqual({ finding: 'looking' });
});

test('a plan of a rescue rebuilds no counters', async () => {
  const it = start();
  await it.send(rescueNow(1, { plan: true }));
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('restore', restored({ lost: [lost('j1', true)] }));
  expect(it.value().rescue).toBe('idle');
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, plan: true, lost: 1 } }]);
});

test('a pass that nobody asked for looks for lost entries once, whatever is going to be due', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  await it.tick(10_000);
  await it.answer('find', found());
  expect(it.value().rescue).toBe('recounting');
  await it.answer('recount', recounted);
  await it.answer(
    'restore',
    restored({
      lost: [lost('j1')],
      unobserved: ['silent'],
      undecided: 2,
      poison: [{ id: 'j2', type: 'A', pool: 'p' }],
      dueInMs: 20_000,
    }),
  );
  expect(it.of('lost')).toMatchObject([{ entry: { id: 'j1' } }]);
  expect(it.of('rescue.ended')).toMatchObject([
    { result: { lost: 1, unobserved: ['silent'], undecided: 2, quarantined: 1 } },
  ]);
});

test('a pass that was asked for bides its time and looks for lost entries twice, and never a third time', async () => {
  for (const plan of [false, true]) {
    const it = start();
    await it.send(rescueNow(1, { plan }));
    await it.answer('find', found());
    await it.answer('recount', recounted);
    await it.answer('restore', restored({ lost: [lost('j1', plan)], dueInMs: 30_000 }));
    expect(it.value().rescue).toEqual({ restoring: 'awaitingSecondLook' });
    await it.tick(29_999);
    expect(it.value().rescue).toEqual({ restoring: 'awaitingSecondLook' });
    await it.tick(1);
    // A plan has moved nothing, and finds again what it found.
    const found2 = plan ? [lost('j1', plan), lost('j2', plan)] : [lost('j2')];
    await it.answer('restore', restored({ lost: found2, dueInMs: 5_000 }));
    expect(it.of('lost').map(({ entry }) => entry.id)).toEqual(['j1', 'j2']);
    expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, lost: 2 } }]);
  }
});

test('entries of ended jobs are counted and told; a plan, which leaves them, counts them once', async () => {
  const ended = (plan: boolean) => ({ id: 'j', type: 'A', pool: 'p', endedS: 90, plan });
  for (const plan of [false, true]) {
    const it = start();
    await it.send(rescueNow(1, { plan }));
    await it.answer('find', found());
    await it.answer('recount', recounted);
    await it.answer('restore', restored({ finished: [ended(plan)], oldestUndecidedS: 40, undecided: 1, dueInMs: 9 }));
    await it.tick(9);
    const again = plan ? [ended(plan)] : [];
    await it.answer('restore', restored({ finished: again, undecided: 1, oldestUndecidedS: 70 }));
    expect(it.of('finished')).toMatchObject([{ entry: { id: 'j', plan } }]);
    expect(it.of('rescue.ended')).toMatchObject([{ result: { finished: 1, undecided: 1, oldestUndecidedS: 70 } }]);
  }
});

test('lost entries that can not be looked for, or not all be put back, are reported, and the counters are rebuilt', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.send(rescueNow(2));
  await it.answer('find', found());
  expect(it.value().rescue).toBe('recounting');
  await it.answer('recount', recounted);
  await it.fail('restore');
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('restore', restored({ lost: [lost('j1')], error: 'OOM' }));
  expect(it.of('fault').map(({ where, error }) => [where, error])).toEqual([
    ['looking for lost entries', 'Redis is down'],
    ['putting back lost entries', 'OOM'],
  ]);
  expect(it.of('rescue.ended').map(({ result }) => [result.lost, result.error])).toEqual([
    [0, undefined],
    [1, undefined],
  ]);
});

test('a look that fails is tried again after a pause, and given up after seven failures', async () => {
  const it = start();
  await it.send(rescueNow(1));
  for (let i = 0; i < 6; i++) {
    await it.fail('find');
    expect(it.value().rescue).toEqual({ finding: 'pausing' });
    await it.tick(hour);
  }
  await it.fail('find');
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, error: 'Redis is down' } }]);
  expect(it.value().rescue).toBe('idle');
});

test('a look that stands down judges no pool, rebuilds no counters and says why', async () => {
  const it = start();
  await it.send(rescueNow(1, { grace: 0 }));
  await it.answer('find', { alive: 0, suspects: [], types: [], suspended: 'Redis is ill' });
  expect(it.value().rescue).toBe('idle');
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, suspects: 0, suspended: 'Redis is ill' } }]);
  expect(it.of('rescue.ended')[0]?.result).not.toHaveProperty('error');
});

test('counters that can not be rebuilt spoil the pass, and no other', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found());
  await it.fail('recount');
  await it.answer('restore', restored());
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, error: 'Redis is down' } }]);
});

test('a pool whose chart breaks is abandoned, and the pass goes on', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found('p1'));
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  await it.tick(grace);
  await it.fail('pool-0');
  expect(it.of('pool')).toMatchObject([{ outcome: { pool: 'p1', outcome: 'abandoned', error: 'Redis is down' } }]);
  expect(it.of('rescue.ended')).toMatchObject([{ result: { pools: { abandoned: 1 } } }]);
});

test('who asks for no grace is not made to wait for a second look at what may be lost', async () => {
  const it = start();
  await it.send(rescueNow(1, { grace: 0 }));
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('restore', restored({ dueInMs: 30_000 }));
  expect(it.value().rescue).toBe('idle');
});

test('a lane that breaks is replaced, but not for ever', async () => {
  const it = start();
  for (let i = 0; i < 64; i++) {
    await it.fail('lane-0');
    expect(it.context().idle).toEqual(['lane-0']);
  }
  expect(it.actor.getSnapshot().children['lane-0']?.getSnapshot().status).toBe('active');
  await it.fail('lane-0');
  expect(it.context()).toMatchObject({ lanes: 0, idle: [] });
});

const fenceOf = (number: number) => ({ lease: 't:reaper:lease', number: String(number) });
const ours = (number: number) => ({ fence: fenceOf(number), host: 'here:1' });
const theirs = { fence: undefined, host: 'there:2' };
const renewal = 3_000;
const takenOver = expect.stringContaining('another host has taken over');

/** One of several hosts, which has the lease. */
const startLeader = async () => {
  const it = start(1, 1, false, true);
  await it.send({ type: 'schedule' });
  await it.answer('acquireLease', ours(1));
  return it;
};

test('where hosts share the schedule, one without the lease waits for no pass, and does those that it is asked for', async () => {
  const it = start(1, 1, false, true);
  await it.send({ type: 'schedule' });
  expect(it.value()).toEqual({ sweep: 'idle', rescue: 'idle', life: 'running', lease: { shared: 'asking' } });
  await it.answer('acquireLease', theirs);
  await it.tick(renewal);
  await it.answer('acquireLease', theirs);
  expect(it.value()).toEqual({ sweep: 'idle', rescue: 'idle', life: 'running', lease: { shared: 'watching' } });
  expect(it.of('lease')).toEqual([{ type: 'lease', holds: false, host: 'there:2' }]);
  await it.send(sweepNow(1));
  await it.answer('readPage', page(true));
  await it.answer('examine', acting());
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1 } }]);
  await it.tick(renewal);
  await it.answer('acquireLease', ours(1));
  expect(it.value()).toEqual({ sweep: 'waiting', rescue: 'waiting', life: 'running', lease: { shared: 'holding' } });
  expect(it.of('lease').at(-1)).toEqual({ type: 'lease', holds: true, host: 'here:1' });
});

test('a renewal keeps the passes that wait; one that fails is told once, and leaves things as they are', async () => {
  const it = await startLeader();
  await it.tick(renewal);
  await it.answer('acquireLease', ours(1));
  for (let i = 0; i < 2; i++) {
    await it.tick(renewal);
    await it.fail('acquireLease');
  }
  expect(it.value()).toMatchObject({ sweep: 'waiting', lease: { shared: 'holding' } });
  expect(it.of('fault')).toEqual([{ type: 'fault', where: 'asking for the lease', error: 'Redis is down' }]);
  expect(it.of('lease')).toHaveLength(1);
});

test('a scheduled sweep tells the others of its end, before the next one waits for its time', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(true));
  await it.answer('examine', acting());
  expect(it.value().sweep).toBe('completing');
  expect(it.of('sweep.ended')).toEqual([]);
  await it.answer('completePass', undefined);
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 0 } }]);
  expect(it.of('sweep.ended')[0]?.result.error).toBeUndefined();
  expect([it.value().sweep, it.context().sweepFailedIn]).toEqual(['waiting', undefined]);
});

test('a sweep whose end can not be told has not got to it', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(true));
  await it.answer('examine', acting());
  await it.fail('completePass');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { error: 'Redis is down' } }]);
  expect(it.context().sweepFailedIn).toEqual(fenceOf(1));
});

test('fault 119: a scheduled sweep that is suspended is tried again an interval later, at its begin and at its end', async () => {
  for (const isAtEnd of [false, true]) {
    const it = await startLeader();
    await it.tick(hour);
    if (isAtEnd) {
      await it.answer('readPage', page(true));
      await it.answer('examine', acting());
    }
    await it.fail(isAtEnd ? 'completePass' : 'readPage', new RefusedError('Redis is a replica'));
    expect(it.of('sweep.ended')).toMatchObject([{ result: { suspended: 'Redis is a replica' } }]);
    expect([it.value().sweep, it.context().sweepFailedIn]).toEqual(['waiting', fenceOf(1)]);
  }
});

test('fault 119: what was suspended while it drained is not told to the others as done', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(true, jobFor('fail')));
  await it.answer('examine', acting(jobFor('fail')));
  await it.send({
    ...freed,
    outcome: { ...outcome, outcome: 'abandoned', isRefused: true, error: 'Redis is a replica' },
  });
  expect(it.value().sweep).toBe('waiting');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { suspended: 'Redis is a replica' } }]);
});

test('a page that is fenced is not tried again', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.fail('readPage', new FencedError());
  expect(it.of('sweep.ended')).toMatchObject([{ result: { error: takenOver } }]);
});

test('a scheduled sweep ends when the lease is lost or had anew, once its lanes are idle', async () => {
  for (const term of [theirs, ours(2)]) {
    const it = await startLeader();
    await it.tick(hour);
    await it.answer('acquireLease', ours(1));
    await it.answer('readPage', page(false, jobFor('fail'), jobFor('fail')));
    await it.answer('examine', acting(jobFor('fail'), jobFor('fail')));
    await it.tick(renewal);
    await it.answer('acquireLease', term);
    expect(it.value().sweep).toBe('draining');
    await it.send(freed);
    expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 0, error: takenOver, tally: { scanned: 1 } } }]);
    expect(it.value().sweep).toBe(term === theirs ? 'idle' : 'waiting');
  }
});

test('a sweep and a look that callers asked for go on when the lease is lost', async () => {
  const it = await startLeader();
  await it.send(sweepNow(1));
  await it.send(rescueNow(2));
  expect([it.context().sweepFence, it.context().rescueFence]).toEqual([undefined, undefined]);
  await it.tick(renewal);
  await it.answer('acquireLease', theirs);
  expect(it.value()).toMatchObject({ sweep: { scanning: 'reading' }, rescue: { finding: 'looking' } });
  await it.answer('find', found('p1'));
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  await it.tick(grace);
  await it.answer('pool-0', rescued('p1'));
  await it.answer('readPage', page(true));
  await it.answer('examine', acting());
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 2, pools: { rescued: 1 } } }]);
  expect(it.of('sweep.ended')[0]?.result.error).toBeUndefined();
});

test('a scheduled look ends when the lease is lost, while it looks and while it counts', async () => {
  for (const counts of [false, true]) {
    const it = await startLeader();
    await it.tick(10_000);
    await it.answer('acquireLease', ours(1));
    if (counts) await it.answer('find', found());
    await it.tick(renewal);
    await it.answer('acquireLease', theirs);
    if (counts) {
      await it.fail('recount', new FencedError());
      await it.fail('restore', new FencedError());
    } else await it.answer('find', found('p1'));
    expect(it.context().slots).toEqual({});
    expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 0, error: takenOver } }]);
    expect(it.value().rescue).toBe('idle');
    expect(it.context().rescueFailedIn).toEqual(fenceOf(1));
  }
});

test('pools that a scheduled look has found are given up with the lease, those that wait at once', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  await it.answer('acquireLease', ours(1));
  const fenced = found('p1', 'p2', 'p3');
  await it.answer('find', {
    ...fenced,
    suspects: fenced.suspects.map((suspected, i) => ({ ...suspected, at: i < 2 ? 0 : 5_000, fence: fenceOf(1) })),
  });
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  for (let ms = 0; ms < grace; ms += renewal) {
    await it.tick(renewal);
    if (ms + renewal < grace) await it.answer('acquireLease', ours(1));
  }
  await it.answer('acquireLease', theirs);
  expect(it.of('pool')).toMatchObject(
    ['p3', 'p2'].map((pool) => ({ outcome: { pool, outcome: 'abandoned', error: takenOver } })),
  );
  expect(it.context().slots).toEqual({ 'pool-0': 'p1' });
  // One that would have to wait out another grace is given up too.
  await it.answer('pool-0', {
    again: {
      suspect: { ...suspect('p1'), fence: fenceOf(1) },
      plan: false,
      grace,
      before: { moved: { A: 1 }, quarantined: [], failures: 1, error: undefined },
    },
  });
  expect(it.context()).toMatchObject({ slots: {}, slotPools: {}, graces: [] });
  expect(it.of('rescue.ended').at(-1)).toMatchObject({ result: { entries: 1, pools: { abandoned: 3 } } });
});

test('the grace of a pool that a caller has found is not cut short by one that is given up with the lease', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  await it.answer('acquireLease', ours(1));
  await it.answer('find', { ...found(), suspects: [{ ...suspect('p1'), fence: fenceOf(1) }] });
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  await it.send(rescueNow(1));
  await it.answer('find', { ...found(), suspects: [{ ...suspect('p2'), at: 5_000 }] });
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
  await it.tick(renewal);
  await it.answer('acquireLease', theirs);
  expect(it.of('pool')).toMatchObject([{ outcome: { pool: 'p1', outcome: 'abandoned' } }]);
  // An end that was on its way already is not that of the other one.
  await it.send({ type: 'grace.over', dueAt: grace });
  await it.tick(grace - 1);
  expect([it.context().slots, it.context().graces]).toMatchObject([{}, [{ dueAt: 20_000 }]]);
  await it.tick(1);
  expect(it.context().slots).toEqual({ 'pool-0': 'p2' });
});

test('the lease is renewed until what is in hand has ended', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(false));
  await it.answer('examine', acting(jobFor('fail')));
  await it.send({ type: 'stop' });
  await it.answer('acquireLease', ours(1));
  expect(it.value()).toMatchObject({ sweep: 'draining', lease: { shared: 'holding' } });
  await it.tick(renewal);
  expect(it.value().lease).toEqual({ shared: 'asking' });
  await it.send(freed);
  expect(it.actor.getSnapshot().status).toBe('done');
});

test('stopped while it holds the lease or watches, with nothing in hand, it is over at once', async () => {
  const holding = await startLeader();
  await holding.send({ type: 'stop' });
  const watching = start(1, 1, false, true);
  await watching.send({ type: 'schedule' });
  await watching.answer('acquireLease', theirs);
  await watching.send({ type: 'stop' });
  for (const it of [holding, watching]) expect(it.actor.getSnapshot().status).toBe('done');
});

const stopWhile = async (what: (it: Driver) => Promise<void>) => {
  const it = start();
  await what(it);
  await it.send({ type: 'stop' });
  return it;
};

test('stopped at rest or while it waits, it is over at once', async () => {
  const idle = await stopWhile(async () => undefined);
  const waiting = await stopWhile((it) => it.send({ type: 'schedule' }));
  for (const it of [idle, waiting]) expect(it.actor.getSnapshot().status).toBe('done');
});

test('stopped while it scans, it asks for no more pages, lets the lanes finish, and says that it was cut short', async () => {
  const it = await stopWhile(async (driver) => {
    await driver.send(sweepNow(1));
    await driver.send(sweepNow(2));
    await driver.answer('readPage', page(false));
    await driver.answer('examine', acting(jobFor('fail'), jobFor('fail')));
  });
  expect(it.value().sweep).toBe('draining');
  await it.send(freed);
  expect(it.actor.getSnapshot().status).toBe('done');
  expect(it.of('sweep.ended')).toMatchObject([
    { result: { number: 1, error: 'stopped before its end', tally: { scanned: 1 } } },
    { result: { number: 2, error: 'the reaper is stopped' } },
  ]);
});

test('stopped while it looks for pools or has some in hand, it answers everybody who waits', async () => {
  const looking = await stopWhile(async (it) => {
    await it.send(rescueNow(1));
    await it.send(rescueNow(2));
  });
  expect(looking.actor.getSnapshot().status).toBe('done');
  expect(
    looking
      .of('rescue.ended')
      .map(({ result }) => [result.number, result.error])
      .sort(),
  ).toEqual([
    [1, 'the reaper is stopped'],
    [2, 'the reaper is stopped'],
  ]);

  const awaitingSecondLook = await stopWhile(async (it) => {
    await it.send(rescueNow(1));
    await it.answer('find', found());
    await it.answer('recount', recounted);
    await it.answer('restore', restored({ dueInMs: 30_000 }));
  });
  expect(awaitingSecondLook.actor.getSnapshot().status).toBe('done');
  expect(awaitingSecondLook.of('rescue.ended')).toMatchObject([
    { result: { number: 1, error: 'the reaper is stopped' } },
  ]);

  const inHand = await stopWhile(async (it) => {
    await it.send(rescueNow(1));
    await it.answer('find', found('p1', 'p2'));
    await it.answer('recount', recounted);
    await it.answer('restore', restored());
    await it.tick(grace);
  });
  expect(inHand.value().rescue).toBe('stopping');
  await inHand.answer('pool-0', rescued('p1'));
  expect(inHand.actor.getSnapshot().status).toBe('done');
  expect(inHand.of('rescue.ended')).toMatchObject([
    { result: { number: 1, error: 'the reaper is stopped', entries: 2 } },
  ]);
});

afterAll(() => expect(coverage.missing()).toEqual([]));
