/** What the audit stream costs a sweep in which every job acts. */
import type { RedisServer } from '../test/support/redisServer.ts';
import { key, median, type Report, seed, sweepOnce } from './support.ts';

const rounds = 5;

/** With and without the stream, in turns, so that a busy moment affects both. */
export const benchAudit = async ({ client, url }: RedisServer, report: Report, acts = 100_000): Promise<void> => {
  const verdicts = { fail: acts / 4, reset: acts / 4, untrack: acts / 2 };
  const sweep = async (maxEntries: number) => {
    await seed(client, acts, { actingOneIn: 1 });
    return (await sweepOnce(url, verdicts, { audit: { maxEntries } })).durationMs;
  };
  const off: number[] = [];
  const on: number[] = [];
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    off.push(await sweep(0));
    on.push(await sweep(acts));
    bytes = Number(await client.call('MEMORY', 'USAGE', key('reaper', 'audit')));
  }
  const [without, withAudit] = [median(off), median(on)];
  const overhead = (withAudit / without - 1) * 100;
  report(
    `sweep overhead, audit stream, ${acts.toLocaleString('en')} acts`,
    `${overhead.toFixed(1)} % (${without} → ${withAudit} ms), ${Math.round(bytes / acts)} bytes an entry`,
    '≤ 5 %',
    overhead <= 5,
  );
};
