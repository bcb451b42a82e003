import type { Fence } from './lease.ts';

/** The statuses that a job can have (source: Harbor `job.Status`). */
export const statuses = ['Pending', 'Scheduled', 'Running', 'Success', 'Stopped', 'Error'] as const;
export type Status = (typeof statuses)[number];

const ranks: Readonly<Record<Status, number>> = {
  Pending: 0,
  Scheduled: 1,
  Running: 2,
  Success: 3,
  Stopped: 3,
  Error: 3,
};

export const isStatus = (text: string | undefined): text is Status => text !== undefined && Object.hasOwn(ranks, text);
/** How far a status is along a job's life, 0 to 3. */
export const rank = (status: Status): number => ranks[status];
export const isFinal = (status: Status): boolean => ranks[status] === 3;

/** The last state that the endpoint acknowledged. Times in unix s. */
export interface Ack {
  readonly status: Status;
  readonly revision: number;
  readonly checkInAt: number;
}

/** A time as it stands in the stats, unix s; undefined where the field is missing, NaN where it is not a safe integer. */
export type StoredTime = number | undefined;

/** Places that are searched for a job that looks hung, in this order. */
export const evidencePlaces = ['workers', 'in-progress lists', 'scheduled', 'retry', 'dead', 'all queues'] as const;

/**
 * What was found of a job that looks hung. `observed`: a worker of a live pool reports that it runs it. `queue`, `scheduled`,
 * `retry`, `held` (in the in-progress list of a live pool), `left` (in that of a pool whose death is confirmed), `unconfirmed`
 * (in that of a pool that is neither), `dead`: the place of its entry. `unreadable`: a place where it may be cannot be read.
 */
export interface Evidence {
  readonly found:
    | 'observed'
    | 'queue'
    | 'scheduled'
    | 'retry'
    | 'held'
    | 'unconfirmed'
    | 'left'
    | 'dead'
    | 'nowhere'
    | 'unreadable';
  /** The places that were searched until it was found. */
  readonly lookedIn: readonly string[];
  /** The pool whose worker observes it. */
  readonly pool?: string | undefined;
  /** Unix s since when that worker runs it. */
  readonly startedAt?: number | undefined;
}

/** What a verdict is based on: a tracked job as Redis held it at one moment. Contains no parameter and no URL. */
export interface Facts {
  readonly id: string;
  /** The id is not valid UTF-8: `id` is only how it is shown, and cannot be written back. */
  readonly hasBrokenId?: boolean | undefined;
  /** Redis TIME at that moment, unix s. */
  readonly readAt: number;
  /** `unreadable`: the key exists and is not a hash. */
  readonly stats: 'found' | 'nothing' | 'unreadable';
  readonly statsId?: string | undefined;
  readonly name?: string | undefined;
  readonly kind?: string | undefined;
  readonly status?: string | undefined;
  readonly updateTime?: StoredTime;
  readonly checkInAt?: StoredTime;
  readonly revision?: StoredTime;
  readonly enqueueTime?: StoredTime;
  readonly runAt?: StoredTime;
  readonly ack?: Ack | 'unreadable' | undefined;
  /** Whether there is a hook URL; blanks are none (defect 36). */
  readonly hasHook: boolean;
  /** Gathered only for a job that looks hung. */
  readonly evidence?: Evidence | undefined;
}

/** A job of a page: its facts, and what an act on it needs. */
export interface TrackedJob {
  readonly facts: Facts;
  /** The fingerprint of these facts, by which a script checks that they are still true. Only jobs that act need it. */
  readonly fingerprint: () => string;
  /** The hook URL. It may contain secrets, so it is not a fact, and goes only into the queue of its endpoint. */
  readonly hookUrl?: string | undefined;
  /** Scheme, host and port of that URL, as hooks name their endpoint. */
  readonly endpoint?: string | undefined;
  /** Of the sweep that scanned it, if that was a scheduled sweep of several hosts. */
  readonly fence?: Fence | undefined;
  /** Of the sweep that scanned it: `sweep/` and a token, as in the audit stream. */
  readonly pass?: string | undefined;
}
