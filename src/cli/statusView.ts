import { ageText, countText, timeWithAge } from '../ages.ts';
import type { PoolStatus, Problem, QueueStatus, ReaperStatus } from '../index.ts';
import { msOfIso } from '../isoTime.ts';
import { visible } from '../visible.ts';
import { shorten, wrapped } from './table.ts';
import { type Cell, countsOf, paint, tableLines, timeOf } from './text.ts';

/** How a status is shown. */
export interface StatusViewOptions {
  /** Columns of the terminal; undefined in a pipe. */
  readonly width?: number | undefined;
  readonly colors?: boolean;
  /** Whether no line may be wider than the terminal. */
  readonly isCut?: boolean;
}

/** Width that a problem and its command share, where nothing else is known. */
const defaultWidth = 80;
/** Problems of one code, and rows of a table, that are shown. */
const maxProblems = 10;
const maxRows = 30;

/** A status as lines for a terminal: what is wrong, what is tracked, then queues, pools and endpoints. */
export const statusLines = (
  state: ReaperStatus,
  { width, colors = false, isCut = false }: StatusViewOptions,
): string[] => {
  const cut = (line: string) => (isCut && width !== undefined ? shorten(visible(line), width) : visible(line));
  const fitted = (line: string) => (isCut || width === undefined ? [cut(line)] : wrapped(visible(line), width));
  return [
    ...fitted(`namespace ${state.namespace} on ${state.redis}, ${timeOf(state.readAt)}`),
    ...problemLines(state, { width: width ?? defaultWidth, colors, cut, fitted }),
    '',
    ...summaryLines(state).flatMap(fitted),
    ...queueTable(state, width),
    ...poolTable(state, width),
    ...endpointTable(state, width),
    ...state.unreadable.flatMap((fault) => fitted(`cannot be read: ${fault}`)),
    ...(state.isPartial
      ? fitted('too many keys in this database to scan all: in-progress lists that no other key names may be missing')
      : []),
  ];
};

const marks: Readonly<Record<Problem['severity'], string>> = { critical: '!!', warning: ' !', notice: '  ' };

const problemLines = (
  { problems }: ReaperStatus,
  {
    width,
    colors,
    cut,
    fitted,
  }: {
    width: number;
    colors: boolean;
    cut: (line: string) => string;
    fitted: (line: string) => string[];
  },
): string[] => {
  const linesOf = ({ severity, message, command }: Problem): string[] => {
    const line = `${marks[severity]} ${severity === 'notice' ? 'note: ' : ''}${message}`;
    const whole = command === undefined ? line : `${line} → ${command}`;
    // A command stays on one line, to be copied.
    const [first = '', ...rest] =
      whole.length <= width
        ? [cut(whole)]
        : [...fitted(line), ...(command === undefined ? [] : [cut(`   → ${command}`)])];
    return [colors && severity === 'critical' ? `${paint(marks[severity], false)}${first.slice(2)}` : first, ...rest];
  };
  const shown = new Map<string, number>();
  const lines = problems.flatMap((problem) => {
    const before = shown.get(problem.code) ?? 0;
    shown.set(problem.code, before + 1);
    return before < maxProblems ? linesOf(problem) : [];
  });
  const more = [...shown].flatMap(([code, count]) =>
    count <= maxProblems ? [] : [cut(`   and ${countText(count - maxProblems)} more of ${code}: --json lists all`)],
  );
  return [...(problems.every(({ severity }) => severity === 'notice') ? ['no problems'] : []), ...lines, ...more];
};

const summaryLines = (state: ReaperStatus): string[] => {
  const { tracked, hooks } = state;
  const since =
    hooks.oldestAttemptAt === undefined ? '' : `, the oldest attempted first ${ago(hooks.oldestAttemptAt, state)}`;
  return [
    `tracked: ${countText(tracked.total)} (${countsOf(tracked.byStatus)})`,
    `verdicts: ${countsOf(tracked.byVerdict)} (${countsOf(tracked.byReason)})`,
    ...(tracked.refireWithHook === 0
      ? []
      : [`jobs to refire whose hook is pending already, or parked: ${countText(tracked.refireWithHook)}`]),
    ...(hooks.pending + hooks.parked === 0
      ? []
      : [`hooks: ${countsOf({ pending: hooks.pending, parked: hooks.parked })}${since}`]),
    ...(tracked.parkedFinal === 0
      ? []
      : [`final jobs whose last hook is parked: ${countText(tracked.parkedFinal)}, not counted as tracked above`]),
    leaderLine(state),
    `retry ${countText(state.retry)}, scheduled ${countText(state.scheduled)}, dead ${countText(state.dead)}, in quarantine ${countText(state.quarantined)}`,
  ];
};

const leaderLine = (state: ReaperStatus): string => {
  const { host, leaderSinceAt, sweepStartedAt, isSweeping, scanned, total, sweepEndedAt } = state.leader;
  const since = leaderSinceAt === undefined ? '' : ` since ${ago(leaderSinceAt, state)}`;
  const who = host === undefined ? 'no leader' : `leader: ${host}${since}`;
  if (sweepStartedAt === undefined) return `${who}, no sweep yet`;
  return isSweeping
    ? `${who}, sweep started ${ago(sweepStartedAt, state)}, ${countText(scanned)} of ${countText(total)} scanned`
    : `${who}, last scheduled sweep ended ${ago(sweepEndedAt, state)}, ${countText(scanned)} scanned`;
};

const ago = (time: string | undefined, { readAt }: ReaperStatus): string =>
  time === undefined ? '-' : timeWithAge(time, Date.parse(readAt));

/** At most `maxRows` rows, and how many more there are. */
const limited = (
  what: string,
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  width: number | undefined,
) => [
  ...tableLines(head, rows.slice(0, maxRows), width),
  ...(rows.length <= maxRows ? [] : [`and ${countText(rows.length - maxRows)} more ${what}: --json lists all`]),
];

const queueTable = ({ queues, problems }: ReaperStatus, width: number | undefined): string[] => {
  if (queues.length === 0) return ['no job types'];
  const blocked = namesOf(problems, 'blocked-by-lock');
  const atCap = namesOf(problems, 'at-cap');
  const stateOf = ({ type, isPaused, queued, livePools }: QueueStatus) =>
    [
      ...(blocked.has(type) ? ['blocked'] : []),
      ...(atCap.has(type) ? ['at cap'] : []),
      ...(isPaused ? ['paused'] : []),
      ...(queued > 0 && livePools === 0 ? ['no pool'] : []),
    ].join(', ');
  const rows = queues
    .toSorted(
      (a, b) => b.queued - a.queued || b.lock + b.inProgress - (a.lock + a.inProgress) || (a.type < b.type ? -1 : 1),
    )
    .map((queue) => [
      queue.type,
      countText(queue.queued),
      queue.oldestAgeMs === undefined ? '-' : ageText(queue.oldestAgeMs),
      countText(queue.running),
      countText(queue.lock),
      queue.maxConcurrency === 0 ? '-' : countText(queue.maxConcurrency),
      stateOf(queue),
    ]);
  return limited('types', ['type', 'queued', 'oldest', 'running', 'lock', 'cap', ''], rows, width);
};

const namesOf = (problems: readonly Problem[], code: Problem['code']): ReadonlySet<string> =>
  new Set(problems.filter((problem) => problem.code === code).map(({ subject }) => subject.name));

const poolTable = ({ pools }: ReaperStatus, width: number | undefined): string[] => {
  if (pools.length === 0) return ['no pools'];
  /** Dead pools that hold entries first, those that hold nothing last. */
  const rank = ({ isAlive, inProgress }: PoolStatus) => (isAlive ? 1 : inProgress > 0 ? 0 : 2);
  const rows = pools
    .toSorted((a, b) => rank(a) - rank(b) || b.inProgress - a.inProgress || (a.pool < b.pool ? -1 : 1))
    .map(({ pool, isAlive, host, pid, heartbeatAgeMs, busy, concurrency, inProgress }) => [
      pool,
      isAlive ? 'alive' : 'dead',
      host ?? '-',
      String(pid ?? '-'),
      beatOf(heartbeatAgeMs),
      concurrency === undefined ? busy : `${countText(busy)} of ${countText(concurrency)}`,
      inProgress,
    ]);
  return limited('pools', ['pool', '', 'host', 'pid', 'heartbeat', 'busy', 'held'], rows, width);
};

const beatOf = (ageMs: number | undefined): string => {
  if (ageMs === undefined) return 'none';
  return ageMs < 0 ? `${ageText(-ageMs)} ahead` : ageText(ageMs);
};

const endpointTable = (state: ReaperStatus, width: number | undefined): string[] => {
  const { endpoints } = state.hooks;
  if (endpoints.length === 0) return [];
  const ageOf = (at: string | undefined) => {
    const time = msOfIso(at);
    return time === undefined ? '-' : ageText(Date.parse(state.readAt) - time);
  };
  const rows = endpoints
    .toSorted((a, b) => b.failures - a.failures || b.pending - a.pending)
    .map(({ endpoint, breaker, failures, failingSinceAt, answer, pending }) => [
      ...[endpoint, breaker, countText(failures), ageOf(failingSinceAt), answer ?? '-', countText(pending)],
    ]);
  return limited(
    'endpoints',
    ['endpoint', 'circuit', 'failures', 'failing for', 'last answer', 'waiting'],
    rows,
    width,
  );
};
