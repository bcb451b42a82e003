/**
 * The speed of a sweep, compared with upstream's client on the same Redis, in turns: on a quiet machine, beside one busy loop for
 * each processor, and with a round trip of 2.5 ms. The limits of the same machine stand beside it.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Redis } from 'ioredis';
import { startProxy } from '../test/support/proxy.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { besideBusyLoops } from './load.ts';
import { key, median, type Report, seed, sweepOnce } from './support.ts';
import { buildUpstream, type Reading, standIn, type Upstream } from './upstream.ts';

const jobs = 100_000;
/** Jobs that upstream's client reads on loopback, and through the proxy. */
const sample = { near: 20_000, far: 1_500 };
const usOf = (ms: number, count = jobs) => (ms * 1_000) / count;

export const benchSweep = async (server: RedisServer, report: Report): Promise<void> => {
  const upstream = buildUpstream();
  report('upstream', upstream.name);
  await seed(server.client, jobs);
  const quiet = await inTurns(server, upstream);
  reportTurns(report, upstream, 'quiet', quiet, { speed: 5, cpu: 0.35 });
  reportTurns(report, upstream, 'beside busy loops', await besideBusyLoops(() => inTurns(server, upstream)), {
    speed: 2,
  });
  if (upstream.name === 'Go client') {
    const other = medianOf(await turns(3, () => standIn(server.port, sample.near)));
    report('stand-in for the Go client', `${us(other.us)} a job, Go client ${us(quiet.upstream.us)}`);
  }
  await benchLimits(server, report, quiet.ours.us);
  await benchActs(server, report);
  await benchFar(server, upstream, report);
};

interface Turns {
  readonly upstream: Reading;
  readonly ours: Reading;
  /** Processor time of Redis, in µs a job. */
  readonly redis: { readonly upstream: number; readonly ours: number };
}

/** Upstream's client and a sweep, three times in turns. */
const inTurns = async ({ client, port, url }: RedisServer, upstream: Upstream): Promise<Turns> => {
  const theirs: (Reading & { redis: number })[] = [];
  const ours: (Reading & { redis: number })[] = [];
  for (let round = 0; round < 3; round++) {
    const before = await redisCpu(client);
    const reading = await upstream.read(port, sample.near);
    const between = await redisCpu(client);
    const cpu = process.cpuUsage();
    const { durationMs } = await sweepOnce(url, { keep: jobs });
    const { user, system } = process.cpuUsage(cpu);
    theirs.push({ ...reading, redis: usOf(between - before, sample.near) });
    const redis = usOf((await redisCpu(client)) - between);
    ours.push({ us: usOf(durationMs), cpuUs: (user + system) / jobs, redis });
  }
  const redisOf = (all: readonly { redis: number }[]) => median(all.map(({ redis }) => redis));
  return {
    upstream: medianOf(theirs),
    ours: medianOf(ours),
    redis: { upstream: redisOf(theirs), ours: redisOf(ours) },
  };
};

const reportTurns = (
  report: Report,
  { name }: Upstream,
  where: string,
  { upstream, ours, redis }: Turns,
  target: { readonly speed: number; readonly cpu?: number },
): void => {
  const speed = upstream.us / ours.us;
  report(
    `sweep of 100,000 healthy jobs, ${where}`,
    `${us(ours.us)} a job, ${name} ${us(upstream.us)}: ${speed.toFixed(1)} × as fast`,
    `≥ ${target.speed} ×`,
    speed >= target.speed,
  );
  const share = ours.cpuUs / upstream.cpuUs;
  const text = `client ${us(ours.cpuUs)} a job, ${name} ${us(upstream.cpuUs)}: ${share.toFixed(2)} ×; Redis ${us(redis.ours)} and ${us(redis.upstream)}`;
  if (target.cpu === undefined) report(`processor time, ${where}`, text);
  else report(`processor time, ${where}`, text, `≤ ${target.cpu} × the client`, share <= target.cpu);
};

/** What Redis and its own client reach here: a script that reads one field of each job, and GET, one command at a time. */
const benchLimits = async ({ client, port }: RedisServer, report: Report, ours: number): Promise<void> => {
  const times = await turns(3, () => readOneField(client));
  report(
    'limit: a script that reads one field of each job',
    `${us(usOf(median(times)))} a job; the sweep takes ${(ours / usOf(median(times))).toFixed(1)} × as long`,
  );
  const args = ['-p', String(port), '-t', 'get', '-n', '50000', '-c', '1', '--csv'];
  const { stdout } = await promisify(execFile)('redis-benchmark', args);
  const rate = Number(/^"GET","([\d.]+)"/m.exec(stdout)?.[1]);
  report('limit: redis-benchmark, GET, one client', `${us(1e6 / rate)} a command`);
};

const readOneField = async (client: Redis): Promise<number> => {
  const script =
    "local found = 0 for i = 1, #KEYS do if redis.call('HGET', KEYS[i], 'status') then found = found + 1 end end return found";
  const began = performance.now();
  let cursor = '0';
  let found = 0;
  do {
    const [next, pairs] = await client.hscan(key('job_track', 'inprogress'), cursor, 'COUNT', 500);
    const ids = pairs.filter((_, i) => i % 2 === 0);
    found += (await client.eval(script, ids.length, ...ids.map((id) => key('job_stats', id)))) as number;
    cursor = next;
  } while (cursor !== '0');
  assert.equal(found, jobs);
  return performance.now() - began;
};

/** The 5 %: a quarter each hung, behind, without stats and acknowledged. The last two are both untracked. */
const benchActs = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  const mixed = { keep: jobs * 0.95, fail: jobs / 80, reset: jobs / 80, untrack: jobs / 40 };
  const healthy: number[] = [];
  const acting: number[] = [];
  for (let round = 0; round < 3; round++) {
    await seed(client, jobs);
    healthy.push((await sweepOnce(url, { keep: jobs })).durationMs);
    await seed(client, jobs, { actingOneIn: 20 });
    acting.push((await sweepOnce(url, mixed)).durationMs);
  }
  const share = median(healthy) / median(acting);
  report(
    'sweep, 5 % acting jobs',
    `${us(usOf(median(acting)))} a job, ${share.toFixed(2)} of the speed with healthy jobs`,
    '≥ 0.5',
    share >= 0.5,
  );
};

const benchFar = async ({ client, port }: RedisServer, upstream: Upstream, report: Report): Promise<void> => {
  await seed(client, jobs);
  const proxy = await startProxy(port, { delayMs: 1.25 });
  const theirs = (await upstream.read(proxy.port, sample.far)).us;
  const ours = usOf((await sweepOnce(`redis://127.0.0.1:${proxy.port}`, { keep: jobs })).durationMs);
  report(
    'sweep, round trip of 2.5 ms',
    `${us(ours)} a job, ${upstream.name} ${us(theirs)}: ${(theirs / ours).toFixed(0)} × as fast`,
    '≥ 100 ×',
    theirs / ours >= 100,
  );
  await proxy.stop();
};

const us = (value: number) => `${value.toFixed(1)} µs`;

const turns = async <T>(count: number, work: () => Promise<T>): Promise<T[]> => {
  const results: T[] = [];
  for (let i = 0; i < count; i++) results.push(await work());
  return results;
};

const medianOf = (readings: readonly Reading[]): Reading => ({
  us: median(readings.map((reading) => reading.us)),
  cpuUs: median(readings.map((reading) => reading.cpuUs)),
});

/** Processor time of Redis since its start, in ms. */
const redisCpu = async (client: Redis): Promise<number> => {
  const info = await client.info('cpu');
  const of = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
  return 1_000 * (of('used_cpu_user') + of('used_cpu_sys'));
};
