/** What all processes of a chaos run agree on: names, and times scaled down so that a run takes about 15 s. */

export const namespace = '{chaos}';
/** A key of the run's namespace. */
export const key = (...parts: readonly string[]): string => `${namespace}:${parts.join(':')}`;

export const hostCount = 3;
export const reaperCount = 2;
export const jobCount = 300;
/** Jobs that a host runs at once. */
export const workersAHost = 3;

/** Job types by name, each with its concurrency cap (0: none): a cap is where a counter that has drifted is felt. */
export const types: Readonly<Record<string, number>> = { SCAN: 0, COLLECT: 2, RETENTION: 0 };

/** From one heartbeat to the next, in ms (gocraft: 5,000). */
export const heartbeatMs = 300;
/** Age below which a heartbeat is alive, in ms (by default 10,000). heartbeat_at is in whole seconds, so never less than 2,000. */
export const heartbeatAgeMs = 2_000;
/** How long a suspected pool may prove that it lives, in ms (by default 15,000). */
export const graceMs = 1_500;
/** How long an entry of a live pool must go unobserved to be lost, in ms (by default 30,000): longer than a stopped pool is taken to live. */
export const lostAfterMs = 3_000;
/** For how long a hook may be under way, in ms; what a process that dies was sending is sent by another 10 s after that. */
export const hookTimeoutMs = 1_000;
/** After how long a broken connection is made again, in ms. */
export const reconnectMs = 50;

/**
 * A host that was stopped for less than this, in ms, can't have been taken for dead: its heartbeat was written at most
 * `heartbeatMs` before, and up to 1 s later than what its heartbeat_at says.
 */
export const stoppedPastGraceMs = heartbeatAgeMs - 1_000 - heartbeatMs + graceMs;

/** Chaos begins, and ends, that many ms after the start of a run. */
export const chaosFromMs = 800;
export const chaosToMs = 9_000;
/** How long all may take to come to rest when the chaos is over, in ms. */
export const settleMs = 30_000;
