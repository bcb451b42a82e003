import { quarantinedJobOf } from '../admin/quarantineRecords.ts';
import { BackgroundError, type ErrorCode } from '../errors.ts';
import { monotonicOf } from '../io/clock.ts';
import type { HookOutcome } from '../io/hooks/results.ts';
import type { Quarantined } from '../io/pools/quarantine.ts';
import type { Deps } from '../io/redis/deps.ts';
import { redact } from '../io/redis/errors.ts';
import type { Outage } from '../io/redis/outages.ts';
import type { JobOutcome } from '../machines/types/job.ts';
import type { PoolOutcome, PoolResult } from '../machines/types/pool.ts';
import type { Poll } from '../machines/types/reports.ts';
import type { FinishedEntry, OrphanedEntry } from '../machines/types/rescue.ts';
import { countOf, type Screened } from '../machines/types/sweep.ts';
import { type ActLines, createActLines } from './actLines.ts';
import { type ActLog, createActLog } from './actLog.ts';
import { codeOfError } from './errorFields.ts';
import type { Emitter, LeaderChange } from './events.ts';
import { countHook, type HookCounts, noHooks } from './hookCounts.ts';
import { createHookLines } from './hookLines.ts';
import { type Counted, createRepeats, mergeCounts } from './repeats.ts';

/** Turns what the actors report into log lines and events. The number of lines is bounded, whatever there is to report. */
export interface Reporting extends Pick<ActLines, 'skipped' | 'clockAhead' | 'falseDeath'> {
  /** Something failed, and stopped nothing. */
  fault(where: string, message: string, more?: FaultDetails): void;
  /** The level to log at: `debug` during an outage, since the outage itself is in the log. */
  level<Level extends string>(level: Level): Level | 'debug';
  job(outcome: JobOutcome): void;
  screened(screened: Screened): void;
  /** @param since start of the pool's actor, by the monotonic clock in ms. */
  pool(ended: PoolResult, since: number): void;
  orphaned(entry: OrphanedEntry): void;
  finished(entry: FinishedEntry): void;
  quarantined(quarantined: Quarantined): void;
  hook(outcome: HookOutcome): void;
  leader(change: LeaderChange): void;
  /** What passes did, for their log lines. */
  readonly acts: Pick<ActLog, 'begin' | 'take'>;
  /** Logs failures that were counted and have waited for their minute; with `all`, those that still wait too. */
  flush(all?: boolean): void;
  /** Outcomes of first attempts since the start. */
  hookCounts(): HookCounts;
}

export interface FaultDetails {
  /** Unless given, the code of `cause`, or `step-failed`. */
  readonly code?: ErrorCode;
  readonly cause?: unknown;
  /** The step that polls Redis: during an outage its failures say nothing new. */
  readonly poll?: Poll | undefined;
}

interface Fault extends Counted {
  readonly where: string;
  readonly code: ErrorCode;
  readonly err: Error;
}

export const createReporting = ({
  log,
  clock,
  emit,
  outage,
}: Pick<Deps, 'log' | 'clock'> & {
  emit: Emitter['emit'];
  outage: () => Outage | undefined;
}): Reporting => {
  const level = <Level extends string>(wanted: Level) => (outage() === undefined ? wanted : 'debug');
  let firstAttempts = noHooks;
  const acts = createActLog(log);
  const lines = createActLines(log, acts);
  const hookLines = createHookLines(log, clock, emit);
  const faults = createRepeats<Fault>(clock, mergeCounts, (fault) => log.error({ ...fault }, 'something failed'));

  return {
    level,
    acts,
    ...{ skipped: lines.skipped, clockAhead: lines.clockAhead, falseDeath: lines.falseDeath },
    fault(where, message, { code: given, cause, poll } = {}) {
      const code = given ?? codeOfError(cause);
      const err = cause instanceof Error ? redact(cause) : new Error(message);
      if (level('error') === 'debug') log.debug({ where, code, err }, 'something failed');
      else faults.add(`${where} ${code} ${message}`, { where, code, count: 1, err });
      const now = outage();
      if (now !== undefined && poll !== undefined && message.includes(now.error.message)) return;
      emit('error', new BackgroundError(code, where, message, cause === undefined ? {} : { cause }));
    },
    job(outcome) {
      lines.job(outcome);
      emit('job', outcome);
    },
    screened: (types) => emit('screened', { count: countOf(types), types: Object.fromEntries(types) }),
    pool({ cause, ...ended }, since) {
      const outcome: PoolOutcome = { ...ended, durationMs: Math.round(monotonicOf(clock) - since) };
      lines.pool(outcome, cause);
      emit('pool', outcome);
    },
    orphaned(entry) {
      lines.orphaned(entry);
      const { unobservedS, ...rest } = entry;
      emit('orphan', { outcome: 'requeued', ...rest, unobservedMs: 1_000 * unobservedS });
    },
    finished(entry) {
      lines.finished(entry);
      const { endedS, ...rest } = entry;
      emit('orphan', { outcome: 'removed', ...rest, endedMs: 1_000 * endedS });
    },
    quarantined(stored) {
      const quarantined = quarantinedJobOf(stored);
      lines.quarantined(quarantined);
      emit('quarantine', quarantined);
    },
    hook(outcome) {
      if (outcome.attempt <= 1) firstAttempts = countHook(firstAttempts, outcome);
      hookLines.hook(outcome);
      emit('hook', outcome);
    },
    leader(change) {
      const message = change.isThisHost ? 'this host is the leader' : 'another host is the leader';
      log.info({ code: 'leader', leader: change }, message);
      emit('leader', change);
    },
    flush(all) {
      hookLines.flush(all);
      faults.flush(all);
    },
    hookCounts: () => firstAttempts,
  };
};
