/**
 * Prints the cost of one sweep: the peak heap over idle in MB, sampled every 10 ms, wall time and processor time. It runs as a process, because the result depends on
 * when V8 collects garbage as much as on the sweep: with `--max-old-space-size` V8 collects early, and ends the process if
 * the live objects do not fit.
 */
import { createReaper } from '../src/index.ts';
import { namespace } from './support.ts';

const reaper = createReaper({ redis: process.argv[2] as string, namespace, logger: false });
await reaper.ping();
globalThis.gc?.();
const idle = process.memoryUsage().heapUsed;
let peak = 0;
const sampling = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().heapUsed - idle);
}, 10);
const cpu = process.cpuUsage();
const { durationMs, scanned } = await reaper.sweep();
const { user, system } = process.cpuUsage(cpu);
clearInterval(sampling);
await reaper.stop();
console.log(JSON.stringify({ scanned, heapMb: peak / 2 ** 20, ms: durationMs, cpuMs: (user + system) / 1_000 }));
