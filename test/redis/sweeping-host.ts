/**
 * A host for the tests that kill and pause it: it takes part in the scheduled passes of the namespace `t`, in small pages
 * and few lanes so that a sweep takes its time, and tells of them. REDIS says where.
 */
import { createReaper } from '../../src/index.ts';

const reaper = createReaper({
  redis: process.env.REDIS as string,
  namespace: 't',
  logger: false,
  lease: { durationMs: 1_000, renewMs: 200 },
  sweep: { firstAfterMs: 0, pageSize: 20, lanes: 2 },
  rescue: { firstAfterMs: 0, intervalMs: 100, graceMs: 100 },
});
reaper.on('lease', ({ holds }) => process.send?.({ lease: holds }));
reaper.on('sweep', ({ scanned, error = '' }) => process.send?.({ sweep: scanned, error }));
reaper.start();
