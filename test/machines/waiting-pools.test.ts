import { expect, test } from 'vitest';
import { addToGraces, type WaitingPool } from '../../src/machines/waitingPools.ts';

const waiting = (pool: string, at: number, grace: number): WaitingPool => ({
  input: {
    suspect: { pool, heartbeat: '', types: [], evidence: '', disruptions: 0, at },
    plan: false,
    grace,
  },
  since: at,
  reportedBy: [{ id: 'pass', isAsked: false }],
  awaitedBy: [],
});
const shown = (graces: ReturnType<typeof addToGraces>) =>
  graces.map(({ dueAt, pools }) => [dueAt, pools.map(({ input }) => input.suspect.pool)]);

test('the grace that ends first comes first, whenever it has begun', () => {
  const long = addToGraces([], [waiting('long', 0, 100), waiting('longer', 0, 200)]);
  const both = addToGraces(long, [waiting('short', 10, 20), waiting('same', 50, 50)]);
  expect(shown(both)).toEqual([
    [30, ['short']],
    [100, ['long', 'same']],
    [200, ['longer']],
  ]);
});
