/**
 * Heap over idle of one sweep, in MB: the peak of samples every 10 ms. A process of its own, since what is measured is
 * as much V8's patience as the sweep's need: with `--max-old-space-size` V8 collects before the garbage piles up, and
 * ends the process if what is alive does not fit.
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
await reaper.sweep();
clearInterval(sampling);
await reaper.stop();
console.log(peak / 2 ** 20);
