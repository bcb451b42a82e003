/**
 * Prints the peak RSS over idle of one task of a reaper, in MB, sampled every 5 ms. It runs as a process. RSS, not the heap:
 * data from Redis is in buffers outside the heap.
 */
import { createReaper } from '../src/index.ts';
import { namespace } from './support.ts';

const [url, what] = process.argv.slice(2) as [string, string];
const reaper = createReaper({ redis: url, namespace, logger: false, role: 'never' });
await reaper.ping();
const tasks: Record<string, () => Promise<unknown>> = {
  evidence: () => reaper.sweep(),
  explain: () => reaper.explain('0'),
  status: () => reaper.status(),
  rescue: () => reaper.rescue({ grace: 0 }),
  quarantine: async () => {
    for await (const _ of reaper.quarantine.list()) void _;
    await reaper.quarantine.release({});
  },
};
globalThis.gc?.();
const idle = process.memoryUsage.rss();
let peak = 0;
const sample = () => {
  peak = Math.max(peak, process.memoryUsage.rss() - idle);
};
const sampling = setInterval(sample, 5);
await tasks[what]?.();
sample();
clearInterval(sampling);
await reaper.stop();
console.log(peak / 2 ** 20);
