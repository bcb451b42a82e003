import type { Ack } from '../../machines/facts.ts';
import { type Clock, monotonicOf } from '../clock.ts';
import { isHopeless, kindOfRedisError } from '../redis/errors.ts';
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
  /**
   * Retries, because an endpoint must not get the same change twice: as a rule, other hosts can't claim the hook either while Redis
   * is away or refuses writes.
   */
  delivered(hook: ClaimedHook, state: Ack, unreadableAck?: string): Promise<void>;
  failed(hook: ClaimedHook, reply: FailedReply): Promise<void>;
  /** This host stops: from now on a result waits for Redis no longer than for half a claim. */
  hurry(): void;
  /** From now on nothing is retried. */
  stop(): void;
  readonly isStopped: boolean;
}

/** Delay of the second attempt, in ms. It doubles up to the longest, ± 50 % (source: Harbor `hook/hook_agent.go`). */
const firstDelay = 2_000;
const longestDelay = 600_000;
/** How long, and at which pauses, a result waits for a Redis that is away or refuses writes, in ms. Other hosts poll every 5 s. */
const waitForRedis = 600_000;
const longestPause = 2_000;
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
  const host: Host = { clock, pauses: createPauses(clock), isHurried: false, isStopped: false };

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
      const step = () => records.recordAttempt(hook, { verb: 'delivered', ...state, unreadableAck });
      await untilTaken(step, hook.until - hook.at, host);
      report(hook, 'delivered', { state });
    },

    async failed(hook, reply) {
      const { reason } = reply;
      if (reply.kind === 'host-error') {
        backoff.begin(hook.endpoint);
        await records.recordAttempt(hook, { verb: 'unsent' });
        return report(hook, 'skipped', { reason, hostError: reply.code });
      }
      backoff.end(hook.endpoint);
      if (host.isStopped && reply.kind === 'retryable') {
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

    hurry() {
      host.isHurried = true;
      host.pauses.end();
    },

    stop() {
      host.isStopped = true;
      host.pauses.end();
    },

    get isStopped() {
      return host.isStopped;
    },
  };
};

/** What the steps of one host share. */
interface Host {
  readonly clock: Clock;
  readonly pauses: ReturnType<typeof createPauses>;
  isHurried: boolean;
  isStopped: boolean;
}

/** Repeats a step until Redis takes it. Any error but those of a Redis that is away or refuses writes ends that sooner. */
const untilTaken = async (step: () => Promise<unknown>, claimDuration: number, host: Host): Promise<void> => {
  const began = monotonicOf(host.clock);
  for (let wait = 500; ; wait = Math.min(2 * wait, longestPause)) {
    try {
      await step();
      return;
    } catch (error) {
      const isAway = ['transient', 'refused'].includes(kindOfRedisError(error));
      const patience = isAway && !host.isHurried ? waitForRedis : claimDuration / 2;
      if (host.isStopped || isHopeless(error) || monotonicOf(host.clock) + wait > began + patience) throw error;
      await host.pauses.pause(wait);
    }
  }
};

/** Pauses that can all be ended at once. None leaves anything behind, however many there are in an outage. */
const createPauses = (clock: Clock) => {
  const ends = new Set<() => void>();
  return {
    pause: (ms: number) =>
      new Promise<void>((resolve) => {
        const end = () => {
          clock.clearTimeout(timer);
          ends.delete(end);
          resolve();
        };
        const timer = clock.setTimeout(end, ms);
        ends.add(end);
      }),
    end() {
      for (const end of [...ends]) end();
    },
  };
};
