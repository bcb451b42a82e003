import type { JobEnd, JobOutcome } from './types/job.ts';
import type { Reason, Verdict } from './verdict.ts';

type Counts<Key extends string> = Readonly<Partial<Record<Key, number>>>;

/** What became of the jobs of a sweep, as counts. */
export interface Tally {
  readonly scanned: number;
  /** How many of these were passed over, because they are plainly ongoing (`sweep.screen`). Left out if none was. */
  readonly screened?: number;
  readonly verdicts: Counts<Verdict>;
  readonly reasons: Counts<Reason>;
  readonly outcomes: Counts<JobEnd>;
}

export const emptyTally: Tally = { scanned: 0, verdicts: {}, reasons: {}, outcomes: {} };

/** What is counted of the outcome of a job. */
export type CountedOutcome = Pick<JobOutcome, 'verdict' | 'reason' | 'outcome'>;

/** The outcome of a job that was passed over: what its actor would have said. */
export const screenedOutcome: CountedOutcome = { verdict: 'keep', reason: 'ongoing', outcome: 'kept' };

export const tallyOf = ({ verdict, reason, outcome }: CountedOutcome, count = 1): Tally => ({
  scanned: count,
  verdicts: { [verdict]: count },
  reasons: { [reason]: count },
  outcomes: { [outcome]: count },
});

export const tallyOfScreened = (count: number): Tally =>
  count === 0 ? emptyTally : { ...tallyOf(screenedOutcome, count), screened: count };

export const addTally = (a: Tally, b: Tally): Tally => ({
  scanned: a.scanned + b.scanned,
  ...(a.screened === undefined && b.screened === undefined ? {} : { screened: (a.screened ?? 0) + (b.screened ?? 0) }),
  verdicts: add(a.verdicts, b.verdicts),
  reasons: add(a.reasons, b.reasons),
  outcomes: add(a.outcomes, b.outcomes),
});

const add = <Key extends string>(a: Counts<Key>, b: Counts<Key>): Counts<Key> => {
  const sum: Partial<Record<Key, number>> = { ...a };
  for (const key in b) sum[key] = (sum[key] ?? 0) + (b[key] ?? 0);
  return sum;
};
