import { afterAll, describe, expect, test } from 'vitest';
import { poolMachine, UnsureError } from '../../src/machines/pool.ts';
import { createCoverage, createRemote, done, failure, pathsOf, walk } from '../support/paths.ts';

const remote = createRemote();
const machine = poolMachine.provide({
  actors: { confirm: remote.logic(), review: remote.logic(), requeue: remote.logic(), settle: remote.logic() },
});
const coverage = createCoverage(machine);
const suspect = { pool: 'p1', heartbeat: '', types: ['A', 'B'], evidence: 'no heartbeat', trouble: 0 };
const held = (a: number, b: number) => [
  { type: 'A', entries: a },
  { type: 'B', entries: b },
];
const after = (delay: string, state: string) => ({ type: `xstate.after.${delay}.pool.${state}` });

// Few answers, so that the paths through what repeats (batches, failures) stay few; what they leave out is below.
const events = [
  { type: 'hurry' },
  { type: 'stop' },
  after('grace', 'suspect'),
  done('confirm', 'alive'),
  done('confirm', held(0, 0)),
  done('confirm', held(1, 1)),
  done('requeue', 'alive'),
  done('requeue', { moved: 1, left: 0 }),
  done('settle', 'alive'),
  done('settle', 'settled'),
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

const unsure = (id: string) => ({ ...failure(id), error: new UnsureError('Redis is ill') });
const run = async (...taken: Parameters<typeof walk>[1]['events'][number][]) =>
  (
    await walk(machine, { input: { suspect, plan: false, grace: 0 }, events: taken }, { remote, coverage })
  ).getSnapshot();

test('batches are moved until a type has none left, then the next type, and all are counted', async () => {
  const { output } = await run(
    done('confirm', held(3, 1)),
    done('requeue', { moved: 2, left: 1 }),
    done('requeue', { moved: 1, left: 0 }),
    done('requeue', { moved: 1, left: 0 }),
    done('settle', 'settled'),
  );
  expect(output).toEqual({
    pool: 'p1',
    outcome: 'rescued',
    evidence: 'no heartbeat',
    moved: { A: 3, B: 1 },
    entries: 4,
  });
});

test('entries that come up while it is settled are put back too', async () => {
  const { output } = await run(
    done('confirm', held(0, 0)),
    done('settle', 'entries'),
    done('confirm', held(0, 1)),
    done('requeue', { moved: 1, left: 0 }),
    done('settle', 'settled'),
  );
  expect(output).toMatchObject({ outcome: 'rescued', moved: { B: 1 } });
});

const steps = {
  confirm: { before: [], state: 'retryConfirm', answer: done('confirm', 'alive'), end: 'alive' },
  requeue: {
    before: [done('confirm', held(1, 0))],
    state: 'retryRequeue',
    answer: done('requeue', 'alive'),
    end: 'alive',
  },
  settle: {
    before: [done('confirm', held(0, 0))],
    state: 'retrySettle',
    answer: done('settle', 'settled'),
    end: 'rescued',
  },
} as const;
for (const [step, { before, state, answer, end }] of Object.entries(steps)) {
  test(`${step} is tried again after a failure, from where it was, and forgets the error when it succeeds`, async () => {
    const { output } = await run(...before, failure(step), after('backoff', state), answer);
    expect(output).toMatchObject({ outcome: end });
    expect(output).not.toHaveProperty('error');
  });

  test(`${step} is not taken where nobody can be sure: the pool is looked at again and waits out the whole grace`, async () => {
    const suspectedAgain = { ...suspect, heartbeat: '7', trouble: 1 };
    const events = [after('grace', 'suspect'), ...before, unsure(step), after('pause', 'unsure')];
    const again = [done('review', suspectedAgain), after('grace', 'suspect')];
    const actor = await walk(
      machine,
      { input: { suspect, plan: false, grace: 15_000 }, events: [...events, ...again] },
      { remote, coverage },
    );
    expect(actor.getSnapshot()).toMatchObject({ value: 'confirm', context: { suspect: suspectedAgain } });
    expect(
      (
        await walk(
          machine,
          { input: { suspect, plan: false, grace: 15_000 }, events: [...events, ...again.slice(0, 1)] },
          { remote, coverage },
        )
      ).getSnapshot().value,
    ).toBe('suspect');
  });

  test(`${step} is given up after six failures in a row, with the error`, async () => {
    const again = [failure(step), after('backoff', state)];
    const five = Array.from({ length: 5 }, () => again).flat();
    expect((await run(...before, ...five)).value).toBe(step);
    expect((await run(...before, ...five, failure(step))).output).toMatchObject({
      outcome: 'abandoned',
      error: 'Redis is down',
    });
  });
}

test('a pool of which nobody can be sure is given up after six doubts, with the reason, even without grace', async () => {
  const again = [unsure('confirm'), after('pause', 'unsure'), done('review', suspect)];
  const five = Array.from({ length: 5 }, () => again).flat();
  expect((await run(...five)).value).toBe('confirm');
  expect((await run(...five, unsure('confirm'))).output).toMatchObject({ outcome: 'abandoned', error: 'Redis is ill' });
});

test('a doubt is not forgotten because a step in between went well', async () => {
  const again = [done('confirm', held(1, 0)), unsure('requeue'), after('pause', 'unsure'), done('review', suspect)];
  const five = Array.from({ length: 5 }, () => again).flat();
  expect((await run(...five, done('confirm', held(1, 0)), unsure('requeue'))).output).toMatchObject({
    outcome: 'abandoned',
    error: 'Redis is ill',
  });
});

test('while Redis is ill it is not looked at for good, and looked at again after a pause', async () => {
  const { value, context } = await run(unsure('confirm'), after('pause', 'unsure'), unsure('review'));
  expect([value, context.doubts]).toEqual(['unsure', 2]);
});

test('a pool that lives when it is looked at again ends as alive', async () => {
  const { output } = await run(unsure('confirm'), after('pause', 'unsure'), done('review', 'alive'));
  expect(output).toMatchObject({ outcome: 'alive' });
  expect(output).not.toHaveProperty('error');
});

test('stopped while it is unsure, it is given up at once', async () => {
  const { output } = await run(unsure('confirm'), { type: 'stop' });
  expect(output).toMatchObject({ outcome: 'abandoned', error: 'stopped before it was confirmed dead' });
});

afterAll(() => expect(coverage.missing()).toEqual([]));
