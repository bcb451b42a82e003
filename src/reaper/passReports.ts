import { monotonicOf } from '../io/clock.ts';
import type { Deps } from '../io/redis/deps.ts';
import { forCaller } from '../io/redis/errors.ts';
import type { SuspensionReason } from '../machines/refusal.ts';
import type { RescueResult } from '../machines/types/rescue.ts';
import type { SweepResult } from '../machines/types/sweep.ts';
import type { Emitter, Suspension } from './events.ts';
import { hooksSince } from './hookCounts.ts';
import { createPassLines } from './passLines.ts';
import type { Reporting } from './reporting.ts';
import { type EndedPass, type RescueSummary, rescueSummary, type SweepSummary, sweepSummary } from './summaries.ts';

/** What is known of the passes of this host. `health` reads it. */
export interface PassState {
  /** Ends of the last passes that completed, by the monotonic clock in ms. */
  readonly lastSweepAt: number | undefined;
  readonly lastRescueAt: number | undefined;
  /** Why no pool is judged now (`rescue`), and why the last sweep was suspended. */
  readonly suspended: Readonly<Partial<Record<Suspension['pass'], SuspensionReason>>>;
}

const noPasses: PassState = {
  lastSweepAt: undefined,
  lastRescueAt: undefined,
  suspended: {},
};

/** Measures the passes, and turns each end into a summary, a log line and an event. */
export interface PassReports {
  sweepStarted(number: number): void;
  rescueStarted(pass: number | undefined): void;
  sweepEnded(result: SweepResult): EndedPass<SweepSummary>;
  rescueEnded(result: RescueResult, pass: number | undefined): EndedPass<RescueSummary>;
  /** Passes cannot run at all, and why; undefined when they can again. */
  block(reason: string | undefined): void;
  state(): PassState;
}

export const createPassReports = ({
  log,
  clock,
  emit,
  reporting,
}: Pick<Deps, 'log' | 'clock'> & { emit: Emitter['emit']; reporting: Reporting }): PassReports => {
  const { fault, level, hookCounts, acts, flush } = reporting;
  const lines = createPassLines(log, level);
  const now = () => monotonicOf(clock);
  const starts = createStarts(() => ({ at: now(), hooks: hookCounts() }));
  const elapsedSince = (at: number) => Math.round(now() - at);
  let state = noPasses;
  const setSuspended = (pass: Suspension['pass'], reason: SuspensionReason | undefined) => {
    const { [pass]: before, ...others } = state.suspended;
    state = { ...state, suspended: reason === undefined ? others : { ...others, [pass]: reason } };
    if (before?.message !== reason?.message) {
      emit('suspended', { pass, isSuspended: reason !== undefined, ...(reason === undefined ? {} : { reason }) });
    }
  };
  /** The latest pass that knows whether pools may be judged. Earlier passes may still wait for their pools. */
  let latestPass = 0;

  return {
    sweepStarted(number) {
      starts.mark(`sweep ${number}`);
      acts.begin('sweep');
    },
    rescueStarted(pass) {
      starts.mark(`rescue ${pass}`);
      acts.begin('rescue');
    },

    sweepEnded(result) {
      const start = starts.take(`sweep ${result.number}`);
      const summary = sweepSummary(result, elapsedSince(start.at), () => hooksSince(hookCounts(), start.hooks));
      const { suspended, error, plan, scope } = result;
      // What it says is true of some jobs only.
      const isScoped = scope !== undefined;
      const cause = forCaller(result.cause);
      if (suspended !== undefined && suspended.message !== state.suspended.sweep?.message)
        fault('sweeping', suspended.message, { code: 'suspended' });
      if (!plan && !isScoped && error === undefined) setSuspended('sweep', suspended);
      if (!isScoped && suspended === undefined && error === undefined) state = { ...state, lastSweepAt: now() };
      lines.sweep({ summary, cause }, acts.take('sweep'));
      flush();
      emit('sweep', summary);
      return { summary, cause };
    },

    rescueEnded(result, pass = 0) {
      const summary = rescueSummary(result, elapsedSince(starts.take(`rescue ${pass}`).at));
      const { suspended, error } = result;
      const cause = forCaller(result.cause);
      if (suspended !== undefined && suspended.message !== state.suspended.rescue?.message)
        fault('judging pools', suspended.message, { code: 'suspended' });
      const isLatest = error === undefined && result.scope === undefined && pass > latestPass;
      if (isLatest) {
        latestPass = pass;
        setSuspended('rescue', suspended);
      }
      if (isLatest && suspended === undefined) state = { ...state, lastRescueAt: now() };
      lines.rescue({ summary, cause }, acts.take('rescue'));
      flush();
      emit('rescue', summary);
      return { summary, cause };
    },

    block(reason) {
      if (reason !== undefined) fault('the start', reason, { code: 'blocked' });
      setSuspended('rescue', reason === undefined ? undefined : { code: 'blocked', message: reason });
    },

    state: () => state,
  };
};

/** Remembers what was measured at the start of each pass until its end. */
const createStarts = <T>(measure: () => T) => {
  const starts = new Map<string, T>();
  return {
    mark(key: string) {
      starts.set(key, measure());
    },
    take(key: string): T {
      const start = starts.get(key) ?? measure();
      starts.delete(key);
      return start;
    },
  };
};
