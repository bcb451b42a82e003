import { type CountedOutcome, screenedOutcome } from '../src/machines/tally.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import type { HooksView, RescueView, SweepView } from './protocol.ts';
import { shorten } from './safe.ts';

/** What the page shows of sweeps, rescues and hooks. It comes from the reaper's events and, for hooks, from Redis. */
export interface Passes {
  sweep(): SweepView;
  rescue(pools: RescueView['pools'], waiting: { count: number; pools: RescueView['pools'] }): RescueView;
  hooks(): HooksView;
  /** Reads from Redis what hooks wait, for the next call of `hooks`. */
  refresh(): Promise<void>;
}

/** Endpoints that are listed. */
const maxEndpoints = 50;
/** The time over which the rate of a running sweep is measured, in ms. */
const window = 1_000;

/** @param onSweep called when a sweep begins. */
export const createPasses = (inspected: Inspected, onSweep: () => void): Passes => {
  const { now } = inspected;
  const sweep = followSweeps(inspected, onSweep);
  const rescue = followRescues(inspected);
  const hooks = followHooks(inspected);
  return {
    sweep: () => ({ ...sweep(), dueAt: now().sweepDueAt, leader: leaderOf(now().leader) }),
    rescue: (pools, waiting) => ({
      ...rescue,
      dueAt: now().rescueDueAt,
      pools: [...pools, ...waiting.pools],
      suspects: waiting.count,
    }),
    hooks: () => ({ ...hooks.counts(), inFlight: now().hooksInFlight }),
    refresh: hooks.refresh,
  };
};

const followSweeps = (
  { reaper, supervisor, clock }: Inspected,
  onSweep: () => void,
): (() => Omit<SweepView, 'dueAt' | 'leader'>) => {
  let sweep = idle;
  let counts = createCounts();
  let rate = () => 0;
  /** By a clock that never jumps. */
  const elapsed = () => clock.monotonic?.() ?? clock.now();
  let endedAt: number | undefined;

  supervisor.on('sweep.started', ({ request }: { request: { plan: boolean } }) => {
    counts = createCounts();
    endedAt = undefined;
    rate = createRate(counts.scanned, elapsed, () => endedAt);
    const began: typeof sweep = { ...idle, phase: 'running', plan: request.plan, beganAt: clock.now() };
    sweep = began;
    onSweep();
    reaper.tracked().then(
      (total) => {
        if (sweep === began) sweep = { ...sweep, total };
      },
      () => undefined, // The sweep itself reports that Redis fails.
    );
  });
  reaper.on('job', (job) => counts.add(job));
  reaper.on('screened', ({ count }) => counts.screen(count));
  reaper.on('sweep', ({ error, suspended }) => {
    const reason = error ?? suspended?.message;
    sweep = { ...sweep, phase: 'ended', endedAt: clock.now(), error: reason && shorten(reason) };
    endedAt = elapsed();
  });

  return () => ({ ...sweep, ...counts.view(), rate: rate() });
};

const idle: Pick<SweepView, 'phase' | 'plan' | 'beganAt' | 'endedAt' | 'total' | 'error'> = {
  phase: 'none-yet',
  plan: false,
  beganAt: undefined,
  endedAt: undefined,
  total: undefined,
  error: undefined,
};

/** Counts the jobs of one sweep. */
const createCounts = () => {
  let scanned = 0;
  let screened = 0;
  const verdicts = new Map<string, number>();
  const reasons = new Map<string, number>();
  const outcomes = new Map<string, number>();
  const addTo = (counts: Map<string, number>, key: string, count: number) =>
    counts.set(key, (counts.get(key) ?? 0) + count);
  const add = ({ verdict, reason, outcome }: CountedOutcome, count = 1) => {
    scanned += count;
    addTo(verdicts, verdict, count);
    addTo(reasons, reason, count);
    addTo(outcomes, outcome, count);
  };
  return {
    scanned: () => scanned,
    add,
    /** Jobs that were passed over. */
    screen(count: number) {
      screened += count;
      add(screenedOutcome, count);
    },
    view: () => ({
      scanned,
      screened,
      verdicts: Object.fromEntries(verdicts),
      reasons: Object.fromEntries(reasons),
      outcomes: Object.fromEntries(outcomes),
    }),
  };
};

/** Measures the jobs a second of one sweep: over the last second while it runs, over all of it once it has ended. */
const createRate = (scanned: () => number, elapsed: () => number, endedAt: () => number | undefined) => {
  const beganAt = elapsed();
  let samples: { readonly at: number; readonly scanned: number }[] = [];
  return (): number => {
    const end = endedAt();
    if (end !== undefined) return perSecond(scanned(), end - beganAt);
    const at = elapsed();
    samples = [...samples.filter((sample) => at - sample.at <= window), { at, scanned: scanned() }];
    const [first] = samples as [{ at: number; scanned: number }];
    return at === first.at ? perSecond(scanned(), at - beganAt) : perSecond(scanned() - first.scanned, at - first.at);
  };
};

const perSecond = (count: number, ms: number) => (ms <= 0 ? 0 : Math.round((count * 1_000) / ms));

const followRescues = ({ reaper, clock, plan: isPlan }: Inspected) => {
  const rescue = {
    lastAt: undefined as number | undefined,
    alive: 0,
    rescued: 0,
    cleaned: 0,
    cleared: 0,
    abandoned: 0,
    entries: 0,
    planned: isPlan ? 0 : (undefined as number | undefined),
    error: undefined as string | undefined,
  };
  reaper.on('rescue', ({ alive, error, suspended, pools, entries, orphaned }) => {
    rescue.lastAt = clock.now();
    const reason = error ?? suspended?.message;
    rescue.error = reason && shorten(reason);
    if (reason !== undefined) return;
    rescue.alive = alive;
    // A plan changes nothing, so the next one finds the same again: its numbers replace those of the one before.
    if (isPlan) [rescue.planned, rescue.entries] = [pools.planned, entries + orphaned];
  });
  reaper.on('pool', ({ outcome, entries }) => {
    if (outcome === 'rescued' || outcome === 'cleaned') rescue.entries += entries;
    if (outcome === 'rescued' || outcome === 'cleaned' || outcome === 'abandoned') rescue[outcome] += 1;
    else if (outcome === 'alive') rescue.cleared += 1;
  });
  return rescue;
};

const followHooks = ({ reaper }: Inspected) => {
  const hooks = { delivered: 0, failed: 0 };
  let waiting: Pick<HooksView, 'pending' | 'parked' | 'endpoints'> = { pending: 0, parked: 0, endpoints: [] };
  reaper.on('hook', ({ outcome }) => {
    if (outcome === 'delivered') hooks.delivered += 1;
    else if (outcome !== 'skipped') hooks.failed += 1;
  });
  return {
    counts: () => ({ ...hooks, ...waiting }),
    async refresh() {
      const all = await reaper.hooks.endpoints();
      const endpoints = all
        .sort((a, b) => b.failures - a.failures || b.pending - a.pending)
        .slice(0, maxEndpoints)
        .map(({ endpoint, pending, breaker, failures, failingSinceAt, answer }) => ({
          endpoint: shorten(endpoint),
          pending,
          breaker,
          failures,
          failingSince: failingSinceAt === undefined ? undefined : Date.parse(failingSinceAt),
          answer: answer && shorten(answer),
        }));
      waiting = {
        pending: all.reduce((sum, { pending }) => sum + pending, 0),
        parked: await reaper.hooks.parkedCount(),
        endpoints,
      };
    },
  };
};

const leaderOf = (leader: { readonly host: string; readonly isThisOne: boolean } | undefined): string | undefined =>
  leader?.isThisOne ? 'this one' : leader && shorten(leader.host);
