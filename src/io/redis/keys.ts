/** The keys of one namespace, as Harbor's jobservice and gocraft/work name them. */
export interface Keys {
  /** The namespace with its colon. */
  readonly prefix: string;
  readonly track: string;
  readonly pools: string;
  readonly knownJobs: string;
  readonly retry: string;
  readonly scheduled: string;
  readonly dead: string;
  /** Ours, all below `<ns>reaper:`: records of undelivered hooks, parked ones, origins of receivers (`docs/keys.md`). */
  readonly hooks: string;
  readonly parkedHooks: string;
  readonly hookOrigins: string;
  /** Ours: pools whose workers say what they run, by when that was last seen. */
  readonly observed: string;
  /** Ours: what the workers of a live pool said last, and since when entries that it holds are unobserved. */
  workerRecords(pool: string): string;
  unobserved(pool: string): string;
  /** How often jobs were taken from dead workers, and those that are taken out of circulation for it. */
  readonly recoveries: string;
  readonly recovered: string;
  readonly quarantine: string;
  /** Ours: what the stats of a job were before its quarantine made it an Error. */
  beforeQuarantine(id: string): string;
  /** Ours: the latest changes of a job that may be sent again, with the answers that they got. */
  changes(id: string): string;
  /** Ours: the answer of one call of a rescue or of the quarantine, by its token. */
  answer(token: string): string;
  /** Written to prove that Redis takes writes. */
  readonly probe: string;
  /** Who does the scheduled passes, and how far they are. */
  readonly lease: string;
  readonly progress: string;
  /** Pools whose heartbeat was not fresh at the last rescue pass, since when, and whether it moves. */
  readonly suspects: string;
  /** Which recount of a type's counters was opened last. */
  recount(type: string): string;
  /** Queue of a receiver, by its origin, and what is known of it. */
  dueHooks(origin: string): string;
  hookEndpoint(origin: string): string;
  /** The answer of a claim, by its token. */
  hookClaim(token: string): string;
  stats(id: string): string;
  executions(policy: string): string;
  heartbeat(pool: string): string;
  worker(id: string): string;
  queue(type: string): string;
  inProgress(type: string, pool: string): string;
  lock(type: string): string;
  lockInfo(type: string): string;
  maxConcurrency(type: string): string;
  paused(type: string): string;
  /** Pattern for SCAN that finds every key of the queues: in-progress lists and counters among them. */
  readonly jobsPattern: string;
  /** What the names of all of these keys begin with. `keyNames.ts` reads what stands behind it. */
  readonly jobsPrefix: string;
}

/**
 * Names the keys of a namespace. White space around it is trimmed and one colon appended if it has none (source:
 * gocraft/work `redisNamespacePrefix`); braces are the caller's: Harbor writes them, other users may not.
 */
export const keysOf = (namespace: string): Keys => {
  const trimmed = namespace.trim();
  const prefix = trimmed === '' || trimmed.endsWith(':') ? trimmed : `${trimmed}:`;
  const jobs = `${prefix}jobs:`;
  return {
    prefix,
    track: `${prefix}job_track:inprogress`,
    pools: `${prefix}worker_pools`,
    knownJobs: `${prefix}known_jobs`,
    retry: `${prefix}retry`,
    scheduled: `${prefix}scheduled`,
    dead: `${prefix}dead`,
    hooks: `${prefix}reaper:hooks`,
    parkedHooks: `${prefix}reaper:hooks:parked`,
    hookOrigins: `${prefix}reaper:hooks:origins`,
    observed: `${prefix}reaper:observed`,
    workerRecords: (pool) => `${prefix}reaper:workers:${pool}`,
    unobserved: (pool) => `${prefix}reaper:unobserved:${pool}`,
    recoveries: `${prefix}reaper:recoveries`,
    recovered: `${prefix}reaper:recovered`,
    quarantine: `${prefix}reaper:quarantine`,
    beforeQuarantine: (id) => `${prefix}reaper:quarantine:before:${id}`,
    changes: (id) => `${prefix}reaper:changes:${id}`,
    answer: (token) => `${prefix}reaper:answers:${token}`,
    probe: `${prefix}reaper:probe`,
    lease: `${prefix}reaper:lease`,
    progress: `${prefix}reaper:progress`,
    suspects: `${prefix}reaper:suspects`,
    recount: (type) => `${prefix}reaper:recount:${type}`,
    dueHooks: (origin) => `${prefix}reaper:hooks:due:${origin}`,
    hookEndpoint: (origin) => `${prefix}reaper:hooks:endpoint:${origin}`,
    hookClaim: (token) => `${prefix}reaper:hooks:claim:${token}`,
    stats: (id) => `${prefix}job_stats:${id}`,
    executions: (policy) => `${prefix}executions:${policy}`,
    heartbeat: (pool) => `${prefix}worker_pools:${pool}`,
    worker: (id) => `${prefix}worker:${id}`,
    queue: (type) => `${jobs}${type}`,
    inProgress: (type, pool) => `${jobs}${type}:${pool}:inprogress`,
    lock: (type) => `${jobs}${type}:lock`,
    lockInfo: (type) => `${jobs}${type}:lock_info`,
    maxConcurrency: (type) => `${jobs}${type}:max_concurrency`,
    paused: (type) => `${jobs}${type}:paused`,
    jobsPattern: `${escapeGlob(jobs)}*`,
    jobsPrefix: jobs,
  };
};

export const escapeGlob = (text: string) => text.replace(/[*?[\]\\]/g, '\\$&');
