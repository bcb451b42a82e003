import type { ClaimedHook } from './claims.ts';
import type { Sender } from './sender.ts';

/**
 * Limits the hooks in flight to all endpoints together. A claim takes no more hooks than there is room for, so that no
 * claim expires while its hooks wait.
 */
export interface InFlightLimiter {
  /** Reserves room for up to `max` hooks of an endpoint before they are claimed. Returns for how many. */
  reserve(endpoint: string, max: number): number;
  /** Ends a reservation, and frees the room for the `count` hooks that were not claimed. */
  release(endpoint: string, count: number): void;
  /** Sends claimed hooks in the room that was reserved for them. Calls `onEnd` after each. */
  send(hooks: readonly ClaimedHook[], onEnd: () => void): void;
  /** Changes how many hooks may be in flight. Those that are above it finish. */
  setConcurrency(count: number): void;
  readonly inFlight: number;
  idle(): Promise<void>;
}

/**
 * Bytes of stats in flight above which no room is reserved. An event in flight takes several times as much memory: the reply
 * of Redis, the decoded parameters, and the body.
 */
const maxBytes = 8_000_000;
/** The estimate for a claim that is not answered yet. It bounds the number of claims at the same time. */
const bytesPerClaim = 250_000;

/** @param atFirst hooks in flight to all endpoints together. */
export const createInFlightLimiter = (sender: Sender, atFirst: number): InFlightLimiter => {
  let concurrency = atFirst;
  const sending = new Set<Promise<void>>();
  /** By endpoint: hooks that are reserved or in flight. Without reservations, concurrent claims would see the same room. */
  const held = new Map<string, number>();
  let total = 0;
  let claims = 0;
  let bytes = 0;
  const hold = (endpoint: string, count: number) => {
    total += count;
    const rest = (held.get(endpoint) ?? 0) + count;
    if (rest > 0) held.set(endpoint, rest);
    else held.delete(endpoint);
  };
  return {
    reserve(endpoint, max) {
      if (bytes + claims * bytesPerClaim >= maxBytes) return 0;
      const free = Math.max(0, concurrency - total);
      // An endpoint with hooks in flight leaves a quarter to the others, so that slow endpoints cannot take all of the room.
      const room = held.has(endpoint) ? free - Math.floor(concurrency / 4) : Math.ceil(free / 2);
      const count = Math.max(0, Math.min(max, room));
      hold(endpoint, count);
      if (count > 0) claims += 1;
      return count;
    },
    release(endpoint, count) {
      claims -= 1;
      hold(endpoint, -count);
    },
    send(hooks, onEnd) {
      for (const hook of hooks) {
        let size = 0;
        for (const name in hook.stats) size += hook.stats[name]?.length ?? 0;
        bytes += size;
        const delivery = sender.deliver(hook).finally(() => {
          sending.delete(delivery);
          bytes -= size;
          hold(hook.endpoint, -1);
          onEnd();
        });
        sending.add(delivery);
      }
    },
    setConcurrency(count) {
      concurrency = count;
    },
    get inFlight() {
      return sending.size;
    },
    async idle() {
      while (sending.size > 0) await Promise.all(sending);
    },
  };
};
