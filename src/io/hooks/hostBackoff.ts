import { type Clock, monotonicOf } from '../clock.ts';

/** What this host can't send for a reason of its own waits here, and nowhere else: other hosts may send it meanwhile. */
export interface HostBackoff {
  /** A hook to an endpoint failed for a reason of this host's own. Gives how long nothing is sent there from here, in ms. */
  begin(origin: string): number;
  /** The endpoint was reached, or failed for a reason of its own. */
  end(origin: string): void;
  /** How long nothing is to be sent there, in ms; 0 for not at all. */
  left(origin: string): number;
  /** The last attempt failed for a reason of this host's own: one is enough to see whether it is over. */
  isUnsure(origin: string): boolean;
}

/** In ms; a pause is twice as long as the one before it, up to the longest. */
const firstPause = 1_000;
const longestPause = 30_000;
/** Endpoints that are remembered. One that is forgotten is tried once more. */
const maxKnown = 1_000;

export const createHostBackoff = (clock: Clock, random: () => number): HostBackoff => {
  const backoff = new Map<string, { readonly until: number; readonly length: number }>();
  const left = (origin: string) => Math.max(0, (backoff.get(origin)?.until ?? 0) - monotonicOf(clock));
  return {
    begin(origin) {
      const rest = left(origin);
      // What was in flight when the pause began fails as well, and must not make it longer.
      if (rest > 0) return rest;
      const length = Math.min(longestPause, 2 * (backoff.get(origin)?.length ?? firstPause / 2));
      const pause = length * (0.5 + random() / 2);
      const [oldest] = backoff.keys();
      if (backoff.size >= maxKnown && oldest !== undefined) backoff.delete(oldest);
      backoff.set(origin, { until: monotonicOf(clock) + pause, length });
      return pause;
    },
    end(origin) {
      backoff.delete(origin);
    },
    left,
    isUnsure: (origin) => backoff.has(origin),
  };
};
