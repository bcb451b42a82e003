import type { Breaker } from '../io/hooks/claims.ts';
import type { EndpointStatus as StoredEndpoint } from '../io/hooks/endpoints.ts';
import type { HookRecord as StoredRecord } from '../io/hooks/record.ts';
import { isoOfSecond, isoTimeOrNone } from '../isoTime.ts';

/** An undelivered hook. */
export interface HookRecord {
  readonly id: string;
  readonly state: 'pending' | 'sending' | 'parked';
  /** `status:revision` of the job that it reports. */
  readonly about: string;
  /** Scheme, host and port of the endpoint. */
  readonly endpoint: string;
  readonly attempts: number;
  /** ISO times of the first and the last attempt; undefined before it. */
  readonly firstAttemptAt: string | undefined;
  readonly lastAttemptAt: string | undefined;
  /** The last answer, or why the hook is parked. */
  readonly answer: string | undefined;
}

/** An endpoint, and what waits for it. */
export interface EndpointStatus {
  /** Scheme, host and port. */
  readonly endpoint: string;
  readonly pending: number;
  readonly breaker: Breaker;
  /** Consecutive failures. */
  readonly failures: number;
  /** ISO time of the first of them. */
  readonly failingSinceAt: string | undefined;
  readonly answer: string | undefined;
  /** Time until the next attempt, in ms; undefined if nothing waits. */
  readonly waitMs: number | undefined;
}

export const hookRecordOf = ({ text: _, first, last, ...record }: StoredRecord): HookRecord => ({
  ...record,
  firstAttemptAt: first === undefined ? undefined : isoOfSecond(first),
  lastAttemptAt: last === undefined ? undefined : isoOfSecond(last),
});

export const endpointStatusOf = ({ failingSince, wait, overdue: _, ...endpoint }: StoredEndpoint): EndpointStatus => ({
  ...endpoint,
  failingSinceAt: isoTimeOrNone(failingSince),
  waitMs: wait,
});
