import { expect, test } from 'vitest';
import { type AnyActorRef, createActor, SimulatedClock } from 'xstate';
import { FencedError } from '../../src/machines/lease.ts';
import { PermanentError } from '../../src/machines/permanent.ts';
import type { PoolOutcome } from '../../src/machines/pool.ts';
import { RefusedError } from '../../src/machines/refusal.ts';
import {
  type Restored,
  type SupervisorEmitted,
  type SupervisorEvent,
  supervisorMachine,
} from '../../src/machines/supervisor.ts';
import { emptyTally } from '../../src/machines/tally.ts';
import { jobFor, policy } from '../support/facts.ts';
import { createRemote, flush } from '../support/paths.ts';

// What the supervisor says to its children and to the other hosts, and when: rules that no path proves (150).

const remote = createRemote();
const logic = remote.logic();
const machine = supervisorMachine.provide({
  actors: {
    ...{ lane: logic, pool: logic, readPage: logic, examine: logic, find: logic, restore: logic, recount: logic },
    ...{ completePass: logic, acquireLease: logic, watch: logic },
  } as never,
});

const hour = 3_600_000;
const fence = (number: number) => ({ lease: 't:reaper:lease', number: String(number) });
const ours = (number: number) => ({ fence: fence(number), host: 'here' });
const theirs = { fence: undefined, host: 'there' };
const suspect = (pool: string, of?: ReturnType<typeof fence>, at = 0) => ({
  ...{ pool, heartbeat: '', types: ['A'], evidence: 'no heartbeat', disruptions: 0, at, holdsEntries: false },
  ...(of === undefined ? {} : { fence: of }),
});
const found = (...suspects: ReturnType<typeof suspect>[]) => ({
  ...{ alive: 0, clockAhead: 0, suspects, types: ['A'], lists: [], live: [], unreadable: [] },
});
const restored = (more: Partial<Restored> = {}): Restored => ({
  ...{ lost: [], unobserved: [], undecided: 0, oldestUndecidedS: 0, finished: [], poison: [], dueInMs: undefined },
  ...more,
});
const recounted = { drift: [], unreadable: [], locks: new Map() };
const ended = (pool: string, more: Partial<PoolOutcome> = {}): PoolOutcome => ({
  ...{ pool, outcome: 'rescued', evidence: '', moved: { A: 2 }, entries: 2, quarantined: 1 },
  ...more,
});
const sweepNow = (number: number, plan = false) => ({ type: 'sweep.now' as const, request: { number, plan } });
const rescueNow = (number: number, more: { plan?: boolean; grace?: number } = {}) => ({
  type: 'rescue.now' as const,
  request: { number, plan: more.plan === true, grace: more.grace, thorough: true },
});

const start = ({ lanes = 1, poolSlots = 2, needsLease = false } = {}) => {
  const clock = new SimulatedClock();
  const emitted: SupervisorEmitted[] = [];
  /** What the pools were started with, and what they were told. */
  const pools: { id: string; type: string; input?: { grace: number; plan: boolean } }[] = [];
  /** What effects were asked with. */
  const asked: Record<string, unknown[]> = {};
  const actor = createActor(machine, {
    clock,
    input: { policy, lanes, poolSlots, poolGrace: 15_000, plan: false, needsLease },
    inspect(event) {
      if (event.type !== '@xstate.event') return;
      const { id } = event.actorRef as AnyActorRef;
      const { type, input } = event.event as { type: string; input?: never };
      if (id.startsWith('pool-')) pools.push(input === undefined ? { id, type } : { id, type, input });
      else if (type === 'xstate.init') asked[id] = [...(asked[id] ?? []), input];
    },
  });
  const types = [
    'sweep.started',
    'sweep.ended',
    'rescue.started',
    'rescue.ended',
    'pool',
    'lost',
    'finished',
    'fault',
    'lease',
  ];
  for (const type of types as SupervisorEmitted['type'][]) actor.on(type, (event) => void emitted.push(event));
  actor.subscribe({ error: () => undefined });
  actor.start();
  const then = async (act: () => unknown) => {
    await flush();
    act();
    await flush();
  };
  return {
    told: () => pools.filter(({ type }) => type === 'stop').map(({ id, type }) => `${id} ${type}`),
    started: () => pools.flatMap(({ id, input }) => (input === undefined ? [] : [[id, input.grace, input.plan]])),
    asked: (id: string) => asked[id]?.at(-1),
    waiting: () =>
      actor.getSnapshot().context.graces.flatMap(({ pools }) => pools.map(({ input }) => input.suspect.pool)),
    of: <Type extends SupervisorEmitted['type']>(type: Type) =>
      emitted.filter((event): event is Extract<SupervisorEmitted, { type: Type }> => event.type === type),
    slots: () => Object.values(actor.getSnapshot().context.slots),
    value: () => actor.getSnapshot().value as { sweep: unknown; rescue: unknown; lease: unknown },
    context: () => actor.getSnapshot().context,
    send: (event: SupervisorEvent) => then(() => actor.send(event)),
    answer: (id: string, output: unknown) => then(() => remote.resolve(actor, id, output)),
    fail: (id: string, error: Error = new Error('Redis is down')) => then(() => remote.reject(actor, id, error)),
    tick: (ms: number) => then(() => clock.increment(ms)),
  };
};
type Driver = ReturnType<typeof start>;
const startLeader = async (more: Parameters<typeof start>[0] = {}) => {
  const it = start({ needsLease: true, ...more });
  await it.send({ type: 'schedule' });
  await it.answer('acquireLease', ours(1));
  return it;
};
/** A pass of rescue to its end, but for its pools. */
const rescue = async (it: Driver, looked: ReturnType<typeof found>) => {
  await it.answer('find', looked);
  await it.answer('recount', recounted);
  await it.answer('restore', restored());
};

test.each([
  ['has failed', (it: Driver) => it.fail('examine')],
  ['is suspended', (it: Driver) => it.answer('examine', { acting: [], tally: emptyTally, suspended: 'no memory' })],
] as const)('fault 150: a shared sweep that %s at its last page is not told to others as done', async (_, end) => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', { jobs: [], isLast: true });
  await end(it);
  expect([it.value().sweep, it.asked('completePass')]).toEqual(['waiting', undefined]);
  // It is tried again an interval later, not at once.
  expect(it.context().sweepFailedIn).toEqual(fence(1));
});

test('a shared sweep that was stopped before its end is not told to others as done', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', { jobs: [], isLast: false });
  await it.answer('examine', { acting: [jobFor('fail')], tally: emptyTally });
  await it.send({ type: 'stop' });
  await it.send({
    type: 'lane.freed',
    lane: 'lane-0',
    outcome: { id: 'j', verdict: 'fail', reason: 'hung', rule: 4, outcome: 'done', facts: jobFor('fail').facts },
  });
  expect([it.asked('completePass'), it.of('sweep.ended')[0]?.result.error]).toEqual([
    undefined,
    'stopped before its end',
  ]);
});

test.each([
  ['a page that can never be read', new PermanentError('x')],
  ['a page of a lost lease', new FencedError()],
  ['a page that Redis refuses', new RefusedError('x')],
])('after %s a shared sweep is tried again an interval later', async (_, error) => {
  const it = await startLeader();
  await it.tick(hour);
  await it.fail('readPage', error);
  expect([it.value().sweep, it.context().sweepFailedIn]).toEqual(['waiting', fence(1)]);
});

test('a sweep that is asked for is nobody else’s: it has no fence, and its end is told to nobody', async () => {
  const it = await startLeader();
  await it.send(sweepNow(1));
  expect(it.asked('readPage')).toEqual({ isFirst: true, plan: false, fence: undefined });
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('examine', { acting: [], tally: emptyTally });
  expect(it.asked('completePass')).toBeUndefined();
  await it.tick(hour);
  expect(it.asked('readPage')).toEqual({ isFirst: true, plan: false, fence: fence(1) });
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('examine', { acting: [], tally: emptyTally });
  expect(it.asked('completePass')).toEqual({ fence: fence(1) });
});

test('a sweep whose last page is dealt when the reaper stops ends as one that is done', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('examine', { acting: [jobFor('fail')], tally: emptyTally });
  await it.send({ type: 'stop' });
  expect(it.of('sweep.ended')).toEqual([]);
  await it.send({
    type: 'lane.freed',
    lane: 'lane-0',
    outcome: { id: 'j', verdict: 'fail', reason: 'hung', rule: 4, outcome: 'done', facts: jobFor('fail').facts },
  });
  expect(it.of('sweep.ended').map(({ result }) => result.error)).toEqual([undefined]);
});

test('a lane that breaks at a job is used again, and the sweep ends', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('examine', { acting: [jobFor('fail')], tally: emptyTally });
  expect([it.context().idle, it.of('sweep.ended')]).toEqual([[], []]);
  await it.fail('lane-0');
  expect([it.context().idle, it.of('sweep.ended').length]).toEqual([['lane-0'], 1]);
});

test('jobs of a page that is examined when the reaper stops are left to the next sweep', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.send({ type: 'stop' });
  expect(it.context().acting).toEqual([]);
  expect(it.of('sweep.ended')).toHaveLength(1);
});

test('fault 150: with a lost lease each pool of a shared pass is told to stop, and none of a pass that was asked for', async () => {
  const it = await startLeader({ poolSlots: 2 });
  await it.tick(10_000);
  await rescue(it, found(suspect('p1', fence(1)), suspect('p2'), suspect('p3', fence(1)), suspect('p4')));
  await it.tick(15_000);
  expect(it.started().map(([id]) => id)).toEqual(['pool-0', 'pool-1']);
  await it.answer('find', found(suspect('p5', fence(1), 1), suspect('p6', undefined, 1)));
  await it.answer('acquireLease', theirs);
  expect(it.told()).toEqual(['pool-0 stop']);
  expect([it.context().suspects.map(({ input }) => input.suspect.pool), it.waiting()]).toEqual([['p4'], ['p6']]);
  expect(it.of('pool').map(({ outcome }) => [outcome.pool, outcome.outcome])).toEqual([
    ['p5', 'abandoned'],
    ['p3', 'abandoned'],
  ]);
});

test('fault 150: a shared pass that stands down, or finds no lease any more, is tried again an interval later', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  await it.answer('find', { ...found(suspect('p1')), suspended: 'Redis is loading' });
  expect([it.started(), it.context().rescueFailedIn]).toEqual([[], fence(1)]);
  expect(it.of('rescue.ended')).toMatchObject([{ result: { suspended: 'Redis is loading' } }]);
});

test('a shared pass whose look fails for good is tried again an interval later', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  await it.fail('find', new PermanentError('x'));
  expect([it.value().rescue, it.context().rescueFailedIn]).toEqual(['waiting', fence(1)]);
  expect(it.of('fault')).toEqual([]);
});

test('fault 150: who asks for no grace ends the grace of the pools that wait, who asks for a shorter one shortens it; a plan does neither', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await rescue(it, found(suspect('p1')));
  await it.send(rescueNow(2, { grace: 5_000 }));
  await rescue(it, found(suspect('p1'), suspect('p2')));
  await it.send(rescueNow(3, { plan: true, grace: 0 }));
  await rescue(it, found());
  expect([it.started(), it.waiting()]).toEqual([[], ['p1', 'p2']]);
  await it.send(rescueNow(4, { grace: 0 }));
  await it.answer('find', found(suspect('p1')));
  expect(it.started()).toEqual([]);
  await it.answer('recount', recounted);
  expect([it.started(), it.waiting()]).toEqual([
    [
      ['pool-0', 5_000, false],
      ['pool-1', 5_000, false],
    ],
    [],
  ]);
});

test('a grace ends at its own time, for all pools that were seen at the same one', async () => {
  const it = start({ poolSlots: 9 });
  await it.send(rescueNow(1, { grace: 5_000 }));
  await rescue(it, found(suspect('p1'), suspect('p2', undefined, 1_000), suspect('p3')));
  expect(it.waiting()).toEqual(['p1', 'p3', 'p2']);
  await it.tick(4_999);
  expect(it.started()).toEqual([]);
  await it.tick(1);
  expect([it.started().length, it.waiting()]).toEqual([2, ['p2']]);
  await it.tick(5_000);
  expect([it.started().length, it.waiting()]).toEqual([3, []]);
});

test('pools that hold entries are rescued before others', async () => {
  const it = start({ poolSlots: 1 });
  await it.send(rescueNow(1, { grace: 0 }));
  const holding = (pool: string) => ({ ...suspect(pool), holdsEntries: true });
  await rescue(it, found(suspect('p1'), holding('p2'), suspect('p3'), holding('p4')));
  expect(it.slots()).toEqual(['p2']);
  expect(it.context().suspects.map(({ input }) => input.suspect.pool)).toEqual(['p4', 'p1', 'p3']);
});

test('a pool that waits for a slot, and is found again, is rescued once', async () => {
  const it = start({ poolSlots: 1 });
  await it.send(rescueNow(1, { grace: 0 }));
  await rescue(it, found(suspect('p1'), suspect('p2')));
  await it.send(rescueNow(2, { grace: 0 }));
  await rescue(it, found(suspect('p1'), suspect('p2')));
  expect([it.slots(), it.context().suspects.map(({ input }) => input.suspect.pool)]).toEqual([['p1'], ['p2']]);
});

test('a pool that has to wait once more gets a grace anew, and its slot is free for others', async () => {
  const it = start({ poolSlots: 1 });
  await it.send(rescueNow(1, { grace: 5_000 }));
  await rescue(it, found(suspect('p1'), suspect('p2')));
  await it.tick(5_000);
  const before = { moved: { A: 3 }, quarantined: [], failures: 1, error: 'Redis is down' };
  await it.answer('pool-0', { again: { suspect: suspect('p1', undefined, 7_000), plan: false, grace: 5_000, before } });
  expect([it.slots(), it.waiting()]).toEqual([['p2'], ['p1']]);
  await it.answer('pool-0', ended('p2'));
  expect(it.of('rescue.ended')).toEqual([]);
  await it.send({ type: 'stop' });
  // What was done before is told of it.
  expect(it.of('pool').at(-1)).toMatchObject({ outcome: { pool: 'p1', outcome: 'abandoned', entries: 3 }, since: 0 });
  expect(it.of('rescue.ended')).toMatchObject([{ result: { entries: 5, suspects: 2 } }]);
});

test('no more pools are looked at at once than may be, each for the plan or the rescue that has found it', async () => {
  const it = start({ poolSlots: 2 });
  await it.send(rescueNow(1, { plan: true, grace: 0 }));
  await rescue(it, found(suspect('p1'), suspect('p2'), suspect('p3')));
  await it.send(rescueNow(2, { grace: 0 }));
  await rescue(it, found(suspect('p1'), suspect('p3')));
  expect(it.started().map(([id, , plan]) => [id, plan])).toEqual([
    ['pool-0', true],
    ['pool-1', true],
  ]);
  expect(it.context().suspects.map(({ input: { suspect, plan } }) => [suspect.pool, plan])).toEqual([
    ['p3', true],
    ['p1', false],
    ['p3', false],
  ]);
  await it.send({ type: 'stop' });
  expect(it.told()).toEqual(['pool-0 stop', 'pool-1 stop']);
  await it.answer('pool-0', ended('p1', { outcome: 'abandoned' }));
  expect(it.started()).toHaveLength(2);
});

test('the end of a pool is told by one rescue: by the scheduled one that found it, or by who has asked since', async () => {
  const it = start();
  const endsOf = (number: number) => it.of('rescue.ended').filter(({ result }) => result.number === number);
  await it.send({ type: 'schedule' });
  await it.tick(10_000);
  await rescue(it, found(suspect('p1'), suspect('p2')));
  await it.send(rescueNow(1));
  await rescue(it, found(suspect('p1')));
  await it.send(rescueNow(2));
  await rescue(it, found(suspect('p1')));
  await it.tick(15_000);
  await it.answer('pool-0', ended('p1'));
  expect(endsOf(1)).toMatchObject([{ result: { suspects: 1, pools: { rescued: 1 }, entries: 2 } }]);
  expect(endsOf(2)).toMatchObject([{ result: { suspects: 0, pools: { rescued: 0 }, entries: 0 } }]);
  expect(endsOf(0)).toEqual([]);
  await it.answer('pool-1', ended('p2'));
  expect(endsOf(0)).toMatchObject([{ result: { suspects: 1, pools: { rescued: 1 }, entries: 2 } }]);
});

test('the first pass looks through all keys, those after it do not', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  await it.tick(10_000);
  expect(it.asked('find')).toEqual({ thorough: true, plan: false, fence: undefined });
  await rescue(it, found());
  await it.tick(10_000);
  expect(it.asked('find')).toEqual({ thorough: false, plan: false, fence: undefined });
});

test('a pass adds up what its looks and its pools did, and ends once', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found(suspect('p1'), suspect('p2')));
  await it.answer('recount', recounted);
  const entry = (id: string) => ({ id, type: 'A', pool: 'q', unobservedS: 30, endedS: 30, plan: false });
  const look = (lost: string, finished: string, poison: string) =>
    restored({ lost: [entry(lost)], finished: [entry(finished)], poison: [entry(poison)], dueInMs: 5 });
  await it.answer('restore', look('a', 'b', 'c'));
  await it.tick(5);
  await it.answer('restore', look('d', 'e', 'f'));
  expect(it.of('rescue.ended')).toEqual([]);
  await it.tick(15_000);
  await it.answer('pool-0', ended('p1'));
  await it.answer('pool-1', ended('p2'));
  expect(it.of('rescue.ended')).toMatchObject([{ result: { lost: 2, finished: 2, entries: 4, quarantined: 4 } }]);
  expect(it.of('lost').map(({ entry: { id } }) => id)).toEqual(['a', 'd']);
  expect(it.of('finished').map(({ entry: { id } }) => id)).toEqual(['b', 'e']);
  // The next one has its second look too.
  await it.send(rescueNow(2));
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('restore', restored({ dueInMs: 5 }));
  expect(it.value().rescue).toEqual({ restoring: 'awaitingSecondLook' });
});

test('a pass that finds nothing ends once, and not before its counters are rebuilt and the live pools looked at', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found());
  expect(it.of('rescue.ended')).toEqual([]);
  await it.answer('recount', recounted);
  expect(it.of('rescue.ended')).toEqual([]);
  await it.answer('restore', restored());
  expect(it.of('rescue.ended')).toHaveLength(1);
});

test('tries of a page and of a look at the pools are further and further apart', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.send(rescueNow(1));
  for (const [step, pause] of [500, 1_000, 2_000].entries()) {
    await it.fail('readPage');
    await it.fail('find');
    await it.tick(pause - 1);
    expect([step, it.value()]).toMatchObject([
      step,
      { sweep: { scanning: 'pausing' }, rescue: { finding: 'pausing' } },
    ]);
    await it.tick(1);
    expect([step, it.value()]).toMatchObject([
      step,
      { sweep: { scanning: 'reading' }, rescue: { finding: 'looking' } },
    ]);
  }
});

test('who has the lease is told when that changes, and that it can not be asked for once in a row', async () => {
  const it = await startLeader();
  const ask = async (answer: () => Promise<void>) => {
    await it.tick(3_000);
    await answer();
  };
  await ask(() => it.answer('acquireLease', ours(1)));
  await ask(() => it.answer('acquireLease', theirs));
  await ask(() => it.answer('acquireLease', { ...theirs, host: 'elsewhere' }));
  await ask(() => it.answer('acquireLease', { ...theirs, host: 'elsewhere' }));
  expect(it.of('lease').map(({ holds, host }) => [holds, host])).toEqual([
    [true, 'here'],
    [false, 'there'],
    [false, 'elsewhere'],
  ]);
  for (let i = 0; i < 3; i++) await ask(() => it.fail('acquireLease'));
  expect(it.of('fault')).toHaveLength(1);
  await ask(() => it.answer('acquireLease', theirs));
  await ask(() => it.fail('acquireLease'));
  expect(it.of('fault')).toHaveLength(2);
});

test('a host that shares no schedule asks for no lease', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  expect([it.value().lease, it.asked('acquireLease')]).toEqual(['off', undefined]);
});

test('a lane that breaks is replaced sixty-four times, and is used again', async () => {
  const it = start();
  for (let i = 0; i < 64; i++) {
    await it.fail('lane-0');
    expect(it.context()).toMatchObject({ lanes: 1, idle: ['lane-0'] });
  }
  await it.send(sweepNow(1));
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('examine', { acting: [jobFor('fail')], tally: emptyTally });
  expect(it.context().idle).toEqual([]);
  await it.fail('lane-0');
  expect(it.context()).toMatchObject({ lanes: 0, idle: [] });
  expect(it.of('sweep.ended')).toHaveLength(1);
});
