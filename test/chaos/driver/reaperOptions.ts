/** How the reapers of a chaos run are set: as in earnest, save that time is scaled down. */
import type { ReaperOptions } from '../../../src/options.ts';
import { graceMs, heartbeatAgeMs, hookTimeoutMs, lostAfterMs, namespace, reconnectMs } from './settings.ts';

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
    lostAfterMs,
  },
  hooks: hookOptions,
  lease: { durationMs: 1_500, renewMs: 400 },
});
