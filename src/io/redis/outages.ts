import { isHopeless, UnusableRedisError } from './errors.ts';

/** Receives the begin and the end of each outage, once. */
export interface OutageListener {
  /** An outage has begun, or Redis now refuses the connection for another reason. */
  onFault(error: Error): void;
  /** The outage goes on: a reminder, once a minute. */
  onReminder?(error: Error, forMs: number): void;
  onRestored?(forMs: number): void;
}

export interface Outage {
  /** When the outage began, by a monotonic clock in ms. */
  readonly since: number;
  readonly error: Error;
}

/** Tracks the state of the connection from the events of ioredis. */
export interface Outages {
  /** The connection was made and confirmed. */
  confirmed(): void;
  /** The connection was lost. */
  lost(): void;
  /** The reaper itself closes the connection to make it again. This is an outage only if the next attempt fails. */
  renewing(): void;
  /** An attempt to connect has failed; or, while connected, why the connection is about to be lost. */
  failed(error: Error): void;
  /** The current outage; undefined while connected, and before the first attempt. */
  now(): Outage | undefined;
}

const remindAfter = 60_000;
/** Errors that only say that the connection was lost: the next attempt shows the reason. */
const saysLittle = /ECONNRESET|EPIPE|closed/;

export const createOutages = (
  { onFault, onReminder, onRestored }: OutageListener,
  monotonic: () => number = () => performance.now(),
): Outages => {
  let isUp = false;
  let why: Error | undefined;
  let outage: { since: number; error: Error } | undefined;
  /** Messages that were reported about this outage, and when the last one was. */
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
      // A refusal during an outage needs another action, such as a new password after a restart.
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
