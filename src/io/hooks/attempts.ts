import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { retry } from '../redis/retry.ts';
import { type ChangeOnce, changeOnce } from '../redis/scripts.ts';
import type { ClaimedHook, ClaimSettings } from './claims.ts';

/** The result of one attempt to deliver a claimed hook. */
export type AttemptRecord =
  | {
      readonly verb: 'delivered';
      /** What the endpoint has confirmed. */
      readonly status: string;
      readonly revision: number;
      readonly checkInAt: number;
      readonly unreadableAck: string | undefined;
    }
  | {
      readonly verb: 'failed';
      /** A short code, such as `503` or `timeout`. */
      readonly answer: string;
      /** When the next attempt is due, in ms from now. */
      readonly delay: number;
      /** How long after the first attempt the hook is parked for `reason`, in ms. */
      readonly deadline: number;
      readonly reason: string;
      readonly isEndpointAlive: boolean;
      /** How long a breaker that opens now stays open, in ms. */
      readonly openFor: number;
    }
  | { readonly verb: 'parked'; readonly reason: string; readonly isEndpointAlive: boolean }
  /** This host could not send it. The hook is due again at once, for other hosts too, and the attempt does not count. */
  | { readonly verb: 'unsent' }
  /** There is nothing to send. The record is removed unless the job has changed. */
  | { readonly verb: 'dropped' };

/**
 * What became of the record. `again`: the job has changed meanwhile, and the new change is due. `lost`: the claim has
 * expired, and another host may have sent the hook.
 */
export type AttemptReply = 'ok' | 'again' | 'parked' | 'pending' | 'lost';

export interface Attempts {
  recordAttempt(hook: ClaimedHook, attempt: AttemptRecord): Promise<AttemptReply>;
}

export const createAttempts = ({
  keys,
  scripts,
  clock,
  settings: { breakerThreshold },
}: Pick<Deps, 'keys' | 'scripts' | 'clock'> & { settings: Pick<ClaimSettings, 'breakerThreshold'> }): Attempts => ({
  recordAttempt({ id, endpoint, until, stats }, attempt) {
    const run = (change?: ChangeOnce) =>
      scripts.run(
        'settle_hook',
        [
          keys.stats(id),
          keys.track,
          keys.hooks,
          keys.parkedHooks,
          keys.dueHooks(endpoint),
          keys.hookEndpoint(endpoint),
        ],
        [clockOverride(clock), id, until, breakerThreshold, ...argsOf(attempt, stats)],
        undefined,
        change,
      );
    // A delivery may be recorded twice. The sender retries it for longer, and ignores the reply.
    if (attempt.verb === 'delivered') return run();
    const change = changeOnce(keys, id);
    return retry(clock, () => run(change));
  },
});

const argsOf = (attempt: AttemptRecord, stats: ClaimedHook['stats']): (string | number)[] => {
  switch (attempt.verb) {
    case 'delivered': {
      const { verb, status, revision, checkInAt, unreadableAck } = attempt;
      return [verb, status, revision, checkInAt, ...(unreadableAck === undefined ? [] : [unreadableAck])];
    }
    case 'failed': {
      const { verb, answer, delay, deadline, isEndpointAlive, openFor, reason } = attempt;
      const health = isEndpointAlive ? 'alive' : 'failing';
      return [verb, answer, Math.round(delay), deadline, health, Math.round(openFor), reason];
    }
    case 'unsent':
      return [attempt.verb];
    case 'parked':
      return [attempt.verb, attempt.reason, attempt.isEndpointAlive ? 'alive' : '-'];
    case 'dropped':
      return [attempt.verb, stats.check_in_at ?? 0];
  }
};
