/**
 * A worker host in Node: it fetches and finishes jobs by gocraft's rules, reports their status through the reaper's
 * lifecycle as Harbor's runner does, and writes heartbeats like a gocraft pool. It embeds a reaper. It can run beside Go hosts on
 * the same queues.
 *
 *   REAPER_REDIS, REAPER_NAMESPACE       Redis and namespace
 *   REAPER_ROLE                          auto, always or never: whether its reaper runs the scheduled passes (auto)
 *   WORKER_POOL, WORKER_TYPES            id of this pool; its job types, with commas between
 *   WORKER_HEARTBEAT_MS                  time between two heartbeats (5000)
 *   WORKER_HOOK_TIMEOUT_MS               how long a hook may take (30000)
 *
 * The work of a job is to wait `args.ms` ms. After SIGTERM or SIGINT the running job has 30 s to finish; a second signal ends
 * the process at once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createReaper, type ReaperOptions, type TrackedAttempt } from '../src/index.ts';
import { createPool, type Entry, readEntry } from './gocraft.ts';

const need = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};
const milliseconds = (name: string, otherwise: number): number => {
  const text = process.env[name];
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) throw new Error(`${name} must be a whole number of ms, 1 or more`);
  return Number(text);
};

const url = need('REAPER_REDIS');
const namespace = need('REAPER_NAMESPACE');
const types = need('WORKER_TYPES').split(',');
const heartbeatMs = milliseconds('WORKER_HEARTBEAT_MS', 5_000);
const hookTimeoutMs = milliseconds('WORKER_HOOK_TIMEOUT_MS', 30_000);
const poolId = need('WORKER_POOL');
/** Pause before a failed command is retried, and before an idle host asks again, in ms. */
const pause = { afterError: 500, idle: 50 };
const stopWithinMs = 30_000;

const complain = (what: string, error: unknown) => console.error(`${poolId}: ${what}: ${(error as Error).message}`);
const report = (event: string, id?: string) => process.send?.({ event, pool: poolId, id });

const redis = new Redis(url, { commandTimeout: 10_000, maxRetriesPerRequest: 3 });
redis.on('error', () => undefined); // Each command that fails says so.
const pool = createPool(redis, namespace, poolId, types);
const reaper = createReaper({
  redis: url,
  namespace,
  role: (process.env.REAPER_ROLE ?? 'auto') as NonNullable<ReaperOptions['role']>,
  logger: false,
  hooks: { headerTimeout: Math.min(10_000, hookTimeoutMs), timeout: hookTimeoutMs },
});
reaper.on('error', ({ where, message }) => console.error(`${poolId}: ${where}: ${message}`));

/** Retries until Redis has accepted the call: a job that has not ended must never look as if it had. */
const untilAccepted = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      complain(what, error);
      await sleep(pause.afterError);
    }
  }
};

/** Whether to run a job, as Harbor's runner decides. A new attempt begins if the last one was interrupted or has failed. */
const begin = async (job: TrackedAttempt): Promise<boolean> => {
  const { status } = job.stats;
  if (status === 'Success' || status === 'Stopped') return false;
  const isFirst = status === 'Pending' || status === 'Scheduled';
  // A refusal means that the job was stopped meanwhile, or that another attempt has begun.
  if (!isFirst && (await untilAccepted('starting a new attempt', job.reset)).outcome !== 'done') return false;
  return (await untilAccepted('beginning', job.run)).outcome === 'done';
};

/** The work. If it fails, the job fails. */
const run = async ({ args }: Entry): Promise<void> => {
  const ms = Number(args.ms ?? 0);
  if (!(ms >= 0 && ms < 2 ** 31)) throw new Error('args.ms must be a number of ms');
  await sleep(ms);
};

const work = async (entry: Entry): Promise<void> => {
  // First: from here on a reaper sees that this entry is not orphaned.
  const isOurs = await untilAccepted('recording which job runs', () => pool.observe(entry));
  if (!isOurs) return;
  // A job without stats was enqueued by plain gocraft.
  const job = await untilAccepted('loading', () => reaper.lifecycle.load(entry.jobId));
  const isRun = job === undefined || (await begin(job));
  if (isRun) {
    report('running', entry.jobId);
    const end = await run(entry).then(
      () => job?.succeed,
      (error) => {
        complain(entry.jobId, error);
        return job?.fail;
      },
    );
    if (end !== undefined) await untilAccepted('ending', end);
  }
  await untilAccepted('finishing', () => pool.finish(entry));
  report(isRun ? 'finished' : 'skipped', entry.jobId);
};

const workOn = async (type: string, bytes: string): Promise<void> => {
  let entry: Entry;
  try {
    entry = readEntry(type, bytes);
  } catch (error) {
    // As in gocraft, it stays in the list until someone handles it.
    return complain(`an entry of ${type} that cannot be read`, error);
  }
  return work(entry);
};

let isStopping = false;
const stop = () => {
  if (isStopping) process.exit(1);
  isStopping = true;
  // A rescue requeues what is left, because this pool counts as dead then.
  setTimeout(() => process.exit(1), stopWithinMs).unref();
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.on('disconnect', () => process.exit(0)); // The parent process is gone.

reaper.start();
await untilAccepted('registering the pool', pool.beat);
const beating = setInterval(() => void pool.beat().catch((error) => complain('heartbeat', error)), heartbeatMs);
report('ready');
while (!isStopping) {
  let isIdle = true;
  for (const type of types) {
    if (isStopping) break;
    const bytes = await pool.fetch(type).catch((error) => {
      complain('fetching', error);
      return null;
    });
    if (bytes === null) continue;
    isIdle = false;
    await workOn(type, bytes);
  }
  if (isIdle) await sleep(pause.idle);
}
clearInterval(beating);
await pool.leave().catch((error) => complain('leaving', error));
await reaper.stop({ timeout: 10_000 });
redis.disconnect();
process.disconnect?.();
