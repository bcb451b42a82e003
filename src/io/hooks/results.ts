import type { Ack } from '../../machines/facts.ts';
import { type Clock, createSignal, monotonicOf, pause } from '../clock.ts';
import { kindOfRedisError } from '../redis/errors.ts';
import type { Attempts } from './attempts.ts';
import type { ClaimedHook } from './claims.ts';
import type { HostBackoff } from './hostBackoff.ts';
import type { HttpReply } from './http/reply.ts';

/**
 * The outcome of one delivery attempt. `failed`: it is attempted again later; `parked`: not again until the job changes or a
 * user asks; `skipped`: nothing was sent, for the given reason.
 */
export interface HookOutcome {
  /** Id of the job. */
  readonly id: string;
  readonly outcome: 'delivered' | 'failed' | 'parked' | 'skipped';
  /** Number of the attempt for this change of the job, from 1. */
  readonly attempt: number;
  /** What the endpoint has confirmed. */
  readonly state?: Ack;
  /** Scheme, host and port. */
  readonly endpoint?: string;
  readonly reason?: string;
  /**
   * The code of a failure of this host, such as `EMFILE`, that says nothing about the endpoint. The attempt does not count,
   * and the hook is due again at once.
   */
  readonly hostError?: string;
}

export type FailedReply = Exclude<HttpReply, { kind: 'accepted' }>;

/** Records the result of an attempt in Redis, then reports it. */
export interface Results {
  report(
    hook: ClaimedHook,
    outcome: HookOutcome['outcome'],
    more?: Pick<HookOutcome, 'state' | 'reason' | 'hostError'>,
  ): void;
  /** Retries while the claim is valid, because an endpoint must not get the same change twice. */
  delivered(hook: ClaimedHook, state: Ack, unreadableAck?: string): Promise<void>;
  failed(hook: ClaimedHook, reply: FailedReply): Promise<void>;
  /** From now on nothing is retried. */
  stop(): void;
  readonly isStopped: boolean;
}

/** Delay of the second attempt, in ms. It doubles up to the longest, ± 50 % (source: Harbor `hook/hook_agent.go`). */
const firstDelay = 2_000;
const longestDelay = 600_000;
/** How long an endpoint that does not know the job (404, 410) is retried, in ms. */
const unknownJobDeadline = 600_000;

export const createResults = ({
  records,
  backoff,
  settings,
  clock,
  random,
  onOutcome,
}: {
  records: Attempts;
  backoff: HostBackoff;
  /** `deadline`: how long a change is retried, in ms from its first attempt. */
  settings: { readonly deadline: number };
  clock: Clock;
  random: () => number;
  onOutcome: (outcome: HookOutcome) => void;
}): Results => {
  const stopped = createSignal();
  let isStopped = false;

  const report: Results['report'] = ({ id, attempt, endpoint }, outcome, more = {}) =>
    onOutcome({ id, outcome, attempt, endpoint, ...more });

  const failedAgain = async (hook: ClaimedHook, reply: Extract<FailedReply, { kind: 'unknown' | 'retryable' }>) => {
    const jitter = 0.5 + random();
    const delay = Math.min(longestDelay, firstDelay * 2 ** Math.min(hook.attempt - 1, 20)) * jitter;
    const isUnknown = reply.kind === 'unknown';
    return records.recordAttempt(hook, {
      verb: 'failed',
      answer: isUnknown ? String(reply.status) : reply.code,
      delay: Math.max(delay, isUnknown ? 0 : (reply.retryAfter ?? 0)),
      deadline: isUnknown ? unknownJobDeadline : settings.deadline,
      reason: isUnknown ? String(reply.status) : 'deadline',
      isEndpointAlive: isUnknown,
      openFor: firstDelay * jitter,
    });
  };

  return {
    report,

    async delivered(hook, state, unreadableAck) {
      const endsAt = monotonicOf(clock) + (hook.until - hook.at) / 2;
      for (let wait = 500; ; wait = Math.min(2 * wait, 10_000)) {
        try {
          await records.recordAttempt(hook, { verb: 'delivered', ...state, unreadableAck });
          return report(hook, 'delivered', { state });
        } catch (error) {
          const isFinal = ['permanent', 'wrong-type'].includes(kindOfRedisError(error));
          if (isStopped || isFinal || monotonicOf(clock) + wait > endsAt) throw error;
          await Promise.race([pause(clock, wait), stopped.promise]);
        }
      }
    },

    async failed(hook, reply) {
      const { reason } = reply;
      if (reply.kind === 'host-error') {
        backoff.begin(hook.endpoint);
        await records.recordAttempt(hook, { verb: 'unsent' });
        return report(hook, 'skipped', { reason, hostError: reply.code });
      }
      backoff.end(hook.endpoint);
      if (isStopped && reply.kind === 'retryable') {
        // This host ended the request, so the endpoint has not failed. The hook is sent again when the claim expires.
        return report(hook, 'failed', { reason: 'this host was stopped' });
      }
      const recorded =
        reply.kind === 'rejected'
          ? await records.recordAttempt(hook, {
              verb: 'parked',
              reason: reply.code,
              isEndpointAlive: /^\d+$/.test(reply.code),
            })
          : await failedAgain(hook, reply);
      return report(hook, recorded === 'parked' ? 'parked' : 'failed', { reason });
    },

    stop() {
      isStopped = true;
      stopped.resolve();
    },

    get isStopped() {
      return isStopped;
    },
  };
};
