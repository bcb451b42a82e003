/**
 * A worker host in Node, as a process of its own: it takes jobs by gocraft's rules of fetch and finish, reports their life
 * through the reaper's lifecycle as Harbor's runner does, and beats like a gocraft pool. The reaper that it embeds
 * supervises too. Run beside Go hosts it works on the same queues.
 *
 *   REAPER_REDIS, REAPER_NAMESPACE   where
 *   REAPER_ROLE                          auto, always or never: whether its reaper does the scheduled passes (auto)
 *   WORKER_POOL, WORKER_TYPES            id of this pool; its job types, with commas between
 *   WORKER_HEARTBEAT_MS                  from one heartbeat to the next (5000)
 *   WORKER_HOOK_TIMEOUT_MS               how long a hook may take (30000)
 *
 * A job's work is to wait `args.ms` ms. SIGTERM and SIGINT let the job in hand finish, for 30 s; a second one does not.
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
/** For how long what Redis did not take is not said again, and an idle host does not ask, in ms. */
const pause = { afterError: 500, idle: 50 };
const stopWithinMs = 30_000;

const complain = (what: string, error: unknown) => console.error(`${poolId}: ${what}: ${(error as Error).message}`);
const tell = (event: string, id?: string) => process.send?.({ event, pool: poolId, id });

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

/** What has to be said is said until Redis has heard it: a job that has not ended must never look as if it had. */
const untilHeard = async <T>(what: string, say: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await say();
    } catch (error) {
      complain(what, error);
      await sleep(pause.afterError);
    }
  }
};

/** Whether a job is to be run, as Harbor's runner decides; a new attempt is begun where one was cut off or has failed. */
const begin = async (job: TrackedAttempt): Promise<boolean> => {
  const { status } = job.stats;
  if (status === 'Success' || status === 'Stopped') return false;
  const isFirst = status === 'Pending' || status === 'Scheduled';
  // A refusal says that it was stopped meanwhile, or that another attempt has begun.
  if (!isFirst && (await untilHeard('beginning anew', job.reset)).outcome !== 'ok') return false;
  return (await untilHeard('beginning', job.run)).outcome === 'ok';
};

/** The work. Its failure is the job's, and ends it. */
const run = async ({ args }: Entry): Promise<void> => {
  const ms = Number(args.ms ?? 0);
  if (!(ms >= 0 && ms < 2 ** 31)) throw new Error('args.ms must be a number of ms');
  await sleep(ms);
};

const work = async (entry: Entry): Promise<void> => {
  // First: from here on whoever looks for lost entries sees that this one is run.
  const isOurs = await untilHeard('saying what is run', () => pool.observe(entry));
  if (!isOurs) return;
  // A job without stats is one of plain gocraft.
  const job = await untilHeard('loading', () => reaper.lifecycle.load(entry.jobId));
  const isRun = job === undefined || (await begin(job));
  if (isRun) {
    tell('running', entry.jobId);
    const end = await run(entry).then(
      () => job?.succeed,
      (error) => {
        complain(entry.jobId, error);
        return job?.fail;
      },
    );
    if (end !== undefined) await untilHeard('ending', end);
  }
  await untilHeard('finishing', () => pool.finish(entry));
  tell(isRun ? 'finished' : 'skipped', entry.jobId);
};

const workOn = async (type: string, bytes: string): Promise<void> => {
  let entry: Entry;
  try {
    entry = readEntry(type, bytes);
  } catch (error) {
    // As in gocraft it stays where it is, for a person.
    return complain(`an entry of ${type} that can not be read`, error);
  }
  return work(entry);
};

let isStopping = false;
const stop = () => {
  if (isStopping) process.exit(1);
  isStopping = true;
  // What is left then is rescued from a pool that has died.
  setTimeout(() => process.exit(1), stopWithinMs).unref();
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.on('disconnect', () => process.exit(0)); // Whoever started this one is gone.

reaper.start();
await untilHeard('registering the pool', pool.beat);
const beating = setInterval(() => void pool.beat().catch((error) => complain('heartbeat', error)), heartbeatMs);
tell('ready');
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
