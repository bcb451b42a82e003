import { setImmediate } from 'node:timers/promises';
import { type AnyActorRef, createActor, fromCallback, fromPromise } from 'xstate';
import type { TrackedJob } from '../machines/facts.ts';
import { type JobInput, type JobOutcome, type jobMachine, messageOf } from '../machines/job.ts';
import type { Examined } from '../machines/supervisor.ts';
import { addTally, emptyTally, type Tally, tallyOf } from '../machines/tally.ts';
import { type Judgement, judge, type Policy } from '../machines/verdict.ts';

/** Jobs between two turns of the event loop, so that hooks, heartbeats and listeners get theirs during a sweep. */
const slice = 100;

/**
 * Runs the actor of every job of a page that has nothing to do (or only plans to, or whose hook finds no room: a dead
 * receiver must not slow a sweep), which ends in its first tick, and leaves the others for the lanes. That is what makes
 * a sweep of healthy jobs cheap: an actor that a lane invokes costs two to three times as much, and most jobs are healthy.
 */
export const createExamine = ({
  job,
  hasRoom,
  isFollowed,
  observe,
}: {
  job: typeof jobMachine;
  /** Whether another hook may wait. */
  hasRoom: () => boolean;
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

  return fromPromise<Examined, { jobs: readonly TrackedJob[]; policy: Policy; plan: boolean }>(
    async ({ input: { jobs, policy, plan }, self, signal }) => {
      const acting: TrackedJob[] = [];
      let tally: Tally = emptyTally;
      const counts = new Map<string, { outcome: JobOutcome; count: number }>();
      for (const [i, tracked] of jobs.entries()) {
        if (i > 0 && i % slice === 0) await setImmediate();
        if (signal.aborted) break;
        const judgement = judge(tracked.facts, policy);
        const { verdict } = judgement;
        const isDeferred = verdict === 'refire' && !hasRoom();
        if (!plan && verdict !== 'kept' && !isDeferred) {
          acting.push(tracked);
          continue;
        }
        const parent = isFollowed(tracked.facts.id, judgement) ? self : unseen;
        const outcome = walk(parent, { job: tracked, policy, plan, hasRoom: !isDeferred });
        observe(outcome);
        const key = `${outcome.verdict} ${outcome.reason} ${outcome.outcome}`;
        const known = counts.get(key);
        if (known === undefined) counts.set(key, { outcome, count: 1 });
        else known.count += 1;
      }
      for (const { outcome, count } of counts.values()) tally = addTally(tally, tallyOf(outcome, count));
      return { acting, tally };
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
