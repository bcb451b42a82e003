/** Settings of all processes of a chaos run: names, and times that are short enough for a run of about 15 s. */

export const namespace = '{chaos}';
/** A key of the run's namespace. */
export const key = (...parts: readonly string[]): string => `${namespace}:${parts.join(':')}`;
/** The database of the run. Nothing may be written to database 0. */
export const database = 3;
/** The Redis user of the reapers. Its rights are removed and restored during a run. */
export const reaperUser = { name: 'chaos-reaper', password: 'chaos-reaper-password' };
/** The sentinels' name of the master. */
export const masterName = 'chaos';

export const hostCount = 3;
export const reaperCount = 2;
export const jobCount = 300;
/** Workers of a host. */
export const workersAHost = 3;
/** Tracked jobs that never run. They make a sweep long enough for an outage to happen during it. */
export const standingCount = 3_000;

/** Job types with their concurrency caps (0: none). With a cap, counters with drift have an effect. */
export const types: Readonly<Record<string, number>> = { SCAN: 0, COLLECT: 2, RETENTION: 0 };

/** Interval of heartbeats, in ms (gocraft: 5,000). */
export const heartbeatMs = 300;
/** Interval of a worker's observer, in ms (gocraft: 1,000). */
export const observerMs = 100;
/** Delay of gocraft's retry of a failed job, in ms (gocraft: 15,000 and more). */
export const retryMs = 1_000;
/** TTL of an observation that expires early, in s (Harbor's MAX_JOB_DURATION_SECONDS). */
export const shortObservationS = 2;
/** A host's time-out for replies of Redis, in ms (Harbor: 10,000). */
export const hostTimeoutMs = 1_000;
/** The driver's time-out for replies of Redis, in ms. It sends the command again afterwards. */
export const driverTimeoutMs = 10_000;
/** Maximum clock offset of a host, in s. */
export const clockOffsetS = 20;
/** Heartbeat time-out, in ms (default 10,000). heartbeat_at has whole seconds, so it is at least 2,000. */
export const heartbeatAgeMs = 2_000;
/**
 * Grace of a suspected pool, in ms (default 15,000): more than two steps of heartbeat_at, because a pool with a wrong clock
 * has no other proof that it is alive.
 */
export const graceMs = 2_500;
/** Time without an observation after which an entry of a live pool is orphaned, in ms (default 30,000). */
export const lostAfterMs = 3_000;
/** Time-out of a hook, in ms. If its sender dies, another process sends it 10 s after that. */
export const hookTimeoutMs = 1_000;
/** Delay of a reconnect, in ms. */
export const reconnectMs = 50;

/** Time from the latest heartbeat to the confirmed death of a pool, in ms, at its shortest. */
export const deadAfterMs = heartbeatAgeMs - 1_000 + graceMs;
/** A host that was stopped for less than this, in ms, cannot have been considered dead. */
export const stoppedPastGraceMs = deadAfterMs - heartbeatMs;

/** Start and end of the acts, in ms after the start of a run. */
export const chaosFromMs = 800;
export const chaosToMs = 9_000;

/**
 * A run is abandoned after this many passes, and this time in ms, without progress. A slow machine has slower passes, so it
 * gets more time.
 */
export const quietPasses = { rescue: 60, sweep: 10 };
export const quietMs = 35_000;
/** Maximum time without a change, in ms. After it the run is abandoned, regardless of the passes. */
export const standstillMs = 150_000;
/** A host that still holds undecided entries after this many rescue passes without a change is ended. */
export const endHostAfterPasses = 50;
