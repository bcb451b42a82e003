import { expect, test } from 'vitest';
import { addTally, emptyTally, tallyOf, tallyOfScreened } from '../../src/machines/tally.ts';
import { facts } from '../support/facts.ts';

test('an outcome that many jobs of a page have in common is counted for each of them', () => {
  const outcome = { id: 'a', verdict: 'keep', reason: 'ongoing', rule: 1, outcome: 'kept', facts: facts() } as const;
  const page = tallyOf(outcome, 40);
  expect(page).toEqual({ scanned: 40, verdicts: { keep: 40 }, reasons: { ongoing: 40 }, outcomes: { kept: 40 } });
  expect(addTally(addTally(emptyTally, page), tallyOf(outcome))).toEqual({
    scanned: 41,
    verdicts: { keep: 41 },
    reasons: { ongoing: 41 },
    outcomes: { kept: 41 },
  });
});

test('jobs that were passed over count as kept, and are said to be screened only if there are any', () => {
  expect(tallyOfScreened(0)).toEqual(emptyTally);
  expect(addTally(emptyTally, emptyTally)).not.toHaveProperty('screened');
  const counts = { scanned: 5, verdicts: { keep: 5 }, reasons: { ongoing: 5 }, outcomes: { kept: 5 } };
  for (const [a, b] of [
    [5, 0],
    [2, 3],
    [0, 5],
  ] as const) {
    expect(addTally(tallyOfScreened(a), tallyOfScreened(b))).toEqual({ ...counts, screened: 5 });
  }
});
