import type { TrackedJob } from './facts.ts';
import type { MovedJob } from './types/job.ts';
import type { SweepScope } from './types/scope.ts';
import type { Judgement } from './verdict.ts';

/**
 * Why a sweep with this scope must not act on a job; undefined where it may. An act of a plan is done only from the very facts
 * of the plan, and only if they still give it: evidence, the time and the options of the sweep count too.
 */
export const movedFrom = (
  { acts, types, verdicts }: SweepScope,
  { facts, fingerprint }: TrackedJob,
  { verdict, reason }: Judgement,
): MovedJob | undefined => {
  if (types !== undefined && !types.includes(facts.name ?? '')) return 'facts';
  if (verdicts !== undefined && !(verdicts as readonly string[]).includes(verdict)) return 'verdict';
  if (acts === undefined) return undefined;
  const act = acts.get(facts.id);
  if (act?.fingerprint !== fingerprint()) return 'facts';
  return act.verdict === verdict && act.reason === reason ? undefined : 'verdict';
};
