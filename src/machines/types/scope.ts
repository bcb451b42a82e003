import type { Reason, Verdict } from '../verdict.ts';

/** The verdicts that change something. */
export const actingVerdicts = ['fail', 'refire', 'reset', 'untrack'] as const satisfies readonly Verdict[];
export type ActingVerdict = (typeof actingVerdicts)[number];

/** One act of a plan, and the fingerprint of the facts from which it follows. */
export interface PlannedAct {
  readonly id: string;
  readonly verdict: ActingVerdict;
  readonly reason: Reason;
  readonly fingerprint: string;
}

/** Which jobs a sweep is about. What is left out does not restrict it. */
export interface SweepScope {
  readonly ids?: readonly string[];
  readonly types?: readonly string[];
  readonly verdicts?: readonly ActingVerdict[];
  /** How many jobs it acts on at most. */
  readonly limit?: number;
  /** The acts of a plan by the ids of their jobs: these and no others, each only if the same facts still give it. */
  readonly acts?: ReadonlyMap<string, PlannedAct>;
}
