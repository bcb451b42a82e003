import { type Clock, monotonicOf } from '../io/clock.ts';
import type { HookOutcome } from '../io/hooks/results.ts';

/** Time between two reports of a code, in ms: a host that lacks something lacks it for every hook. */
const reportEvery = 60_000;

export interface HostErrorReport {
  readonly code: string;
  readonly error: string;
  /** Hooks that failed with it since the last report. */
  readonly count: number;
}

/** Reports what keeps this host from sending hooks: each code at its first occurrence, then once a minute. */
export const createHostErrorReports = (clock: Clock, report: (report: HostErrorReport) => void) => {
  const known = new Map<string, { at: number; count: number }>();
  return ({ hostError: code, reason }: HookOutcome): void => {
    if (code === undefined) return;
    const { at, count } = known.get(code) ?? { at: Number.NEGATIVE_INFINITY, count: 0 };
    const isDue = monotonicOf(clock) - at >= reportEvery;
    known.set(code, isDue ? { at: monotonicOf(clock), count: 0 } : { at, count: count + 1 });
    if (isDue) report({ code, error: reason ?? code, count: count + 1 });
  };
};
