import type { HookOutcome } from '../io/hooks/results.ts';

/** Outcomes of the first attempts of hooks. */
export interface HookCounts {
  readonly delivered: number;
  readonly failed: number;
  readonly parked: number;
  readonly skipped: number;
  /** Not sent because this host lacks something, such as sockets; left out if there are none. They are due again. */
  readonly hostErrors?: number;
}

export const noHooks: HookCounts = { delivered: 0, failed: 0, parked: 0, skipped: 0 };

export const countHook = (counts: HookCounts, { outcome, hostError }: HookOutcome): HookCounts =>
  hostError === undefined
    ? { ...counts, [outcome]: counts[outcome] + 1 }
    : { ...counts, hostErrors: (counts.hostErrors ?? 0) + 1 };

/** Counts since `b`. */
export const hooksSince = (a: HookCounts, b: HookCounts): HookCounts => {
  const hostErrors = (a.hostErrors ?? 0) - (b.hostErrors ?? 0);
  return {
    delivered: a.delivered - b.delivered,
    failed: a.failed - b.failed,
    parked: a.parked - b.parked,
    skipped: a.skipped - b.skipped,
    ...(hostErrors === 0 ? {} : { hostErrors }),
  };
};
