import type { Reaper, ReaperStatus } from '../index.ts';
import { countsOf } from './shared.ts';
import { print, printJson, printTable, timeOf } from './text.ts';

/** The namespace as it stands. */
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
  print(...state.unreadable.map((fault) => `can not be read: ${fault}`));
  if (state.isPartial) {
    print('too many keys in this database to go through all: in-progress lists that nothing else names may be missing');
  }
};

const hookLines = ({ hooks: { endpoints, pending, parked, oldestTry }, tracked }: ReaperStatus): string[] => {
  if (pending + parked === 0) return [];
  const since = oldestTry === undefined ? '' : `, the oldest tried first ${timeOf(oldestTry)}`;
  return [
    `hooks: ${pending} pending, ${parked} parked${since} (reaper hooks lists them)`,
    ...(tracked.parkedFinal === 0
      ? []
      : [`final jobs whose last hook is parked: ${tracked.parkedFinal}, not counted as tracked above`]),
    ...endpoints
      .filter(({ breaker, failures }) => breaker !== 'closed' || failures > 0)
      .map(({ endpoint: origin, breaker, failures, answer, pending: waiting }) => {
        const last = answer === undefined ? '' : `, last answer ${answer}`;
        return `receiver ${origin}: breaker ${breaker}, ${failures} failures in a row${last}, ${waiting} waiting`;
      }),
  ];
};

const leaderLine = ({ leader: { host, since, begun, isInHand, scanned, total, ended } }: ReaperStatus): string => {
  const who =
    host === undefined ? 'no host does the scheduled passes' : `scheduled passes: ${host} since ${timeOrNone(since)}`;
  if (begun === undefined) return `${who}, no sweep yet`;
  return isInHand
    ? `${who}, sweep begun ${timeOrNone(begun)}, ${scanned} of ${total} scanned`
    : `${who}, last sweep ended ${timeOrNone(ended)}, ${scanned} scanned`;
};

const timeOrNone = (second: number | undefined): string => (second === undefined ? '-' : timeOf(second));

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
    pools.map(({ pool, isAlive, heartbeatAgeS, host, inProgress }) => [
      pool,
      isAlive ? 'alive' : 'dead',
      beatOf(heartbeatAgeS),
      host ?? '-',
      inProgress,
    ]),
  );

const beatOf = (ageS: number | undefined): string => {
  if (ageS === undefined) return 'none';
  return ageS < 0 ? `${-ageS} s ahead of Redis` : `${ageS} s ago`;
};
