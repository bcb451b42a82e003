import { emptyTally } from '../../src/machines/tally.ts';
import type { JobOutcome } from '../../src/machines/types/job.ts';
import type { PoolOutcome, Suspect } from '../../src/machines/types/pool.ts';
import type { Found, RequeuedOrphans } from '../../src/machines/types/rescue.ts';
import type { SweepScope } from '../../src/machines/types/scope.ts';
import { jobFor } from './facts.ts';

// What the effects of passes answer, for tests of the charts.

export const page = (isLast: boolean, ...jobs: ReturnType<typeof jobFor>[]) => ({ jobs, isLast });
export const acting = (...jobs: ReturnType<typeof jobFor>[]) => ({
  acting: jobs,
  tally: emptyTally,
  acts: jobs.length,
});
export const outcome: JobOutcome = {
  ...{ id: 'j1', verdict: 'fail', reason: 'hung', rule: 4, outcome: 'done' },
  facts: jobFor('fail').facts,
};
export const freed = { type: 'lane.freed' as const, lane: 'lane-0', outcome };
export const sweepNow = (number: number, plan = false, scope?: SweepScope) => ({
  type: 'sweep.now' as const,
  request: { number, plan, ...(scope === undefined ? {} : { scope }) },
});
export const rescueNow = (number: number, more: { plan?: boolean; grace?: number } = {}) => ({
  type: 'rescue.now' as const,
  request: { number, plan: more.plan === true, grace: more.grace, thorough: true },
});
export const cancelRescue = (number: number) => ({ type: 'rescue.cancel' as const, number });

export const fenceOf = (number: number) => ({ lease: 't:reaper:lease', token: String(number) });
/** This host leads. */
export const ours = (number: number) => ({ fence: fenceOf(number), host: 'here:1' });
/** Another host leads. */
export const theirs = { fence: undefined, host: 'there:2' };

export const suspectOf = (pool: string, more: Partial<Suspect> = {}): Suspect => ({
  ...{ pool, heartbeat: '', types: ['A'], evidence: 'no heartbeat', disruptions: 0, at: 0 },
  ...more,
});
export const found = (...suspects: readonly (string | Suspect)[]): Found => ({
  ...{ alive: 1, clockAhead: 0, types: ['A'], lists: [], live: [], unreadable: [] },
  suspects: suspects.map((suspect) => (typeof suspect === 'string' ? suspectOf(suspect) : suspect)),
});
export const recounted = { drift: [], unreadable: [], locks: new Map() };
export const requeued = (more: Partial<RequeuedOrphans> = {}): RequeuedOrphans => ({
  ...{ orphaned: [], unobserved: [], undecided: 0, oldestUndecidedS: 0, finished: [], poison: [], dueInMs: undefined },
  ...more,
});
export const rescued = (pool: string, more: Partial<PoolOutcome> = {}): PoolOutcome => ({
  ...{ pool, outcome: 'rescued', evidence: '', moved: { A: 2 }, entries: 2, quarantined: 0 },
  ...more,
});
