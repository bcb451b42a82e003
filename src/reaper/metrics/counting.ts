import { screenedOutcome } from '../../machines/tally.ts';
import { actingVerdicts } from '../../machines/types/scope.ts';
import type { EventSource, ReaperEvents } from '../events.ts';
import type { SweepSummary } from '../summaries.ts';
import { catalog } from './catalog.ts';
import type { Instruments } from './instruments.ts';
import type { Labels } from './labels.ts';
import { createTally } from './tally.ts';

/** What `createCounting` makes of the events of a reaper. */
export interface Counting {
  /** Writes the counts of jobs into their counters. Call it before each scrape. */
  flush(): void;
  /** A pool that was declared dead is alive. */
  falseDeath(): void;
}

/** Counts the events of a reaper. */
export const createCounting = (
  { on }: Pick<EventSource, 'on'>,
  metrics: Instruments,
  { typeOf, endpointOf }: { typeOf: Labels; endpointOf: Labels },
): Counting => {
  const judged = createTally(catalog.jobsJudged.labels);
  const acts = createTally(
    catalog.jobActs.labels,
    actingVerdicts.map((verdict) => [verdict, 'abandoned']),
  );
  startAtZero(metrics);

  on('job', ({ verdict, reason, outcome, isRefused, facts }) => {
    judged.add(1, verdict, reason, typeOf(facts.name));
    if (verdict !== 'keep' || outcome !== 'kept') acts.add(1, verdict, isRefused ? 'refused' : outcome);
  });
  on('screened', ({ types }) => {
    const { verdict, reason } = screenedOutcome;
    for (const [type, count] of Object.entries(types)) judged.add(count, verdict, reason, typeOf(type));
  });
  on('hook', ({ outcome, endpoint, hostError }) => {
    metrics.hookAttempts.inc({
      outcome: hostError === undefined ? outcome : 'host-error',
      endpoint: endpointOf(endpoint),
    });
  });
  on('sweep', (summary) => countPass(metrics, 'sweep', summary));
  on('rescue', (summary) => {
    countPass(metrics, 'rescue', summary);
    countRescue(metrics, typeOf, summary);
  });
  countRecoveries(on, metrics, typeOf);
  on('leader', () => metrics.leaderChanges.inc());
  on('connection', ({ state }) => {
    if (state === 'lost') metrics.redisOutages.inc();
  });
  on('error', ({ code }) => metrics.errors.inc({ code }));

  return {
    flush() {
      judged.flush(metrics.jobsJudged);
      acts.flush(metrics.jobActs);
    },
    falseDeath: () => metrics.falseDeaths.inc(),
  };
};

const passOutcomes = ['completed', 'scoped', 'planned', 'suspended', 'failed'] as const;
const poolOutcomes = ['rescued', 'cleaned', 'alive', 'abandoned', 'planned'] as const;
const causes = ['dead-pool', 'orphaned'] as const;

/** A counter that first appears with 1 has no increase to Prometheus. So those with known labels begin at 0. */
const startAtZero = ({ passes, passDuration, pools, recovery }: Instruments): void => {
  for (const pass of ['sweep', 'rescue']) {
    passDuration.zero({ pass });
    for (const outcome of passOutcomes) passes.inc({ pass, outcome }, 0);
  }
  for (const outcome of poolOutcomes) pools.inc({ outcome }, 0);
  for (const cause of causes) recovery.zero({ cause });
};

const countPass = (
  { passes, passDuration }: Instruments,
  pass: 'sweep' | 'rescue',
  {
    plan,
    isScoped,
    suspended,
    error,
    durationMs,
  }: Pick<SweepSummary, 'plan' | 'isScoped' | 'suspended' | 'error' | 'durationMs'>,
): void => {
  const ended = isScoped ? 'scoped' : plan ? 'planned' : 'completed';
  const outcome: (typeof passOutcomes)[number] =
    error !== undefined ? 'failed' : suspended !== undefined ? 'suspended' : ended;
  passes.inc({ pass, outcome });
  if (outcome === 'completed' || outcome === 'planned') passDuration.observe({ pass }, durationMs / 1_000);
};

const countRescue = (metrics: Instruments, typeOf: Labels, summary: ReaperEvents['rescue']): void => {
  const { alive, clockAhead, undecided, drift, plan, isScoped, suspended, error } = summary;
  if (isScoped || suspended !== undefined || error !== undefined) return;
  metrics.poolsAlive.set(alive);
  metrics.poolsClockAhead.set(clockAhead);
  metrics.entriesUndecided.set(undecided);
  for (const { type, size } of plan ? [] : drift) {
    metrics.countersRebuilt.inc({ type: typeOf(type) });
    metrics.driftEntries.inc({ type: typeOf(type) }, Math.abs(size.lock));
  }
};

/** Counts what rescues recover, and what they had to give up. */
const countRecoveries = (on: EventSource['on'], metrics: Instruments, typeOf: Labels): void => {
  const requeued = (cause: (typeof causes)[number], type: string, count: number) =>
    metrics.entriesRequeued.inc({ cause, type: typeOf(type) }, count);

  on('pool', ({ outcome, moved, entries, act, durationMs = 0 }) => {
    metrics.pools.inc({ outcome });
    if (outcome === 'planned' || act !== undefined) return;
    for (const [type, count] of Object.entries(moved)) requeued('dead-pool', type, count);
    if (outcome === 'rescued') metrics.recovery.observe({ cause: 'dead-pool' }, durationMs / 1_000);
    // It proved to be alive after some of its entries had been requeued.
    if (outcome === 'alive' && entries > 0) metrics.falseDeaths.inc();
  });
  on('orphan', (orphan) => {
    if (orphan.plan) return;
    if (orphan.outcome === 'removed') return metrics.entriesRemoved.inc({ type: typeOf(orphan.type) });
    requeued('orphaned', orphan.type, 1);
    return metrics.recovery.observe({ cause: 'orphaned' }, orphan.unobservedMs / 1_000);
  });
  on('quarantine', ({ type }) => metrics.jobsQuarantined.inc({ type: typeOf(type) }));
};
