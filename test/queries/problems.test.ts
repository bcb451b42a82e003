/** What `status` says is wrong: each kind with its numbers and its command, in order; and what is no problem. */
import { describe, expect, test } from 'vitest';
import type { Problem, ReaperStatus } from '../../src/index.ts';
import { readOptions } from '../../src/options.ts';
import { problemsOf } from '../../src/queries/problems.ts';
import { earlier, namespaceState, poolState, queueState } from '../support/namespaceState.ts';

const settings = readOptions({ redis: 'redis://h', namespace: '{t}' });
const problems = (fields: Partial<ReaperStatus> = {}, given = settings): Problem[] =>
  problemsOf(namespaceState(fields), given);
const linesOf = (found: readonly Problem[]) =>
  found.map(
    ({ code, severity, message, command }) => `${severity} ${code}: ${message}${command ? ` → ${command}` : ''}`,
  );
const lines = (fields?: Partial<ReaperStatus>, given?: typeof settings) => linesOf(problems(fields, given));

test('a healthy namespace has none', () => {
  expect(problems()).toEqual([]);
});

describe('a type', () => {
  test('whose lock is at its cap while fewer jobs run is blocked', () => {
    const queue = { queued: 34_200, lock: 20_517, maxConcurrency: 200, running: 3, inProgress: 3, drift: 20_514 };
    const found = problems({ queues: [queueState('IMAGE_SCAN', queue)] });
    expect(linesOf(found)).toEqual([
      'critical blocked-by-lock: IMAGE_SCAN: 34,200 jobs wait, lock 20,517 ≥ cap 200, 3 running → reaper rescue',
    ]);
    expect(found[0]).toMatchObject({
      subject: { kind: 'type', name: 'IMAGE_SCAN' },
      counts: { queued: 34_200, lock: 20_517, cap: 200, running: 3 },
    });
  });

  test.each([
    ['runs as many jobs as it may, and no more wait', { lock: 2, maxConcurrency: 2, running: 2, inProgress: 2 }],
    ['is below its cap', { queued: 9, lock: 1, maxConcurrency: 2, running: 1, inProgress: 1 }],
    ['has no cap', { queued: 9, lock: 5, running: 5, inProgress: 5 }],
    ['is paused, and has no jobs', { isPaused: true }],
    ['has no jobs and no pool', { livePools: 0 }],
  ])('that %s is no problem', (_, queue) => {
    expect(problems({ queues: [queueState('X', queue)] })).toEqual([]);
  });

  test.each([2, 3])('with a cap of 2 that runs %i jobs while others wait is busy, which is a note', (running) => {
    const queue = { queued: 9, lock: running, maxConcurrency: 2, running, inProgress: running };
    expect(lines({ queues: [queueState('X', queue)] })).toEqual([
      `notice at-cap: X: 9 jobs wait, busy: ${running} running, cap 2`,
    ]);
  });

  test('that is blocked without jobs has drift, and no more', () => {
    const queue = { lock: 7, maxConcurrency: 2, inProgress: 1, running: 1, drift: 6 };
    expect(lines({ queues: [queueState('X', queue)] })).toEqual([
      'warning counter-drift: X: lock 7, 1 in progress → reaper rescue',
    ]);
  });

  test('whose fields of lock_info are wrong has drift', () => {
    expect(lines({ queues: [queueState('X', { lockInfoDrift: 2 })] })).toEqual([
      'warning counter-drift: X: lock_info is off by 2 → reaper rescue',
    ]);
  });

  test.each([
    ['warning', 0],
    ['critical', 1],
  ])('whose counters hold no number is a problem: %s with %i jobs', (severity, queued) => {
    expect(lines({ queues: [queueState('X', { queued, brokenCounters: 2 })] })).toEqual([
      `${severity} counter-drift: X: 2 counters hold no number, so that its jobs cannot start → reaper rescue`,
    ]);
  });

  test('that is paused, with the command of Redis that resumes it', () => {
    const queues = [queueState("it's", { queued: 1, isPaused: true })];
    expect(lines({ queues })).toEqual([
      "warning type-paused: it's: 1 job waits, the type is paused → redis-cli -n 2 DEL '{t}:jobs:it'\\''s:paused'",
    ]);
    expect(problems({ queues, redis: 'h:6379/0' })[0]?.command).toMatch(/^redis-cli DEL /);
  });

  test('that no live pool takes; without live pools, all types at once', () => {
    const queues = [queueState('X', { queued: 2, livePools: 0 }), queueState('Y', { queued: 1, livePools: 0 })];
    expect(lines({ queues })).toEqual([
      'critical no-live-pool: X: 2 jobs wait, no live pool takes it; start one that does',
      'critical no-live-pool: Y: 1 job waits, no live pool takes it; start one that does',
    ]);
    expect(lines({ queues, pools: [poolState('p', { isAlive: false })] })).toEqual([
      'critical all-pools-dead: no pool is alive: 3 jobs of 2 types wait: start a jobservice',
    ]);
    expect(lines({ queues: queues.slice(0, 1), pools: [poolState('p', { isAlive: false })] })).toEqual([
      'critical all-pools-dead: no pool is alive: 2 jobs of 1 type wait: start a jobservice',
    ]);
    expect(lines({ queues: queues.slice(1), pools: [poolState('p', { isAlive: false })] })).toEqual([
      'critical all-pools-dead: no pool is alive: 1 job of 1 type waits: start a jobservice',
    ]);
  });
});

test('dead pools that hold entries; others are no problem', () => {
  const dead = { isAlive: false, inProgress: 2, heartbeatAgeMs: 3_006_000 };
  const pools = [
    poolState('a', dead),
    poolState('b', { ...dead, inProgress: 30, heartbeatAgeMs: undefined }),
    poolState('c', { ...dead, inProgress: 1, heartbeatAgeMs: -7_200_000 }),
    poolState('d', { ...dead, inProgress: 0 }),
  ];
  expect(lines({ pools })).toEqual([
    'critical dead-pool: pool b: dead, no heartbeat, holds 30 entries → reaper rescue',
    'critical dead-pool: pool a: dead, no heartbeat for 50 min 6 s, holds 2 entries → reaper rescue',
    'critical dead-pool: pool c: dead, a heartbeat 2 h ahead of Redis, holds 1 entry → reaper rescue',
  ]);
});

test('entries of live pools that look orphaned', () => {
  expect(lines({ pools: [poolState('p', { inProgress: 12, orphaned: 2 })] })).toEqual([
    'critical orphaned-entries: pool p: alive, holds 2 entries that no worker seems to run → reaper rescue',
  ]);
});

test('endpoints whose circuit is open, and no others', () => {
  const endpoint = (name: string, breaker: 'open' | 'probing' | 'draining' | 'closed') => ({
    ...{ endpoint: `http://${name}`, pending: 4_300, breaker, failures: 87, failingSinceAt: earlier(7_200_000) },
    ...{ answer: '503', waitMs: 0 },
  });
  const endpoints = [
    endpoint('a', 'closed'),
    endpoint('b', 'open'),
    endpoint('c', 'draining'),
    endpoint('d', 'probing'),
  ];
  const hooks = { endpoints, pending: 1, parked: 0, oldestAttemptAt: undefined };
  expect(lines({ hooks })).toEqual(
    ['b', 'd'].map(
      (name) =>
        `warning circuit-open: http://${name}: circuit open for 2 h (87 failures, last 503), 4,300 hooks wait → reaper hooks list --endpoint http://${name}`,
    ),
  );
});

test('hooks that are parked, and jobs in quarantine', () => {
  const hooks = { endpoints: [], pending: 5, parked: 2, oldestAttemptAt: undefined };
  expect(lines({ hooks, quarantined: 1 })).toEqual([
    'warning hooks-parked: 2 hooks are parked: retry or drop them → reaper hooks',
    'warning quarantined-jobs: 1 poison job is in quarantine: release or drop it → reaper quarantine',
  ]);
});

test('keys that cannot be read', () => {
  expect(lines({ unreadable: ['k: holds a string', 'l: holds a set'] })).toEqual([
    'warning unreadable-keys: 2 keys cannot be read → reaper doctor',
  ]);
});

test('a Redis that refuses writes', () => {
  const message = 'Redis has no memory left (OOM): raise its maxmemory, or free some';
  const suspended = { code: 'redis-out-of-memory', message } as const;
  expect(lines({ suspended })).toEqual([`critical suspended: no pass can run: ${message} → reaper doctor`]);
});

test('a namespace that is empty while others are in use', () => {
  const elsewhere = [{ database: 1, namespace: 't', options: '--redis redis://h/1', hint: 'look there' }];
  expect(lines({ elsewhere })).toEqual(['warning namespace-elsewhere: look there → reaper status --redis redis://h/1']);
});

describe('jobs that a sweep would act on', () => {
  const tracked = {
    ...namespaceState().tracked,
    total: 50_000,
    byVerdict: { keep: 4_152, fail: 5_000, refire: 900, untrack: 40_000 },
    refireWithHook: 52,
  };
  const noLeader = { ...namespaceState().leader, host: undefined, leaderSinceAt: undefined, sweepEndedAt: undefined };

  test('are counted by verdict, without those whose hook waits already', () => {
    const leader = { ...noLeader, rescueEndedAt: undefined };
    const found = problems({ tracked, leader });
    expect(linesOf(found)[0]).toBe(
      'warning jobs-to-repair: 45,848 of 50,000 tracked jobs to repair: 40,000 untrack, 5,000 fail, 848 refire → reaper sweep --plan',
    );
    expect(found[0]?.counts).toEqual({ jobs: 45_848, fail: 5_000, refire: 848, reset: 0, untrack: 40_000 });
  });

  test('need no attention while sweeps run on time', () => {
    expect(lines({ tracked })).toEqual([
      expect.stringMatching(/^notice jobs-to-repair: .*; the next sweep does that → reaper sweep --plan$/),
    ]);
    const leader = { ...namespaceState().leader, sweepEndedAt: earlier(3 * 3_600_000) };
    expect(problems({ tracked, leader }).map(({ code, severity }) => [code, severity])).toEqual([
      ['sweep-overdue', 'warning'],
      ['jobs-to-repair', 'warning'],
    ]);
  });

  test('are none if all of them are kept, or wait for their hooks', () => {
    expect(problems({ tracked: { ...tracked, byVerdict: { keep: 5, refire: 52 } } })).toEqual([]);
  });
});

describe('passes', () => {
  const { leader } = namespaceState();
  /** Twice the interval, and for a rescue the grace too. */
  const [sweepLimit, rescueLimit] = [2 * 3_600_000, 2 * (10_000 + 15_000)];
  const lead = (fields: Partial<ReaperStatus['leader']>) => lines({ leader: { ...leader, ...fields } });

  test('are late after twice their interval', () => {
    expect(lead({ sweepEndedAt: earlier(sweepLimit), rescueEndedAt: earlier(rescueLimit) })).toEqual([]);
    expect(lead({ sweepEndedAt: earlier(sweepLimit + 1_000) })).toEqual([
      'warning sweep-overdue: the sweep of h:1 is overdue by 1 s: the last one ended 2 h ago → reaper sweep',
    ]);
    expect(lead({ rescueEndedAt: earlier(rescueLimit + 10_000) })).toEqual([
      'warning rescue-overdue: the rescue of h:1 is overdue by 10 s: the last one ended 1 min ago → reaper rescue',
    ]);
  });

  test('are not late while their leader is new', () => {
    const since = (ms: number) => ({ leaderSinceAt: earlier(ms), sweepEndedAt: undefined, rescueEndedAt: undefined });
    expect(lead(since(50_000))).toEqual([]);
    expect(lead({ ...since(50_000), rescueEndedAt: earlier(900_000) })).toEqual([]);
    expect(lead(since(rescueLimit + 6_000))).toEqual([
      'warning rescue-overdue: the rescue of h:1 is overdue by 1 s: none has ended yet → reaper rescue',
    ]);
  });

  test('that no host runs any more', () => {
    const gone = { host: undefined, leaderSinceAt: undefined };
    expect(lead({ ...gone })).toEqual([]);
    expect(lead({ ...gone, rescueEndedAt: earlier(183_600_000), sweepEndedAt: earlier(60_000) })).toEqual([
      'warning no-leader: no reaper runs here, the last scheduled sweep ended 1 min ago, the last scheduled rescue ended 2 d 3 h ago → reaper run',
    ]);
    expect(lead({ ...gone, rescueEndedAt: undefined, sweepEndedAt: undefined })).toEqual([
      'notice no-leader: no reaper runs here, passes run only on request → reaper run',
    ]);
  });

  test('of hosts that share no schedule are not known here', () => {
    const alone = readOptions({ redis: 'redis://h', namespace: '{t}', role: 'always' });
    expect(problems({ leader: { ...leader, host: undefined, rescueEndedAt: earlier(9e9) } }, alone)).toEqual([]);
  });

  test('whose times in Redis are no times are not late', () => {
    expect(lead({ sweepEndedAt: 'unix 1e+300', rescueEndedAt: 'unix 9', leaderSinceAt: earlier(1_000) })).toEqual([]);
  });
});

test('the worst comes first, and of one kind the one with most jobs', () => {
  const state = namespaceState({
    suspended: { code: 'redis-out-of-memory', message: 'x' },
    queues: [
      queueState('paused', { queued: 90_000, isPaused: true }),
      queueState('less', { queued: 5, lock: 9, maxConcurrency: 1 }),
      queueState('more', { queued: 50, lock: 9, maxConcurrency: 1 }),
      queueState('alone', { queued: 1, livePools: 0 }),
      queueState('drift', { drift: 3, lock: 3 }),
    ],
    pools: [poolState('p'), poolState('dead', { isAlive: false, inProgress: 1 }), poolState('o', { orphaned: 1 })],
    hooks: {
      ...{ pending: 0, parked: 1, oldestAttemptAt: undefined },
      endpoints: [
        {
          ...{ endpoint: 'http://e', pending: 0, breaker: 'open', failures: 1, failingSinceAt: undefined },
          ...{ answer: undefined, waitMs: undefined },
        },
      ],
    },
    unreadable: ['k'],
    quarantined: 1,
    tracked: { ...namespaceState().tracked, total: 1, byVerdict: { fail: 1 } },
    elsewhere: [{ database: 0, namespace: 'e', options: '', hint: '' }],
    leader: { ...namespaceState().leader, sweepEndedAt: earlier(9e8), rescueEndedAt: earlier(9e8) },
  });
  expect(problemsOf(state, settings).map(({ code, subject }) => `${code} ${subject.name}`)).toEqual([
    'suspended 127.0.0.1:6379/2',
    'blocked-by-lock more',
    'blocked-by-lock less',
    'no-live-pool alone',
    'dead-pool dead',
    'orphaned-entries o',
    'namespace-elsewhere e',
    'unreadable-keys {t}',
    'type-paused paused',
    'circuit-open http://e',
    'rescue-overdue {t}',
    'sweep-overdue {t}',
    'counter-drift drift',
    'jobs-to-repair {t}',
    'hooks-parked {t}',
    'quarantined-jobs {t}',
  ]);
});
