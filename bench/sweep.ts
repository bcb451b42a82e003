/** The speed of a sweep, compared with the upstream stand-in, on loopback and with a round trip of 2 ms. */
import { Redis } from 'ioredis';
import { startProxy } from '../test/support/proxy.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { median, type Report, readAsUpstream, seed, sweepOnce } from './support.ts';

const jobs = 100_000;
const us = (ms: number, count: number) => (ms * 1_000) / count;

/** Stand-in, healthy jobs and 5 % acting jobs, in turn, so that a busy moment affects all three. */
const benchLoopback = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  // The 5 %: a quarter each hung, behind, without stats and acknowledged. The last two are both untracked.
  const mixed = { keep: jobs * 0.95, fail: jobs / 80, reset: jobs / 80, untrack: jobs / 40 };
  const upstream: number[] = [];
  const healthy: number[] = [];
  const acting: number[] = [];
  for (let round = 0; round < 3; round++) {
    await seed(client, jobs);
    upstream.push(us(await readAsUpstream(client, 20_000), 20_000));
    healthy.push(us((await sweepOnce(url, { keep: jobs })).durationMs, jobs));
    await seed(client, jobs, { actingOneIn: 20 });
    acting.push(us((await sweepOnce(url, mixed)).durationMs, jobs));
  }
  const base = median(healthy);
  report('upstream stand-in, loopback', `${median(upstream).toFixed(1)} µs a job (20,000 of 100,000)`);
  const speedUp = median(upstream) / base;
  report(
    'sweep, 100,000 healthy jobs',
    `${base.toFixed(1)} µs a job, ${speedUp.toFixed(1)} × as fast as the stand-in`,
    '≥ 6 ×',
    speedUp >= 6,
  );
  const share = base / median(acting);
  report(
    'sweep, 5 % acting jobs',
    `${median(acting).toFixed(1)} µs a job, ${share.toFixed(2)} of the speed with healthy jobs`,
    '≥ 0.5',
    share >= 0.5,
  );
};

const benchFar = async ({ client, port }: RedisServer, report: Report): Promise<void> => {
  await seed(client, jobs);
  const proxy = await startProxy(port, { delayMs: 1 });
  const far = new Redis({ port: proxy.port, host: '127.0.0.1' });
  await far.ping();
  const pings = performance.now();
  for (let i = 0; i < 100; i++) await far.ping();
  const roundTrip = (performance.now() - pings) / 100;
  const farUpstream = us(await readAsUpstream(far, 1_500), 1_500);
  const farOurs = us((await sweepOnce(`redis://127.0.0.1:${proxy.port}`, { keep: jobs })).durationMs, jobs);
  report(
    'sweep and stand-in, 2 ms round trip',
    `round trip ${roundTrip.toFixed(2)} ms; stand-in ${farUpstream.toFixed(0)} µs a job (1,500 jobs), sweep ${farOurs.toFixed(1)}`,
  );
  report(
    'sweep, 2 ms round trip',
    `${(farUpstream / farOurs).toFixed(0)} × as fast as the stand-in`,
    '≥ 100 ×',
    farUpstream / farOurs >= 100,
  );
  far.disconnect();
  await proxy.stop();
};

export const benchSweep = async (server: RedisServer, report: Report): Promise<void> => {
  await benchLoopback(server, report);
  await benchFar(server, report);
};
