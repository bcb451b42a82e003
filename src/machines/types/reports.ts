import type { Mandate } from '../lease.ts';
import { messageOf } from '../messageOf.ts';
import type { JobOutcome } from './job.ts';
import type { PoolResult } from './pool.ts';
import type { FinishedEntry, OrphanedEntry, RescueRequest, RescueResult } from './rescue.ts';
import type { SweepRequest, SweepResult } from './sweep.ts';

/**
 * What the children of the supervisor report, and what the supervisor emits. One subscription to the supervisor gets all
 * of it, even after a child was restarted.
 */
export type Report =
  | { readonly type: 'sweep.started'; readonly request: SweepRequest }
  | { readonly type: 'sweep.ended'; readonly result: SweepResult }
  /** `pass` counts all rescue passes of this process: scheduled ones have the same number in their requests. */
  | { readonly type: 'rescue.started'; readonly request: RescueRequest; readonly pass: number }
  /** `pass` is left out for a pass that never began. */
  | { readonly type: 'rescue.ended'; readonly result: RescueResult; readonly pass?: number }
  | { readonly type: 'job'; readonly outcome: JobOutcome }
  /** `since`: when the pool was suspected, in monotonic ms. */
  | { readonly type: 'pool'; readonly outcome: PoolResult; readonly since: number }
  | { readonly type: 'orphan'; readonly entry: OrphanedEntry }
  | { readonly type: 'finished'; readonly entry: FinishedEntry }
  /** Another host leads, or this one. */
  | { readonly type: 'leader'; readonly holds: boolean; readonly host: string }
  /** No hook is due, and none is in flight. */
  | { readonly type: 'hooks.quiet' }
  | Fault;

/** Something failed and stopped nothing. */
export interface Fault {
  readonly type: 'fault';
  readonly where: string;
  readonly error: string;
  /** The error itself, with its stack; left out where only its text is known. */
  readonly cause?: unknown;
  /** The step, if it is one that polls Redis all the time. */
  readonly poll?: Poll;
  /** An actor crashed, which is a defect of the reaper and not of what it works on. */
  readonly isCrash?: true;
}

/** A step that polls Redis all the time. During an outage its failures say nothing new. */
export type Poll = 'lease' | 'due-hooks' | 'heartbeats';

export const faultOf = (where: string, error: unknown, more: Pick<Fault, 'isCrash' | 'poll'> = {}): Fault => ({
  type: 'fault',
  where,
  error: messageOf(error),
  cause: error,
  ...more,
});

export type ReportOf<Type extends Report['type']> = Extract<Report, { readonly type: Type }>;

/** A child that crashed too often, and is not started again. */
export interface FailedChild {
  readonly child: string;
  readonly error: string;
}

/** A child's message to the supervisor. */
export interface Reported {
  readonly type: 'reported';
  readonly reports: readonly Report[];
}

/** The leader's message to the supervisor, which passes it on to the sweep and the rescue. */
export interface MandateChanged {
  readonly type: 'mandate.changed';
  /** Undefined: this host no longer runs the scheduled passes. */
  readonly mandate: Mandate | undefined;
}

export const reported = (...reports: readonly Report[]): Reported => ({ type: 'reported', reports });
