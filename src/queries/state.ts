import type { EndpointStatus } from '../admin/hookRecords.ts';
import type { SuspensionReason } from '../machines/refusal.ts';
import type { Elsewhere } from './elsewhere.ts';
import type { PoolStatus } from './poolStatus.ts';
import type { QueueStatus } from './queues.ts';
import type { TrackedCounts } from './trackedCounts.ts';

/** The leader, and the progress of the passes that the hosts share. ISO times by Redis TIME. */
export interface LeaderStatus {
  /** Host and process of the leader; undefined if there is none. */
  readonly host: string | undefined;
  /** Start of its term. */
  readonly leaderSinceAt: string | undefined;
  readonly isThisHost: boolean;
  /** Start of the last sweep; undefined if there was none. */
  readonly sweepStartedAt: string | undefined;
  /** Whether that sweep is running, or will be continued. */
  readonly isSweeping: boolean;
  /** Jobs that it has scanned, and jobs that were tracked when it started. */
  readonly scanned: number;
  readonly total: number;
  /** Ends of the last passes that completed. */
  readonly sweepEndedAt: string | undefined;
  readonly rescueEndedAt: string | undefined;
}

/** State of a namespace, as it was read. */
export interface NamespaceState {
  readonly namespace: string;
  /** Address of Redis, without user and password. */
  readonly redis: string;
  /** Redis TIME at the end of the reading. Ages count from it. */
  readonly readAt: string;
  /** Why no pass can run now, and what to do: Redis refuses writes, or this reaper cannot judge. */
  readonly suspended: SuspensionReason | undefined;
  readonly tracked: TrackedCounts;
  /** Undelivered hooks. */
  readonly hooks: {
    readonly endpoints: readonly EndpointStatus[];
    readonly pending: number;
    readonly parked: number;
    /** ISO time of the first attempt of the hook that has been undelivered for longest; undefined if there is none. */
    readonly oldestAttemptAt: string | undefined;
  };
  readonly queues: readonly QueueStatus[];
  readonly retry: number;
  readonly scheduled: number;
  readonly dead: number;
  /** Poison jobs in quarantine. */
  readonly quarantined: number;
  readonly pools: readonly PoolStatus[];
  readonly leader: LeaderStatus;
  /** Keys, and names of in-progress lists, that cannot be read, each with what to do. They count as empty. */
  readonly unreadable: readonly string[];
  /**
   * Whether the scan of all key names was cut short, because there are too many. In-progress lists of pools or types that no
   * other key names may be missing.
   */
  readonly isPartial: boolean;
  /** If the namespace is empty: what is in use instead, in this database and in others. */
  readonly elsewhere: readonly Elsewhere[];
  /** The first of them in words. */
  readonly hint: string | undefined;
}
