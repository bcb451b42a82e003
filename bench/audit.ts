/** What the audit stream costs a sweep in which every job acts, alone and together with metrics that are scraped every second. */
import type { RedisServer } from '../test/support/redisServer.ts';
import { key, median, type Report, type SweepOptions, seed, sweepOnce } from './support.ts';

const rounds = 5;

/** Without either, with the stream, and with both, in turns, so that a busy moment affects all of them. */
export const benchAudit = async ({ client, url }: RedisServer, report: Report, acts = 100_000): Promise<void> => {
  const verdicts = { fail: acts / 4, reset: acts / 4, untrack: acts / 2 };
  const sweep = async (options: SweepOptions) => {
    await seed(client, acts, { actingOneIn: 1 });
    return (await sweepOnce(url, verdicts, options)).durationMs;
  };
  const [off, on, both]: [number[], number[], number[]] = [[], [], []];
  const audit = { maxEntries: acts };
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    off.push(await sweep({ audit: { maxEntries: 0 } }));
    on.push(await sweep({ audit }));
    bytes = Number(await client.call('MEMORY', 'USAGE', key('reaper', 'audit')));
    both.push(await sweep({ audit, http: { port: 0 } }));
  }
  const without = median(off);
  const row = (what: string, taken: number, limit: number, more = '') => {
    const overhead = (taken / without - 1) * 100;
    const result = `${overhead.toFixed(1)} % (${without} → ${taken} ms)${more}`;
    report(`sweep overhead, ${what}, ${acts.toLocaleString('en')} acts`, result, `≤ ${limit} %`, overhead <= limit);
  };
  row('audit stream', median(on), 5, `, ${Math.round(bytes / acts)} bytes an entry`);
  row('audit stream and a scrape every second', median(both), 8);
};
