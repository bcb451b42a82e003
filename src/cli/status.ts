import Table from 'cli-table3';
import type { Reaper, ReaperStatus } from '../index.ts';
import { countsOf, print, printJson } from './shared.ts';

/** The namespace as it stands. */
export const status = async (reaper: Reaper, flags: { json?: boolean }): Promise<number> => {
  const state = await reaper.status();
  if (flags.json) printJson({ type: 'status', ...state });
  else print(textOf(state));
  return 0;
};

const textOf = (state: ReaperStatus): string => {
  const { tracked, queues, pools } = state;
  return [
    `namespace ${state.namespace} on ${state.redis}`,
    ...(state.hint === undefined ? [] : [state.hint]),
    `tracked: ${tracked.total} (${countsOf(tracked.byStatus)})`,
    `verdicts: ${countsOf(tracked.byVerdict)} (${countsOf(tracked.byReason)})`,
    ...hookLines(state),
    sweeperLine(state),
    `retry ${state.retry}, scheduled ${state.scheduled}, dead ${state.dead}, in quarantine ${state.quarantined}`,
    ...(queues.length === 0 ? ['no job types'] : [tableOfQueues(state)]),
    ...(pools.length === 0 ? ['no pools'] : [tableOfPools(state)]),
    ...state.unreadable.map((fault) => `can not be read: ${fault}`),
    ...(state.isPartial
      ? ['too many keys in this database to go through all: in-progress lists that nothing else names may be missing']
      : []),
  ].join('\n');
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
      .map(({ origin, breaker, failures, answer, pending: waiting }) => {
        const last = answer === undefined ? '' : `, last answer ${answer}`;
        return `receiver ${origin}: breaker ${breaker}, ${failures} failures in a row${last}, ${waiting} waiting`;
      }),
  ];
};

const sweeperLine = ({ sweeper: { host, since, begun, isInHand, scanned, total, ended } }: ReaperStatus): string => {
  const who =
    host === undefined ? 'no host does the scheduled passes' : `scheduled passes: ${host} since ${timeOf(since)}`;
  if (begun === undefined) return `${who}, no sweep yet`;
  return isInHand
    ? `${who}, sweep begun ${timeOf(begun)}, ${scanned} of ${total} scanned`
    : `${who}, last sweep ended ${timeOf(ended)}, ${scanned} scanned`;
};

const timeOf = (second: number | undefined): string =>
  second === undefined ? '-' : new Date(second * 1_000).toISOString();

const tableOfQueues = ({ queues }: ReaperStatus): string => {
  const table = new Table({
    head: ['type', 'queued', 'cap', 'lock', 'lock_info', 'in progress', 'drift', ''],
    ...plain,
  });
  for (const { type, queued, maxConcurrency, lock, lockInfo, inProgress, drift, isPaused } of queues) {
    table.push([type, queued, maxConcurrency || '-', lock, lockInfo, inProgress, drift, isPaused ? 'paused' : '']);
  }
  return table.toString();
};

const tableOfPools = ({ pools }: ReaperStatus): string => {
  const table = new Table({ head: ['pool', '', 'heartbeat', 'host', 'in progress'], ...plain });
  for (const { pool, isAlive, heartbeatAgeS, host, inProgress } of pools) {
    const beat =
      heartbeatAgeS === undefined
        ? 'none'
        : heartbeatAgeS < 0
          ? `${-heartbeatAgeS} s ahead of Redis`
          : `${heartbeatAgeS} s ago`;
    table.push([pool, isAlive ? 'alive' : 'dead', beat, host ?? '-', inProgress]);
  }
  return table.toString();
};

/** No colours: the output is read by people and by grep alike. */
const plain = { style: { head: [], border: [] } };
