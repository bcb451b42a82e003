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
import { benchGentle } from './gentle.ts';
import { besideBusyLoops } from './load.ts';
import { costOf, key, median, type Report, redisCpu, seed, sweepOnce } from './support.ts';
import { buildUpstream, type Reading, standIn, type Upstream } from './upstream.ts';

const jobs = 100_000;
/** Jobs that upstream's client reads on loopback, and through the proxy. */
const sample = { near: 20_000, far: 1_500 };
const share1 = { sweep: { maxRedisShare: 1 } };
const usOf = (ms: number, count = jobs) => (ms * 1_000) / count;

export const benchSweep = async (server: RedisServer, report: Report): Promise<void> => {
  const upstream = buildUpstream();
  report('upstream', upstream.name);
  await seed(server.client, jobs);
  const quiet = await inTurns(server, upstream);
  reportTurns(report, upstream, 'quiet', quiet, { speed: 5, screened: 12, cpu: 0.35 });
  const busy = await besideBusyLoops(() => inTurns(server, upstream));
  reportTurns(report, upstream, 'beside busy loops', busy, { speed: 2, screened: 6 });
  if (upstream.name === 'Go client') await benchStandIn(server, report, upstream);
  await benchLimits(server, report, quiet);
  await benchGentle(server, report, jobs);
  await benchActs(server, report);
  await benchFar(server, upstream, report);
};

/** In turns with the Go client, on a quiet machine. */
const benchStandIn = async ({ port }: RedisServer, report: Report, upstream: Upstream): Promise<void> => {
  const pairs = await turns(5, async () => {
    const client = await upstream.read(port, sample.near);
    return { client, other: await standIn(port, sample.near) };
  });
  const client = medianOf(pairs.map((pair) => pair.client)).us;
  const other = medianOf(pairs.map((pair) => pair.other)).us;
  const ratio = other / client;
  report(
    'stand-in for the Go client',
    `${us(other)} a job, Go client ${us(client)}: ${ratio.toFixed(2)} ×`,
    '± 20 %',
    Math.abs(ratio - 1) <= 0.2,
  );
};

/** With the processor time of Redis for one job, in µs. */
interface Turn extends Reading {
  readonly redisUs: number;
}
interface Turns {
  readonly upstream: Turn;
  readonly ours: Turn;
  readonly screened: Turn;
  /** The least that a script takes that reads a field of each job. */
  readonly oneField: Turn;
}

/** Upstream's client, a sweep, a screened sweep and a script that reads one field of each job, three times in turns. */
const inTurns = async (server: RedisServer, upstream: Upstream): Promise<Turns> => {
  const all = { upstream: [] as Turn[], ours: [] as Turn[], screened: [] as Turn[], oneField: [] as Turn[] };
  for (let round = 0; round < 3; round++) {
    const before = await redisCpu(server.client);
    const reading = await upstream.read(server.port, sample.near);
    all.upstream.push({ ...reading, redisUs: usOf((await redisCpu(server.client)) - before, sample.near) });
    all.ours.push(await turnOf(server, () => sweepWith(server, false)));
    all.screened.push(await turnOf(server, () => sweepWith(server, true)));
    all.oneField.push(await turnOf(server, () => readOneField(server.client)));
  }
  return {
    upstream: medianTurn(all.upstream),
    ours: medianTurn(all.ours),
    screened: medianTurn(all.screened),
    oneField: medianTurn(all.oneField),
  };
};

/** Without waits: what a sweep can do. `gentle.ts` has the speed at the default share. */
const sweepWith = async ({ url }: RedisServer, screen: boolean): Promise<number> =>
  (await sweepOnce(url, { keep: jobs }, { sweep: { screen, maxRedisShare: 1 } })).durationMs;

/** @param work resolves to its wall time in ms. */
const turnOf = async ({ client }: Pick<RedisServer, 'client'>, work: () => Promise<number>): Promise<Turn> => {
  const { ms, clientMs, redisMs } = await costOf(client, work);
  return { us: usOf(ms), cpuUs: usOf(clientMs), redisUs: usOf(redisMs) };
};

const reportTurns = (
  report: Report,
  { name }: Upstream,
  where: string,
  { upstream, ours, screened }: Turns,
  target: { readonly speed: number; readonly screened: number; readonly cpu?: number },
): void => {
  const compare = (benchmark: string, turn: Turn, least: number) => {
    const speed = upstream.us / turn.us;
    const text = `${us(turn.us)} a job, ${name} ${us(upstream.us)}: ${speed.toFixed(1)} × as fast`;
    report(`${benchmark}, ${where}`, text, `≥ ${least} ×`, speed >= least);
  };
  compare('sweep of 100,000 healthy jobs, share 1', ours, target.speed);
  compare('sweep, screened, of 100,000 healthy jobs, share 1', screened, target.screened);
  const share = ours.cpuUs / upstream.cpuUs;
  const text = `client ${us(ours.cpuUs)} a job, screened ${us(screened.cpuUs)}, ${name} ${us(upstream.cpuUs)}: ${share.toFixed(2)} ×; Redis ${us(ours.redisUs)}, screened ${us(screened.redisUs)}, and ${us(upstream.redisUs)}`;
  // The stand-in takes twice the processor time of the Go client: a comparison with it proves nothing.
  if (target.cpu === undefined || name !== 'Go client') report(`processor time, ${where}`, text);
  else report(`processor time, ${where}`, text, `≤ ${target.cpu} × the client`, share <= target.cpu);
};

/** What Redis and its own client reach here: a script that reads one field of each job, and GET, one command at a time. */
const benchLimits = async (
  { port }: RedisServer,
  report: Report,
  { ours, screened, oneField }: Turns,
): Promise<void> => {
  const share = screened.us / oneField.us;
  report(
    'limit: a script that reads one field of each job',
    `${us(oneField.us)} a job (client ${us(oneField.cpuUs)}, Redis ${us(oneField.redisUs)}); the sweep takes ${(ours.us / oneField.us).toFixed(1)} × as long, screened ${share.toFixed(2)} ×`,
    'screened ≤ 1.4 ×',
    share <= 1.4,
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
    healthy.push((await sweepOnce(url, { keep: jobs }, share1)).durationMs);
    await seed(client, jobs, { actingOneIn: 20 });
    acting.push((await sweepOnce(url, mixed, share1)).durationMs);
  }
  const share = median(healthy) / median(acting);
  report(
    'sweep, 5 % acting jobs, share 1',
    `${us(usOf(median(acting)))} a job, ${share.toFixed(2)} of the speed with healthy jobs`,
    '≥ 0.5',
    share >= 0.5,
  );
};

const benchFar = async ({ client, port }: RedisServer, upstream: Upstream, report: Report): Promise<void> => {
  await seed(client, jobs);
  const proxy = await startProxy(port, { delayMs: 1.25 });
  const before = await redisCpu(client);
  const theirs = await upstream.read(proxy.port, sample.far);
  const redisUs = usOf((await redisCpu(client)) - before, sample.far);
  const ours = await turnOf({ client }, async () => {
    return (await sweepOnce(`redis://127.0.0.1:${proxy.port}`, { keep: jobs }, share1)).durationMs;
  });
  report(
    'sweep, round trip of 2.5 ms, share 1',
    `${us(ours.us)} a job, ${upstream.name} ${us(theirs.us)}: ${(theirs.us / ours.us).toFixed(0)} × as fast; processor time: client ${us(ours.cpuUs)} with that of the proxy, ${upstream.name} ${us(theirs.cpuUs)}; Redis ${us(ours.redisUs)} and ${us(redisUs)}`,
    '≥ 100 ×',
    theirs.us / ours.us >= 100,
  );
  await proxy.stop();
};

const us = (value: number) => `${value.toFixed(1)} µs`;

const turns = async <T>(count: number, work: () => Promise<T>): Promise<T[]> => {
  const results: T[] = [];
  for (let i = 0; i < count; i++) results.push(await work());
  return results;
};

const medianTurn = (all: readonly Turn[]): Turn => ({
  ...medianOf(all),
  redisUs: median(all.map(({ redisUs }) => redisUs)),
});

const medianOf = (readings: readonly Reading[]): Reading => ({
  us: median(readings.map((reading) => reading.us)),
  cpuUs: median(readings.map((reading) => reading.cpuUs)),
});
