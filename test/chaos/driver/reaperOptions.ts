/** How the reapers of a chaos run are set: as in earnest, save that time is scaled down. */
import { type ReaperOptions, readOptions } from '../../../src/options.ts';
import { graceMs, heartbeatAgeMs, hookTimeoutMs, lostAfterMs, namespace, reconnectMs } from './settings.ts';

/** What there is to be set: parts of the reaper that are being built have no options yet. */
const known = readOptions({ redis: 'redis://localhost', namespace });
/** Whether the reaper puts back what was fetched by a host that never heard of it (a reply that got lost). */
export const restoresLostEntries = 'lostAfterMs' in known.rescue;

export const hookOptions = { headerTimeoutMs: hookTimeoutMs, totalTimeoutMs: hookTimeoutMs };
export const redisOptions = (port: number) => ({ host: '127.0.0.1', port, retryStrategy: () => reconnectMs });

export const reaperOptions = (port: number): ReaperOptions => ({
  redis: redisOptions(port),
  namespace,
  logger: false,
  refireGraceS: 1,
  // Small pages and batches: a kill falls between two of them.
  sweep: { firstAfterMs: 500, intervalMs: 1_000, pageSize: 20, lanes: 8 },
  rescue: {
    firstAfterMs: 200,
    intervalMs: 500,
    graceMs,
    heartbeatAgeMs,
    batch: 2,
    ...(restoresLostEntries ? { lostAfterMs } : {}),
  },
  hooks: hookOptions,
  ...('lease' in known ? { lease: { durationMs: 1_500, renewMs: 400 } } : {}),
});
