import type { PoolStatus, QueueStatus, ReaperStatus } from '../../src/index.ts';

export const readAt = '2026-11-24T03:00:00.000Z';
/** An ISO time `ms` before the reading. */
export const earlier = (ms: number): string => new Date(Date.parse(readAt) - ms).toISOString();

/** An empty queue that a live pool takes. */
export const queueState = (type: string, fields: Partial<QueueStatus> = {}): QueueStatus => ({
  ...{ type, queued: 0, oldestId: undefined, oldestAt: undefined, oldestAgeMs: undefined, isPaused: false },
  ...{
    maxConcurrency: 0,
    lock: 0,
    lockInfo: 0,
    inProgress: 0,
    running: 0,
    drift: 0,
    lockInfoDrift: 0,
    brokenCounters: 0,
  },
  livePools: 1,
  ...fields,
});

/** A live pool that runs nothing. */
export const poolState = (pool: string, fields: Partial<PoolStatus> = {}): PoolStatus => ({
  ...{ pool, isAlive: true, host: 'h', pid: 1, heartbeatAgeMs: 2_000, jobTypes: ['X'], concurrency: 10 },
  ...{ busy: 0, inProgress: 0, orphaned: 0 },
  ...fields,
});

/** A healthy namespace, with a leader whose passes are on time. */
export const namespaceState = (fields: Partial<ReaperStatus> = {}): ReaperStatus => ({
  ...{ namespace: '{t}', redis: '127.0.0.1:6379/2', readAt, suspended: undefined, problems: [] },
  tracked: { total: 0, byStatus: {}, byVerdict: {}, byReason: {}, parkedFinal: 0, refireWithHook: 0 },
  hooks: { endpoints: [], pending: 0, parked: 0, oldestAttemptAt: undefined },
  queues: [queueState('X')],
  ...{ retry: 0, scheduled: 0, dead: 0, quarantined: 0 },
  pools: [poolState('p')],
  leader: {
    ...{ host: 'h:1', leaderSinceAt: earlier(86_400_000), isThisHost: false },
    ...{ sweepStartedAt: earlier(60_000), isSweeping: false, scanned: 0, total: 0 },
    ...{ sweepEndedAt: earlier(59_000), rescueEndedAt: earlier(3_000) },
  },
  ...{ unreadable: [], isPartial: false, elsewhere: [], hint: undefined },
  ...fields,
});
