import { afterEach, describe, expect, test } from 'vitest';
import { type AnyStateMachine, type AnyStateNode, createMachine } from 'xstate';
import { getStateNodes } from 'xstate/graph';
import type { ChildName } from '../../src/machines/supervisorSetup.ts';
import { emptyTally } from '../../src/machines/tally.ts';
import type { Report } from '../../src/machines/types/reports.ts';
import { jobFor } from '../support/facts.ts';
import {
  fenceOf,
  found,
  ours,
  page,
  recounted,
  requeued,
  rescued,
  rescueNow,
  sweepNow,
  theirs,
} from '../support/passes.ts';
import { rescueTree, startTree, supervisorTree, type Tree, treeMachines } from '../support/tree.ts';

// A child that throws, in each of its states, on the real tree of actors.

const children = { ...treeMachines, rescue: rescueTree };
const minute = 60_000;

/** Whether the planted fault throws, once. */
let isArmed = false;
afterEach(() => {
  isArmed = false;
});

/** A copy of a machine that throws when it enters a state, while it is armed. */
const crashingIn = <Machine extends AnyStateMachine>(machine: Machine, node: AnyStateNode): Machine => {
  type Config = { entry?: unknown; states?: Record<string, Config> };
  const crash = () => {
    if (!isArmed) return;
    isArmed = false;
    throw new Error(`crashed in ${node.key}`);
  };
  const plant = (config: Config, [key, ...path]: readonly string[]): Config =>
    key === undefined
      ? { ...config, entry: [crash, ...[config.entry ?? []].flat()] }
      : { ...config, states: { ...config.states, [key]: plant(config.states?.[key] ?? {}, path) } };
  // biome-ignore lint/suspicious/noExplicitAny: a copy of any machine
  return createMachine(plant(machine.config as Config, node.path) as any, machine.implementations as any) as never;
};
const treeWith = (child: ChildName, machine: AnyStateMachine) =>
  supervisorTree.provide({ actors: { [child]: machine } as never });

/** Drives a tree through all states of its children. */
const tour: readonly ((it: Tree) => Promise<void>)[] = [
  (it) => it.send({ type: 'schedule' }),
  (it) => it.answer('acquireLease', theirs),
  (it) => it.tick(3_000),
  (it) => it.answer('acquireLease', ours(1)),
  (it) => it.send(sweepNow(1)),
  (it) => it.fail('readPage'),
  (it) => it.tick(500),
  (it) => it.answer('readPage', page(true)),
  (it) => it.answer('judgePage', { acting: [jobFor('fail')], tally: emptyTally }),
  (it) => it.sendToSweep({ type: 'lane.freed', lane: 'lane-0', outcome: { outcome: 'done' } as never }),
  (it) => it.send(rescueNow(2)),
  (it) => it.fail('find'),
  (it) => it.tick(500),
  (it) => it.answer('find', found('p1')),
  (it) => it.answer('recount', recounted),
  (it) => it.answer('requeueOrphans', requeued({ dueInMs: 5 })),
  (it) => it.tick(5),
  (it) => it.answer('requeueOrphans', requeued()),
  (it) => it.send({ type: 'hooks.poll' }),
  (it) => it.answer('poll', { due: [], wait: 700 }),
  (it) => it.send({ type: 'hooks.watch' }),
  (it) => it.answer('poll', { due: [], wait: undefined }),
];
/** Drives a tree into the end of a shared sweep. */
const sharedSweep: typeof tour = [
  (it) => it.send({ type: 'schedule' }),
  (it) => it.answer('acquireLease', ours(1)),
  (it) => it.tick(3_600_000),
  (it) => it.answer('readPage', page(true)),
  (it) => it.answer('judgePage', { acting: [], tally: emptyTally }),
];
/** Drives a tree that is busy everywhere through its stop. */
const stop: typeof tour = [
  (it) => it.send({ type: 'schedule' }),
  (it) => it.answer('acquireLease', ours(1)),
  (it) => it.send(sweepNow(1)),
  (it) => it.answer('readPage', page(false)),
  (it) => it.answer('judgePage', { acting: [jobFor('fail')], tally: emptyTally }),
  (it) => it.send(rescueNow(2, { grace: 0 })),
  (it) => it.answer('find', found('p1')),
  (it) => it.answer('recount', recounted),
  (it) => it.answer('requeueOrphans', requeued()),
  (it) => it.send({ type: 'hooks.due', endpoint: 'a' }),
  (it) => it.send({ type: 'stop' }),
  (it) => it.sendToSweep({ type: 'lane.freed', lane: 'lane-0', outcome: { outcome: 'done' } as never }),
  (it) => it.answer('pool-0', rescued('p1')),
  (it) => it.answer('endpoint-0', { endpoint: 'a', outcome: 'idle', wait: undefined }),
  (it) => it.answer('resign', undefined),
];
const abort = { type: 'rescue.cancel', number: 2 } as const;
/** States that the tour does not reach, and what leads to them. */
const ownTours: Readonly<Record<string, { tour: typeof tour; sharesSchedule?: false }>> = {
  'leader.off': { tour: [(it) => it.send({ type: 'schedule' })], sharesSchedule: false },
  'sweep.completing': { tour: sharedSweep },
  'rescue.finding.reading.thenEnd': { tour: [(it) => it.send(rescueNow(2)), (it) => it.send(abort)] },
  'rescue.recounting.thenEnd': {
    tour: [(it) => it.send(rescueNow(2)), (it) => it.answer('find', found('p1')), (it) => it.send(abort)],
  },
  'rescue.requeuingOrphans.trying.thenEnd': {
    tour: [
      (it) => it.send(rescueNow(2)),
      (it) => it.answer('find', found('p1')),
      (it) => it.answer('recount', recounted),
      (it) => it.send(abort),
    ],
  },
  'sweep.scanning.judging.thenDrain': {
    tour: [
      (it) => it.send(sweepNow(1)),
      (it) => it.answer('readPage', page(false)),
      (it) => it.send({ type: 'sweep.cancel', number: 1 }),
    ],
  },
};
const stopTours: Readonly<Record<string, typeof tour>> = {
  'sweep.scanning.judging.thenStop': [
    (it) => it.send(sweepNow(1)),
    (it) => it.answer('readPage', page(false)),
    (it) => it.send({ type: 'stop' }),
    (it) => it.answer('judgePage', { acting: [], tally: emptyTally }),
  ],
  'sweep.completingLast': [
    ...sharedSweep,
    (it) => it.send({ type: 'stop' }),
    (it) => it.answer('completePass', undefined),
    (it) => it.answer('resign', undefined),
  ],
  'sweep.stopping': stop,
  'sweep.stopped': stop,
  'rescue.stopping': stop,
  'rescue.answering': stop,
  'rescue.stopped': stop,
  'dispatcher.stopping': stop,
  'dispatcher.stopped': stop,
  'leader.resigning': stop,
  'leader.resigned': stop,
};

/** Starts a tree whose child throws in a state, and drives it there: the crash is reported. */
const crashOn = async (child: ChildName, node: AnyStateNode, steps: typeof tour, sharesSchedule = true) => {
  isArmed = true;
  const machine = treeWith(child, crashingIn(children[child], node)) as typeof supervisorTree;
  const it = startTree({ machine, sharesSchedule });
  for (const [i, step] of steps.entries()) {
    // After the crash its next steps find nothing to answer.
    await step(it).catch(() => undefined);
    if (!isArmed) return { it, left: steps.slice(i + 1) };
  }
  throw new Error(`${node.id} was not reached`);
};
const expectCrash = (it: Tree, node: AnyStateNode) =>
  expect(it.of('fault').filter(({ error, isCrash }) => isCrash && error === `crashed in ${node.key}`)).toHaveLength(1);

for (const child of ['leader', 'sweep', 'rescue', 'dispatcher'] as const) {
  describe(`the ${child}`, () => {
    const nodes = getStateNodes(children[child]) as AnyStateNode[];
    const named = nodes.map((node) => [node.id, node] as const);

    test.each(named.filter(([id]) => !(id in stopTours)))('that throws in %s is restarted', async (id, node) => {
      const { tour: steps, sharesSchedule } = ownTours[id] ?? { tour };
      const { it } = await crashOn(child, node, steps, sharesSchedule);
      expectCrash(it, node);
      // Callers that waited are answered, and with an error if their pass was the crashed child's.
      const mine = child === 'sweep' ? it.of('sweep.ended') : child === 'rescue' ? it.of('rescue.ended') : [];
      for (const { result } of mine) expect(result.error).toContain('crashed');
      expect(it.status()).toBe('active');
      // It works again, and so do the others.
      await it.send(sweepNow(11));
      await it.send(rescueNow(12));
      const after = it.emitted.length;
      await finishSweep(it);
      await finishRescue(it);
      expect(endsOf(it.emitted.slice(after))).toEqual(expect.arrayContaining([11, 12]));
    });

    test.each(named.filter(([id]) => id in stopTours))('that throws in %s stops no other', async (id, node) => {
      const { it, left } = await crashOn(child, node, stopTours[id] ?? []);
      for (const step of left) await step(it).catch(() => undefined);
      expectCrash(it, node);
      expect(it.status()).toBe('done');
      expect(it.actor.getSnapshot().output?.failed).toEqual([
        expect.objectContaining({ error: `crashed in ${node.key}` }),
      ]);
      // Each pass that has begun has ended, once.
      const begun = [...it.of('sweep.started'), ...it.of('rescue.started')].map(({ request }) => request.number);
      expect(endsOf(it.emitted).sort()).toEqual(begun.sort());
    });
  });
}

const endsOf = (reports: readonly Report[]) =>
  reports.flatMap((report) =>
    report.type === 'sweep.ended' || report.type === 'rescue.ended' ? [report.result.number] : [],
  );

/** Answers everything that sweeps ask until none is left. */
const finishSweep = async (it: Tree) => {
  for (let i = 0; i < 12 && it.value().sweep !== 'idle' && it.value().sweep !== 'waiting'; i++) {
    await it.answer('readPage', page(true)).catch(() => undefined);
    await it.answer('judgePage', { acting: [], tally: emptyTally }).catch(() => undefined);
    await it.answer('completePass', undefined).catch(() => undefined);
    const outcome = { outcome: 'done' } as never;
    if (it.sweep().idle.length === 0) await it.sendToSweep({ type: 'lane.freed', lane: 'lane-0', outcome });
    await it.tick(500);
  }
};
const finishRescue = async (it: Tree) => {
  for (let i = 0; i < 12 && it.value().rescue !== 'idle' && it.value().rescue !== 'waiting'; i++) {
    await it.answer('find', found()).catch(() => undefined);
    await it.answer('recount', recounted).catch(() => undefined);
    await it.answer('requeueOrphans', requeued()).catch(() => undefined);
    await it.tick(500);
  }
};

const fault = () => {
  throw new Error('a fault');
};
/** Makes a child crash: an action of it throws, or (the leader, which reads no event) a child of its own has crashed. */
const crash = (it: Tree, child: ChildName) => {
  const events = {
    sweep: Object.defineProperty({ type: 'sweep.now' }, 'request', { get: fault }),
    rescue: Object.defineProperty({ type: 'rescue.now' }, 'request', { get: fault }),
    dispatcher: Object.defineProperty({ type: 'due' }, 'endpoint', { get: fault }),
    leader: { type: 'xstate.error.actor.x', actorId: 'x', error: new Error('a fault') },
  };
  return it.sendTo([child], events[child]);
};

test('a crash does not answer the caller of a sweep that has ended', async () => {
  const it = startTree();
  await it.send(sweepNow(1));
  await finishSweep(it);
  expect(endsOf(it.emitted)).toEqual([1]);
  await crash(it, 'sweep');
  expect(endsOf(it.emitted)).toEqual([1]);
});

test('a child is restarted five times within a minute; then it is down, and the supervisor is degraded', async () => {
  const it = startTree();
  for (let i = 0; i < 5; i++) await crash(it, 'sweep');
  expect([it.actor.getSnapshot().value, it.value().sweep]).toEqual(['running', 'idle']);
  await it.send(sweepNow(1));
  await crash(it, 'sweep');
  expect([it.actor.getSnapshot().value, it.value().sweep]).toEqual(['degraded', undefined]);
  expect(it.actor.getSnapshot().context.failed).toEqual([{ child: 'the sweep', error: 'a fault' }]);
  // The others go on; what only the sweep could do is answered with an error.
  await it.send(sweepNow(2));
  expect(it.of('sweep.ended').map(({ result: { number, error } }) => [number, error])).toEqual([
    [1, 'the sweep has crashed: a fault'],
    [2, 'the sweep crashed too often and does not run: restart the process'],
  ]);
  await it.send({ type: 'schedule' });
  await it.tick(10_000);
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  expect(it.of('rescue.ended')).toHaveLength(1);
  await it.send({ type: 'stop' });
  expect(it.status()).toBe('done');
});

test('restarts that are a minute ago do not count', async () => {
  const it = startTree();
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 5; i++) await crash(it, 'rescue');
    expect([round, it.actor.getSnapshot().value]).toEqual([round, 'running']);
    await it.tick(minute);
  }
  for (let i = 0; i < 6; i++) await crash(it, 'rescue');
  expect(it.actor.getSnapshot().value).toBe('degraded');
  await it.send(rescueNow(1));
  expect(it.of('rescue.ended')).toMatchObject([{ result: { error: expect.stringContaining('restart the process') } }]);
});

test('a restarted sweep and rescue go on under the present term, and count on', async () => {
  const it = startTree({ sharesSchedule: true });
  await it.send({ type: 'schedule' });
  await it.answer('acquireLease', ours(1));
  await it.tick(10_000);
  expect(it.asked('find')).toMatchObject({ thorough: true });
  await crash(it, 'rescue');
  await crash(it, 'sweep');
  expect(it.of('rescue.ended')).toMatchObject([{ pass: 1, result: { number: 0, error: expect.any(String) } }]);
  expect(it.value()).toMatchObject({ sweep: 'waiting', rescue: 'waiting' });
  await it.tick(10_000);
  expect(it.asked('find')).toMatchObject({ thorough: false });
  expect(it.of('rescue.started').map(({ pass }) => pass)).toEqual([1, 2]);
});

test('a restarted leader renews the term of its predecessor', async () => {
  const it = startTree({ sharesSchedule: true });
  await it.send({ type: 'schedule' });
  await it.answer('acquireLease', ours(1));
  await crash(it, 'leader');
  expect([it.value().leader, it.asked('acquireLease')]).toEqual(['asking', { fence: fenceOf(1) }]);
  await it.answer('acquireLease', ours(1));
  expect(it.value()).toMatchObject({ leader: 'leading', sweep: 'waiting' });
});

test('a leader that is down has no mandate: the passes of the schedule are left to other hosts', async () => {
  const it = startTree({ sharesSchedule: true });
  await it.send({ type: 'schedule' });
  await it.answer('acquireLease', ours(1));
  for (let i = 0; i < 6; i++) await crash(it, 'leader');
  expect(it.value()).toEqual({ leader: undefined, sweep: 'idle', rescue: 'idle' });
});

test('a restarted dispatcher polls what was due, and watches on; callers who wait for quiet are answered', async () => {
  const it = startTree();
  await it.send({ type: 'hooks.due', endpoint: 'a' });
  await it.send({ type: 'hooks.poll' });
  await crash(it, 'dispatcher');
  expect(it.actorAt('dispatcher').getSnapshot().value).toEqual({ onDemand: 'polling' });
  await it.answer('poll', { due: [], wait: undefined });
  expect(it.of('hooks.quiet')).toHaveLength(1);
  await it.send({ type: 'hooks.watch' });
  await crash(it, 'dispatcher');
  expect(it.actorAt('dispatcher').getSnapshot().value).toEqual({ watching: 'polling' });
  for (let i = 0; i < 4; i++) await crash(it, 'dispatcher');
  const quiet = it.of('hooks.quiet').length;
  await it.send({ type: 'hooks.poll' });
  await it.send({ type: 'hooks.due', endpoint: 'a' });
  await it.send({ type: 'hooks.watch' });
  expect(it.of('hooks.quiet')).toHaveLength(quiet + 1);
});

test('what a crashed child has spawned or invoked is stopped', async () => {
  const it = startTree();
  const lane = it.actorAt('sweep', 'lane-0');
  const pools = it.actorAt('rescue', 'pools');
  await it.send(rescueNow(1, { grace: 0 }));
  await it.answer('find', found('p1'));
  await it.answer('recount', recounted);
  const pool = it.actorAt('rescue', 'pools', 'pool-0');
  await crash(it, 'sweep');
  await crash(it, 'rescue');
  for (const orphan of [lane, pools, pool]) expect(orphan.getSnapshot().status).toBe('stopped');
  expect(it.actorAt('sweep', 'lane-0').getSnapshot().status).toBe('active');
});

test('a child that crashes while the supervisor stops is not restarted, and its callers are answered', async () => {
  const it = startTree();
  await it.send(sweepNow(1));
  await it.answer('readPage', page(false));
  await it.answer('judgePage', { acting: [jobFor('fail')], tally: emptyTally });
  await it.send({ type: 'stop' });
  expect(it.status()).toBe('active');
  await crash(it, 'sweep');
  expect([it.status(), it.of('sweep.ended').map(({ result }) => result.number)]).toEqual(['done', [1]]);
});

test('when the time for stopping is over, the passes are given up, and the leader resigns all the same', async () => {
  const it = startTree({ sharesSchedule: true });
  await it.send({ type: 'schedule' });
  await it.answer('acquireLease', ours(1));
  await it.send(sweepNow(1));
  await it.answer('readPage', page(false));
  await it.answer('judgePage', { acting: [jobFor('fail')], tally: emptyTally });
  await it.send({ type: 'stop' });
  expect(it.value()).toMatchObject({ sweep: 'stopping', leader: 'leading' });
  await it.send({ type: 'giveUp' });
  expect(it.value()).toEqual({ sweep: undefined, rescue: undefined, leader: 'resigning' });
  await it.answer('resign', undefined);
  expect(it.status()).toBe('done');
});
