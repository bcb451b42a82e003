/**
 * The cost of undelivered hooks: a sweep of 10,000 jobs whose endpoint is down, and the drain when it is up again; the memory
 * of 100,000 pending hooks; deliveries a second and processor time of one, in turns with plain undici to the same endpoint.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'undici';
import { createReaper } from '../src/index.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { key, median, namespace, type Report, seed } from './support.ts';

const jobs = 10_000;
const records = 100_000;

export const benchHooks = async (server: RedisServer, report: Report): Promise<void> => {
  const endpoint = fork(new URL('./endpoint.ts', import.meta.url), { execArgv: ['--import', 'tsx'] });
  const [port] = (await once(endpoint, 'message')) as [number];
  const hook = `http://127.0.0.1:${port}/hook`;
  const ask = async (path: string) => (await request(`http://127.0.0.1:${port}${path}`)).body.json();
  try {
    await measureDead(server, hook, ask, report);
    await measureWeight(server, report);
    await measureSpeed(server, hook, ask, report);
    await measureSpeed(server, hook, ask, report, 48);
  } finally {
    endpoint.kill();
  }
};

type Ask = (path: string) => Promise<unknown>;

/** The duration of a sweep up to its event, in ms. */
const sweepTime = async (url: string, count: number, verdict: 'keep' | 'refire'): Promise<number> => {
  const reaper = createReaper({ redis: url, namespace, logger: false });
  await reaper.ping();
  const swept = new Promise<number>((resolve, reject) =>
    reaper.on('sweep', ({ verdicts, durationMs }) =>
      verdicts[verdict] === count
        ? resolve(durationMs)
        : reject(new Error(`${JSON.stringify(verdicts)} was the result`)),
    ),
  );
  const sweep = reaper.sweep().catch(() => undefined);
  const time = await swept;
  await reaper.stop({ timeout: 0 });
  await sweep;
  return time;
};

const measureDead = async ({ client, url }: RedisServer, hook: string, ask: Ask, report: Report) => {
  const without: number[] = [];
  const first: number[] = [];
  const again: number[] = [];
  await ask('/down');
  for (let round = 0; round < 9; round++) {
    await seed(client, jobs);
    without.push(await sweepTime(url, jobs, 'keep'));
    await seed(client, jobs, { unacked: hook });
    first.push(await sweepTime(url, jobs, 'refire'));
    again.push(await sweepTime(url, jobs, 'refire'));
  }
  const ratio = median(first) / median(without);
  report(
    'sweep, 10,000 refires, endpoint down',
    `${median(first)} ms, with healthy jobs ${median(without)} ms: ${ratio.toFixed(2)} ×; next sweep ${(median(again) / median(without)).toFixed(2)} ×`,
    '≤ 1.2 ×',
    ratio <= 1.2,
  );

  const rate = 1_000;
  await ask('/reset');
  await ask('/up');
  const reaper = createReaper({ redis: url, namespace, logger: false, hooks: { drainRate: rate } });
  reaper.start();
  while ((await client.hlen(key('reaper', 'hooks'))) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  await reaper.stop();
  const { hooks, ids, ms } = (await ask('/counts')) as { hooks: number; ids: number; ms: number };
  const perSecond = (hooks * 1_000) / ms;
  report(
    'drain of 10,000 hooks, endpoint up again',
    `${ids} jobs in ${hooks} hooks, ${perSecond.toFixed(0)} a second (limit: ${rate})`,
    'each once, ± 10 %',
    ids === jobs && hooks === jobs && Math.abs(perSecond / rate - 1) <= 0.1,
  );
};

const measureWeight = async ({ client, url }: RedisServer, report: Report) => {
  await seed(client, records, { unacked: 'http://core.harbor:8080/hook' });
  const used = async () => Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
  const before = await used();
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  // No process listens on this port of loopback.
  const reaper = createReaper({
    redis: url,
    namespace,
    logger: false,
    hooks: { rewriteOrigins: { 'http://core.harbor:8080': 'http://127.0.0.1:1' } },
  });
  const swept = new Promise((resolve) => reaper.on('sweep', resolve));
  const sweep = reaper.sweep().catch(() => undefined);
  await swept;
  globalThis.gc?.();
  const heap = (process.memoryUsage().heapUsed - heapBefore) / 2 ** 20;
  const bytes = ((await used()) - before) / records;
  await reaper.stop({ timeout: 0 });
  await sweep;
  const stored = await client.hlen(key('reaper', 'hooks'));
  report(
    'memory, 100,000 pending hooks',
    `${bytes.toFixed(0)} bytes a hook in Redis, ${heap.toFixed(1)} MB heap`,
    '≤ 300 bytes',
    stored === records && bytes <= 300,
  );
};

/** The default of `hooks.concurrencyPerEndpoint`; that of `hooks.concurrency` is four times as much. */
const defaultAtOnce = 16;

/** Deliveries a second, and processor time of the client for one, in µs. */
interface Speed {
  readonly perSecond: number;
  readonly clientUs: number;
}

/** @param atOnce hooks in flight to the endpoint. */
const measureSpeed = async (
  { client, url }: RedisServer,
  hook: string,
  ask: Ask,
  report: Report,
  atOnce = defaultAtOnce,
) => {
  const ours: Speed[] = [];
  const bare: Speed[] = [];
  let isWhole = true;
  for (let round = 0; round < 5; round++) {
    await seed(client, jobs, { unacked: hook });
    await ask('/reset');
    const clientUs = await clientTime(async () => {
      const hooks = { concurrencyPerEndpoint: atOnce, concurrency: 4 * atOnce };
      const reaper = createReaper({ redis: url, namespace, logger: false, hooks });
      await reaper.sweep();
      await reaper.stop();
    });
    const { hooks, ids, ms } = (await ask('/counts')) as { hooks: number; ids: number; ms: number };
    isWhole &&= hooks === jobs && ids === jobs;
    ours.push({ perSecond: (ids * 1_000) / ms, clientUs });
    bare.push(await bareSpeed(hook, atOnce));
  }
  const of = (speeds: readonly Speed[], what: keyof Speed) => median(speeds.map((speed) => speed[what]));
  const ratio = median(ours.map(({ perSecond }, i) => perSecond / (bare[i] as Speed).perSecond));
  const text = `${of(ours, 'perSecond').toFixed(0)} a second, ACKed; plain undici ${of(bare, 'perSecond').toFixed(0)}: ${ratio.toFixed(2)} × as fast; processor time ${of(ours, 'clientUs').toFixed(0)} µs a hook, sweep included, plain undici ${of(bare, 'clientUs').toFixed(0)} µs`;
  if (atOnce === defaultAtOnce) report('hook throughput, loopback', text, '≥ 0.35 ×', isWhole && ratio >= 0.35);
  else report(`hook throughput, loopback, ${atOnce} hooks at once`, text);
};

/** As many connections as hooks are in flight to one endpoint, and the same body. */
const bareSpeed = async (hook: string, connections: number): Promise<Speed> => {
  const body = await (await request(new URL('/body', hook))).body.text();
  const dispatcher = new Agent({ connections });
  const began = performance.now();
  let left = jobs;
  const clientUs = await clientTime(async () => {
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (left-- > 0) await (await request(hook, { method: 'POST', body, dispatcher })).body.dump();
      }),
    );
  });
  const perSecond = (jobs * 1_000) / (performance.now() - began);
  await dispatcher.close();
  return { perSecond, clientUs };
};

/** Processor time of this process while it sends the hooks of all jobs, for one of them, in µs. */
const clientTime = async (send: () => Promise<void>): Promise<number> => {
  const before = process.cpuUsage();
  await send();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / jobs;
};
