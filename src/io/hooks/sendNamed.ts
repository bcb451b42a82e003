import { messageOf } from '../../machines/messageOf.ts';
import { type Clock, pause } from '../clock.ts';
import type { Claim } from './claims.ts';
import type { InFlightLimiter } from './inFlightLimiter.ts';
import type { HookRecord } from './record.ts';
import type { HookRecords } from './records.ts';

/** Sends the hooks that a user has named, and no others, however many are due at the same endpoint. */
export interface SendNamed {
  /** Sends this hook soon, once. It must be due already. */
  add(record: Pick<HookRecord, 'id' | 'endpoint'>): void;
  /** Announces that a user names hooks, even if none matches. From now on only named hooks are sent for users. */
  use(): void;
  readonly isUsed: boolean;
  /**
   * Resolves when each named hook was attempted, here or by another host. It does not wait for hooks behind an open circuit:
   * they are sent when the endpoint has recovered.
   */
  idle(): Promise<void>;
}

/** How many hooks of one endpoint are claimed at once. */
const maxClaimed = 16;
/** Pauses, in ms: without room in flight, and while another host holds the claims. */
const noRoomPause = 50;
const claimedElsewherePause = 100;
const longestPause = 1_000;

export const createSendNamed = ({
  records,
  limiter,
  clock,
  isStopped,
  fault,
}: {
  records: Pick<HookRecords, 'claim' | 'findAll'>;
  limiter: InFlightLimiter;
  clock: Clock;
  isStopped: () => boolean;
  fault: (where: string, error: string) => void;
}): SendNamed => {
  const waiting = new Map<string, string[]>();
  const running = new Set<Promise<void>>();
  let isUsed = false;

  const run = async (endpoint: string, queue: string[]) => {
    try {
      while (queue.length > 0 && !isStopped()) {
        const attempted = await claimAndSend({ records, limiter }, endpoint, queue);
        if (attempted === undefined) {
          await pause(clock, noRoomPause);
          continue;
        }
        const { claim, ids } = attempted;
        if (claim.breaker === 'open') return;
        const claimed = new Set(claim.hooks.map(({ id }) => id));
        const left = ids.filter((id) => !claimed.has(id));
        const rest = await stillWaiting(records, left, claim);
        queue.splice(0, ids.length);
        queue.push(...rest);
        if (claimed.size > 0 || rest.length === 0) continue;
        await pause(
          clock,
          claim.breaker === 'draining' ? Math.min(longestPause, claim.wait ?? 0) : claimedElsewherePause,
        );
      }
    } finally {
      // In the same step that saw an empty queue: a hook that is added later starts another run.
      waiting.delete(endpoint);
    }
  };

  return {
    use() {
      isUsed = true;
    },
    add({ id, endpoint }) {
      const known = waiting.get(endpoint);
      if (known !== undefined) {
        known.push(id);
        return;
      }
      const queue = [id];
      waiting.set(endpoint, queue);
      const all = run(endpoint, queue)
        .catch((error) => fault(`sending hooks to ${endpoint}`, messageOf(error)))
        .finally(() => running.delete(all));
      running.add(all);
    },
    get isUsed() {
      return isUsed;
    },
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
};

/** Claims as many hooks of the queue as there is room for, and sends them. Returns undefined without room. */
const claimAndSend = async (
  { records, limiter }: { records: Pick<HookRecords, 'claim'>; limiter: InFlightLimiter },
  endpoint: string,
  queue: readonly string[],
): Promise<{ readonly claim: Claim; readonly ids: readonly string[] } | undefined> => {
  const room = limiter.reserve(endpoint, Math.min(queue.length, maxClaimed));
  if (room === 0) return undefined;
  const ids = queue.slice(0, room);
  let claimed = 0;
  let claim: Claim;
  try {
    claim = await records.claim(endpoint, room, ids);
    claimed = claim.hooks.length;
  } finally {
    limiter.release(endpoint, room - claimed);
  }
  await new Promise<void>((resolve) => {
    let left = claimed;
    if (left === 0) return resolve();
    limiter.send(claim.hooks, () => {
      left -= 1;
      if (left === 0) resolve();
    });
  });
  return { claim, ids };
};

/** The jobs whose hooks no host has attempted since they were named. */
const stillWaiting = async (
  records: Pick<HookRecords, 'findAll'>,
  ids: readonly string[],
  { breaker, hooks }: Claim,
): Promise<string[]> => {
  const found = await records.findAll(ids);
  // A due hook that was not claimed although there was room has left the queue.
  const isClaimable = hooks.length > 0 || breaker === 'draining';
  return found
    .filter(({ state, attempts }) => state === 'sending' || (state === 'pending' && attempts === 0 && isClaimable))
    .map(({ id }) => id);
};
