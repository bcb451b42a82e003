import type { TrackedJob } from '../facts.ts';
import type { Fence } from '../lease.ts';
import type { SuspensionReason } from '../refusal.ts';
import type { Tally } from '../tally.ts';
import type { Policy } from '../verdict.ts';
import type { SweepScope } from './scope.ts';

/** The number of passes that the schedule starts. Passes of callers have numbers above 0. */
export const scheduledPass = 0;

/** How many jobs a sweep has passed over, because they are plainly ongoing (`sweep.screen`), by job type. */
export type Screened = ReadonlyMap<string, number>;
export const countOf = (screened: Screened = new Map()): number =>
  [...screened.values()].reduce((sum, count) => sum + count, 0);

/** A page of tracked jobs with their facts. After the last page the sweep drains. */
export interface Page {
  readonly jobs: readonly TrackedJob[];
  /** Jobs of the page that have no actor. Left out if it was not looked for them. */
  readonly screened?: Screened | undefined;
  readonly isLast: boolean;
  /** Ids that the sweep was asked for and that are not tracked. */
  readonly notFound?: readonly string[] | undefined;
}

/**
 * A page in the sweep. `judgePage` takes its jobs out: much refers to a page for longer than the sweep needs its jobs, and garbage
 * that waits for a full collection would keep them.
 */
export interface PageToJudge extends Page {
  readonly jobs: TrackedJob[];
}

/** What `judgePage` leaves to do: the jobs that have to act. The others are counted in the tally. */
export interface JudgedPage {
  readonly acting: readonly TrackedJob[];
  readonly tally: Tally;
  /** How many jobs of the page act, or in a plan would, for the limit of the sweep. */
  readonly acts: number;
  /** Why no job of the page can act: Redis refuses writes. */
  readonly suspended?: SuspensionReason;
}

export interface SweepRequest {
  /** `scheduledPass`, or the number of the caller's pass. */
  readonly number: number;
  /** Judge and change nothing. */
  readonly plan: boolean;
  /** Left out for a sweep over all tracked jobs. */
  readonly scope?: SweepScope | undefined;
}

export interface SweepResult {
  readonly number: number;
  readonly plan: boolean;
  readonly tally: Tally;
  /** Left out for a sweep over all tracked jobs. */
  readonly scope?: SweepScope | undefined;
  /** Ids that it was asked for and that are not tracked. */
  readonly notFound?: readonly string[];
  /** Set if it has acted on as many jobs as it may: there may be more. */
  readonly isLimited?: true;
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

/** What `readPage` reads. */
export interface PageInput {
  readonly isFirst: boolean;
  readonly plan: boolean;
  readonly fence: Fence | undefined;
  readonly scope: SweepScope | undefined;
}

/** What `judgePage` judges. */
export interface JudgeInput extends Pick<PageToJudge, 'jobs' | 'screened'> {
  readonly policy: Policy;
  readonly plan: boolean;
  readonly scope: SweepScope | undefined;
  /** On how many of the jobs the sweep may act; undefined without a limit. */
  readonly actsLeft: number | undefined;
}
