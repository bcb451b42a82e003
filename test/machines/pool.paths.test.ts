import { afterAll, describe, expect, test } from 'vitest';
import { type AnyActorRef, createActor, type InspectionEvent, SimulatedClock } from 'xstate';
import { FencedError } from '../../src/machines/lease.ts';
import { PlanMovedError } from '../../src/machines/plannedPool.ts';
import { poolMachine } from '../../src/machines/pool.ts';
import type { PoolInput } from '../../src/machines/types/pool.ts';
import { createCoverage, createRemote, done, failure, flush, pathsOf, walk } from '../support/paths.ts';

const remote = createRemote();
const machine = poolMachine.provide({
  actors: {
    confirm: remote.logic(),
    review: remote.logic(),
    requeue: remote.logic(),
    quarantine: remote.logic(),
    deregister: remote.logic(),
  },
});
const coverage = createCoverage(machine);
const suspect = { pool: 'p1', heartbeat: '', types: ['A', 'B'], evidence: 'no heartbeat', disruptions: 0, at: 0 };
const held = (a: number, b: number) => ({
  outcome: 'dead',
  held: [
    { type: 'A', entries: a },
    { type: 'B', entries: b },
  ],
});
const after = (delay: string, state: string) => ({ type: `xstate.after.${delay}.pool.${state}` });

// Few answers, so that the paths through what repeats (batches, failures) stay few; what they leave out is below.
const events = [
  { type: 'stop' },
  done('confirm', { outcome: 'alive' }),
  done('confirm', held(0, 0)),
  done('confirm', held(1, 1)),
  done('requeue', { outcome: 'alive' }),
  done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 0 }] }),
  done('requeue', { outcome: 'moved', counts: [{ moved: 0, left: 1 }], poison: 'bad' }),
  done('quarantine', { outcome: 'alive' }),
  done('quarantine', { outcome: 'again' }),
  done('deregister', { outcome: 'alive' }),
  done('deregister', { outcome: 'deregistered' }),
  done('deregister', { outcome: 'traces' }),
];
for (const [name, input] of Object.entries({
  'with grace': { suspect, plan: false, grace: 15_000 },
  'without grace': { suspect, plan: false, grace: 0 },
  'a plan': { suspect, plan: true, grace: 0 },
})) {
  describe(name, () => {
    for (const path of pathsOf(machine, input, events, name)) {
      test(path.name, async () => {
        const snapshot = (await walk(machine, path, { remote, coverage })).getSnapshot();
        expect([snapshot.value, snapshot.status]).toEqual([path.value, path.status]);
        if (snapshot.status === 'done') expect(snapshot.output).toMatchObject({ pool: 'p1', outcome: snapshot.value });
      });
    }
  });
}

const run = async (...taken: Parameters<typeof walk>[1]['events'][number][]) =>
  (
    await walk(machine, { input: { suspect, plan: false, grace: 0 }, events: taken }, { remote, coverage })
  ).getSnapshot();

test('batches of a type are moved until none is left, then those of the next type, and all are counted', async () => {
  const { output } = await run(
    done('confirm', held(3, 1)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 2, left: 1 }] }),
    done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 0 }] }),
    done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 0 }] }),
    done('deregister', { outcome: 'deregistered' }),
  );
  expect(output).toEqual({
    pool: 'p1',
    outcome: 'rescued',
    evidence: 'no heartbeat',
    moved: { A: 3, B: 1 },
    entries: 4,
    quarantined: 0,
  });
});

test.each([
  ['deregistered', 'there', true, 'rescued', true],
  ['deregistered', 'never registered, without a heartbeat', false, 'rescued', true],
  ['traces', 'there', true, 'cleaned', true],
  ['gone', 'there', true, 'cleaned', false],
  ['gone', 'never registered, without a heartbeat', false, 'cleaned', false],
] as const)(
  'the reply %s decides for a pool that was %s when it was found, also if it requeued entries',
  async (reply, _, isRegistered, outcome, isOwn) => {
    const traces = { isRegistered, hasHeartbeat: false, lockInfo: ['A'] };
    const input = { suspect: { ...suspect, traces }, plan: false, grace: 0 };
    const steps = [
      done('confirm', held(1, 0)),
      done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 0 }] }),
      done('deregister', { outcome: reply }),
    ];
    const { output } = (await walk(machine, { input, events: steps }, { remote, coverage })).getSnapshot();
    expect(output).toEqual({
      ...{ pool: 'p1', outcome, evidence: 'no heartbeat', moved: { A: 1 }, entries: 1, quarantined: 0 },
      ...(isOwn ? { deregistered: traces } : {}),
    });
  },
);

test('a plan ends as its rescue would, and says what it would leave', async () => {
  const unreadable = 'B: holds a string';
  const reply = {
    outcome: 'dead',
    held: [
      { type: 'A', entries: 2 },
      { type: 'B', entries: 0, unreadable },
    ],
  };
  const input = {
    suspect: { ...suspect, traces: { isRegistered: true, hasHeartbeat: true, lockInfo: [] } },
    plan: true,
    grace: 0,
  };
  const { output } = (
    await walk(machine, { input, events: [done('confirm', reply)] }, { remote, coverage })
  ).getSnapshot();
  expect(output).toEqual({
    pool: 'p1',
    outcome: 'abandoned',
    evidence: 'no heartbeat',
    moved: { A: 2 },
    entries: 2,
    quarantined: 0,
    act: { pool: 'p1', heartbeat: '', entries: { A: 2 }, poison: [], marks: {} },
    unreadable: [unreadable],
    error: `entries are left where they are: ${unreadable}`,
  });
});

test('an entry of a poison job is quarantined, and the rest of its type is requeued', async () => {
  const { output } = await run(
    done('confirm', held(5, 1)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 4 }], poison: 'bad' }),
    done('quarantine', { outcome: 'quarantined' }),
    done('requeue', { outcome: 'moved', counts: [{ moved: 0, left: 3 }], poison: 'worse' }),
    done('quarantine', { outcome: 'quarantined' }),
    done('requeue', { outcome: 'moved', counts: [{ moved: 2, left: 0 }] }),
    done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 0 }] }),
    done('deregister', { outcome: 'deregistered' }),
  );
  expect(output).toMatchObject({ outcome: 'rescued', moved: { A: 3, B: 1 }, entries: 4, quarantined: 2 });
});

test('a poison job of the second type of a step is quarantined as one of that type', async () => {
  const { output } = await run(
    done('confirm', held(1, 2)),
    done('requeue', {
      outcome: 'moved',
      counts: [
        { moved: 1, left: 0 },
        { moved: 1, left: 1 },
      ],
      poison: 'bad',
    }),
    done('quarantine', { outcome: 'quarantined' }),
    done('requeue', { outcome: 'moved', counts: [{ moved: 0, left: 0 }] }),
    done('deregister', { outcome: 'deregistered' }),
  );
  expect(output).toMatchObject({ moved: { A: 1, B: 1 }, poison: [{ id: 'bad', type: 'B', pool: 'p1' }] });
});

const refused = (key: string) => ({ outcome: 'refused', reason: `${key}: holds a string` });
const moved = (count: number) => ({ outcome: 'moved', counts: [{ moved: count, left: 0 }] });
const left = (...keys: string[]) => ({
  outcome: 'abandoned',
  unreadable: keys.map((key) => `${key}: holds a string`),
  error: `entries are left where they are: ${keys.map((key) => `${key}: holds a string`).join('; ')}`,
});

test.each([
  ['the first type', [refused('queue A'), moved(1)], { ...left('queue A'), moved: { B: 1 } }],
  ['the last type', [moved(2), refused('queue B')], { ...left('queue B'), moved: { A: 2 } }],
  ['all types, by one key', [refused('quarantine'), refused('quarantine')], { ...left('quarantine'), moved: {} }],
])('fault 108: %s cannot be requeued: the others are, and the pool stays registered', async (_, replies, outcome) => {
  const requeued = replies.map((reply) => done('requeue', reply));
  const { output } = await run(done('confirm', held(2, 1)), ...requeued, done('deregister', { outcome: 'left' }));
  expect(output).toMatchObject(outcome);
});

test('fault 108: an entry that cannot be quarantined stays, with the rest of its type, and the other type goes on', async () => {
  const { output } = await run(
    done('confirm', held(3, 1)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 2 }], poison: 'bad' }),
    done('quarantine', refused('dead')),
    done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 0 }] }),
    done('deregister', { outcome: 'left' }),
  );
  expect(output).toMatchObject({ ...left('dead'), moved: { A: 1, B: 1 }, quarantined: 0 });
  const last = await run(
    done('confirm', held(0, 1)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 0, left: 1 }], poison: 'bad' }),
    done('quarantine', refused('dead')),
    done('deregister', { outcome: 'left' }),
  );
  expect(last.output).toMatchObject({ ...left('dead'), moved: {}, entries: 0 });
});

test('fault 108: a pool whose lists cannot be read stays registered, and names them', async () => {
  const unreadable = [
    { type: 'A', entries: 0, unreadable: 'list A: holds a string' },
    { type: 'B', entries: 0 },
  ];
  expect(
    (await run(done('confirm', { outcome: 'dead', held: unreadable }), done('deregister', { outcome: 'left' }))).output,
  ).toMatchObject({
    ...left('list A'),
    entries: 0,
  });
});

test('an entry that is gone when it is to be quarantined is not counted', async () => {
  const { output } = await run(
    done('confirm', held(1, 0)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 0, left: 1 }], poison: 'bad' }),
    done('quarantine', { outcome: 'again' }),
    done('requeue', { outcome: 'moved', counts: [{ moved: 0, left: 0 }] }),
    done('deregister', { outcome: 'deregistered' }),
  );
  expect(output).toMatchObject({ outcome: 'rescued', entries: 0, quarantined: 0 });
});

test('entries that come up before the pool is deregistered are requeued too', async () => {
  const { output } = await run(
    done('confirm', held(0, 0)),
    done('deregister', { outcome: 'entries' }),
    done('confirm', held(0, 1)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 0 }] }),
    done('deregister', { outcome: 'deregistered' }),
  );
  expect(output).toMatchObject({ outcome: 'rescued', moved: { B: 1 } });
});

const suspectedAgain = { ...suspect, heartbeat: '7', disruptions: 1 };
const pause = after('backoff', 'backingOff');
const steps = {
  confirm: [],
  requeue: [done('confirm', held(1, 0))],
  quarantine: [
    done('confirm', held(1, 0)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 0, left: 1 }], poison: 'bad' }),
  ],
  deregister: [done('confirm', held(0, 0))],
} as const;
for (const [step, before] of Object.entries(steps)) {
  test(`after a failure of ${step} the pool is reviewed, and waits out another grace`, async () => {
    const events = [...before, failure(step), pause, done('review', { outcome: 'suspect', suspect: suspectedAgain })];
    const input = { suspect, plan: false, grace: 15_000 };
    const { value, output } = (await walk(machine, { input, events }, { remote, coverage })).getSnapshot();
    expect(value).toBe('awaitingGrace');
    const progress = {
      moved: {},
      quarantined: [],
      failures: 1,
      error: 'Redis is down',
      cause: new Error('Redis is down'),
    };
    expect(output).toEqual({ outcome: 'again', input: { ...input, suspect: suspectedAgain, before: progress } });
    // When the grace is over, another actor goes on.
    const next = (await walk(machine, { input: output.input, events: [] }, { remote, coverage })).getSnapshot();
    expect(next).toMatchObject({ value: { acting: 'confirm' }, context: { ...progress, suspect: suspectedAgain } });
  });

  test(`${step} is given up after six failures, with the error, without grace too`, async () => {
    const again = [...before, failure(step), pause, done('review', { outcome: 'suspect', suspect })];
    const five = Array.from({ length: 5 }, () => again).flat();
    expect((await run(...five, ...before)).value).toEqual({ acting: step });
    expect((await run(...five, ...before, failure(step))).output).toMatchObject({
      outcome: 'abandoned',
      error: 'Redis is down',
    });
  });
}

test('a rescue that failed in between has no error at its end, and counts all moved entries', async () => {
  const { output } = await run(
    done('confirm', held(3, 0)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 2, left: 1 }] }),
    failure('requeue'),
    pause,
    done('review', { outcome: 'suspect', suspect }),
    done('confirm', held(1, 0)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 0 }] }),
    done('deregister', { outcome: 'deregistered' }),
  );
  expect(output).toMatchObject({ outcome: 'rescued', moved: { A: 3 } });
  expect(output).not.toHaveProperty('error');
});

test('a pool that cannot be reviewed is reviewed again after a pause', async () => {
  const { value, context } = await run(failure('confirm'), pause, failure('review'));
  expect([value, context.failures]).toEqual(['backingOff', 2]);
});

test('the pauses between retries grow', async () => {
  const clock = new SimulatedClock();
  const actor = createActor(machine, { clock, input: { suspect, plan: false, grace: 0 } }).start();
  const fail = async (step: string) => {
    await flush();
    remote.reject(actor, step, new Error('Redis is down'));
    await flush();
  };
  await fail('confirm');
  for (const pause of [1_000, 2_000, 4_000]) {
    clock.increment(pause - 1);
    expect(actor.getSnapshot().value).toBe('backingOff');
    clock.increment(1);
    expect(actor.getSnapshot().value).toBe('review');
    await fail('review');
  }
});

test('a pool that is alive when it is reviewed ends as alive', async () => {
  const { output } = await run(failure('confirm'), pause, done('review', { outcome: 'alive' }));
  expect(output).toMatchObject({ outcome: 'alive' });
  expect(output).not.toHaveProperty('error');
});

test('fault 122: types that are named like members of every object are counted like all others', async () => {
  const names = ['constructor', '__proto__', 'toString', 'hasOwnProperty'];
  const { output } = await run(
    done('confirm', { outcome: 'dead', held: names.map((type) => ({ type, entries: 3 })) }),
    ...names.flatMap(() => [
      done('requeue', { outcome: 'moved', counts: [{ moved: 2, left: 1 }] }),
      done('requeue', { outcome: 'moved', counts: [{ moved: 1, left: 0 }] }),
    ]),
    done('deregister', { outcome: 'deregistered' }),
  );
  expect(output).toMatchObject({ outcome: 'rescued', entries: 12 });
  expect(Object.entries(output.moved)).toEqual(names.map((type) => [type, 3]));
  expect(JSON.parse(JSON.stringify(output.moved)).constructor).toBe(3);
});

test('a pool that is stopped while it backs off is abandoned at once', async () => {
  const { output } = await run(failure('confirm'), { type: 'stop' });
  expect(output).toMatchObject({ outcome: 'abandoned', error: 'stopped before it was confirmed dead' });
});

const fenced = { ...steps, review: [failure('confirm'), pause] };
test.each(Object.entries(fenced))(
  'a pool is abandoned at once when %s is fenced: another host finds it',
  async (step, before) => {
    const { output } = await run(...before, failure(step, new FencedError()));
    expect(output).toMatchObject({ outcome: 'abandoned', entries: 0, error: new FencedError().message });
  },
);

/** Takes a path, and returns its end and what each step was asked with. */
const steered = async (input: Partial<PoolInput>, ...taken: Parameters<typeof walk>[1]['events'][number][]) => {
  const asked: [step: string, input: { readonly entries?: number }][] = [];
  const inspect = (event: InspectionEvent) => {
    const { id } = event.actorRef as AnyActorRef;
    if (event.type === '@xstate.event' && id in fenced && 'input' in event.event)
      asked.push([id, event.event.input as object]);
  };
  const path = { input: { suspect, plan: false, grace: 0, ...input }, events: taken };
  return { output: (await walk(machine, path, { remote, coverage, inspect })).getSnapshot().output, asked };
};

test('what a step moved counts, though one of its scripts failed; then the pool is suspected again', async () => {
  const failure = new Error('ERR odd');
  const steps = [
    done('confirm', held(300, 0)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 100, left: 200 }], poison: 'bad', failure }),
    pause,
    done('review', { outcome: 'suspect', suspect }),
  ];
  const input = { grace: 15_000 };
  const { output, asked } = await steered(input, ...steps);
  expect(output).toMatchObject({ outcome: 'again' });
  expect(output).toMatchObject({
    input: { before: { moved: { A: 100 }, failures: 1, error: 'ERR odd', cause: failure } },
  });
  expect(asked.map(([step]) => step)).toEqual(['confirm', 'requeue', 'review']);
});

test('a step is asked with how many entries its type holds, as the latest reply says', async () => {
  const { asked } = await steered(
    {},
    done('confirm', held(300, 200)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 200, left: 101 }] }),
    done('requeue', refused('queue A')),
    done('requeue', { outcome: 'moved', counts: [{ moved: 50, left: 150 }], poison: 'bad' }),
    done('quarantine', { outcome: 'quarantined' }),
    failure('requeue'),
    pause,
    done('review', { outcome: 'suspect', suspect }),
    done('confirm', held(7, 0)),
    done('requeue', moved(7)),
  );
  const entries = asked.flatMap(([step, { entries: known }]) => (step === 'requeue' ? [known] : []));
  expect(entries).toEqual([300, 101, 200, 150, 7]);
});

test('each step is asked for what is next, and hears of what was done', async () => {
  const { asked } = await steered(
    {},
    done('confirm', held(1, 200)),
    done('requeue', moved(1)),
    done('requeue', { outcome: 'moved', counts: [{ moved: 2, left: 198 }], poison: 'bad' }),
    done('quarantine', { outcome: 'quarantined' }),
    done('requeue', refused('queue B')),
    done('deregister', { outcome: 'entries' }),
    failure('confirm'),
    pause,
    done('review', { outcome: 'suspect', suspect: suspectedAgain }),
    done('confirm', { outcome: 'dead', held: [{ type: 'B', entries: 9, unreadable: 'list B: holds a string' }] }),
    done('requeue', moved(9)),
  );
  const [none, first] = [
    { moved: {}, quarantined: [] },
    { moved: { A: 1 }, quarantined: [] },
  ];
  const before = { moved: { A: 1, B: 2 }, quarantined: [] };
  const all = { ...before, quarantined: [{ id: 'bad', type: 'B', pool: 'p1' }] };
  expect(asked).toEqual([
    ['confirm', { suspect, plan: false, done: none }],
    ['requeue', { suspect, types: ['A'], entries: 1, done: none }],
    ['requeue', { suspect, types: ['B'], entries: 200, done: first }],
    ['quarantine', { suspect, type: 'B', id: 'bad', done: before }],
    ['requeue', { suspect, types: ['B'], entries: 198, done: all }],
    ['deregister', { suspect, types: ['A', 'B'], isLeft: true }],
    ['confirm', { suspect, plan: false, done: all }],
    ['review', { suspect, plan: false }],
    ['confirm', { suspect: suspectedAgain, plan: false, done: all }],
    ['requeue', { suspect: suspectedAgain, types: ['B'], entries: 9, done: all }],
    ['deregister', { suspect: suspectedAgain, types: ['A', 'B'], isLeft: true }],
  ]);
});

test('a plan asks for a plan: when it looks at the pool, and when it reviews it', async () => {
  const { asked } = await steered({ plan: true }, failure('confirm'), pause);
  expect(asked).toEqual([
    ['confirm', { suspect, plan: true, done: { moved: {}, quarantined: [] } }],
    ['review', { suspect, plan: true }],
  ]);
});

const traces = { isRegistered: true, hasHeartbeat: false, lockInfo: ['A'] };

test('a plan has the act that does it: entries, poison jobs, marks, and what else is removed', async () => {
  const planned = { ...suspect, heartbeat: '7', traces };
  const marks = 'r0123456789ab';
  const entries = [
    { type: 'A', entries: 2, marks },
    { type: 'B', entries: 0, poison: ['bad'] },
  ];
  const { output } = await steered(
    { suspect: planned, plan: true },
    done('confirm', { outcome: 'dead', held: entries }),
  );
  expect(output).toEqual({
    ...{ pool: 'p1', outcome: 'planned', evidence: 'no heartbeat', moved: { A: 2 }, entries: 2, quarantined: 1 },
    poison: [{ id: 'bad', type: 'B', pool: 'p1' }],
    deregistered: traces,
    act: {
      ...{ pool: 'p1', heartbeat: '7', entries: { A: 2 }, poison: [{ id: 'bad', type: 'B' }], marks: { A: marks } },
      traces,
    },
  });
  expect(Object.keys(output.act.marks)).toEqual(['A']);
});

test('a plan of a pool that would stay registered, or has left nothing else, removes nothing else', async () => {
  const unreadable = [{ type: 'A', entries: 0, unreadable: 'list A: holds a string' }];
  const stays = await steered(
    { suspect: { ...suspect, traces }, plan: true },
    done('confirm', { outcome: 'dead', held: unreadable }),
  );
  const bare = await steered({ plan: true }, done('confirm', held(1, 0)));
  for (const { output } of [stays, bare]) {
    expect(output).not.toHaveProperty('deregistered');
    expect(output.act).not.toHaveProperty('traces');
  }
});

test('what was removed with a pool is in its end only where it was removed, and an act only in a plan', async () => {
  const input = { suspect: { ...suspect, traces } };
  const confirmed = done('confirm', held(0, 0));
  for (const outcome of ['deregistered', 'traces']) {
    const { output } = await steered(input, confirmed, done('deregister', { outcome }));
    expect(output.deregistered).toEqual(traces);
    expect(output).not.toHaveProperty('act');
  }
  const ends = [[confirmed, done('deregister', { outcome: 'left' })], [done('confirm', { outcome: 'alive' })]];
  for (const taken of ends) expect((await steered(input, ...taken)).output).not.toHaveProperty('deregistered');
});

test('a pool that is not as planned is left at once, and says so; no other failure does', async () => {
  const cause = new PlanMovedError('it holds other entries of A');
  const { output } = await steered({}, done('confirm', held(1, 0)), failure('requeue', cause));
  expect(output).toMatchObject({ outcome: 'abandoned', isMoved: true, error: cause.message });
  expect(output.cause).toBe(cause);
  const error = new FencedError();
  const { output: other } = await steered({}, failure('confirm', error));
  expect(other.cause).toBe(error);
  for (const key of ['isMoved', 'unreadable', 'act']) expect(other).not.toHaveProperty(key);
});

test('the end of a pool that is not given up by an error has no cause', async () => {
  const again = [
    failure('confirm'),
    pause,
    done('review', { outcome: 'suspect', suspect }),
    done('confirm', held(0, 0)),
  ];
  const ends = [
    [...again, done('deregister', { outcome: 'deregistered' })],
    [...again, done('deregister', { outcome: 'left' })],
    [failure('confirm'), { type: 'stop' }],
  ];
  for (const taken of ends) expect((await steered({}, ...taken)).output).not.toHaveProperty('cause');
});

afterAll(() => expect(coverage.missing()).toEqual([]));
