import type { ActorLogic, EventObject, Snapshot } from 'xstate';
import { type JobContext, judgedBy, outcomeOf } from './job.ts';
import type { JobEnd, JobInput, JobOutcome } from './types/job.ts';
import type { Judgement } from './verdict.ts';

/** A job of a page with its judgement, which the page has made already. */
export interface SettledInput extends JobInput {
  readonly judgement: Judgement;
}

/** The final state of `jobMachine` in which a job ends in the first tick of its actor, and the output of that state. */
interface Settled {
  readonly state: 'keep' | 'done' | 'planned' | 'abandoned';
  readonly end: JobEnd;
}

type SettledSnapshot = Snapshot<JobOutcome> & { readonly value: Settled['state']; readonly context: JobContext };

/**
 * The actor logic of a job that ends in its first tick: nearly every job of a sweep. It takes `jobMachine` from `tracking` to a
 * final state in one step, at a twentieth of the cost. A test compares both for every verdict, reason and mode. A job that an
 * inspector follows runs `jobMachine` itself.
 *
 * The logic has its input already, because an actor with any options costs five times as much: V8 makes a hidden class for each
 * of them, which is garbage that only a full collection finds.
 */
export const settledJob = (input: SettledInput): ActorLogic<SettledSnapshot, EventObject> => ({
  getInitialSnapshot() {
    const context = contextOf(input);
    const settled = endOf(context);
    if (settled === undefined) throw new Error('a job that has to act needs a lane');
    const output = outcomeOf(context, settled.end);
    return { status: 'done', value: settled.state, context, output, error: undefined };
  },
  transition: same,
  getPersistedSnapshot: same,
});

const same = <T>(snapshot: T): T => snapshot;

/** The context after `judge`. */
const contextOf = (input: SettledInput): JobContext => {
  const { job, policy, plan, scope, page, judgement } = input;
  const { judged, reply, moved, error } = judgedBy(input, judgement, 1);
  return { job, policy, plan, scope, page, judgement, judged, reply, moved, error };
};

/** Where `compare` ends at once. Undefined for a job that has to act: it needs `jobMachine`, in a lane. */
const endOf = ({ plan, judgement, moved, reply, error }: JobContext): Settled | undefined => {
  if (moved !== undefined) return { state: 'keep', end: 'overtaken' };
  if (judgement?.verdict === 'keep') return { state: 'keep', end: 'kept' };
  if (error !== undefined) return { state: 'abandoned', end: 'abandoned' };
  if (reply !== undefined) return { state: 'done', end: reply.outcome };
  return plan ? { state: 'planned', end: 'planned' } : undefined;
};
