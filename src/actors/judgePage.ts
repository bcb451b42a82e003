import { setImmediate } from 'node:timers/promises';
import { type AnyActorRef, createActor, fromPromise } from 'xstate';
import type { Enqueued, RefusedHook } from '../io/hooks/enqueue.ts';
import type { TrackedJob } from '../machines/facts.ts';
import type { jobMachine } from '../machines/job.ts';
import { messageOf } from '../machines/messageOf.ts';
import type { SuspensionReason } from '../machines/refusal.ts';
import { movedFrom } from '../machines/scope.ts';
import { type SettledInput, settledJob } from '../machines/settledJob.ts';
import { addTally, emptyTally, type Tally, tallyOf, tallyOfScreened } from '../machines/tally.ts';
import type { HookReply, JobOutcome, UnqueuedHook } from '../machines/types/job.ts';
import type { SweepScope } from '../machines/types/scope.ts';
import { countOf, type JudgedPage, type JudgeInput, type Screened } from '../machines/types/sweep.ts';
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
  faultsOfHooks,
  refusalOf,
  isFollowed,
  observe,
  observeScreened,
}: {
  job: typeof jobMachine;
  /** Enqueues the hooks of these jobs in one round trip. */
  enqueue: (jobs: readonly TrackedJob[]) => Promise<readonly Enqueued[]>;
  /** Which hooks of these jobs would not be enqueued. */
  enqueuePlan: (jobs: readonly TrackedJob[]) => Promise<readonly (UnqueuedHook | RefusedHook | undefined)[]>;
  /** Why the hooks of these jobs cannot be recorded; undefined for each that can be. */
  faultsOfHooks: (jobs: readonly TrackedJob[]) => Promise<readonly (string | undefined)[]>;
  /** Why Redis refuses writes, if that is what an error says. */
  refusalOf: (error: unknown) => SuspensionReason | undefined;
  /** Whether an inspector wants to see this actor. The inspection events of each actor cost a tenth of a sweep. */
  isFollowed: (id: string, judgement: Judgement) => boolean;
  observe: (outcome: JobOutcome) => void;
  observeScreened: (screened: Screened) => void;
}) => {
  /** @param parent the page, for a job that an inspector follows: it takes each step of its chart. */
  const run = (input: SettledInput, parent?: AnyActorRef): JobOutcome => {
    // One id for all, because xstate never frees what it keeps for a distinct child id.
    const actor =
      parent === undefined ? createActor(settledJob(input)) : createActor(job, { parent, id: 'job', input });
    // A chart that throws must not be started: xstate would end the process.
    if (actor.getSnapshot().status === 'error') return crashed(input.job, actor.getSnapshot().error);
    return actor.start().getSnapshot().output as JobOutcome;
  };

  return fromPromise<JudgedPage, JudgeInput>(
    async ({ input: { jobs, screened, policy, plan, scope, actsLeft }, self, signal }) => {
      const acting: TrackedJob[] = [];
      const counts = createCounts();
      const page = createPageHooks();
      if (screened !== undefined && screened.size > 0) observeScreened(screened);
      const end = ({ job, judgement }: Judged) => {
        const input = { job, policy, plan, scope, page, judgement };
        const outcome = isFollowed(job.facts.id, judgement) ? run(input, self) : run(input);
        observe(outcome);
        counts.add(outcome);
      };
      const pause = async (i: number) => {
        if (i > 0 && i % slice === 0) await setImmediate();
      };

      const found = judgeAll(jobs.splice(0), policy, scope);
      let refusal: SuspensionReason | undefined;
      // A limit is one of acts, and a hook that would not be enqueued is none.
      const foreseen = plan || actsLeft !== undefined ? jobsToRefire(found) : [];
      if (foreseen.length > 0) page.keep(foreseen, await enqueuePlan(foreseen));
      const told = plan ? jobsToTell(found) : [];
      if (told.length > 0) page.keepFaults(told, await faultsOfHooks(told));
      const { judged, acts, others } = chooseFrom(found, scope, actsLeft, ({ job }) => page.has(job));
      const refires = plan ? [] : judged.filter(isRefire);
      const unasked = jobsToRefire(refires).filter((one) => !page.has(one));
      // In flight while the other jobs are judged. What fails is tried again by the lanes, job by job.
      const enqueued =
        unasked.length > 0 &&
        enqueue(unasked).then(
          (replies) => page.keep(unasked, replies),
          (error) => {
            refusal = refusalOf(error);
          },
        );
      for (const [i, one] of judged.entries()) {
        await pause(i);
        if (signal.aborted) break;
        const { verdict } = one.judgement;
        if (plan || verdict === 'keep' || one.hasMoved) end(one);
        else if (verdict !== 'refire') acting.push(one.job);
      }
      await enqueued;
      for (const [i, one] of refires.entries()) {
        await pause(i);
        if (signal.aborted) break;
        if (page.has(one.job)) end(one);
        else acting.push(one.job);
      }
      const tally = counts.tally(others, screened);
      return refusal === undefined ? { acting, tally, acts } : { acting: [], tally, acts, suspended: refusal };
    },
  );
};

/** Counts the outcomes of a page. A tally for each of its jobs would cost more than judging it. */
const createCounts = () => {
  const counts: { readonly outcome: JobOutcome; count: number }[] = [];
  return {
    add(outcome: JobOutcome) {
      const { verdict, reason, outcome: end } = outcome;
      for (const known of counts) {
        const { outcome: other } = known;
        if (other.reason !== reason || other.outcome !== end || other.verdict !== verdict) continue;
        known.count += 1;
        return;
      }
      counts.push({ outcome, count: 1 });
    },
    /** @param others jobs that the sweep is not about. */
    tally: (others: number, screened: Screened | undefined): Tally =>
      counts.reduce(
        (sum, { outcome, count }) => addTally(sum, tallyOf(outcome, count)),
        addTally({ ...emptyTally, scanned: others }, tallyOfScreened(countOf(screened))),
      ),
  };
};

/** What becomes of the hooks of a page, as far as it is known. */
const createPageHooks = () => {
  const hooks = new Map<TrackedJob, HookReply>();
  const faults = new Map<TrackedJob, string>();
  return {
    replyTo: (job: TrackedJob) => hooks.get(job),
    faultOf: (job: TrackedJob) => faults.get(job),
    has: (job: TrackedJob) => hooks.has(job),
    keep(jobs: readonly TrackedJob[], replies: readonly (Enqueued | undefined)[]) {
      for (const [i, job] of jobs.entries()) {
        const reply = replies[i];
        if (reply?.outcome === 'refused') faults.set(job, reply.error);
        else if (reply !== undefined) hooks.set(job, reply);
      }
    },
    keepFaults(jobs: readonly TrackedJob[], found: readonly (string | undefined)[]) {
      for (const [i, job] of jobs.entries()) {
        const fault = found[i];
        if (fault !== undefined) faults.set(job, fault);
      }
    },
  };
};

interface Judged {
  readonly job: TrackedJob;
  readonly judgement: Judgement;
  /** It is not what the sweep was asked to act on: its actor says how. */
  readonly hasMoved: boolean;
}

const judgeAll = (jobs: readonly TrackedJob[], policy: Policy, scope: SweepScope | undefined): Judged[] =>
  jobs.map((job) => {
    const judgement = judge(job.facts, policy);
    return { job, judgement, hasMoved: scope !== undefined && movedFrom(scope, job, judgement) !== undefined };
  });

const jobsToRefire = (found: readonly Judged[]): TrackedJob[] => found.filter(isRefire).map(({ job }) => job);
/** Jobs with an act that records a hook. */
const jobsToTell = (found: readonly Judged[]): TrackedJob[] =>
  found.filter((one) => isRefire(one) || (one.judgement.verdict === 'fail' && !one.hasMoved)).map(({ job }) => job);
const isRefire = ({ judgement, hasMoved }: Judged): boolean => judgement.verdict === 'refire' && !hasMoved;

/**
 * The jobs of a page until the sweep may act on no more, without those that it is not about. `acts`: how many of the rest act.
 * `others`: how many were left out.
 */
const chooseFrom = (
  found: readonly Judged[],
  scope: SweepScope | undefined,
  actsLeft: number | undefined,
  isHookLeft: (job: Judged) => boolean,
) => {
  const judged: Judged[] = [];
  let [acts, others] = [0, 0];
  for (const one of found) {
    if (acts === actsLeft) break;
    const { judgement, hasMoved } = one;
    if (hasMoved && scope?.acts === undefined) others += 1;
    else judged.push(one);
    if (!hasMoved && judgement.verdict !== 'keep' && !isHookLeft(one)) acts += 1;
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
