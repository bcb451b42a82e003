/** The heap that a sweep needs. It does not depend on the number of jobs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundle } from '../test/support/buildPrograms.ts';
import type { RedisServer } from '../test/support/redisServer.ts';
import { type Report, seed } from './support.ts';

/** What a sweep takes: the peak heap over idle in MB, wall time and processor time in ms. */
export interface SweepCost {
  readonly heapMb: number;
  readonly ms: number;
  readonly cpuMs: number;
}

/** Measures one sweep over `jobs` jobs, in a bundled process with these Node flags: the limits of V8 depend on what is alive, and tsx is not in a package. */
export const measureSweep = async (url: string, jobs: number, ...flags: string[]): Promise<SweepCost> => {
  const folder = fileURLToPath(new URL('../.tmp/bench/', import.meta.url));
  await bundle(folder, { absWorkingDir: import.meta.dirname, entryPoints: ['memory.ts'], outbase: '.' });
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', ...flags, `${folder}memory.mjs`, url]);
  const { scanned, ...cost } = JSON.parse(stdout);
  assert.equal(scanned, jobs);
  return cost;
};

export const heapOf = async (url: string, jobs: number, ...flags: string[]): Promise<number> =>
  (await measureSweep(url, jobs, ...flags)).heapMb;

export const benchHeap = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  await seed(client, 100_000);
  const limited = '--max-old-space-size=64';
  const small = { limited: await heapOf(url, 100_000, limited), lazy: await heapOf(url, 100_000) };
  await seed(client, 1_000_000);
  const large = { limited: await heapOf(url, 1_000_000, limited), lazy: await heapOf(url, 1_000_000) };
  const text = (a: number, b: number) => `${a.toFixed(0)} MB for 100,000 jobs, ${b.toFixed(0)} MB for 1,000,000`;
  report(
    'peak heap over idle, V8 heap limit 64 MB',
    text(small.limited, large.limited),
    '≤ 64 MB',
    large.limited <= 64,
  );
  report('peak heap over idle, no flags', text(small.lazy, large.lazy), '≤ 40 MB', large.lazy <= 40);
};
