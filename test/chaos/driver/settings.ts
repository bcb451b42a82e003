/** What all processes of a chaos run agree on: names, and times scaled down so that a run takes about 15 s. */

export const namespace = '{chaos}';
/** A key of the run's namespace. */
export const key = (...parts: readonly string[]): string => `${namespace}:${parts.join(':')}`;
/** The database that everything works in. Nothing may ever be written to database 0. */
export const database = 3;
/** The Redis user of the reapers; its rights are taken away and given back during a run. */
export const reaperUser = { name: 'chaos-reaper', password: 'chaos-reaper-password' };
/** What the sentinels call the master. */
export const masterName = 'chaos';

export const hostCount = 3;
export const reaperCount = 2;
export const jobCount = 300;
/** Jobs that a host runs at once. */
export const workersAHost = 3;
/** Jobs that are tracked throughout and never run, where a sweep has to be long enough to be met by an outage. */
export const standingCount = 3_000;

/** Job types by name, each with its concurrency cap (0: none): a cap is where a counter that has drifted is felt. */
export const types: Readonly<Record<string, number>> = { SCAN: 0, COLLECT: 2, RETENTION: 0 };

/** From one heartbeat to the next, in ms (gocraft: 5,000). */
export const heartbeatMs = 300;
/** How often a worker's observer writes what has changed, in ms (gocraft: 1,000). */
export const observerMs = 100;
/** After how long gocraft runs a failed job again, in ms (gocraft: 15,000 and more). */
export const retryMs = 1_000;
/** How long an observation stands that expires early, in s: Harbor's MAX_JOB_DURATION_SECONDS. */
export const shortObservationS = 2;
/** How long a host waits for an answer of Redis, in ms (Harbor: 10,000). */
export const hostTimeoutMs = 1_000;
/** How long the driver waits for an answer of Redis before it asks again, in ms. */
export const driverTimeoutMs = 10_000;
/** How far the clock of a host may be off, in s. */
export const clockOffsetS = 20;
/** Age below which a heartbeat is alive, in ms (by default 10,000). heartbeat_at is in whole seconds, so never less than 2,000. */
export const heartbeatTimeout = 2_000;
/**
 * How long a suspected pool may prove that it lives, in ms (by default 15,000): more than two steps of heartbeat_at, for a
 * pool whose clock is off proves it by nothing else.
 */
export const grace = 2_500;
/** How long an entry of a live pool must go unobserved to be orphaned, in ms (by default 30,000). */
export const orphanedAfter = 3_000;
/** Time-out of a hook, in ms; what a process that dies was sending is sent by another 10 s after that. */
export const hookTimeoutMs = 1_000;
/** After how long a broken connection is made again, in ms. */
export const reconnectMs = 50;

/** For how long a heartbeat that is younger than the clock's second may stand until its pool is confirmed dead, in ms. */
export const deadAfterMs = heartbeatTimeout - 1_000 + grace;
/** A host that was stopped for less than this, in ms, can't have been taken for dead. */
export const stoppedPastGraceMs = deadAfterMs - heartbeatMs;

/** Chaos begins, and ends, that many ms after the start of a run. */
export const chaosFromMs = 800;
export const chaosToMs = 9_000;

/**
 * A run is given up when nothing has come right for so many passes of the reapers, and for so long, in ms. Passes come
 * as fast as the machine lets them, so that a slow machine gets more time.
 */
export const quietPasses = { rescue: 60, sweep: 10 };
export const quietMs = 35_000;
/** After how long without any change, in ms, a run is given up whatever the reapers do: they do nothing. */
export const standstillMs = 150_000;
/** A host that still holds undecided entries after so many rescue passes without a change is ended. */
export const endHostAfterPasses = 50;
