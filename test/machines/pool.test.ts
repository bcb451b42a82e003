/** What the chart of a pool does with types that hold no entries, and with types that cannot be requeued. */
import { expect, test } from 'vitest';
import { createActor, fromPromise, toPromise } from 'xstate';
import { poolMachine } from '../../src/machines/pool.ts';
import type {
  Confirmation,
  Deregistered,
  Held,
  PoolDone,
  PoolOutcome,
  Requeued,
  Suspect,
} from '../../src/machines/types/pool.ts';

const suspect = { pool: 'p1', heartbeat: '', types: ['A', 'B'], evidence: 'no heartbeat', disruptions: 0, at: 0 };

const moved = (count: number, left = 0): Requeued => ({ outcome: 'moved', moved: count, left });

/** Runs the chart to its end with these replies. Returns the outcome, the requeued types, and `isLeft` of each deregistration. */
const run = async (
  held: readonly Held[],
  requeued: readonly Requeued[],
  { deregistered = 'deregistered', plan = false }: { deregistered?: 'deregistered' | 'left'; plan?: boolean } = {},
) => {
  const [types, deregistrations]: [string[], boolean[]] = [[], []];
  const machine = poolMachine.provide({
    actors: {
      confirm: fromPromise<Confirmation, { suspect: Suspect; plan: boolean; done: PoolDone }>(async () => ({
        outcome: 'dead',
        held,
      })),
      requeue: fromPromise<Requeued, { suspect: Suspect; type: string; done: PoolDone }>(async ({ input }) => {
        const reply = requeued[types.length];
        types.push(input.type);
        if (reply === undefined) throw new Error(`no reply is left for ${input.type}`);
        return reply;
      }),
      deregister: fromPromise<Deregistered, { suspect: Suspect; types: readonly string[]; isLeft: boolean }>(
        async ({ input }) => {
          deregistrations.push(input.isLeft);
          return { outcome: deregistered };
        },
      ),
    },
  });
  const actor = createActor(machine, { input: { suspect, plan, grace: 0 } }).start();
  const outcome = (await toPromise(actor)) as PoolOutcome;
  return { outcome, types, deregistrations };
};

test('a pool with entries that cannot be requeued stays registered', async () => {
  const held = [
    { type: 'A', entries: 0, unreadable: 'list A: holds a string' },
    { type: 'B', entries: 1 },
  ];
  const { outcome, deregistrations } = await run(held, [moved(1)], { deregistered: 'left' });
  expect(deregistrations).toEqual([true]);
  expect(outcome).toMatchObject({ outcome: 'abandoned', unreadable: ['list A: holds a string'], moved: { B: 1 } });
  expect((await run([{ type: 'B', entries: 1 }], [moved(1)])).deregistrations).toEqual([false]);
});

test('a type that is refused is not tried again, although some of its entries are left', async () => {
  const held = [
    { type: 'A', entries: 3 },
    { type: 'B', entries: 1 },
  ];
  const refused = { outcome: 'refused', reason: 'queue A: holds a string' } as const;
  const { outcome, types, deregistrations } = await run(held, [moved(1, 2), refused, moved(1)], {
    deregistered: 'left',
  });
  expect([types, deregistrations]).toEqual([['A', 'A', 'B'], [true]]);
  expect(outcome).toMatchObject({ outcome: 'abandoned', moved: { A: 1, B: 1 } });
});

test('types without entries are not requeued', async () => {
  const held = [
    { type: 'A', entries: 0 },
    { type: 'B', entries: 2 },
  ];
  const { outcome, types } = await run(held, [moved(2)]);
  expect(types).toEqual(['B']);
  expect(outcome).toMatchObject({ outcome: 'rescued', moved: { B: 2 } });
});

test('a plan counts the entries of each type that would be moved, and leaves out types without such entries', async () => {
  const held = [
    { type: 'A', entries: 2, poison: ['a'] },
    { type: 'B', entries: 0, poison: ['b', 'c'] },
    { type: 'C', entries: 0 },
  ];
  const { outcome, types, deregistrations } = await run(held, [], { plan: true });
  expect([types, deregistrations]).toEqual([[], []]);
  expect(outcome).toMatchObject({ outcome: 'planned', moved: { A: 2 }, entries: 2, quarantined: 3 });
  expect(outcome.moved).toEqual({ A: 2 });
});
