import { messageOf } from '../../machines/job.ts';
import { type Clock, pause } from '../clock.ts';
import type { InFlightLimiter } from './hooks.ts';
import type { Claim, HookRecord, HookRecords } from './records.ts';

/** Sends the hooks that a person has named, and no others, however many are due at the same endpoint. */
export interface SendNamed {
  /** Sends this one soon, once. It has to be due by now. */
  add(record: Pick<HookRecord, 'id' | 'origin'>): void;
  /** A person asks for some, whether or not there are any: from now on only named ones are sent for people. */
  use(): void;
  readonly isUsed: boolean;
  /**
   * Resolves once each has been attempted, here or by another host. One behind an open breaker is not waited for: whoever
   * finds the endpoint up again sends it.
   */
  idle(): Promise<void>;
}

/** Hooks of one endpoint that are claimed at once; pauses in ms. */
const maxClaimed = 16;
const noRoomFor = 50;
const othersFor = 100;
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

  /** Claims as many of them as there is room for, and sends what it gets. */
  const attempt = async (origin: string, queue: readonly string[]) => {
    const room = limiter.reserve(origin, Math.min(queue.length, maxClaimed));
    if (room === 0) return undefined;
    const ids = queue.slice(0, room);
    let taken = 0;
    let claim: Claim;
    try {
      claim = await records.claim(origin, room, ids);
      taken = claim.hooks.length;
    } finally {
      limiter.release(origin, room - taken);
    }
    await new Promise<void>((resolve) => {
      let left = taken;
      if (left === 0) return resolve();
      limiter.send(claim.hooks, () => {
        left -= 1;
        if (left === 0) resolve();
      });
    });
    return { claim, ids };
  };

  /** Those that no host has attempted since they were named. */
  const stillWaiting = async (ids: readonly string[], { breaker, hooks }: Claim): Promise<string[]> => {
    const found = await records.findAll(ids);
    // What is named and due, and was not claimed though there was room, is not in its queue any more.
    const isClaimable = hooks.length > 0 || breaker === 'draining';
    return found
      .filter(({ state, attempts }) => state === 'sending' || (state === 'pending' && attempts === 0 && isClaimable))
      .map(({ id }) => id);
  };

  const run = async (origin: string, queue: string[]) => {
    try {
      while (queue.length > 0 && !isStopped()) {
        const attempted = await attempt(origin, queue);
        if (attempted === undefined) {
          await pause(clock, noRoomFor);
          continue;
        }
        const { claim, ids } = attempted;
        if (claim.breaker === 'open') return;
        const taken = new Set(claim.hooks.map(({ id }) => id));
        const left = ids.filter((id) => !taken.has(id));
        const rest = await stillWaiting(left, claim);
        queue.splice(0, ids.length);
        queue.push(...rest);
        if (taken.size > 0 || rest.length === 0) continue;
        await pause(clock, claim.breaker === 'draining' ? Math.min(longestPause, claim.wait ?? 0) : othersFor);
      }
    } finally {
      // In the step that has found nothing left: what is named from here on begins anew.
      waiting.delete(origin);
    }
  };

  return {
    use() {
      isUsed = true;
    },
    add({ id, origin }) {
      const known = waiting.get(origin);
      if (known !== undefined) {
        known.push(id);
        return;
      }
      const queue = [id];
      waiting.set(origin, queue);
      const all = run(origin, queue)
        .catch((error) => fault(`sending hooks to ${origin}`, messageOf(error)))
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
