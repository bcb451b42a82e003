import { ageText, countText } from '../ages.ts';
import { msOfIso } from '../isoTime.ts';
import type { ScheduleSettings } from '../options/schedule.ts';
import { shellQuoted } from '../shell.ts';
import { lateProblems } from './latePasses.ts';
import { count, type Problem, type ProblemCode, problem } from './problem.ts';
import { isAtCap, isBlockedByLock, type QueueStatus, unpauseCommand } from './queues.ts';
import type { NamespaceState } from './state.ts';

/** All codes, the worst first. Within a code, the problem of most jobs comes first. */
const order: readonly ProblemCode[] = [
  ...(['suspended', 'all-pools-dead', 'blocked-by-lock', 'no-live-pool', 'dead-pool'] as const),
  ...([
    'orphaned-entries',
    'namespace-elsewhere',
    'unreadable-keys',
    'type-paused',
    'circuit-open',
    'no-leader',
  ] as const),
  ...(['rescue-overdue', 'sweep-overdue', 'counter-drift', 'jobs-to-repair', 'hooks-parked'] as const),
  ...(['quarantined-jobs', 'at-cap'] as const),
];
const severities: readonly Problem['severity'][] = ['critical', 'warning', 'notice'];

/** What is wrong with a namespace, the worst first. Pure. */
export const problemsOf = (state: NamespaceState, settings: ScheduleSettings): Problem[] => {
  const late = lateProblems(state, settings);
  return [
    ...suspended(state),
    ...elsewhere(state),
    ...queueProblems(state),
    ...noPool(state),
    ...poolProblems(state),
    ...unreadable(state),
    ...endpoints(state),
    ...late,
    ...toRepair(state, late),
    ...toDecide(state),
  ].sort(
    (a, b) =>
      severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
      order.indexOf(a.code) - order.indexOf(b.code) ||
      weightOf(b) - weightOf(a),
  );
};

const weightOf = ({ counts }: Problem): number => counts.queued ?? counts.entries ?? counts.hooks ?? counts.drift ?? 0;

const suspended = ({ suspended: reason, redis }: NamespaceState): Problem[] =>
  reason === undefined
    ? []
    : [problem('suspended', 'critical', ['redis', redis], `no pass can run: ${reason.message}`, 'reaper doctor')];

const elsewhere = ({ elsewhere: places }: NamespaceState): Problem[] =>
  places.map(({ namespace, hint, options }) =>
    problem('namespace-elsewhere', 'warning', ['namespace', namespace], hint, `reaper status ${options}`),
  );

/** What keeps the jobs of a type from running. */
const queueProblems = (state: NamespaceState): Problem[] =>
  state.queues.flatMap((queue) => [
    ...(queue.queued > 0 ? waitingProblems(queue, state) : []),
    ...(isBlocked(queue) ? [] : driftProblems(queue)),
  ]);

const isBlocked = (queue: QueueStatus): boolean => queue.queued > 0 && isBlockedByLock(queue);

const waitingProblems = (queue: QueueStatus, state: NamespaceState): Problem[] => {
  const { type, queued, lock, maxConcurrency: cap, running, isPaused } = queue;
  const wait = `${type}: ${count(queued, 'job waits', 'jobs wait')}`;
  return [
    ...(isBlocked(queue)
      ? [
          problem(
            'blocked-by-lock',
            'critical',
            ['type', type],
            `${wait}, lock ${countText(lock)} ≥ cap ${countText(cap)}, ${countText(running)} running`,
            'reaper rescue',
            { queued, lock, cap, running },
          ),
        ]
      : []),
    ...(isPaused
      ? [
          problem(
            'type-paused',
            'warning',
            ['type', type],
            `${wait}, the type is paused`,
            unpauseCommand(state, type),
            {
              queued,
            },
          ),
        ]
      : []),
    ...(isAtCap(queue)
      ? [
          problem(
            'at-cap',
            'notice',
            ['type', type],
            `${wait}, busy: ${countText(running)} running, cap ${countText(cap)}`,
            undefined,
            { queued, lock, cap, running },
          ),
        ]
      : []),
  ];
};

const driftProblems = ({
  type,
  queued,
  lock,
  inProgress,
  drift,
  lockInfoDrift,
  brokenCounters,
}: QueueStatus): Problem[] => {
  if (brokenCounters > 0) {
    const message = `${type}: ${count(brokenCounters, 'counter holds', 'counters hold')} no number, so that its jobs cannot start`;
    const severity = queued > 0 ? 'critical' : 'warning';
    return [problem('counter-drift', severity, ['type', type], message, 'reaper rescue', { brokenCounters })];
  }
  if (drift === 0 && lockInfoDrift === 0) return [];
  const message =
    drift === 0
      ? `${type}: lock_info is off by ${countText(lockInfoDrift)}`
      : `${type}: lock ${countText(lock)}, ${countText(inProgress)} in progress`;
  const counts = { lock, inProgress, drift: Math.max(Math.abs(drift), lockInfoDrift) };
  return [problem('counter-drift', 'warning', ['type', type], message, 'reaper rescue', counts)];
};

/** Types that no live pool takes. */
const noPool = ({ queues, pools, namespace }: NamespaceState): Problem[] => {
  const waiting = queues.filter(({ queued, livePools }) => queued > 0 && livePools === 0);
  if (waiting.length === 0 || pools.some(({ isAlive }) => isAlive)) {
    return waiting.map(({ type, queued }) => {
      const message = `${type}: ${count(queued, 'job waits', 'jobs wait')}, no live pool takes it; start one that does`;
      return problem('no-live-pool', 'critical', ['type', type], message, undefined, { queued });
    });
  }
  const queued = waiting.reduce((sum, queue) => sum + queue.queued, 0);
  const jobs = `${count(queued, 'job', 'jobs')} of ${count(waiting.length, 'type', 'types')}`;
  const message = `no pool is alive: ${jobs} ${queued === 1 ? 'waits' : 'wait'}: start a jobservice`;
  const counts = { queued, types: waiting.length };
  return [problem('all-pools-dead', 'critical', ['namespace', namespace], message, undefined, counts)];
};

const poolProblems = ({ pools }: NamespaceState): Problem[] =>
  pools.flatMap(({ pool, isAlive, heartbeatAgeMs, inProgress, orphaned }) => {
    if (!isAlive && inProgress > 0) {
      const message = `pool ${pool}: dead, ${beatOf(heartbeatAgeMs)}, holds ${count(inProgress, 'entry', 'entries')}`;
      return [problem('dead-pool', 'critical', ['pool', pool], message, 'reaper rescue', { entries: inProgress })];
    }
    if (orphaned === 0) return [];
    const message = `pool ${pool}: alive, holds ${count(orphaned, 'entry', 'entries')} that no worker seems to run`;
    return [problem('orphaned-entries', 'critical', ['pool', pool], message, 'reaper rescue', { entries: orphaned })];
  });

const beatOf = (ageMs: number | undefined): string => {
  if (ageMs === undefined) return 'no heartbeat';
  return ageMs < 0 ? `a heartbeat ${ageText(-ageMs)} ahead of Redis` : `no heartbeat for ${ageText(ageMs)}`;
};

const unreadable = ({ unreadable: faults, namespace }: NamespaceState): Problem[] => {
  if (faults.length === 0) return [];
  const message = `${count(faults.length, 'key', 'keys')} cannot be read`;
  return [
    problem('unreadable-keys', 'warning', ['namespace', namespace], message, 'reaper doctor', { keys: faults.length }),
  ];
};

const endpoints = ({ hooks, readAt }: NamespaceState): Problem[] =>
  hooks.endpoints
    .filter(({ breaker }) => breaker === 'open' || breaker === 'probing')
    .map(({ endpoint, failures, failingSinceAt, answer, pending }) => {
      const failingSince = msOfIso(failingSinceAt);
      const since = failingSince === undefined ? '' : ` for ${ageText(Date.parse(readAt) - failingSince)}`;
      const last = answer === undefined ? '' : `, last ${answer}`;
      const message = `${endpoint}: circuit open${since} (${count(failures, 'failure', 'failures')}${last}), ${count(pending, 'hook waits', 'hooks wait')}`;
      const command = `reaper hooks list --endpoint ${shellQuoted(endpoint)}`;
      return problem('circuit-open', 'warning', ['endpoint', endpoint], message, command, { failures, hooks: pending });
    });

/** Jobs that a sweep would act on. While sweeps run on time, the next one does. */
const toRepair = ({ tracked, leader, namespace }: NamespaceState, late: readonly Problem[]): Problem[] => {
  const { fail = 0, refire = 0, reset = 0, untrack = 0 } = tracked.byVerdict;
  const counts = { fail, refire: Math.max(0, refire - tracked.refireWithHook), reset, untrack };
  const jobs = Object.values(counts).reduce((sum, each) => sum + each, 0);
  if (jobs === 0) return [];
  const isSupervised = leader.host !== undefined && !late.some(({ code }) => code === 'sweep-overdue');
  const named = Object.entries(counts)
    .filter(([, each]) => each > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([verdict, each]) => `${countText(each)} ${verdict}`)
    .join(', ');
  const message = `${countText(jobs)} of ${count(tracked.total, 'tracked job', 'tracked jobs')} to repair: ${named}`;
  return [
    problem(
      'jobs-to-repair',
      isSupervised ? 'notice' : 'warning',
      ['namespace', namespace],
      `${message}${isSupervised ? '; the next sweep does that' : ''}`,
      'reaper sweep --plan',
      { jobs, ...counts },
    ),
  ];
};

/** What only a person can decide. */
const toDecide = ({ hooks: { parked }, quarantined, namespace }: NamespaceState): Problem[] => [
  ...(parked === 0
    ? []
    : [
        problem(
          'hooks-parked',
          'warning',
          ['namespace', namespace],
          `${count(parked, 'hook is', 'hooks are')} parked: retry or drop ${parked === 1 ? 'it' : 'them'}`,
          'reaper hooks',
          { hooks: parked },
        ),
      ]),
  ...(quarantined === 0
    ? []
    : [
        problem(
          'quarantined-jobs',
          'warning',
          ['namespace', namespace],
          `${count(quarantined, 'poison job is', 'poison jobs are')} in quarantine: release or drop ${quarantined === 1 ? 'it' : 'them'}`,
          'reaper quarantine',
          { jobs: quarantined },
        ),
      ]),
];
