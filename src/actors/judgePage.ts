import { setImmediate } from 'node:timers/promises';
import { type AnyActorRef, createActor, fromCallback, fromPromise } from 'xstate';
import type { TrackedJob } from '../machines/facts.ts';
import { type HookEnd, type JobInput, type JobOutcome, type jobMachine, messageOf } from '../machines/job.ts';
import { addTally, emptyTally, type Tally, tallyOf } from '../machines/tally.ts';
import type { JudgedPage } from '../machines/types/sweep.ts';
import { type Judgement, judge, type Policy } from '../machines/verdict.ts';

/** Jobs between two turns of the event loop, so that hooks, heartbeats and listeners get theirs during a sweep. */
const slice = 100;

/**
 * Runs the actor of every job of a page that has nothing to do, or only plans to, or whose hook was noted together with
 * all others of the page: it ends in its first tick. The rest is left for the lanes. That is what makes a sweep of healthy
 * jobs cheap, and one with a dead receiver hardly dearer: an actor that a lane invokes costs two to three times as much.
 */
export const createJudgePage = ({
  job,
  enqueue,
  enqueuePlan,
  refusalOf,
  isFollowed,
  observe,
}: {
  job: typeof jobMachine;
  /** Notes that the receivers of these jobs are to be told. */
  enqueue: (jobs: readonly TrackedJob[]) => Promise<readonly (HookEnd | Error)[]>;
  /** Of which of these jobs nothing would be sent, and why. */
  enqueuePlan: (jobs: readonly TrackedJob[]) => Promise<readonly (HookEnd | undefined)[]>;
  /** Why Redis refuses writes, where that is what an error says. */
  refusalOf: (error: unknown) => string | undefined;
  /** Whether whoever inspects the actors wants to see this one. What xstate tells of each costs a tenth of a sweep. */
  isFollowed: (id: string, judgement: Judgement) => boolean;
  observe: (outcome: JobOutcome) => void;
}) => {
  // A parent in a system of its own: nobody inspects it.
  const unseen = createActor(fromCallback(() => undefined)).start();

  const walk = (parent: AnyActorRef, input: JobInput): JobOutcome => {
    // One id for all: xstate remembers each distinct child id for ever.
    const actor = createActor(job, { parent, id: 'job', input });
    // A chart that throws must not be started: with nobody to hear of it, xstate would end the process.
    if (actor.getSnapshot().status === 'error') return broken(input.job, actor.getSnapshot().error);
    return actor.start().getSnapshot().output as JobOutcome;
  };

  return fromPromise<JudgedPage, { jobs: readonly TrackedJob[]; policy: Policy; plan: boolean }>(
    async ({ input: { jobs, policy, plan }, self, signal }) => {
      const acting: TrackedJob[] = [];
      let tally: Tally = emptyTally;
      const counts = new Map<string, { outcome: JobOutcome; count: number }>();
      const see = (job: TrackedJob, judgement: Judgement, hook?: HookEnd) => {
        const parent = isFollowed(job.facts.id, judgement) ? self : unseen;
        const outcome = walk(parent, { job, policy, plan, hook });
        observe(outcome);
        const key = `${outcome.verdict} ${outcome.reason} ${outcome.outcome}`;
        const known = counts.get(key);
        if (known === undefined) counts.set(key, { outcome, count: 1 });
        else known.count += 1;
      };
      const pause = async (i: number) => {
        if (i > 0 && i % slice === 0) await setImmediate();
      };
      const judged = jobs.map((job) => ({ job, judgement: judge(job.facts, policy) }));
      const wouldRefire = judged.filter(({ judgement }) => judgement.verdict === 'refire');
      const refires = plan ? [] : wouldRefire;
      const planned = new Map<TrackedJob, HookEnd | undefined>();
      if (plan && wouldRefire.length > 0) {
        const ends = await enqueuePlan(wouldRefire.map(({ job }) => job));
        for (const [i, { job }] of wouldRefire.entries()) planned.set(job, ends[i]);
      }
      let refusal: string | undefined;
      // On its way while the others are looked at. What fails is tried again by the lanes, job by job.
      const enqueued = enqueue(refires.map(({ job }) => job)).catch((error) => {
        refusal = refusalOf(error);
        return undefined;
      });
      for (const [i, { job, judgement }] of judged.entries()) {
        await pause(i);
        if (signal.aborted) break;
        const { verdict } = judgement;
        if (plan || verdict === 'kept') see(job, judgement, planned.get(job));
        else if (verdict !== 'refire') acting.push(job);
      }
      const hooks = await enqueued;
      for (const [i, { job, judgement }] of refires.entries()) {
        await pause(i);
        if (signal.aborted) break;
        const hook = hooks?.[i];
        if (hook === undefined || hook instanceof Error) acting.push(job);
        else see(job, judgement, hook);
      }
      for (const { outcome, count } of counts.values()) tally = addTally(tally, tallyOf(outcome, count));
      return refusal === undefined ? { acting, tally } : { acting: [], tally, suspended: refusal };
    },
  );
};

const broken = ({ facts }: TrackedJob, error: unknown): JobOutcome => ({
  id: facts.id,
  verdict: 'kept',
  reason: 'malformed',
  rule: 0,
  outcome: 'abandoned',
  facts,
  error: messageOf(error),
});
