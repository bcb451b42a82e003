import { createJobActs, type JobActs } from '../io/acts.ts';
import type { PlaceVisitor } from '../io/evidence/places.ts';
import { scanWithEvidence } from '../io/evidence/scan.ts';
import { createSearch, type Search } from '../io/evidence/search.ts';
import { createPace, noPace } from '../io/jobs/pace.ts';
import type { PageReader } from '../io/jobs/pageReader.ts';
import { screenOf } from '../io/jobs/screen.ts';
import { createTrackedJobs, type TrackedJobs } from '../io/jobs/trackedJobs.ts';
import type { ScanPoint } from '../io/jobs/trackedScan.ts';
import { createLease, type Lease } from '../io/leader/lease.ts';
import { createOrphans, type Orphans } from '../io/pools/orphans.ts';
import { createPreflight, type Preflight } from '../io/pools/preflight.ts';
import { createQuarantine, type Quarantine } from '../io/pools/quarantine.ts';
import { createPools, type Pools } from '../io/pools/rescue.ts';
import type { Deps } from '../io/redis/deps.ts';
import type { SweepScope } from '../machines/types/scope.ts';
import type { Policy } from '../machines/verdict.ts';
import type { ReaperSettings } from '../options.ts';
import { createDelivery, type Delivery, type Dispatching } from './delivery.ts';
import type { Reporting } from './reporting.ts';

/** Everything that the actors and the queries use to work on Redis and to send hooks. */
export interface Ports {
  readonly policy: Policy;
  readonly tracked: TrackedJobs;
  readonly lease: Lease;
  readonly preflight: Preflight;
  readonly pools: Pools;
  readonly orphans: Orphans;
  readonly quarantine: Quarantine;
  readonly delivery: Delivery;
  readonly acts: JobActs;
  /** Searches all places of the namespace, without waiting for others. `visitor` sees everything that is read. */
  search(visitor: PlaceVisitor): Search;
  /** Begins to scan all tracked jobs, or those that a scope names. A plan records nothing about the pools that it meets. */
  scan(plan: boolean, from?: ScanPoint, scope?: SweepScope): PageReader;
}

export const createPorts = (
  deps: Deps,
  settings: ReaperSettings,
  random: () => number,
  reporting: Reporting,
  supervision: () => Dispatching,
): Ports => {
  const { sweep, rescue } = settings;
  const limits = limitsOf(settings);
  const policy = policyOf(limits);
  const screen = sweep.screen ? screenOf(deps.keys, limits) : undefined;
  const pace = createPace(deps.clock, sweep.maxRedisShare);
  const tracked = createTrackedJobs({ ...deps, pace, pageSize: sweep.pageSize, random });
  const lease = createLease({ ...deps, durationMs: settings.lease.duration });
  const delivery = createDelivery({
    ...deps,
    settings: settings.hooks,
    random,
    onOutcome: reporting.hook,
    fault: reporting.fault,
    supervision,
  });
  const { passHooks: hooks, records } = delivery;
  const poolPorts = createPoolPorts(deps, settings, reporting);
  const { pools, preflight } = poolPorts;
  const ofPools = { heartbeatAge: rescue.heartbeatTimeout, recovery: recoveryOf(settings) };
  const quarantine = createQuarantine({
    ...deps,
    ...ofPools,
    tracked,
    hooks,
    records,
    onQuarantined: reporting.quarantined,
    onLostReply: preflight.countError,
  });
  const orphans = createOrphans({
    ...deps,
    ...ofPools,
    orphanedAfter: rescue.orphanedAfter,
    batch: rescue.batchSize,
    quarantine,
    onSkipped: reporting.skipped,
  });
  const newSearch = (options: Pick<Parameters<typeof createSearch>[0], 'pace' | 'visitor' | 'recorder'>) =>
    createSearch({ ...deps, ...options, pools, seed: Math.floor(random() * 2 ** 32) });
  return {
    ...{ policy, tracked, lease, preflight, pools, orphans, quarantine, delivery },
    acts: createJobActs({ ...deps, tracked, hooks, records }),
    search: (visitor) => newSearch({ pace: noPace, visitor }),
    scan: (plan, from, scope) =>
      scanWithEvidence({
        tracked,
        from,
        scope,
        screen,
        policy,
        createSearch: () => newSearch({ pace, ...(plan ? {} : { recorder: pools }) }),
      }),
  };
};

const createPoolPorts = (
  deps: Deps,
  { jobTypes, rescue, ...settings }: ReaperSettings,
  { fault, clockAhead }: Reporting,
): Pick<Ports, 'pools' | 'preflight'> => {
  const { log } = deps;
  const preflight = createPreflight({
    ...deps,
    onDisruption: (reason) =>
      log.warn({ code: 'disruption', disruptions: reason }, 'disruption detected: grace periods restarted'),
  });
  let uncounted: string | undefined;
  const pools = createPools({
    ...deps,
    jobTypes,
    heartbeatAge: rescue.heartbeatTimeout,
    grace: rescue.grace,
    batch: rescue.batchSize,
    recovery: recoveryOf({ ...settings, rescue }),
    onUncounted(reason) {
      if (reason !== uncounted) fault('recording recoveries', reason);
      uncounted = reason;
    },
    disruptions: preflight.count,
    onLostReply: preflight.countError,
    onClockAhead: clockAhead,
  });
  return { pools, preflight };
};

const recoveryOf = ({ rescue }: Pick<ReaperSettings, 'rescue'>) => ({
  maxRecoveries: rescue.maxRecoveries,
  windowS: secondsOf(rescue.recoveryWindow),
});

/** The limits by which jobs are judged, in s. */
type Limits = ReturnType<typeof limitsOf>;
const limitsOf = (settings: ReaperSettings) => ({
  hungAfter: secondsOf(settings.hungAfter),
  hungAfterByType: byType(settings.hungAfterByType),
  runTimeLimitByType: byType(settings.runTimeLimitByType),
  refireGrace: secondsOf(settings.refireGrace),
  clockTolerance: secondsOf(settings.clockTolerance),
});

/** A map, because a job type may have the name of a method of Object. */
const byType = (durations: Readonly<Record<string, number>>): ReadonlyMap<string, number> =>
  new Map(Object.entries(durations).map(([type, duration]) => [type, secondsOf(duration)]));

const policyOf = ({ hungAfter, hungAfterByType, runTimeLimitByType, ...limits }: Limits): Policy => ({
  ...limits,
  hungAfter: (type) => limitOf(hungAfterByType, type) ?? hungAfter,
  runLimit: (type) => limitOf(runTimeLimitByType, type),
});

const limitOf = (limits: ReadonlyMap<string | undefined, number>, type: string | undefined) => limits.get(type);

/** Times of jobs are whole seconds. A duration between two of them is rounded up. */
const secondsOf = (ms: number): number => Math.ceil(ms / 1_000);
