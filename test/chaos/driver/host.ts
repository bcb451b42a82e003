/**
 * A worker host of a chaos run, as a process of its own. Arguments: port of Redis, its pool's id, folder of the run's logs.
 *
 * Unlike `examples/worker-host.ts` it runs several jobs at once, notes every run in a log that outlives it, and gets over
 * a Redis that goes away: what it has begun to say it says until Redis has heard it. Only a fetch is not repeated: one
 * whose reply got lost leaves an entry that no worker knows of, as it does in gocraft/work.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createReaper } from '../../../src/index.ts';
import { observedJobOf } from '../../../src/io/entries.ts';
import { createUpstream } from '../../support/upstream.ts';
import { hookOptions, redisOptions } from './reaperOptions.ts';
import { openRunLog } from './runLog.ts';
import { heartbeatMs, key, namespace, reconnectMs, types, workersAHost } from './settings.ts';

const [port = '', pool = '', folder = ''] = process.argv.slice(2);
const note = openRunLog(folder, pool);
process.on('disconnect', () => process.exit(0)); // The driver is gone.

const redis = new Redis({ ...redisOptions(Number(port)), maxRetriesPerRequest: 1 });
redis.on('error', () => undefined);
const { lifecycle } = createReaper({ redis: redisOptions(Number(port)), namespace, logger: false, hooks: hookOptions });
const workers = Array.from({ length: workersAHost }, (_, i) => `${pool}-w${i}`);
const gocraft = createUpstream(redis, `${namespace}:`);
const second = () => Math.floor(Date.now() / 1_000);

const inProgress = (type: string) => key('jobs', type, pool, 'inprogress');

/**
 * A worker says what it runs, as long as the entry is still its pool's: a host that slept while its entries were put back
 * does not begin with what is another's now.
 */
const observeScript = `
  if not redis.call('LPOS', KEYS[1], ARGV[1]) then return 0 end
  redis.call('HSET', KEYS[2], unpack(ARGV, 2))
  redis.call('EXPIRE', KEYS[2], 86400)
  return 1`;

const untilHeard = async <T>(say: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await say();
    } catch {
      await sleep(reconnectMs);
    }
  }
};

const startedAt = second();
const beat = () =>
  redis
    .multi()
    .sadd(key('worker_pools'), pool)
    .sadd(key('known_jobs'), ...Object.keys(types))
    .hset(key('worker_pools', pool), {
      heartbeat_at: second(),
      started_at: startedAt,
      job_names: Object.keys(types).join(','),
      concurrency: workersAHost,
      worker_ids: workers.join(','),
      host: 'chaos',
      pid: process.pid,
    })
    .exec();

let runs = 0;
/** Entry → the run that it was last fetched for. */
const newest = new Map<string, string>();

const work = async (worker: string, type: string, entry: string, askedAt: number) => {
  const run = `${pool}#${++runs}`;
  newest.set(entry, run);
  const { id, args } = JSON.parse(entry) as { id: string; args: { ms: number } };
  const text = JSON.stringify(args);
  const jobId = observedJobOf(id, text) as string;
  const observation = key('worker', worker);
  const fields = { job_name: type, job_id: id, started_at: second(), args: text };
  const job = await untilHeard(() => lifecycle.load(jobId));
  const isOurs = await untilHeard(() =>
    redis.eval(observeScript, 2, inProgress(type), observation, entry, ...Object.entries(fields).flat()),
  );
  if (isOurs === 1) {
    note({ what: 'begin', run, job: jobId, askedAt });
    note({ what: 'end', run, job: jobId, outcome: await attempt(job, args.ms) });
  }
  // Put back and fetched by this very pool again while it slept: the bytes are the newer run's now.
  if (newest.get(entry) === run) {
    newest.delete(entry);
    // Said twice, because its reply got lost, or by a host whose entry was put back meanwhile, a finish lets the counters
    // drift, as it does in gocraft/work.
    await untilHeard(() => gocraft.finish(type, pool, entry));
  }
  await untilHeard(() => redis.del(observation));
};

/** As Harbor's jobservice does: what has succeeded or was stopped is not run again, what was cut off is a new attempt. */
const attempt = async (job: Awaited<ReturnType<typeof lifecycle.load>>, ms: number): Promise<string> => {
  if (job === undefined) return 'no stats';
  const { status = '' } = job.stats;
  if (status === 'Success' || status === 'Stopped') return `not run: ${status}`;
  if (status !== 'Pending' && status !== 'Scheduled') {
    const reset = await job.reset();
    if (reset.outcome !== 'ok') return `not begun anew: ${reset.outcome}`;
  }
  const begun = await job.run();
  if (begun.outcome !== 'ok') return `not begun: ${begun.outcome}`;
  await sleep(ms);
  const ended = await job.succeed();
  return ended.outcome === 'ok' ? 'succeeded' : `not ended: ${ended.outcome}`;
};

const workFor = async (worker: string) => {
  for (;;) {
    let isIdle = true;
    for (const type of Object.keys(types)) {
      const askedAt = Date.now();
      const entry = await gocraft.fetch(type, pool).catch(() => null);
      if (entry === null) continue;
      isIdle = false;
      await work(worker, type, entry, askedAt);
    }
    if (isIdle) await sleep(30);
  }
};

await untilHeard(beat);
let beatenAt = Date.now();
setInterval(async () => {
  const ok = await beat().then(
    () => true,
    () => false,
  );
  if (!ok) return;
  const gap = Date.now() - beatenAt;
  beatenAt = Date.now();
  if (gap > 1_000) note({ what: 'said', text: `no heartbeat for ${gap} ms` });
}, heartbeatMs);
for (const worker of workers) void workFor(worker);
process.send?.('ready');
