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

const moved = (count: number, left = 0): Requeued => ({ outcome: 'moved', counts: [{ moved: count, left }] });

/**
 * Runs the chart to its end with these replies. Returns the outcome, the types and known entries of each requeue, and `isLeft` of each
 * deregistration.
 */
const run = async (
  held: readonly Held[],
  requeued: readonly Requeued[],
  { deregistered = 'deregistered', plan = false }: { deregistered?: 'deregistered' | 'left'; plan?: boolean } = {},
) => {
  const [types, entries, deregistrations]: [string[], number[], boolean[]] = [[], [], []];
  const machine = poolMachine.provide({
    actors: {
      confirm: fromPromise<Confirmation, { suspect: Suspect; plan: boolean; done: PoolDone }>(async () => ({
        outcome: 'dead',
        held,
      })),
      requeue: fromPromise<Requeued, { suspect: Suspect; types: readonly string[]; entries: number; done: PoolDone }>(
        async ({ input }) => {
          const reply = requeued[types.length];
          types.push(input.types.join(' '));
          entries.push(input.entries);
          if (reply === undefined) throw new Error(`no reply is left for ${input.types.join(' ')}`);
          return reply;
        },
      ),
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
  return { outcome, types, entries, deregistrations };
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
  expect([types, deregistrations]).toEqual([['A B', 'A B', 'B'], [true]]);
  expect(outcome).toMatchObject({ outcome: 'abandoned', moved: { A: 1, B: 1 } });
});

test('types with few entries are requeued together, and each is counted', async () => {
  const held = [
    { type: 'A', entries: 1 },
    { type: 'B', entries: 3 },
    { type: 'C', entries: 96 },
    { type: 'D', entries: 1 },
  ];
  const both = (...counts: readonly (readonly [moved: number, left: number])[]): Requeued => ({
    outcome: 'moved',
    counts: counts.map(([moved, left]) => ({ moved, left })),
  });
  const { outcome, types } = await run(held, [both([1, 0], [2, 1]), both([1, 0], [0, 0]), moved(1)]);
  expect(types).toEqual(['A B C', 'B C D', 'D']);
  expect(outcome).toMatchObject({ outcome: 'rescued', moved: { A: 1, B: 3, D: 1 }, entries: 5 });
  expect(Object.keys(outcome.moved)).toEqual(['A', 'B', 'D']);
});

test('of a type with many entries no other is requeued together with it, and of many types sixteen', async () => {
  const many = Array.from({ length: 18 }, (_, i) => ({ type: `T${i}`, entries: i < 2 ? 101 : 1 }));
  const sixteen: Requeued = { outcome: 'moved', counts: Array.from({ length: 16 }, () => ({ moved: 1, left: 0 })) };
  const { types, entries } = await run(many, [moved(100, 1), moved(1), moved(101), sixteen]);
  expect(types.slice(0, -1)).toEqual(['T0', 'T0', 'T1']);
  expect(entries).toEqual([101, 1, 101, 1]);
  expect(types.at(-1)?.split(' ')).toHaveLength(16);
  const { types: all } = await run(
    many.map(({ type }) => ({ type, entries: 1 })),
    [
      sixteen,
      {
        outcome: 'moved',
        counts: [
          { moved: 1, left: 0 },
          { moved: 1, left: 0 },
        ],
      },
    ],
  );
  expect(all.map((some) => some.split(' ').length)).toEqual([16, 2]);
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
