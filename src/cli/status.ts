import type { Command } from 'commander';
import type { Reaper, ReaperStatus } from '../index.ts';
import { configOf, reaperOf } from './config.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { withProgress } from './progress.ts';
import { once } from './signals.ts';
import { countsOf, finish, print, printJson, printTable, timeOf } from './text.ts';

export const registerStatus = (program: Command): void => {
  const command = program
    .command('status')
    .description('show tracked jobs, hooks, queues, locks and pools; changes nothing');
  withProgress(command, 'reading queues, pools and tracked jobs');
  withExamples(command, {
    'queues, locks, pools and hooks': 'reaper status',
    'types whose lock is not what their pools hold': "reaper status --json | jq '.queues[] | select(.drift != 0)'",
  });
  withOptions(command, 'redis', 'judging', 'pools').action(async (flags: { json?: boolean }) => {
    const reaper = reaperOf(configOf(command));
    finish(await once(reaper, () => status(reaper, flags)));
  });
};

/** The state of the namespace. */
export const status = async (reaper: Reaper, flags: { json?: boolean }): Promise<number> => {
  const state = await reaper.status();
  if (flags.json) printJson({ type: 'status', ...state });
  else show(state);
  return 0;
};

const show = (state: ReaperStatus): void => {
  const { tracked, queues, pools } = state;
  print(
    `namespace ${state.namespace} on ${state.redis}`,
    ...(state.hint === undefined ? [] : [state.hint]),
    `tracked: ${tracked.total} (${countsOf(tracked.byStatus)})`,
    `verdicts: ${countsOf(tracked.byVerdict)} (${countsOf(tracked.byReason)})`,
    ...hookLines(state),
    leaderLine(state),
    `retry ${state.retry}, scheduled ${state.scheduled}, dead ${state.dead}, in quarantine ${state.quarantined}`,
  );
  if (queues.length === 0) print('no job types');
  else printQueues(state);
  if (pools.length === 0) print('no pools');
  else printPools(state);
  print(...state.unreadable.map((fault) => `cannot be read: ${fault}`));
  if (state.isPartial) {
    print('too many keys in this database to scan all: in-progress lists that no other key names may be missing');
  }
};

const hookLines = ({ hooks: { endpoints, pending, parked, oldestAttemptAt }, tracked }: ReaperStatus): string[] => {
  if (pending + parked === 0) return [];
  const since = oldestAttemptAt === undefined ? '' : `, the oldest attempted first ${timeOf(oldestAttemptAt)}`;
  return [
    `hooks: ${pending} pending, ${parked} parked${since} (reaper hooks lists them)`,
    ...(tracked.parkedFinal === 0
      ? []
      : [`final jobs whose last hook is parked: ${tracked.parkedFinal}, not counted as tracked above`]),
    ...endpoints
      .filter(({ breaker, failures }) => breaker !== 'closed' || failures > 0)
      .map(({ endpoint, breaker, failures, answer, pending: waiting }) => {
        const last = answer === undefined ? '' : `, last answer ${answer}`;
        return `endpoint ${endpoint}: circuit ${breaker}, ${failures} consecutive failures${last}, ${waiting} waiting`;
      }),
  ];
};

const leaderLine = ({ leader }: ReaperStatus): string => {
  const { host, leaderSinceAt, sweepStartedAt, isSweeping, scanned, total, sweepEndedAt } = leader;
  const who = host === undefined ? 'no leader' : `leader: ${host} since ${timeOrNone(leaderSinceAt)}`;
  if (sweepStartedAt === undefined) return `${who}, no sweep yet`;
  return isSweeping
    ? `${who}, sweep started ${timeOrNone(sweepStartedAt)}, ${scanned} of ${total} scanned`
    : `${who}, last sweep ended ${timeOrNone(sweepEndedAt)}, ${scanned} scanned`;
};

const timeOrNone = (time: string | undefined): string => (time === undefined ? '-' : timeOf(time));

const printQueues = ({ queues }: ReaperStatus): void =>
  printTable(
    ['type', 'queued', 'cap', 'lock', 'lock_info', 'in progress', 'drift', ''],
    queues.map(({ type, queued, maxConcurrency, lock, lockInfo, inProgress, drift, isPaused }) => [
      type,
      queued,
      maxConcurrency || '-',
      lock,
      lockInfo,
      inProgress,
      drift,
      isPaused ? 'paused' : '',
    ]),
  );

const printPools = ({ pools }: ReaperStatus): void =>
  printTable(
    ['pool', '', 'heartbeat', 'host', 'in progress'],
    pools.map(({ pool, isAlive, heartbeatAgeMs, host, inProgress }) => [
      pool,
      isAlive ? 'alive' : 'dead',
      beatOf(heartbeatAgeMs),
      host ?? '-',
      inProgress,
    ]),
  );

const beatOf = (ageMs: number | undefined): string => {
  if (ageMs === undefined) return 'none';
  const seconds = Math.round(Math.abs(ageMs) / 1_000);
  return ageMs < 0 ? `${seconds} s ahead of Redis` : `${seconds} s ago`;
};
