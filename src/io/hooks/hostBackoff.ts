import { type Clock, monotonicOf } from '../clock.ts';

/**
 * Pauses deliveries to endpoints that this host cannot reach because of an error of its own. Other hosts are not affected and
 * may send the hooks meanwhile.
 */
export interface HostBackoff {
  /** Call it after an error of this host. Returns how long deliveries to the endpoint pause, in ms. */
  begin(endpoint: string): number;
  /** Call it after the endpoint was reached, or has failed itself. */
  end(endpoint: string): void;
  /** How much of the pause is left, in ms; 0 for no pause. */
  left(endpoint: string): number;
  /** Whether the last attempt failed because of this host. Then a single attempt shows whether that is over. */
  isBackingOff(endpoint: string): boolean;
}

/** In ms. Each pause is twice as long as the one before, up to the longest. */
const firstPause = 1_000;
const longestPause = 30_000;
/** How many endpoints are remembered. A forgotten one is attempted without a pause. */
const maxKnown = 1_000;

export const createHostBackoff = (clock: Clock, random: () => number): HostBackoff => {
  const backoff = new Map<string, { readonly until: number; readonly length: number }>();
  const left = (endpoint: string) => Math.max(0, (backoff.get(endpoint)?.until ?? 0) - monotonicOf(clock));
  return {
    begin(endpoint) {
      const rest = left(endpoint);
      // Hooks in flight when the pause began fail too, and must not extend it.
      if (rest > 0) return rest;
      const length = Math.min(longestPause, 2 * (backoff.get(endpoint)?.length ?? firstPause / 2));
      const pause = length * (0.5 + random() / 2);
      const [oldest] = backoff.keys();
      if (backoff.size >= maxKnown && oldest !== undefined) backoff.delete(oldest);
      backoff.set(endpoint, { until: monotonicOf(clock) + pause, length });
      return pause;
    },
    end(endpoint) {
      backoff.delete(endpoint);
    },
    left,
    isBackingOff: (endpoint) => backoff.has(endpoint),
  };
};
