import type { TrackedJob } from '../facts.ts';
import type { SuspensionReason } from '../refusal.ts';
import type { Tally } from '../tally.ts';

/** The number of passes that the schedule starts. Passes of callers have numbers above 0. */
export const scheduledPass = 0;

/** A page of tracked jobs with their facts. After the last page the sweep drains. */
export interface Page {
  readonly jobs: readonly TrackedJob[];
  readonly isLast: boolean;
}

/** What `judgePage` leaves to do: the jobs that have to act. The others are counted in the tally. */
export interface JudgedPage {
  readonly acting: readonly TrackedJob[];
  readonly tally: Tally;
  /** Why no job of the page can act: Redis refuses writes. */
  readonly suspended?: SuspensionReason;
}

export interface SweepRequest {
  /** `scheduledPass`, or the number of the caller's pass. */
  readonly number: number;
  /** Judge and change nothing. */
  readonly plan: boolean;
}

export interface SweepResult {
  readonly number: number;
  readonly plan: boolean;
  readonly tally: Tally;
  /** Why the sweep was suspended: Redis refuses writes. The next sweep finds the remaining jobs. */
  readonly suspended?: SuspensionReason;
  /** Why the sweep did not complete. */
  readonly error?: string;
  /** The error itself; left out where only its text is known. */
  readonly cause?: unknown;
  /** Set if its caller ended it. */
  readonly isAborted?: true;
}

/** A caller has aborted the pass with this number. */
export interface PassCancel {
  readonly number: number;
}

/** What a pass says that its caller has aborted. */
export const abortedPass = { error: 'aborted by the caller', isAborted: true } as const;
