import { quarantinedJobOf } from '../admin/quarantineRecords.ts';
import { BackgroundError, codeOr, type ErrorCode } from '../errors.ts';
import { monotonicOf } from '../io/clock.ts';
import type { HookOutcome } from '../io/hooks/results.ts';
import type { Quarantined } from '../io/pools/quarantine.ts';
import type { Deps } from '../io/redis/deps.ts';
import { forCaller, redact } from '../io/redis/errors.ts';
import type { Outage } from '../io/redis/outages.ts';
import type { JobOutcome } from '../machines/types/job.ts';
import type { PoolOutcome, PoolResult } from '../machines/types/pool.ts';
import type { Poll } from '../machines/types/reports.ts';
import type { FinishedEntry, OrphanedEntry } from '../machines/types/rescue.ts';
import type { Emitter, LeaderChange } from './events.ts';
import { countHook, type HookCounts, noHooks } from './hookCounts.ts';
import { createHostErrorReports } from './hostErrors.ts';

/** Turns what the actors report into log lines and events. */
export interface Reporting {
  /** Something failed, and stopped nothing. */
  fault(where: string, message: string, more?: FaultDetails): void;
  /** The level to log at: `debug` during an outage, since the outage itself is in the log. */
  level<Level extends string>(level: Level): Level | 'debug';
  job(outcome: JobOutcome): void;
  /** @param since start of the pool's actor, by the monotonic clock in ms. */
  pool(ended: PoolResult, since: number): void;
  orphaned(entry: OrphanedEntry): void;
  finished(entry: FinishedEntry): void;
  quarantined(quarantined: Quarantined): void;
  hook(outcome: HookOutcome): void;
  leader(change: LeaderChange): void;
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

const sending = 'sending hooks from this host';

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
  const reportHostError = createHostErrorReports(clock, ({ code, error, count }) => {
    const err = Object.assign(new Error(error), { code });
    log.error({ where: sending, code, error, count, err }, 'this host cannot send hooks');
    emit('error', new BackgroundError('host', sending, error, { cause: err }));
  });

  return {
    level,
    fault(where, message, { code: given, cause, poll } = {}) {
      const code = given ?? codeOf(cause);
      const err = cause instanceof Error ? redact(cause) : new Error(message);
      log[level('error')]({ where, code, err }, 'something failed');
      const now = outage();
      if (now !== undefined && poll !== undefined && message.includes(now.error.message)) return;
      emit('error', new BackgroundError(code, where, message, cause === undefined ? {} : { cause }));
    },
    job(outcome) {
      logJob(log, outcome);
      emit('job', outcome);
    },
    pool({ cause, ...ended }, since) {
      const outcome: PoolOutcome = { ...ended, durationMs: Math.round(monotonicOf(clock) - since) };
      const isQuiet = outcome.outcome === 'alive' || outcome.outcome === 'cleaned';
      log[outcome.outcome === 'abandoned' ? 'error' : isQuiet ? 'debug' : 'info'](
        { pool: outcome, ...errorFields(cause) },
        'pool',
      );
      emit('pool', outcome);
    },
    orphaned(entry) {
      log.warn({ entry }, entry.plan ? 'an orphaned entry would be requeued' : 'an orphaned entry was requeued');
      const { unobservedS, ...rest } = entry;
      emit('orphan', { outcome: 'requeued', ...rest, unobservedMs: 1_000 * unobservedS });
    },
    finished(entry) {
      log.warn(
        { entry },
        entry.plan ? 'a stale entry would be removed' : 'a stale entry was removed: its job had ended',
      );
      const { endedS, ...rest } = entry;
      emit('orphan', { outcome: 'removed', ...rest, endedMs: 1_000 * endedS });
    },
    quarantined(stored) {
      const quarantined = quarantinedJobOf(stored);
      log.warn({ quarantined }, 'a poison job was quarantined');
      emit('quarantine', quarantined);
    },
    hook(outcome) {
      if (outcome.attempt <= 1) firstAttempts = countHook(firstAttempts, outcome);
      const isFailure = outcome.outcome === 'failed' || outcome.outcome === 'parked';
      log[isFailure ? 'warn' : 'debug']({ hook: outcome }, 'hook');
      reportHostError(outcome);
      emit('hook', outcome);
    },
    leader(change) {
      log.info({ leader: change }, change.isThisHost ? 'this host is the leader' : 'another host is the leader');
      emit('leader', change);
    },
    hookCounts: () => firstAttempts,
  };
};

/** The fields of a log line for the error behind it; none without one. */
export const errorFields = (cause: unknown): { readonly code?: ErrorCode; readonly err?: Error } =>
  cause instanceof Error ? { code: codeOf(cause), err: redact(cause) } : {};

/** An error that is neither of this package nor of Redis is one of the step. */
const codeOf = (cause: unknown): ErrorCode => codeOr(forCaller(cause), 'step-failed');

const logJob = (log: Deps['log'], outcome: JobOutcome): void => {
  const { id, verdict, reason, detail, facts, error } = outcome;
  const job = { id, type: facts.name, status: facts.status, verdict, reason, detail, outcome: outcome.outcome, error };
  // The sweep says why, once for all of them.
  if (outcome.isRefused) log.debug({ job }, 'a job is left to the next sweep');
  else if (outcome.outcome === 'abandoned') log.error({ job }, 'a job could not be repaired');
  else if (outcome.outcome === 'fenced') log.debug({ job }, 'a job is left to the new leader');
  else if (verdict !== 'keep') log.info({ job }, 'job');
  else if (reason === 'malformed') log.warn({ job }, 'a job cannot be judged and is left as it is');
  else if (reason === 'clock-ahead')
    log.warn({ job }, 'every time of this job is ahead of the clock of Redis: it is kept');
};
