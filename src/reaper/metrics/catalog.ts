/** A metric as `/metrics` shows it. `docs/metrics.md` is generated from these. */
export interface MetricDefinition {
  /** Without the prefix. The unit is at its end: seconds, or `_total` for a counter. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds of a histogram, in seconds. */
  readonly buckets?: readonly number[];
}

export const prefix = 'jobservice_reaper_';

const judged = {
  jobsJudged: {
    name: 'jobs_judged_total',
    type: 'counter',
    help: 'Jobs judged by sweeps, by verdict, reason and job type.',
    labels: ['verdict', 'reason', 'type'],
  },
  jobActs: {
    name: 'job_acts_total',
    type: 'counter',
    help: 'Jobs with a verdict other than keep, by verdict and by how they ended; for already-pending, parked and deferred, nothing was done.',
    labels: ['verdict', 'outcome'],
  },
  jobsQuarantined: {
    name: 'jobs_quarantined_total',
    type: 'counter',
    help: 'Poison jobs that this host quarantined, by job type.',
    labels: ['type'],
  },
} as const satisfies Record<string, MetricDefinition>;

const passes = {
  passes: {
    name: 'passes_total',
    type: 'counter',
    help: 'Passes of this host, by kind and outcome: completed, scoped (some jobs or pools only), planned, suspended or failed.',
    labels: ['pass', 'outcome'],
  },
  passDuration: {
    name: 'pass_duration_seconds',
    type: 'histogram',
    help: 'Duration of the passes that completed, by kind.',
    labels: ['pass'],
    buckets: [0.05, 0.25, 1, 5, 15, 60, 300, 1_800, 7_200],
  },
  passAge: {
    name: 'pass_age_seconds',
    type: 'gauge',
    help: 'Time since the last pass that completed, on any host if the hosts share the schedule. Before the first one: since the start.',
    labels: ['pass'],
  },
  passInterval: {
    name: 'pass_interval_seconds',
    type: 'gauge',
    help: 'Configured interval of the passes; for rescues with the grace period.',
    labels: ['pass'],
  },
  suspended: {
    name: 'suspended',
    type: 'gauge',
    help: '1 for each kind of pass that is suspended, with the code of the reason. There is no series for others.',
    labels: ['pass', 'code'],
  },
} as const satisfies Record<string, MetricDefinition>;

const pools = {
  poolsAlive: { name: 'pools_alive', type: 'gauge', help: 'Live pools that the last rescue pass of this host saw.' },
  poolsWaiting: {
    name: 'pools_suspected',
    type: 'gauge',
    help: 'Suspected pools that wait for the end of their grace period, or for a free slot, on this host.',
  },
  poolsClockAhead: {
    name: 'pools_clock_ahead',
    type: 'gauge',
    help: 'Pools whose heartbeat is ahead of the clock of Redis.',
  },
  pools: {
    name: 'pools_total',
    type: 'counter',
    help: 'Suspected pools, by how they ended: rescued, cleaned, alive, abandoned or planned.',
    labels: ['outcome'],
  },
  falseDeaths: {
    name: 'false_deaths_total',
    type: 'counter',
    help: 'Pools that were declared dead and were seen alive later. Their jobs may have run twice.',
  },
  entriesRequeued: {
    name: 'entries_requeued_total',
    type: 'counter',
    help: 'Entries that went back to their queues, by cause (dead-pool or orphaned) and job type.',
    labels: ['cause', 'type'],
  },
  entriesRemoved: {
    name: 'entries_removed_total',
    type: 'counter',
    help: 'Stale entries of live pools that were removed because their jobs had ended in Success, by job type.',
    labels: ['type'],
  },
  entriesUndecided: {
    name: 'entries_undecided',
    type: 'gauge',
    help: 'Entries of live pools that look orphaned without proof, at the last rescue pass of this host.',
  },
  recovery: {
    name: 'recovery_seconds',
    type: 'histogram',
    help: 'Time from the first suspicion until the entries were back in their queues, by cause.',
    labels: ['cause'],
    buckets: [1, 5, 15, 30, 60, 120, 300, 900, 3_600],
  },
  countersRebuilt: {
    name: 'counters_rebuilt_total',
    type: 'counter',
    help: 'How often the lock counters of a job type had drifted and were rebuilt.',
    labels: ['type'],
  },
  driftEntries: {
    name: 'drift_entries_total',
    type: 'counter',
    help: 'Entries by which the lock of a job type was wrong when it was rebuilt, added up.',
    labels: ['type'],
  },
} as const satisfies Record<string, MetricDefinition>;

const queues = {
  tracked: { name: 'tracked_jobs', type: 'gauge', help: 'Tracked jobs.' },
  queueDepth: {
    name: 'queue_depth',
    type: 'gauge',
    help: 'Entries that wait in the queue of a type.',
    labels: ['type'],
  },
  queueOldest: {
    name: 'queue_oldest_seconds',
    type: 'gauge',
    help: 'Age of the oldest entry in the queue of a type, by the time at which it was enqueued; 0 if it is empty.',
    labels: ['type'],
  },
  queueRunning: {
    name: 'queue_running',
    type: 'gauge',
    help: 'Entries of a type in the in-progress lists of registered pools. Left out if there are too many lists to read.',
    labels: ['type'],
  },
  queueLock: {
    name: 'queue_lock',
    type: 'gauge',
    help: 'Lock counter of a type: what gocraft compares with the cap.',
    labels: ['type'],
  },
  queueCap: { name: 'queue_cap', type: 'gauge', help: 'Cap on running jobs of a type; 0 for none.', labels: ['type'] },
  queuePaused: { name: 'queue_paused', type: 'gauge', help: '1 if the queue of a type is paused.', labels: ['type'] },
  typesUnread: {
    name: 'queue_types_unread',
    type: 'gauge',
    help: 'Registered job types beyond the limit of 200, whose queues are not read.',
  },
  retry: { name: 'retry_jobs', type: 'gauge', help: 'Jobs that wait for a retry.' },
  scheduled: { name: 'scheduled_jobs', type: 'gauge', help: 'Jobs that are scheduled for later.' },
  dead: { name: 'dead_jobs', type: 'gauge', help: 'Jobs in the dead set.' },
  quarantined: { name: 'quarantined_jobs', type: 'gauge', help: 'Poison jobs in quarantine.' },
} as const satisfies Record<string, MetricDefinition>;

const hooks = {
  hookAttempts: {
    name: 'hook_attempts_total',
    type: 'counter',
    help: 'Hooks that this host attempted, by outcome and endpoint. `host-error`: this host lacked something.',
    labels: ['outcome', 'endpoint'],
  },
  hooksInFlight: { name: 'hooks_in_flight', type: 'gauge', help: 'Hooks that this host is sending now.' },
  hooksPending: {
    name: 'hooks_pending',
    type: 'gauge',
    help: 'Hooks that wait for an endpoint.',
    labels: ['endpoint'],
  },
  hooksOverdue: {
    name: 'hooks_overdue_seconds',
    type: 'gauge',
    help: 'For how long the oldest hook of an endpoint has been due; 0 if none is.',
    labels: ['endpoint'],
  },
  hooksParked: { name: 'hooks_parked', type: 'gauge', help: 'Parked hooks.' },
  endpointFailing: {
    name: 'hook_endpoint_failing_seconds',
    type: 'gauge',
    help: 'Time since the first of the consecutive failures of an endpoint; 0 if the last attempt succeeded.',
    labels: ['endpoint'],
  },
  circuit: {
    name: 'hook_circuit',
    type: 'gauge',
    help: '1 for the state that the circuit of an endpoint is in (closed, open, probing or draining), 0 for the others.',
    labels: ['endpoint', 'state'],
  },
} as const satisfies Record<string, MetricDefinition>;

const state = {
  info: {
    name: 'info',
    type: 'gauge',
    help: 'Always 1: version of the reaper, and the namespace that it supervises.',
    labels: ['version', 'namespace'],
  },
  live: { name: 'live', type: 'gauge', help: '1 if `/livez` says so: no actor has crashed for good.' },
  ready: {
    name: 'ready',
    type: 'gauge',
    help: '1 if `/readyz` says so: Redis is confirmed, nothing is suspended, and passes are on time.',
  },
  leader: {
    name: 'leader',
    type: 'gauge',
    help: '1 if this host is the leader of the scheduled passes. Left out if the hosts share no schedule.',
  },
  leaseRemaining: {
    name: 'lease_remaining_seconds',
    type: 'gauge',
    help: 'Time until the lease ends that this host knows of; 0 if it has ended.',
  },
  leaderChanges: { name: 'leader_changes_total', type: 'counter', help: 'Changes of the leader that this host saw.' },
  errors: { name: 'errors_total', type: 'counter', help: 'Errors in the background, by code.', labels: ['code'] },
  redisUp: { name: 'redis_up', type: 'gauge', help: '1 if the connection to Redis is confirmed.' },
  redisOutages: { name: 'redis_outages_total', type: 'counter', help: 'Times that the connection to Redis was lost.' },
  roundTrip: {
    name: 'redis_round_trip_seconds',
    type: 'gauge',
    help: 'Time that Redis took to answer one small command at the last reading.',
  },
  readingAge: {
    name: 'redis_reading_age_seconds',
    type: 'gauge',
    help: 'Age of the values that were read from Redis for this scrape. It grows during an outage.',
  },
  scripts: {
    name: 'redis_script_duration_seconds',
    type: 'histogram',
    help: 'Time from sending a script until its reply, by script.',
    labels: ['script'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5],
  },
} as const satisfies Record<string, MetricDefinition>;

/** All metrics of the reaper, in the order of the docs. */
export const catalog = { ...state, ...passes, ...judged, ...pools, ...queues, ...hooks };
export type MetricKey = keyof typeof catalog;
