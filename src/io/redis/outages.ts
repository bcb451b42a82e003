import { isHopeless, UnusableRedisError } from './errors.ts';

/** Gets each outage once, and its end. */
export interface OutageListener {
  /** An outage has begun, or Redis refuses now what it did not refuse before. */
  onFault(error: Error): void;
  /** It is still there: a reminder, once a minute. */
  onReminder?(error: Error, forMs: number): void;
  onRestored?(forMs: number): void;
}

export interface Outage {
  /** When it began, by a monotonic clock in ms. */
  readonly since: number;
  readonly error: Error;
}

/** Follows the connection through what ioredis says of it. */
export interface Outages {
  /** It has been made, and is the one that was asked for. */
  confirmed(): void;
  /** It is lost. */
  lost(): void;
  /** We ended it ourselves, to make it anew: that is no outage unless the next attempt fails. */
  renewing(): void;
  /** An attempt to make it has failed; or why it is about to be lost. */
  failed(error: Error): void;
  /** Undefined while the connection is there, or was never asked for. */
  now(): Outage | undefined;
}

const remindAfter = 60_000;
/** Says no more than that the connection was lost: the next attempt shows why. */
const saysLittle = /ECONNRESET|EPIPE|closed/;

export const createOutages = (
  { onFault, onReminder, onRestored }: OutageListener,
  monotonic: () => number = () => performance.now(),
): Outages => {
  let isUp = false;
  let why: Error | undefined;
  let outage: { since: number; error: Error } | undefined;
  /** What was reported of this outage, and when something was said of it last. */
  const reported = new Set<string>();
  let saidAt = 0;

  const report = (error: Error) => {
    reported.add(error.message);
    saidAt = monotonic();
    onFault(error);
  };

  return {
    confirmed() {
      if (outage !== undefined) {
        if (reported.size === 0) report(outage.error);
        const { since } = outage;
        outage = undefined;
        reported.clear();
        onRestored?.(monotonic() - since);
      }
      isUp = true;
      why = undefined;
    },
    lost() {
      if (!isUp) return;
      isUp = false;
      outage = { since: monotonic(), error: why ?? new Error('Redis closed the connection') };
      why = undefined;
      if (!saysLittle.test(outage.error.message)) report(outage.error);
    },
    renewing() {
      isUp = false;
    },
    failed(error) {
      if (isUp) {
        why = error;
        return;
      }
      outage = { since: outage?.since ?? monotonic(), error };
      // A refusal in the middle of an outage is another thing to act on, as a new password is after a restart.
      const isNews = error instanceof UnusableRedisError && isHopeless(error) && !reported.has(error.message);
      if (reported.size === 0 || isNews) report(error);
      else if (monotonic() - saidAt >= remindAfter) {
        saidAt = monotonic();
        onReminder?.(error, monotonic() - outage.since);
      }
    },
    now: () => outage,
  };
};
