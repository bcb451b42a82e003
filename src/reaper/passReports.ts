import type { ErrorCode } from '../errors.ts';
import { monotonicOf } from '../io/clock.ts';
import type { Deps } from '../io/redis/deps.ts';
import { codeOfRefusal, forCaller } from '../io/redis/errors.ts';
import type { RescueResult } from '../machines/types/rescue.ts';
import type { SweepResult } from '../machines/types/sweep.ts';
import type { Emitter, Suspension } from './events.ts';
import { hooksSince } from './hookCounts.ts';
import { errorFields, type Reporting } from './reporting.ts';
import { type EndedPass, type RescueSummary, rescueSummary, type SweepSummary, sweepSummary } from './summaries.ts';

/** What is known of the passes of this host. `health` reads it. */
export interface PassState {
  /** Ends of the last passes that completed, by the monotonic clock in ms. */
  readonly lastSweepAt: number | undefined;
  readonly lastRescueAt: number | undefined;
  /** Why no pool is judged now. */
  readonly suspended: string | undefined;
  /** Why the last sweep was suspended. */
  readonly sweepSuspended: string | undefined;
  /** The codes of these reasons, for each kind of pass that is suspended. */
  readonly suspendedBy: Readonly<Partial<Record<Suspension['pass'], ErrorCode>>>;
}

const noPasses: PassState = {
  lastSweepAt: undefined,
  lastRescueAt: undefined,
  suspended: undefined,
  sweepSuspended: undefined,
  suspendedBy: {},
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
  const { fault, level, hookCounts } = reporting;
  const now = () => monotonicOf(clock);
  const starts = createStarts(() => ({ at: now(), hooks: hookCounts() }));
  const elapsedSince = (at: number) => Math.round(now() - at);
  let state = noPasses;
  const setSuspended = (pass: Suspension['pass'], reason: string | undefined, code?: ErrorCode) => {
    const before = pass === 'sweep' ? state.sweepSuspended : state.suspended;
    state = { ...state, suspendedBy: suspendedBy(state.suspendedBy, pass, reason, code) };
    state = pass === 'sweep' ? { ...state, sweepSuspended: reason } : { ...state, suspended: reason };
    if (before !== reason) {
      emit('suspended', { pass, isSuspended: reason !== undefined, ...(reason === undefined ? {} : { reason }) });
    }
  };
  /** The latest pass that knows whether pools may be judged. Earlier passes may still wait for their pools. */
  let latestPass = 0;

  return {
    sweepStarted: (number) => starts.mark(`sweep ${number}`),
    rescueStarted: (pass) => starts.mark(`rescue ${pass}`),

    sweepEnded(result) {
      const start = starts.take(`sweep ${result.number}`);
      const summary = sweepSummary(result, elapsedSince(start.at), () => hooksSince(hookCounts(), start.hooks));
      const { suspended, error, plan, scope } = result;
      // What it says is true of some jobs only.
      const isScoped = scope !== undefined;
      const cause = forCaller(result.cause);
      if (suspended !== undefined && suspended !== state.sweepSuspended)
        fault('sweeping', suspended, { code: 'suspended' });
      if (!plan && !isScoped && error === undefined) setSuspended('sweep', suspended);
      if (suspended !== undefined) log.info({ sweep: summary }, 'a sweep was suspended');
      else if (error === undefined) {
        if (!isScoped) state = { ...state, lastSweepAt: now() };
        log.info({ sweep: summary }, 'sweep');
      } else if (result.isAborted) log.info({ sweep: summary }, 'a sweep was aborted by its caller');
      else log[level('error')]({ sweep: summary, ...errorFields(cause) }, 'a sweep did not complete');
      emit('sweep', summary);
      return { summary, cause };
    },

    rescueEnded(result, pass = 0) {
      const summary = rescueSummary(result, elapsedSince(starts.take(`rescue ${pass}`).at));
      // Each pool and each entry has a log line of its own.
      const { changes: _, ...line } = summary;
      const { suspended, error } = result;
      const cause = forCaller(result.cause);
      if (suspended !== undefined && suspended !== state.suspended)
        fault('judging pools', suspended, { code: 'suspended' });
      const isLatest = error === undefined && result.scope === undefined && pass > latestPass;
      if (isLatest) {
        latestPass = pass;
        setSuspended('rescue', suspended);
      }
      if (error === undefined) {
        if (isLatest && suspended === undefined) state = { ...state, lastRescueAt: now() };
        log[isUneventful(result) ? 'debug' : 'info']({ rescue: line }, 'rescue');
      } else if (result.isAborted) log.info({ rescue: line }, 'a rescue pass was aborted by its caller');
      else log[level('error')]({ rescue: line, ...errorFields(cause) }, 'a rescue pass did not complete');
      emit('rescue', summary);
      return { summary, cause };
    },

    block(reason) {
      if (reason !== undefined) fault('the start', reason, { code: 'blocked' });
      setSuspended('rescue', reason, 'blocked');
    },

    state: () => state,
  };
};

/** The codes of all suspensions, after one has begun or ended. */
const suspendedBy = (
  before: PassState['suspendedBy'],
  pass: Suspension['pass'],
  reason: string | undefined,
  code: ErrorCode | undefined,
): PassState['suspendedBy'] => {
  const { [pass]: _, ...others } = before;
  return reason === undefined ? others : { ...others, [pass]: code ?? codeOfRefusal(reason) ?? 'suspended' };
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

const isUneventful = ({ suspects, pools, orphaned, finished, drift, unreadable }: RescueResult): boolean =>
  [suspects - pools.cleaned, orphaned, finished, drift.length, unreadable.length].every((n) => n === 0);
