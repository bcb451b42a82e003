import type { ErrorCode } from '../../errors.ts';
import type { Facts, TrackedJob } from '../facts.ts';
import type { Judgement, Policy, Reason, Verdict } from '../verdict.ts';
import type { PlannedAct, SweepScope } from './scope.ts';

/**
 * How a job ended. `kept`: there was nothing to do. `done`: the act is in Redis. `enqueued`: its hook was put into the queue of
 * its endpoint. `already-pending`: its hook is in that queue already, or is being sent. `parked`: this change was given up
 * for its endpoint, until the job changes or an operator retries it. `deferred`: too many hooks wait already; the next sweep
 * finds the job. `planned`: a plan, it would have acted. `overtaken`: the job changed twice while it was judged. `fenced`:
 * the lease was lost; the new leader finds the job. `abandoned`: the act failed for good.
 */
export type JobEnd = 'kept' | 'done' | HookEnd | 'planned' | 'overtaken' | 'fenced' | 'abandoned';
export type MovedJob = 'facts' | 'verdict';
/** What becomes of a hook that is to be enqueued. */
export type HookEnd = 'enqueued' | 'already-pending' | 'parked' | 'deferred';
export interface HookReply {
  readonly outcome: HookEnd;
}

/** What becomes of a hook that would not be enqueued. */
export interface UnqueuedHook {
  readonly outcome: Exclude<HookEnd, 'enqueued'>;
}

/** Whether there was nothing to do for a job to refire: its hook is pending already, or parked. Nothing was changed. */
export const isHookLeft = (end: JobEnd): boolean => end === 'already-pending' || end === 'parked';
/** Whether nothing was done for a job to refire, although the next sweep may find something to do. */
export const isHookUnchanged = (end: JobEnd): boolean => isHookLeft(end) || end === 'deferred';

/** What was decided about a job, why, from which facts, and how the job ended. */
export interface JobOutcome {
  readonly id: string;
  readonly verdict: Verdict;
  readonly reason: Reason;
  readonly rule: number;
  readonly detail?: string | undefined;
  readonly outcome: JobEnd;
  readonly facts: Facts;
  /** The endpoint of its hook: scheme, host and port; left out for a job without a hook URL. */
  readonly endpoint?: string | undefined;
  /** Only for `planned`: the act, for a sweep that does exactly what was planned. */
  readonly act?: PlannedAct | undefined;
  /**
   * Why it is not what the sweep was asked to act on: its `facts` have changed, or they give another `verdict` or reason now.
   */
  readonly moved?: MovedJob | undefined;
  readonly error?: string;
  /** The code of that error. */
  readonly code?: ErrorCode;
  /** It was abandoned because Redis refuses writes: the sweep ends with it, and the next one finds the job. */
  readonly isRefused?: boolean;
}

/**
 * The hooks of a page. They are enqueued in one round trip before the actors of the page begin, and each job asks for its
 * own. In a plan: which of them would not be enqueued.
 */
export interface PageHooks {
  /** Undefined where the page has no reply: the job was read again since, or its endpoint's queue cannot be written. */
  replyTo(job: TrackedJob): HookReply | undefined;
  /** In a plan: why the hook of an act could not be recorded, so that the act would be abandoned. */
  faultOf(job: TrackedJob): string | undefined;
}

export interface JobInput {
  readonly job: TrackedJob;
  readonly policy: Policy;
  /** Judge and change nothing. */
  readonly plan: boolean;
  /** What the sweep is about, if not all tracked jobs. */
  readonly scope?: SweepScope | undefined;
  /** The page with which the job was scanned, if its actor begins with the page. */
  readonly page?: PageHooks | undefined;
}

/** What Redis replies to an act: the job is not as it was judged; or it is done, or what became of its hook. */
export interface ActReply {
  readonly outcome: 'done' | HookEnd | 'overtaken';
}
export interface ActInput {
  readonly job: TrackedJob;
  readonly judgement: Judgement;
}
