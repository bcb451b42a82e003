import type { Facts } from '../src/machines/facts.ts';
import type { JobOutcome } from '../src/machines/types/job.ts';
import type { Policy } from '../src/machines/verdict.ts';
import { askedRules } from '../src/reaper/inspection.ts';
import type { ChartTally } from './chartTally.ts';
import type { Trace, TraceRow } from './protocol.ts';
import { safeFacts, safeOutcome, safeRules, shorten } from './safe.ts';

/** The trace of one job as it is recorded. It shares the facts with the job itself, so that it costs little memory. */
export interface RecordedTrace {
  /** Rises with each recorded trace; 0 until the job has ended. */
  number: number;
  readonly id: string;
  readonly plan: boolean;
  readonly lane: string | undefined;
  readonly policy: Policy;
  readonly judged: Facts[];
  /** States and transitions as their indices in the chart. */
  readonly steps: {
    readonly state: number;
    readonly transition: number | undefined;
    readonly event: string;
    readonly at: number;
    readonly facts: number;
  }[];
  outcome: JobOutcome | undefined;
}

/** A recorded trace as it is sent to a page. */
export const traceOf = (trace: RecordedTrace, tally: ChartTally): Trace => ({
  number: trace.number,
  id: shorten(trace.id),
  plan: trace.plan,
  lane: trace.lane,
  steps: trace.steps.map((step) => ({ ...step, state: tally.index.states[step.state] as string })),
  judged: trace.judged.map((facts) => ({
    facts: safeFacts(facts),
    rules: safeRules(askedRules(facts, trace.policy)),
  })),
  outcome: trace.outcome && safeOutcome(trace.outcome),
});

/** A trace that has ended, as a row of a list. */
export const rowOf = (trace: RecordedTrace): TraceRow => {
  const ended = trace.outcome as JobOutcome;
  const { verdict, reason, outcome, detail, error } = safeOutcome(ended);
  return {
    number: trace.number,
    at: trace.steps.at(-1)?.at as number,
    id: shorten(trace.id),
    type: ended.facts.name && shorten(ended.facts.name),
    verdict,
    reason,
    outcome,
    detail,
    error,
  };
};
