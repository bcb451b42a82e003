import { monotonicOf } from '../io/clock.ts';
import type { HookOutcome } from '../io/hooks/results.ts';
import type { Quarantined } from '../io/pools/quarantine.ts';
import type { Deps } from '../io/redis/deps.ts';
import type { Outage } from '../io/redis/outages.ts';
import type { JobOutcome } from '../machines/job.ts';
import type { PoolOutcome } from '../machines/types/pool.ts';
import type { FinishedEntry, OrphanedEntry } from '../machines/types/rescue.ts';
import type { Emitter, LeaseChange } from './events.ts';
import { countHook, type HookCounts, noHooks } from './hookCounts.ts';
import { createHostErrorReports } from './hostErrors.ts';

/** Turns what the actors report into log lines and events. */
export interface Reporting {
  /** Something failed, and stopped nothing. */
  fault(where: string, error: string): void;
  /** The level to log at: `debug` during an outage, since the outage itself is in the log. */
  level<Level extends string>(level: Level): Level | 'debug';
  job(outcome: JobOutcome): void;
  /** @param since start of the pool's actor, by the monotonic clock in ms. */
  pool(ended: PoolOutcome, since: number): void;
  orphaned(entry: OrphanedEntry): void;
  finished(entry: FinishedEntry): void;
  quarantined(quarantined: Quarantined): void;
  hook(outcome: HookOutcome): void;
  lease(change: LeaseChange): void;
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
    log.error({ where: sending, code, error, count }, 'this host can not send hooks');
    emit('error', { where: sending, error, code });
  });

  return {
    level,
    fault(where, error) {
      log[level('error')]({ where, error }, 'something failed');
      const now = outage();
      if (now !== undefined && polls.has(where) && error.includes(now.error.message)) return;
      emit('error', { where, error });
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
      log.warn({ entry }, entry.plan ? 'a lost entry would be put back' : 'a lost entry was put back');
      emit('lost', entry);
    },
    finished(entry) {
      log.warn(
        { entry },
        entry.plan ? 'a stale entry would be removed' : 'a stale entry was removed: its job had ended',
      );
      emit('finished', entry);
    },
    quarantined(quarantined) {
      log.warn({ quarantined }, 'a poison job was quarantined');
      emit('quarantined', quarantined);
    },
    hook(outcome) {
      if (outcome.attempt <= 1) firstAttempts = countHook(firstAttempts, outcome);
      const isFailure = outcome.outcome === 'failed' || outcome.outcome === 'parked';
      log[isFailure ? 'warn' : 'debug']({ hook: outcome }, 'hook');
      reportHostError(outcome);
      emit('hook', outcome);
    },
    lease(change) {
      log.info({ lease: change }, change.holds ? 'this host does the scheduled passes' : 'another host does them');
      emit('lease', change);
    },
    hookCounts: () => firstAttempts,
  };
};

const logJob = (log: Deps['log'], outcome: JobOutcome): void => {
  const { id, verdict, reason, detail, facts, error } = outcome;
  const job = { id, type: facts.name, status: facts.status, verdict, reason, detail, outcome: outcome.outcome, error };
  // The sweep says why, once for all of them.
  if (outcome.isRefused) log.debug({ job }, 'a job that is left to the next sweep');
  else if (outcome.outcome === 'abandoned') log.error({ job }, 'a job could not be mended');
  else if (outcome.outcome === 'fenced') log.debug({ job }, 'a job that is left to another host');
  else if (verdict !== 'keep') log.info({ job }, 'job');
  else if (reason === 'malformed') log.warn({ job }, 'a job that can not be judged, left as it is');
  else if (reason === 'clock-ahead')
    log.warn({ job }, 'every time of this job is ahead of the clock of Redis: it is kept');
};
