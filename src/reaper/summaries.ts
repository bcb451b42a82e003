import type { SuspensionReason } from '../machines/refusal.ts';
import type { Tally } from '../machines/tally.ts';
import type { RescueResult } from '../machines/types/rescue.ts';
import type { SweepResult } from '../machines/types/sweep.ts';
import type { HookCounts } from './hookCounts.ts';

/** A sweep in counts. */
export interface SweepSummary extends Tally {
  readonly plan: boolean;
  /** Set if it was asked for some jobs or acts only: it says nothing about all others. */
  readonly isScoped?: true;
  /** Ids that it was asked for and that are not tracked; left out if there are none. */
  readonly notFound?: readonly string[];
  /** Set if it has acted on as many jobs as it may: there may be more. */
  readonly isLimited?: true;
  /** From its start until every act had ended, in ms. */
  readonly durationMs: number;
  /** First attempts of hooks that ended since it began. Still growing in the event, complete in the result of `sweep()`. */
  readonly hooks: HookCounts;
  /** Why the sweep was suspended: Redis refuses writes. The next sweep picks up the remaining jobs. */
  readonly suspended?: SuspensionReason;
  /** Why the sweep did not complete. */
  readonly error?: string;
  /** Set if the signal of the caller ended it. */
  readonly isAborted?: true;
}

/** A rescue pass in counts, and the outcomes of the pools that it suspected. Each pool is in one summary. */
export interface RescueSummary extends Omit<RescueResult, 'number' | 'oldestUndecidedS' | 'cause' | 'scope'> {
  /** Set if it was asked for some pools only: it says nothing about all others. */
  readonly isScoped?: true;
  /** How long the oldest undecided entry has been unobserved, in ms; 0 if there is none. */
  readonly oldestUndecidedMs: number;
  /** From its start until every pool that it reports had ended, in ms. */
  readonly durationMs: number;
}

/** How a pass has ended. */
export interface EndedPass<Summary> {
  readonly summary: Summary;
  /** The error that ended it, if there is one. */
  readonly cause: unknown;
}

/** @param hooks read at each access: the counts grow until all first attempts have ended. */
export const sweepSummary = (
  { number: _, ...result }: SweepResult,
  durationMs: number,
  hooks: () => HookCounts,
): SweepSummary => ({
  plan: result.plan,
  ...(result.scope === undefined ? {} : { isScoped: true as const }),
  ...result.tally,
  ...(result.notFound === undefined ? {} : { notFound: result.notFound }),
  ...(result.isLimited === undefined ? {} : { isLimited: result.isLimited }),
  durationMs,
  ...(result.suspended === undefined ? {} : { suspended: result.suspended }),
  ...(result.error === undefined ? {} : { error: result.error }),
  ...(result.isAborted === undefined ? {} : { isAborted: result.isAborted }),
  get hooks() {
    return hooks();
  },
});

export const rescueSummary = (
  { number: _, cause: __, scope, oldestUndecidedS, ...result }: RescueResult,
  durationMs: number,
): RescueSummary => ({
  ...result,
  ...(scope === undefined ? {} : { isScoped: true as const }),
  oldestUndecidedMs: 1_000 * oldestUndecidedS,
  durationMs,
});
