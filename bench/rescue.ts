/**
 * The recovery time of an entry whose host dies, at default settings: for hosts that die one after the other, and for one host
 * that dies beside thousands of pools that died long ago.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { createReaper } from '../src/index.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { key, median, namespace, type Report } from './support.ts';

const kills = 50;
/** Time between two kills, in ms. It divides neither the interval of heartbeats nor that of rescues. */
const gap = 1_370;
const stale = 10_000;
const type = 'IMAGE_SCAN';

interface Host {
  readonly pool: string;
  readonly lastBeatAt: () => number;
  stop(): void;
}

/** A host as in gocraft: it holds an entry, and writes its heartbeat every 5 s, in whole seconds. */
const startHost = async (redis: Redis, pool: string): Promise<Host> => {
  let last = 0;
  const beat = async () => {
    last = performance.now();
    const at = Math.floor(Date.now() / 1_000);
    await redis
      .multi()
      .sadd(key('worker_pools'), pool)
      .hset(key('worker_pools', pool), 'heartbeat_at', at, 'job_names', type, 'worker_ids', '')
      .exec();
  };
  await redis.lpush(key('jobs', type, pool, 'inprogress'), JSON.stringify({ name: type, id: pool, t: 1, args: {} }));
  await redis.hincrby(key('jobs', type, 'lock_info'), pool, 1);
  await redis.incr(key('jobs', type, 'lock'));
  await beat();
  const timer = setInterval(() => void beat(), 5_000);
  return { pool, lastBeatAt: () => last, stop: () => clearInterval(timer) };
};

/** From the last beat of each host until its entry is in the queue, in s. */
const timesAway = async (redis: Redis, hosts: readonly Host[], stopped: () => boolean): Promise<number[]> => {
  const times = new Map<string, number>();
  while (times.size < hosts.length || !stopped()) {
    const queued = await redis.lrange(key('jobs', type), 0, -1);
    const now = performance.now();
    for (const host of hosts) {
      if (times.has(host.pool) || !queued.some((entry) => entry.includes(`"${host.pool}"`))) continue;
      times.set(host.pool, (now - host.lastBeatAt()) / 1_000);
    }
    await sleep(20);
  }
  return [...times.values()];
};

const runReaper = (redis: string) => {
  const reaper = createReaper({ redis, namespace, logger: false });
  reaper.start();
  return reaper;
};

/** Measures one host that dies while `beside` pools of hosts that died long ago are found. */
const awayBeside = async ({ client, url }: RedisServer, beside: number): Promise<number> => {
  await client.flushall();
  for (let i = 0; i < beside; i += 1_000) {
    const pools = Array.from({ length: Math.min(1_000, beside - i) }, (_, n) => `stale-${i + n}`);
    await client.sadd(key('worker_pools'), ...pools);
    await client.hset(key('jobs', type, 'lock_info'), ...pools.flatMap((pool) => [pool, 1]));
    for (const pool of pools) await client.hset(key('worker_pools', pool), 'heartbeat_at', 1_700_000_000);
  }
  await client.sadd(key('known_jobs'), type, ...Array.from({ length: 16 }, (_, i) => `TYPE_${i}`));
  const host = await startHost(client, 'host');
  const reaper = runReaper(url);
  let isStopped = false;
  const times = timesAway(client, [host], () => isStopped);
  // The grace of the stale pools ends about 20 s after the start. The host's grace must end at that time too.
  await sleep(1_000);
  host.stop();
  isStopped = true;
  const [away = Number.NaN] = await times;
  await reaper.stop();
  return away;
};

export const benchRescue = async (server: RedisServer, report: Report): Promise<void> => {
  const { client, url } = server;
  const hosts = await Promise.all(Array.from({ length: kills }, (_, i) => startHost(client, `host-${i}`)));
  const reaper = runReaper(url);
  let isOver = false;
  const times = timesAway(client, hosts, () => isOver);
  await sleep(10_000);
  for (const host of hosts) {
    host.stop();
    await sleep(gap);
  }
  isOver = true;
  const away = await times;
  await reaper.stop();
  assert.equal(away.length, kills);
  const [min, max] = [Math.min(...away), Math.max(...away)];
  report(
    `recovery time, ${kills} killed hosts (last heartbeat to requeue)`,
    `${min.toFixed(1)} to ${max.toFixed(1)} s, median ${median(away).toFixed(1)} s`,
    '≤ 26 s',
    max <= 26,
  );

  const alone = await awayBeside(server, 0);
  const beside = await awayBeside(server, stale);
  report(
    `recovery time, one host beside ${stale.toLocaleString('en')} stale pools`,
    `${beside.toFixed(1)} s, without them ${alone.toFixed(1)} s: ${(beside - alone).toFixed(1)} s more`,
    '≤ 5 s more',
    beside - alone <= 5,
  );
};
