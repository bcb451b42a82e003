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
  /** The reaper's own keys, all below `<ns>reaper:` (`docs/keys.md`). Undelivered hooks, parked hooks, origins of endpoints. */
  readonly hooks: string;
  readonly parkedHooks: string;
  readonly hookEndpoints: string;
  /** Own: pools with observations, by the time of the last one. */
  readonly observed: string;
  /** Own: the last observations of a live pool, and since when its entries are unobserved. */
  workerRecords(pool: string): string;
  unobserved(pool: string): string;
  /** Own: how often jobs were recovered from dead workers, and the poison jobs in quarantine. */
  readonly recoveries: string;
  readonly recovered: string;
  readonly quarantine: string;
  /** Own: the stats of a job before its quarantine set it to Error. */
  beforeQuarantine(id: string): string;
  /** Own: the latest changes of a job that may be sent again, with their replies. */
  changes(id: string): string;
  /** Own: the reply of one step of a rescue or of the quarantine, by its token. */
  answer(token: string): string;
  /** Own: what the reaper has done, and what an undo of it needs, by its token. */
  readonly audit: string;
  auditKept(token: string): string;
  /** Own: written to prove that Redis accepts writes. */
  readonly probe: string;
  /** Own: the leader of the scheduled passes, and their progress. */
  readonly lease: string;
  readonly progress: string;
  /** Own: pools whose heartbeat was not fresh at the last rescue pass, since when, and whether it moves. */
  readonly suspects: string;
  /** Own: says that entries of a dead pool were requeued or quarantined, until the pool is removed. */
  rescueNote(pool: string): string;
  /** Own: pools that were declared dead and removed, by the time (ms). */
  readonly declaredDead: string;
  /** Own: token of the recount of a type's counters that was opened last. */
  recount(type: string): string;
  /** Own: the queue of an endpoint, by its origin, and the state of the endpoint. */
  dueHooks(origin: string): string;
  hookEndpoint(origin: string): string;
  /** Own: the reply of a claim, by its token. */
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
  /** SCAN pattern of every key of the queues, with in-progress lists and counters. */
  readonly jobsPattern: string;
  /** The common prefix of these keys. `keyNames.ts` parses the rest. */
  readonly jobsPrefix: string;
}

/**
 * Names the keys of a namespace. White space around it is trimmed, and a colon is appended if there is none (source:
 * gocraft/work `redisNamespacePrefix`). Braces are up to the caller: Harbor uses them, others may not.
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
    hookEndpoints: `${prefix}reaper:hooks:origins`,
    observed: `${prefix}reaper:observed`,
    workerRecords: (pool) => `${prefix}reaper:workers:${pool}`,
    unobserved: (pool) => `${prefix}reaper:unobserved:${pool}`,
    recoveries: `${prefix}reaper:recoveries`,
    recovered: `${prefix}reaper:recovered`,
    quarantine: `${prefix}reaper:quarantine`,
    beforeQuarantine: (id) => `${prefix}reaper:quarantine:before:${id}`,
    changes: (id) => `${prefix}reaper:changes:${id}`,
    answer: (token) => `${prefix}reaper:answers:${token}`,
    audit: `${prefix}reaper:audit`,
    auditKept: (token) => `${prefix}reaper:audit:kept:${token}`,
    probe: `${prefix}reaper:probe`,
    lease: `${prefix}reaper:lease`,
    progress: `${prefix}reaper:progress`,
    suspects: `${prefix}reaper:suspects`,
    rescueNote: (pool) => `${prefix}reaper:rescues:${pool}`,
    declaredDead: `${prefix}reaper:declared_dead`,
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
