import { monotonicOf } from '../io/clock.ts';
import type { Lease, SharedView } from '../io/leader/lease.ts';
import type { Deps } from '../io/redis/deps.ts';
import { scheduledPass } from '../machines/types/sweep.ts';
import type { ScheduleSettings } from '../options/schedule.ts';

export type ScheduledPass = 'sweep' | 'rescue';

/** When the scheduled passes of this host are due. Times by the monotonic clock in ms. */
export interface Schedule {
  /** Begins to measure the initial delays. Later calls change nothing. */
  start(): void;
  startedAt(): number | undefined;
  /** Milliseconds until the next pass. The supervisor asks each time that it begins to wait. */
  sweepDelay(state: { readonly isFirst: boolean; readonly hasFailed: boolean }): number;
  rescueDelay(state: { readonly isFirst: boolean; readonly hasFailed: boolean }): number;
  /** A pass has started. A plan or a scoped pass that a caller asked for does not replace the scheduled pass. */
  passStarted(
    pass: ScheduledPass,
    request: { readonly number: number; readonly plan: boolean; readonly scope?: object | undefined },
  ): void;
  /** This host is no longer the leader: nothing is due here. */
  clear(): void;
  dueAt(pass: ScheduledPass): number | undefined;
}

export const createSchedule = ({
  settings: { sweep, rescue },
  clock,
  random,
  lease,
  isShared,
}: Pick<Deps, 'clock'> & {
  settings: ScheduleSettings;
  random: () => number;
  lease: Pick<Lease, 'seen'>;
  /** Whether the hosts share one schedule. */
  isShared: boolean;
}): Schedule => {
  let startedAt: number | undefined;
  const dueAt: Record<ScheduledPass, number | undefined> = { sweep: undefined, rescue: undefined };
  /** When a scheduled pass would have come without the plans and scoped passes that callers asked for. */
  const keptDueAt: typeof dueAt = { sweep: undefined, rescue: undefined };
  /** When the present wait of each pass began. */
  const waitingSince: typeof dueAt = { sweep: undefined, rescue: undefined };
  const monotonic = () => monotonicOf(clock);

  const delayOf = (
    pass: ScheduledPass,
    first: number,
    interval: number,
    { isFirst, hasFailed }: { isFirst: boolean; hasFailed: boolean },
  ) => {
    const now = monotonic();
    waitingSince[pass] ??= now;
    // The wait may have begun before its interval was changed.
    const waited = now - waitingSince[pass];
    if (!isShared) return (isFirst ? first : interval) - waited;
    const due = { firstAt: (startedAt ?? now) + first, interval: hasFailed ? interval - waited : interval };
    return waitFor({ pass, now, ...due, hasFailed, shared: lease.seen() });
  };
  const wait = (pass: ScheduledPass, delay: number) => {
    const now = monotonic();
    const due = Math.min(now + delay, keptDueAt[pass] ?? Number.POSITIVE_INFINITY);
    dueAt[pass] = due;
    return Math.max(0, due - now);
  };

  return {
    start() {
      startedAt ??= monotonic();
    },
    startedAt: () => startedAt,
    sweepDelay(state) {
      const factor = 1 + sweep.jitter * (random() - 0.5);
      return wait('sweep', delayOf('sweep', sweep.initialDelay * factor, sweep.interval * factor, state));
    },
    rescueDelay: (state) => wait('rescue', delayOf('rescue', rescue.initialDelay, rescue.interval, state)),
    passStarted(pass, { number, plan, scope }) {
      const due = dueAt[pass] ?? 0;
      waitingSince[pass] = undefined;
      if (number === scheduledPass || (!plan && scope === undefined)) keptDueAt[pass] = undefined;
      else if (due > monotonic()) keptDueAt[pass] ??= due;
    },
    clear() {
      [dueAt.sweep, dueAt.rescue] = [undefined, undefined];
      [waitingSince.sweep, waitingSince.rescue] = [undefined, undefined];
    },
    dueAt: (pass) => dueAt[pass],
  };
};

/** When a scheduled pass is due. Times by the monotonic clock in ms, durations in ms. */
export interface Due {
  readonly now: number;
  readonly firstAt: number;
  readonly interval: number;
  /** Whether this host has tried in its present term, and failed. */
  readonly hasFailed: boolean;
  /** State that the hosts share; undefined if this host runs its passes for itself. */
  readonly shared: SharedView | undefined;
  readonly pass: ScheduledPass;
}

/**
 * How long the leader waits for the next pass: one interval after the end of the last one, whichever host ran it. A sweep
 * that another host began and did not complete is continued at once. A pass that failed here is tried again one interval
 * later. The wait is never longer than an interval, because the clock of Redis may have been set back since the last end.
 */
export const waitFor = ({ now, firstAt, interval, hasFailed, shared, pass }: Due): number => {
  if (hasFailed || shared === undefined) return interval;
  const { progress, clockOffset } = shared;
  if (pass === 'sweep' && progress.isSweeping) return 0;
  const ended = pass === 'sweep' ? progress.ended : progress.rescueEnded;
  if (ended === undefined) return Math.max(0, firstAt - now);
  return Math.min(interval, Math.max(0, ended - clockOffset + interval - now));
};
