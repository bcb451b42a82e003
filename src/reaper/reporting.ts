import { quarantinedJobOf } from '../admin/quarantineRecords.ts';
import { BackgroundError, type ErrorCode } from '../errors.ts';
import { monotonicOf } from '../io/clock.ts';
import type { HookOutcome } from '../io/hooks/results.ts';
import type { Quarantined } from '../io/pools/quarantine.ts';
import type { Deps } from '../io/redis/deps.ts';
import { classify, redact } from '../io/redis/errors.ts';
import type { Outage } from '../io/redis/outages.ts';
import type { JobOutcome } from '../machines/types/job.ts';
import type { PoolOutcome } from '../machines/types/pool.ts';
import type { FinishedEntry, OrphanedEntry } from '../machines/types/rescue.ts';
import type { Emitter, LeaderChange } from './events.ts';
import { countHook, type HookCounts, noHooks } from './hookCounts.ts';
import { createHostErrorReports } from './hostErrors.ts';

/** Turns what the actors report into log lines and events. */
export interface Reporting {
  /** Something failed, and stopped nothing. Unless given, the code is that of the error of Redis, or `step-failed`. */
  fault(where: string, message: string, code?: ErrorCode, cause?: unknown): void;
  /** The level to log at: `debug` during an outage, since the outage itself is in the log. */
  level<Level extends string>(level: Level): Level | 'debug';
  job(outcome: JobOutcome): void;
  /** @param since start of the pool's actor, by the monotonic clock in ms. */
  pool(ended: PoolOutcome, since: number): void;
  orphaned(entry: OrphanedEntry): void;
  finished(entry: FinishedEntry): void;
  quarantined(quarantined: Quarantined): void;
  hook(outcome: HookOutcome): void;
  leader(change: LeaderChange): void;
  /** Outcomes of first attempts since the start. */
  hookCounts(): HookCounts;
}

/** Work that polls Redis all the time. During an outage its failures say nothing new. */
const polls: ReadonlySet<string> = new Set([
  'asking for the lease',
  'looking for hooks to send',
  'watching heartbeats',
]);
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
    log.error({ where: sending, code, error, count }, 'this host cannot send hooks');
    emit('error', new BackgroundError('host', sending, error, { cause: Object.assign(new Error(error), { code }) }));
  });

  return {
    level,
    fault(where, message, given, cause) {
      const code = given ?? codeOf(cause);
      const err = cause instanceof Error ? redact(cause) : new Error(message);
      log[level('error')]({ where, code, err }, 'something failed');
      const now = outage();
      if (now !== undefined && polls.has(where) && message.includes(now.error.message)) return;
      emit('error', new BackgroundError(code, where, message, cause === undefined ? {} : { cause }));
    },
    job(outcome) {
      logJob(log, outcome);
      emit('job', outcome);
    },
    pool(ended, since) {
      const outcome: PoolOutcome = { ...ended, durationMs: Math.round(monotonicOf(clock) - since) };
      const isQuiet = outcome.outcome === 'alive' || outcome.outcome === 'cleaned';
      log[outcome.outcome === 'abandoned' ? 'error' : isQuiet ? 'debug' : 'info']({ pool: outcome }, 'pool');
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

/** An error that is none of Redis is one of the step. */
const codeOf = (cause: unknown): ErrorCode => {
  const { kind, code } = classify(cause);
  return cause === undefined || kind === 'unknown' ? 'step-failed' : code;
};

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
