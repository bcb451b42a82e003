import type { JobEnd, JobOutcome } from './types/job.ts';
import type { Reason, Verdict } from './verdict.ts';

type Counts<Key extends string> = Readonly<Partial<Record<Key, number>>>;

/** What became of the jobs of a sweep, as counts. */
export interface Tally {
  readonly scanned: number;
  readonly verdicts: Counts<Verdict>;
  readonly reasons: Counts<Reason>;
  readonly outcomes: Counts<JobEnd>;
}

export const emptyTally: Tally = { scanned: 0, verdicts: {}, reasons: {}, outcomes: {} };

export const tallyOf = ({ verdict, reason, outcome }: JobOutcome, count = 1): Tally => ({
  scanned: count,
  verdicts: { [verdict]: count },
  reasons: { [reason]: count },
  outcomes: { [outcome]: count },
});

export const addTally = (a: Tally, b: Tally): Tally => ({
  scanned: a.scanned + b.scanned,
  verdicts: add(a.verdicts, b.verdicts),
  reasons: add(a.reasons, b.reasons),
  outcomes: add(a.outcomes, b.outcomes),
});

const add = <Key extends string>(a: Counts<Key>, b: Counts<Key>): Counts<Key> => {
  const sum: Partial<Record<Key, number>> = { ...a };
  for (const key in b) sum[key] = (sum[key] ?? 0) + (b[key] ?? 0);
  return sum;
};
