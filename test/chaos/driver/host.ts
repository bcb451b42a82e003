/**
 * A worker host of a chaos run, as a process. Arguments: its config (JSON), the id of its pool, the folder of the run's logs.
 *
 * It behaves like a Go host, faults included. It sends a fetch, an observation and a finish only once. If the reply gets lost,
 * this leaves an entry that no worker knows, an observation that was never written or never deleted, or an entry of a job
 * that has succeeded. A job that cannot begin is retried later. Only the status Success is sent until Redis confirms it, as
 * Harbor does. Unlike `examples/worker-host.ts`, it runs several jobs at once and records every run in a log that survives it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createReaper, type TrackedAttempt } from '../../../src/index.ts';
import { observedJobOf } from '../../support/entries.ts';
import { createUpstream } from '../../support/upstream.ts';
import type { CutPoint } from './acts.ts';
import type { HostConfig, JobArgs, ToHost } from './hostConfig.ts';
import { createObserver, type Observer } from './observer.ts';
import { hookOptions, hostRedis } from './reaperOptions.ts';
import { createReplication } from './replication.ts';
import { openRunLog } from './runLog.ts';
import {
  heartbeatMs,
  hostTimeoutMs,
  key,
  namespace,
  reconnectMs,
  retryMs,
  shortObservationS,
  types,
  workersAHost,
} from './settings.ts';

const [configText = '', pool = '', folder = ''] = process.argv.slice(2);
const { port, clockOffset, replicas, statuses }: HostConfig = JSON.parse(configText);
const note = openRunLog(folder, pool);
const log = (job: string, text: string) => note({ what: 'act', job, text });
process.on('disconnect', () => process.exit(0)); // The driver has ended.

const redis = new Redis(hostRedis(port, pool));
redis.on('error', () => undefined);
const { confirmed } = createReplication(redis, replicas);
// On the same connection, because WAIT is about the writes of one connection.
const { lifecycle } = createReaper({ redis, namespace, logger: false, hooks: hookOptions });
const workers = Array.from({ length: workersAHost }, (_, i) => `${pool}-w${i}`);
/** The clock of this host, which may be wrong. */
const hostSecond = () => Math.floor(Date.now() / 1_000) + clockOffset;
const gocraft = createUpstream(redis, `${namespace}:`, hostSecond);

const within = async <T>(ms: number, step: Promise<T>): Promise<T> =>
  Promise.race([step, sleep(ms, undefined, { ref: false }).then(() => Promise.reject(new Error('timed out')))]);

const startedAt = hostSecond();
const beat = async () => {
  const sentAt = Date.now();
  const value = hostSecond();
  await redis
    .multi()
    .sadd(key('worker_pools'), pool)
    .sadd(key('known_jobs'), ...Object.keys(types))
    .hset(key('worker_pools', pool), {
      heartbeat_at: value,
      started_at: startedAt,
      job_names: Object.keys(types).join(','),
      concurrency: workersAHost,
      worker_ids: workers.join(','),
      host: 'chaos',
      pid: process.pid,
    })
    .exec();
  note({ what: 'beat', value, sentAt });
};

/** Runs that wait at the point of their job's cut until the driver sends `go`. */
const waiting = new Map<string, () => void>();
process.on('message', ({ go }: ToHost) => {
  waiting.get(go)?.();
  waiting.delete(go);
});
const meet = async (at: CutPoint, run: string, job: string, { cut }: JobArgs) => {
  if (cut?.at !== at) return;
  await new Promise<void>((resolve) => {
    waiting.set(run, resolve);
    process.send?.({ event: 'cut', job, run, forMs: cut.forMs });
  });
};

/** Harbor's rules: a job in Success or Stopped ends without running; a job in Running or Error starts a new attempt. */
const begin = async (id: string): Promise<TrackedAttempt | string> => {
  const job = await within(hostTimeoutMs, lifecycle.load(id));
  const status = job?.stats.status ?? '';
  if (job === undefined || status === 'Success' || status === 'Stopped') return status || 'no stats';
  const isNew = status === 'Pending' || status === 'Scheduled';
  return statuses === 'go' ? beginAsGo(job, isNew) : beginByLifecycle(job, isNew);
};

/** Sends each step once, as a Go host does. */
const beginAsGo = async (loaded: TrackedAttempt, isNew: boolean): Promise<TrackedAttempt> => {
  let job = loaded;
  if (!isNew) {
    const stats = key('job_stats', job.id);
    await confirmed(() =>
      redis
        .multi()
        .hset(stats, { status: 'Pending', revision: hostSecond(), update_time: hostSecond() })
        .hdel(stats, 'ack', 'check_in', 'check_in_at')
        .hset(key('job_track', 'inprogress'), job.id, 2)
        .exec(),
    );
    job = (await within(hostTimeoutMs, lifecycle.load(job.id))) ?? job;
  }
  const reply = await confirmed(() => gocraft.setStatus(job.id, 'Running', job.revision));
  if (reply !== 'ok') throw new Error(`the status Running was refused: ${reply}`);
  return job;
};

/** Uses this project's lifecycle, which repeats each step. Without an answer in time the job is not run. */
const beginByLifecycle = async (job: TrackedAttempt, isNew: boolean): Promise<TrackedAttempt> => {
  const steps = [...(isNew ? [] : [() => job.reset()]), () => job.run()];
  for (const step of steps) {
    const reply = await within(hostTimeoutMs, confirmed(step));
    if (reply.outcome !== 'done') throw new Error(`refused: ${JSON.stringify(reply)}`);
  }
  return job;
};

const untilHeard = async <T>(step: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await step();
    } catch {
      await sleep(reconnectMs);
    }
  }
};

const writeSuccess = async (run: string, job: TrackedAttempt) => {
  const reply = await untilHeard(() => confirmed(() => job.succeed()));
  note({
    what: 'outcome',
    run,
    job: job.id,
    outcome: reply.outcome === 'done' ? 'succeeded' : `not written: ${reply.outcome}`,
  });
};

/** gocraft's finish, sent once. A job that could not run goes to `retry`. */
const finish = async (type: string, entry: string, error: unknown) => {
  if (error === undefined) return gocraft.finish(type, pool, entry);
  const job = JSON.parse(entry);
  const failed = { ...job, fails: (job.fails ?? 0) + 1, err: String(error), failed_at: hostSecond() };
  await redis
    .multi()
    .lrem(key('jobs', type, pool, 'inprogress'), 1, entry)
    .decr(key('jobs', type, 'lock'))
    .hincrby(key('jobs', type, 'lock_info'), pool, -1)
    .zadd(key('retry'), hostSecond() + Math.ceil(retryMs / 1_000), JSON.stringify(failed))
    .exec();
};

let runs = 0;
/** Entry → the latest run for which it was fetched. */
const newest = new Map<string, string>();

const work = async (observer: Observer, type: string, entry: string, askedAt: number) => {
  const run = `${pool}#${++runs}`;
  newest.set(entry, run);
  const { id, args } = JSON.parse(entry) as { id: string; args: JobArgs };
  const text = JSON.stringify(args);
  const jobId = observedJobOf(id, text) as string;
  await meet('fetched', run, jobId, args);
  observer.started({
    fields: { job_name: type, job_id: id, started_at: hostSecond(), args: text },
    ttl: args.observation === 'expires' ? shortObservationS : 86_400,
    isRefused: args.observation === 'refused',
  });
  const job = await begin(jobId).catch((error: Error) => error);
  if (job instanceof Error) log(jobId, `${run} did not begin: ${job.message}`);
  else if (typeof job === 'string') log(jobId, `${run} was not run: ${job}`);
  else {
    note({ what: 'begin', run, job: jobId, askedAt });
    await meet('running', run, jobId, args);
    await sleep(args.ms);
    note({ what: 'end', run, job: jobId });
    const writing = writeSuccess(run, job);
    // A Go host repeats the status Success in the background if the first write fails.
    await (statuses === 'go' ? within(hostTimeoutMs / 2, writing).catch(() => undefined) : writing);
    await meet('succeeded', run, jobId, args);
  }
  observer.done();
  // While the host slept, the entry was requeued and fetched by this pool again: it belongs to the newer run now.
  if (newest.get(entry) === run) {
    newest.delete(entry);
    await finish(type, entry, job instanceof Error ? job : undefined).catch(() =>
      log(jobId, `${run}: the finish got no answer`),
    );
  }
  await meet('finished', run, jobId, args);
};

const workFor = async (worker: string) => {
  const observer = createObserver(redis, key('worker', worker));
  for (;;) {
    let isIdle = true;
    for (const type of Object.keys(types)) {
      const askedAt = Date.now();
      const entry = await confirmed(() => gocraft.fetch(type, pool)).catch(() => null);
      if (entry === null) continue;
      isIdle = false;
      await work(observer, type, entry, askedAt);
    }
    if (isIdle) await sleep(30);
  }
};

/** gocraft's requeuer: moves entries from `retry` to their queues when they are due. */
const requeueScript = `
  local entry = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
  if entry then
    redis.call('ZREM', KEYS[1], entry)
    redis.call('LPUSH', ARGV[2] .. cjson.decode(entry).name, entry)
  end`;
const requeueRetries = () => redis.eval(requeueScript, 1, key('retry'), hostSecond(), key('jobs', ''));

await untilHeard(beat);
setInterval(() => void beat().catch(() => undefined), heartbeatMs);
setInterval(() => void requeueRetries().catch(() => undefined), heartbeatMs);
for (const worker of workers) void workFor(worker);
process.send?.({ event: 'ready' });
