import type { RescueResult } from '../machines/supervisor.ts';
import type { Tally } from '../machines/tally.ts';

/** What became of the first attempts of a sweep's hooks. */
export interface HookCounts {
  readonly delivered: number;
  readonly failed: number;
  readonly parked: number;
  readonly skipped: number;
  /** Could not be sent from this host, for a reason of its own; left out for none. They are due again. */
  readonly ours?: number;
}

/** A sweep in counts. */
export interface SweepSummary extends Tally {
  readonly plan: boolean;
  /** From its begin until every act had ended, in ms. */
  readonly durationMs: number;
  /** First attempts of hooks that ended since it began: still growing in the event, complete in what `sweep()` gives. */
  readonly hooks: HookCounts;
  /** Why it was suspended: Redis refuses writes. The next sweep finds the jobs that it has left. */
  readonly suspended?: string;
  /** Why it did not get to its end. */
  readonly error?: string;
}

/** A look at the pools in counts, and what became of those that it suspected. Each pool is reported by one summary. */
export interface RescueSummary extends Omit<RescueResult, 'number'> {
  /** From its begin until every pool that it reports had ended, in ms. */
  readonly durationMs: number;
}

/** A pass that did not get to its end. The summary says how far it got. */
export class PassError<Summary extends { readonly error?: string }> extends Error {
  override name = 'PassError';
  readonly summary: Summary;

  constructor(what: string, summary: Summary) {
    super(`the ${what} did not get to its end: ${summary.error}; what it left is found by the next one`);
    this.summary = summary;
  }
}
