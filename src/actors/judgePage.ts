import { setImmediate } from 'node:timers/promises';
import { type AnyActorRef, createActor, fromCallback, fromPromise } from 'xstate';
import type { Enqueued } from '../io/hooks/enqueue.ts';
import type { TrackedJob } from '../machines/facts.ts';
import type { jobMachine } from '../machines/job.ts';
import { messageOf } from '../machines/messageOf.ts';
import type { SuspensionReason } from '../machines/refusal.ts';
import { movedFrom } from '../machines/scope.ts';
import { type SettledInput, settledJob } from '../machines/settledJob.ts';
import type { JudgeInput } from '../machines/sweepSetup.ts';
import { addTally, emptyTally, type Tally, tallyOf } from '../machines/tally.ts';
import type { HookReply, JobOutcome, PageHooks } from '../machines/types/job.ts';
import type { SweepScope } from '../machines/types/scope.ts';
import type { JudgedPage } from '../machines/types/sweep.ts';
import { type Judgement, judge, type Policy } from '../machines/verdict.ts';

/** Jobs between two turns of the event loop, so that hooks, heartbeats and listeners get theirs during a sweep. */
const slice = 100;

/**
 * Runs the actor of each job of a page that ends in its first tick: a job with nothing to do, a job of a plan, and a job to
 * refire, for the hooks of a page are enqueued together and each job asks for its own. The other jobs are left for the
 * lanes. That keeps a sweep of healthy jobs cheap, and one with a failing endpoint hardly more expensive: an actor that a
 * lane invokes costs ten times as much.
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
  /** Enqueues the hooks of these jobs in one round trip. */
  enqueue: (jobs: readonly TrackedJob[]) => Promise<readonly Enqueued[]>;
  /** Which hooks of these jobs would be parked or deferred. */
  enqueuePlan: (jobs: readonly TrackedJob[]) => Promise<readonly (HookReply | undefined)[]>;
  /** Why Redis refuses writes, if that is what an error says. */
  refusalOf: (error: unknown) => SuspensionReason | undefined;
  /** Whether an inspector wants to see this actor. The inspection events of each actor cost a tenth of a sweep. */
  isFollowed: (id: string, judgement: Judgement) => boolean;
  observe: (outcome: JobOutcome) => void;
}) => {
  // A parent in a system of its own, which nothing inspects.
  const unseen = createActor(fromCallback(() => undefined)).start();

  /** @param parent the page, for a job that an inspector follows: it takes each step of its chart. */
  const run = (input: SettledInput, parent?: AnyActorRef): JobOutcome => {
    // One id for all, because xstate never frees what it keeps for a distinct child id.
    const actor =
      parent === undefined
        ? createActor(settledJob, { parent: unseen, id: 'job', input })
        : createActor(job, { parent, id: 'job', input });
    // A chart that throws must not be started: xstate would end the process.
    if (actor.getSnapshot().status === 'error') return crashed(input.job, actor.getSnapshot().error);
    return actor.start().getSnapshot().output as JobOutcome;
  };

  return fromPromise<JudgedPage, JudgeInput>(
    async ({ input: { jobs, policy, plan, scope, actsLeft }, self, signal }) => {
      const acting: TrackedJob[] = [];
      const counts = new Map<string, { outcome: JobOutcome; count: number }>();
      const hooks = new Map<TrackedJob, HookReply>();
      const page: PageHooks = { replyTo: (tracked) => hooks.get(tracked) };
      const end = ({ job, judgement }: Judged) => {
        const input = { job, policy, plan, scope, page, judgement };
        const outcome = isFollowed(job.facts.id, judgement) ? run(input, self) : run(input);
        observe(outcome);
        const key = `${outcome.verdict} ${outcome.reason} ${outcome.outcome}`;
        const known = counts.get(key);
        if (known === undefined) counts.set(key, { outcome, count: 1 });
        else known.count += 1;
      };
      const pause = async (i: number) => {
        if (i > 0 && i % slice === 0) await setImmediate();
      };

      const { judged, acts, others } = chooseFrom(jobs, policy, scope, actsLeft);
      const refires = judged.filter(({ judgement, hasMoved }) => judgement.verdict === 'refire' && !hasMoved);
      let refusal: SuspensionReason | undefined;
      const keepReplies = (replies: readonly (Enqueued | undefined)[]) => {
        for (const [i, { job }] of refires.entries()) {
          const reply = replies[i];
          if (reply !== undefined && reply.outcome !== 'refused') hooks.set(job, reply);
        }
      };
      if (plan && refires.length > 0) keepReplies(await enqueuePlan(refires.map(({ job }) => job)));
      // In flight while the other jobs are judged. What fails is tried again by the lanes, job by job.
      const enqueued = plan
        ? undefined
        : enqueue(refires.map(({ job }) => job)).then(keepReplies, (error) => {
            refusal = refusalOf(error);
          });
      for (const [i, one] of judged.entries()) {
        await pause(i);
        if (signal.aborted) break;
        const { verdict } = one.judgement;
        if (plan || verdict === 'keep' || one.hasMoved) end(one);
        else if (verdict !== 'refire') acting.push(one.job);
      }
      await enqueued;
      for (const [i, one] of (plan ? [] : refires).entries()) {
        await pause(i);
        if (signal.aborted) break;
        if (hooks.has(one.job)) end(one);
        else acting.push(one.job);
      }
      let tally: Tally = { ...emptyTally, scanned: others };
      for (const { outcome, count } of counts.values()) tally = addTally(tally, tallyOf(outcome, count));
      return refusal === undefined ? { acting, tally, acts } : { acting: [], tally, acts, suspended: refusal };
    },
  );
};

interface Judged {
  readonly job: TrackedJob;
  readonly judgement: Judgement;
  /** It is not what the sweep was asked to act on: its actor says how. */
  readonly hasMoved: boolean;
}

/**
 * Judges the jobs of a page until the sweep may act on no more, and leaves out those that it is not about. `acts`: how many of
 * the rest act. `others`: how many were left out.
 */
const chooseFrom = (
  jobs: readonly TrackedJob[],
  policy: Policy,
  scope: SweepScope | undefined,
  actsLeft: number | undefined,
) => {
  const judged: Judged[] = [];
  let [acts, others] = [0, 0];
  for (const job of jobs) {
    if (acts === actsLeft) break;
    const judgement = judge(job.facts, policy);
    const hasMoved = scope !== undefined && movedFrom(scope, job, judgement) !== undefined;
    if (hasMoved && scope?.acts === undefined) others += 1;
    else judged.push({ job, judgement, hasMoved });
    if (!hasMoved && judgement.verdict !== 'keep') acts += 1;
  }
  return { judged, acts, others };
};

const crashed = ({ facts }: TrackedJob, error: unknown): JobOutcome => ({
  id: facts.id,
  verdict: 'keep',
  reason: 'malformed',
  rule: 0,
  outcome: 'abandoned',
  facts,
  error: messageOf(error),
});
