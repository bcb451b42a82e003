/**
 * How fast the main job is, against what it must reach. One run on one machine, ratios of what is measured in it; the
 * stand-in for upstream does in Node what the Go reaper does, one command at a time.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { createReaper } from '../src/index.ts';
import { startProxy } from '../test/support/proxy.ts';
import { startRedis } from '../test/support/redisServer.ts';
import { benchEvidence } from './evidence.ts';
import { benchHooks } from './hooks.ts';
import { benchInspector } from './inspector.ts';
import { key, median, namespace, type Report, seed, standIn, sweepOnce } from './support.ts';

const jobs = 100_000;
const server = await startRedis();
const { client, url } = server;
const rows: { what: string; measured: string; must: string; isReached: boolean | undefined }[] = [];
const report: Report = (what, measured, must = '', isReached) => {
  rows.push({ what, measured, must, isReached });
  console.log(`${what}: ${measured}${must === '' ? '' : `  (must be ${must}: ${isReached ? 'yes' : 'NO'})`}`);
};
const us = (ms: number, count: number) => (ms * 1_000) / count;

// 1–3. On loopback: stand-in, healthy, 5 % to act on, taken in turns so that a noisy moment hits all of them.
// Of 5 %: a quarter each hung, behind, lost and settled; the last two are both untracked.
const mixed = { kept: jobs * 0.95, fail: jobs / 80, reset: jobs / 80, untrack: jobs / 40 };
const upstream: number[] = [];
const healthy: number[] = [];
const acting: number[] = [];
for (let round = 0; round < 3; round++) {
  await seed(client, jobs);
  upstream.push(us(await standIn(client, 20_000), 20_000));
  healthy.push(us((await sweepOnce(url, { kept: jobs })).durationMs, jobs));
  await seed(client, jobs, { actingOneIn: 20 });
  acting.push(us((await sweepOnce(url, mixed)).durationMs, jobs));
}
const base = median(healthy);
report('stand-in for upstream, loopback', `${median(upstream).toFixed(1)} µs a job (20,000 of 100,000)`);
const speedUp = median(upstream) / base;
report(
  'sweep, 100,000 healthy',
  `${base.toFixed(1)} µs a job, ${speedUp.toFixed(1)} × the stand-in`,
  '≥ 6 ×',
  speedUp >= 6,
);
const share = base / median(acting);
report(
  'sweep, 5 % to act on',
  `${median(acting).toFixed(1)} µs a job, ${share.toFixed(2)} of the healthy speed`,
  '≥ 0.5',
  share >= 0.5,
);

// 4. At about 2 ms a round trip.
await seed(client, jobs);
const proxy = await startProxy(server.port, { delayMs: 1 });
const far = new Redis({ port: proxy.port, host: '127.0.0.1' });
await far.ping();
const pings = performance.now();
for (let i = 0; i < 100; i++) await far.ping();
const roundTrip = (performance.now() - pings) / 100;
const farUpstream = us(await standIn(far, 1_500), 1_500);
const farOurs = us((await sweepOnce(`redis://127.0.0.1:${proxy.port}`, { kept: jobs })).durationMs, jobs);
report(
  'the same through a proxy',
  `a round trip of ${roundTrip.toFixed(2)} ms; stand-in ${farUpstream.toFixed(0)} µs a job (1,500 jobs), ours ${farOurs.toFixed(1)}`,
);
report(
  'sweep at 2 ms a round trip',
  `${(farUpstream / farOurs).toFixed(0)} × the stand-in`,
  '≥ 100 ×',
  farUpstream / farOurs >= 100,
);
far.disconnect();
await proxy.stop();

// 5. Memory.
const heapOf = async (...flags: string[]): Promise<number> => {
  const script = new URL('./memory.ts', import.meta.url).pathname;
  const args = ['--expose-gc', ...flags, '--import', 'tsx', script, url];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return Number(stdout);
};
const small = await heapOf('--max-old-space-size=64');
await seed(client, 1_000_000);
const large = await heapOf('--max-old-space-size=64');
const lazy = await heapOf();
report(
  'heap over idle at its peak, V8 capped at 64 MB',
  `${small.toFixed(0)} MB for 100,000 jobs, ${large.toFixed(0)} MB for 1,000,000`,
  '≤ 64 MB',
  large <= 64,
);
report('  with garbage that V8 leaves lying without a cap', `${lazy.toFixed(0)} MB for 1,000,000`);

// 6. Requeue.
const entries = 100_000;
const pools = 20;
const hold = async () => {
  await client.flushall();
  const entry = (i: number) => `{"name":"IMAGE_SCAN","id":"${i}","t":1700000000,"args":{"image":"library/nginx:1"}}`;
  for (let pool = 0; pool < pools; pool++) {
    const held = Array.from({ length: entries / pools }, (_, i) => entry(pool * entries + i));
    await client.rpush(key('jobs', 'IMAGE_SCAN', `p${pool}`, 'inprogress'), ...held);
    await client.hset(key('jobs', 'IMAGE_SCAN', 'lock_info'), `p${pool}`, held.length);
  }
  await client.set(key('jobs', 'IMAGE_SCAN', 'lock'), entries);
};
const oneByOne = `
  local entry = redis.call('RPOPLPUSH', KEYS[1], KEYS[2])
  if not entry then return nil end
  redis.call('DECR', KEYS[3])
  redis.call('HINCRBY', KEYS[4], ARGV[1], -1)
  return { entry, KEYS[1], KEYS[2] }`;
await hold();
const sha = (await client.script('LOAD', oneByOne)) as string;
const one = performance.now();
for (let pool = 0; pool < pools; pool++) {
  const keys = [
    key('jobs', 'IMAGE_SCAN', `p${pool}`, 'inprogress'),
    key('jobs', 'IMAGE_SCAN'),
    key('jobs', 'IMAGE_SCAN', 'lock'),
    key('jobs', 'IMAGE_SCAN', 'lock_info'),
  ];
  while ((await client.evalsha(sha, 4, ...keys, `p${pool}`)) !== null);
}
const oneMs = performance.now() - one;
await hold();
const rescuer = createReaper({ redis: url, namespace, logger: false });
await rescuer.ping();
const many = performance.now();
const rescue = await rescuer.rescue({ grace: 0 });
const manyMs = performance.now() - many;
await rescuer.stop();
const isWhole = (await client.llen(key('jobs', 'IMAGE_SCAN'))) === entries && rescue.entries === entries;
report(
  'requeue of 100,000 entries in 20 pools',
  `${manyMs.toFixed(0)} ms, one entry a call ${oneMs.toFixed(0)} ms: ${(oneMs / manyMs).toFixed(1)} ×`,
  '≥ 15 ×',
  isWhole && oneMs / manyMs >= 15,
);

// 7. Jobs that look hung.
await benchEvidence(server, report, heapOf);

// 8. Hooks.
await client.flushall();
await benchHooks(server, report);

// 9. The inspector.
await benchInspector(server, report);

await server.stop();
console.log('\n| what | measured | must be | reached |\n| --- | --- | --- | --- |');
for (const { what, measured, must, isReached } of rows) {
  console.log(
    `| ${what.trim()} | ${measured} | ${must} | ${isReached === undefined ? '' : isReached ? 'yes' : 'no'} |`,
  );
}
console.log(`\nNode ${process.version}, ${process.platform}, one run.`);
