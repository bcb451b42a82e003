/**
 * Worker hosts as a process: pools whose workers write heartbeats and observations as gocraft's do, and fetch and finish entries.
 * If it is killed, all its pools are dead at once. Arguments: URL, name, number of pools, fetches a second. A message `measure`
 * is answered with the times of the fetches since the last one, in ms, and the number of entries that were fetched so far;
 * `stop` ends the fetches first.
 */
import { Redis } from 'ioredis';
import { createGocraft, upstreamKeys } from '../test/support/gocraft.ts';
import { fleet, poolsOf, typeOf } from './fleetShape.ts';
import { key, namespace } from './support.ts';

const [url, name, count, rate] = process.argv.slice(2) as [string, string, string, string];
const pools = poolsOf(name, Number(count));
const writes = new Redis(url);
// A connection of its own, so that no fetch waits behind a heartbeat.
const fetches = new Redis(url);
const gocraft = createGocraft(fetches, upstreamKeys(`${namespace}:`));
const startedAt = Math.floor(Date.now() / 1_000);
const jobNames = Array.from({ length: fleet.types }, (_, i) => typeOf(i)).join(',');
const workersOf = (pool: string) => Array.from({ length: fleet.workers }, (_, i) => `${pool}-w${i}`);

const beat = async (pool: string) => {
  await writes.sadd(key('worker_pools'), pool);
  await writes.hset(key('worker_pools', pool), {
    heartbeat_at: Math.floor(Date.now() / 1_000),
    started_at: startedAt,
    job_names: jobNames,
    concurrency: fleet.workers,
    worker_ids: workersOf(pool).join(','),
    host: pool,
    pid: 1,
  });
};

/** The observation of a worker that has just begun a job. */
const observe = (worker: string, i: number) =>
  writes
    .pipeline()
    .hset(key('worker', worker), {
      job_name: typeOf(i),
      job_id: i.toString(16).padStart(24, '0'),
      started_at: Math.floor(Date.now() / 1_000),
      args: '{"image":"library/nginx:1"}',
    })
    .expire(key('worker', worker), 86_400)
    .exec();

let turn = 0;
let fetched = 0;
let times: number[] = [];
const fetchOne = async () => {
  const pool = pools[turn % pools.length] as string;
  const type = typeOf(turn++);
  const began = performance.now();
  const entry = await gocraft.fetch(type, pool);
  times.push(performance.now() - began);
  if (entry === null) return;
  fetched += 1;
  await gocraft.finish(type, pool, entry);
};

await Promise.all(pools.map(beat));
// All heartbeats at the same time: so the pools of a host that is killed are suspected at the same time.
setInterval(() => pools.forEach((pool) => void beat(pool)), 5_000);
// Each worker begins a job every 10 s.
const workers = pools.flatMap(workersOf);
let observed = 0;
setInterval(() => {
  for (let i = 0; i < workers.length / 100; i++, observed++) {
    void observe(workers[observed % workers.length] as string, observed);
  }
}, 100);
const fetching = rate === '0' ? undefined : setInterval(() => void fetchOne(), 1_000 / Number(rate));

process.on('message', (message) => {
  if (message === 'stop') clearInterval(fetching);
  process.send?.({ times, fetched });
  times = [];
});
process.on('disconnect', () => process.exit());
process.send?.('started');
