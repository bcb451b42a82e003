import type { QuarantinedJob } from '../admin/quarantineRecords.ts';
import type { CodedLogger } from '../io/log.ts';
import type { SkippedOrphan } from '../io/pools/orphanJudge.ts';
import { isHookUnchanged, type JobOutcome } from '../machines/types/job.ts';
import type { PoolOutcome } from '../machines/types/pool.ts';
import type { FinishedEntry, OrphanedEntry } from '../machines/types/rescue.ts';
import type { Act, ActLog } from './actLog.ts';
import { errorFields } from './errorFields.ts';

/** The log lines of what passes did to jobs, pools and entries, and of what they left. */
export interface ActLines {
  job(outcome: JobOutcome): void;
  /** @param cause the error behind the outcome, if there is one. */
  pool(outcome: PoolOutcome, cause: unknown): void;
  orphaned(entry: OrphanedEntry): void;
  finished(entry: FinishedEntry): void;
  quarantined(quarantined: QuarantinedJob): void;
  skipped(skipped: SkippedOrphan): void;
  /** @param seconds how far the clock of the pool's host is ahead of Redis. */
  clockAhead(pool: string, seconds: number): void;
  falseDeath(pool: string): void;
}

export const createActLines = (log: CodedLogger, acts: ActLog): ActLines => {
  const rescued = (level: Act['level'], group: Act['group'], fields: Act['fields'], message: string) =>
    acts.add('rescue', { level, group, fields, message });
  return {
    job(outcome) {
      const { verdict, reason, facts } = outcome;
      const left = (message: string) => log.debug({ code: 'job-left', job: jobOf(outcome) }, message);
      // The sweep says why, once for all of them.
      if (outcome.isRefused) left('a job is left to the next sweep');
      else if (outcome.outcome === 'fenced') left('a job is left to the new leader');
      else {
        const line = lineOf(outcome);
        if (line === undefined) return;
        const { level, code, message } = line;
        const group = { verdict, type: facts.name ?? '-', reason };
        acts.add('sweep', { level, group, fields: { code, job: jobOf(outcome) }, message });
      }
    },
    pool(outcome, cause) {
      const { outcome: end, entries, quarantined } = outcome;
      const isQuiet = end === 'alive' || (end === 'cleaned' && entries + quarantined === 0);
      const pool = bounded(outcome);
      const group = { act: 'pool', outcome: end };
      if (end === 'abandoned') rescued('error', group, { code: 'step-failed', pool, ...errorFields(cause) }, 'pool');
      else if (isQuiet) log.debug({ code: 'pool', pool }, 'pool');
      else rescued('info', group, { code: 'pool', pool }, 'pool');
    },
    orphaned(entry) {
      const message = entry.plan ? 'an orphaned entry would be requeued' : 'an orphaned entry was requeued';
      rescued('warn', { act: 'orphan', type: entry.type }, { code: 'orphan', entry }, message);
    },
    finished(entry) {
      const message = entry.plan ? 'a stale entry would be removed' : 'a stale entry was removed: its job had ended';
      rescued('warn', { act: 'stale-entry', type: entry.type }, { code: 'stale-entry', entry }, message);
    },
    quarantined(quarantined) {
      const group = { act: 'quarantine', type: quarantined.type };
      rescued('warn', group, { code: 'quarantine', quarantined }, 'a poison job was quarantined');
    },
    skipped(skipped) {
      const group = { act: 'entry-skipped', type: skipped.type ?? '-' };
      rescued('warn', group, { code: 'entry-skipped', skipped }, 'skipped entries that may be orphaned');
    },
    clockAhead(pool, seconds) {
      const fields = { code: 'pool-clock-ahead', clockAhead: { pool, seconds } } as const;
      rescued('warn', { act: fields.code }, fields, 'the clock of this host is ahead of Redis: set it right');
    },
    falseDeath(pool) {
      const message = 'a pool that was declared dead is alive: its jobs may have run twice; raise rescue.grace';
      rescued('warn', { act: 'false-death' }, { code: 'false-death', pool }, message);
    },
  };
};

/** One plain literal: spread ones took 4 µs a job, as much as all else of its line (measured). */
const jobOf = ({ id, verdict, reason, detail, outcome, facts, error }: JobOutcome) => ({
  id,
  type: facts.name,
  status: facts.status,
  verdict,
  reason,
  detail,
  outcome,
  error,
});

/** Undefined for a job with which nothing had to be done. */
const lineOf = ({
  verdict,
  reason,
  outcome,
  code = 'step-failed',
}: JobOutcome): (Pick<Act, 'level' | 'message'> & Pick<Act['fields'], 'code'>) | undefined => {
  if (outcome === 'abandoned') return { level: 'error', code, message: 'a job could not be repaired' };
  if (isHookUnchanged(outcome)) return undefined;
  if (verdict !== 'keep') return { level: 'info', code: 'job', message: 'job' };
  if (reason === 'malformed')
    return { level: 'warn', code: 'job-malformed', message: 'a job cannot be judged and is left as it is' };
  if (reason !== 'clock-ahead') return undefined;
  const message = 'every time of this job is ahead of the clock of Redis: it is kept';
  return { level: 'warn', code: 'job-clock-ahead', message };
};

/** Names of one kind in one line. */
const maxNames = 20;

/** A pool may have held entries of many jobs and types. The event names all, and has the act of a plan. */
const bounded = ({ act: _, moved, poison, unreadable, deregistered, ...rest }: PoolOutcome): object => ({
  ...rest,
  moved: Object.fromEntries(Object.entries(moved).slice(0, maxNames)),
  ...(poison === undefined ? {} : { poison: poison.slice(0, maxNames) }),
  ...(unreadable === undefined ? {} : { unreadable: unreadable.slice(0, maxNames) }),
  ...(deregistered === undefined
    ? {}
    : { deregistered: { ...deregistered, lockInfo: deregistered.lockInfo.slice(0, maxNames) } }),
});
