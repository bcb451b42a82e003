/**
 * RSS over idle of one thing that a reaper does, in MB: the peak of samples every 5 ms. A process of its own. RSS and not the
 * heap, for what comes from Redis lies in buffers outside of it.
 */
import { createReaper } from '../src/index.ts';
import { namespace } from './support.ts';

const [url, what] = process.argv.slice(2) as [string, string];
const reaper = createReaper({ redis: url, namespace, logger: false, role: 'never' });
await reaper.ping();
const things: Record<string, () => Promise<unknown>> = {
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
await things[what]?.();
sample();
clearInterval(sampling);
await reaper.stop();
console.log(peak / 2 ** 20);
