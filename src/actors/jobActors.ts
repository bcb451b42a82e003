import { fromPromise } from 'xstate';
import type { JobActs } from '../io/acts.ts';
import type { TrackedJob } from '../machines/facts.ts';
import type { ActInput, ActReply } from '../machines/types/job.ts';

/** What the chart of a job invokes, done in Redis. */
export const createJobActors = (acts: JobActs) => ({
  load: fromPromise<TrackedJob, { id: string }>(({ input }) => acts.load(input.id)),
  fail: fromPromise<ActReply, ActInput>(({ input }) => acts.fail(input)),
  refire: fromPromise<ActReply, ActInput>(({ input }) => acts.refire(input)),
  reset: fromPromise<ActReply, ActInput>(({ input }) => acts.reset(input)),
  untrack: fromPromise<ActReply, ActInput>(({ input }) => acts.untrack(input)),
});
