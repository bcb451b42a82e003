import { afterAll, describe, expect, test } from 'vitest';
import { FencedError } from '../../src/machines/lease.ts';
import { poolMachine } from '../../src/machines/pool.ts';
import { createCoverage, createRemote, done, failure, pathsOf, walk } from '../support/paths.ts';

const remote = createRemote();
const machine = poolMachine.provide({
  actors: { confirm: remote.logic(), requeue: remote.logic(), settle: remote.logic() },
});
const coverage = createCoverage(machine);
const suspect = { pool: 'p1', heartbeat: '', types: ['A', 'B'], evidence: 'no heartbeat' };
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

test('a pool whose step is fenced is given up at once: another host finds it', async () => {
  const { output } = await run(done('confirm', held(3, 1)), failure('requeue', new FencedError()));
  expect(output).toMatchObject({ outcome: 'abandoned', entries: 0, error: new FencedError().message });
});

afterAll(() => expect(coverage.missing()).toEqual([]));
