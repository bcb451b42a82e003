import { fromPromise } from 'xstate';
import type { JobActs } from '../io/acts.ts';
import type { TrackedJob } from '../machines/facts.ts';
import type { ActInput, ActReply } from '../machines/types/job.ts';
import { orRefused } from './refused.ts';

/** What the chart of a job invokes. Where Redis refuses the write of an act, it refuses those of the other jobs too. */
export const createJobActors = ({ load, fail, refire, reset, untrack }: JobActs) => ({
  load: fromPromise<TrackedJob, { id: string }>(({ input }) => load(input.id)),
  fail: act(fail),
  refire: act(refire),
  reset: act(reset),
  untrack: act(untrack),
});

const act = (run: (input: ActInput) => Promise<ActReply>) =>
  fromPromise<ActReply, ActInput>(({ input }) => orRefused(() => run(input)));
