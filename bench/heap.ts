/** The heap that a sweep needs. It does not depend on the number of jobs. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { RedisServer } from '../test/support/redisServer.ts';
import { type Report, seed } from './support.ts';

/** Measures the peak heap over idle of one sweep, in MB, in a process with these Node flags. */
export const heapOf = async (url: string, ...flags: string[]): Promise<number> => {
  const script = new URL('./memory.ts', import.meta.url).pathname;
  const args = ['--expose-gc', ...flags, '--import', 'tsx', script, url];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return Number(stdout);
};

export const benchHeap = async ({ client, url }: RedisServer, report: Report): Promise<void> => {
  await seed(client, 100_000);
  const small = await heapOf(url, '--max-old-space-size=64');
  await seed(client, 1_000_000);
  const large = await heapOf(url, '--max-old-space-size=64');
  const lazy = await heapOf(url);
  report(
    'peak heap over idle, V8 heap limit 64 MB',
    `${small.toFixed(0)} MB for 100,000 jobs, ${large.toFixed(0)} MB for 1,000,000`,
    '≤ 64 MB',
    large <= 64,
  );
  report('peak heap over idle, no heap limit', `${lazy.toFixed(0)} MB for 1,000,000`);
};
