import type { JobOutcome } from '../src/machines/job.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import type { HooksView, RescueView, SweepView } from './protocol.ts';
import { shorten } from './safe.ts';

/** What the reaper's own events say of its sweeps, looks for dead pools and hooks. */
export interface Passes {
  sweep(): SweepView;
  rescue(pools: RescueView['pools'], waiting: { count: number; pools: RescueView['pools'] }): RescueView;
  hooks(): HooksView;
  /** Looks what waits in Redis, for `hooks`. */
  look(): Promise<void>;
}

/** Receivers that are listed. */
const maxReceivers = 50;
/** Over how long the speed of a running sweep is measured, in ms. */
const window = 1_000;

/** @param onSweep is called when a sweep begins. */
export const createPasses = (
  { reaper, supervisor, clock, now, plan: isPlan }: Inspected,
  onSweep: () => void,
): Passes => {
  let sweep: Omit<SweepView, 'dueAt' | 'rate' | 'leader'> = {
    phase: 'none yet',
    plan: false,
    beganAt: undefined,
    endedAt: undefined,
    total: undefined,
    scanned: 0,
    verdicts: {},
    reasons: {},
    outcomes: {},
    error: undefined,
  };
  let counts = {
    scanned: 0,
    verdicts: new Map<string, number>(),
    reasons: new Map<string, number>(),
    outcomes: new Map<string, number>(),
  };
  /** How many had been scanned when, over the last second. */
  let speed: { at: number; scanned: number }[] = [];
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
  /** The sweep that was begun last, by a time that never jumps: its rate is measured by it. */
  let timing: { readonly began: number; readonly ended: number | undefined } | undefined;
  const elapsed = () => clock.monotonic?.() ?? clock.now();
  const hooks = { delivered: 0, failed: 0 };
  let queue: Pick<HooksView, 'pending' | 'parked' | 'receivers'> = { pending: 0, parked: 0, receivers: [] };

  const add = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);

  supervisor.on('sweep.started', ({ request }: { request: { plan: boolean } }) => {
    counts = { scanned: 0, verdicts: new Map(), reasons: new Map(), outcomes: new Map() };
    speed = [];
    const began: typeof sweep = {
      ...sweep,
      phase: 'running',
      plan: request.plan,
      beganAt: clock.now(),
      endedAt: undefined,
      total: undefined,
      error: undefined,
    };
    sweep = began;
    timing = { began: elapsed(), ended: undefined };
    onSweep();
    reaper.tracked().then(
      (total) => {
        if (sweep === began) sweep = { ...sweep, total };
      },
      () => undefined, // The sweep itself says what is wrong with Redis.
    );
  });
  reaper.on('job', ({ verdict, reason, outcome }: JobOutcome) => {
    counts.scanned += 1;
    add(counts.verdicts, verdict);
    add(counts.reasons, reason);
    add(counts.outcomes, outcome);
  });
  reaper.on('sweep', ({ error, suspended }) => {
    const reason = error ?? suspended;
    sweep = { ...sweep, phase: 'ended', endedAt: clock.now(), error: reason && shorten(reason) };
    if (timing !== undefined) timing = { ...timing, ended: elapsed() };
  });
  reaper.on('rescue', ({ alive, error, suspended, pools, entries, orphaned }) => {
    rescue.lastAt = clock.now();
    const reason = error ?? suspended;
    rescue.error = reason && shorten(reason);
    if (reason !== undefined) return;
    rescue.alive = alive;
    // A plan changes nothing: the next one finds the same again, so the last one's numbers are those that stand.
    if (isPlan) [rescue.planned, rescue.entries] = [pools.planned, entries + orphaned];
  });
  reaper.on('pool', ({ outcome, entries }) => {
    if (outcome === 'rescued') rescue.entries += entries;
    if (outcome === 'rescued' || outcome === 'cleaned' || outcome === 'abandoned') rescue[outcome] += 1;
    else if (outcome === 'alive') rescue.cleared += 1;
  });
  reaper.on('hook', ({ outcome }) => {
    if (outcome === 'delivered') hooks.delivered += 1;
    else if (outcome !== 'skipped') hooks.failed += 1;
  });

  const rate = () => {
    if (timing === undefined) return 0;
    if (timing.ended !== undefined) return perSecond(counts.scanned, timing.ended - timing.began);
    const at = elapsed();
    speed = [...speed.filter((sample) => at - sample.at <= window), { at, scanned: counts.scanned }];
    const [first] = speed as [{ at: number; scanned: number }];
    return at === first.at
      ? perSecond(counts.scanned, at - timing.began)
      : perSecond(counts.scanned - first.scanned, at - first.at);
  };

  return {
    sweep: () => ({
      ...sweep,
      dueAt: now().sweepDueAt,
      leader: leaderOf(now().leader),
      scanned: counts.scanned,
      rate: rate(),
      verdicts: Object.fromEntries(counts.verdicts),
      reasons: Object.fromEntries(counts.reasons),
      outcomes: Object.fromEntries(counts.outcomes),
    }),
    rescue: (pools, waiting) => ({
      ...rescue,
      dueAt: now().rescueDueAt,
      pools: [...pools, ...waiting.pools],
      suspects: waiting.count,
    }),
    hooks: () => ({ ...hooks, ...queue, inFlight: now().hooksInFlight }),
    async look() {
      const endpoints = await reaper.hooks.endpoints();
      const receivers = endpoints
        .sort((a, b) => b.failures - a.failures || b.pending - a.pending)
        .slice(0, maxReceivers)
        .map(({ origin, pending, breaker, failures, failingSinceAt, answer }) => ({
          origin: shorten(origin),
          pending,
          breaker,
          failures,
          failingSince: failingSinceAt === undefined ? undefined : Date.parse(failingSinceAt),
          answer: answer && shorten(answer),
        }));
      queue = {
        pending: endpoints.reduce((sum, { pending }) => sum + pending, 0),
        parked: await reaper.hooks.parkedCount(),
        receivers,
      };
    },
  };
};

const perSecond = (count: number, ms: number) => (ms <= 0 ? 0 : Math.round((count * 1_000) / ms));

const leaderOf = (leader: { readonly host: string; readonly isThisOne: boolean } | undefined): string | undefined =>
  leader?.isThisOne ? 'this one' : leader && shorten(leader.host);
