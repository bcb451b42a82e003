import { type Clock, createReaperClock, createSignal, pause, type ReaperClock, systemClock } from '../io/clock.ts';
import type { Preflight } from '../io/pools/preflight.ts';
import type { Connection } from '../io/redis/connection.ts';
import type { Calls } from './calls.ts';
import type { Delivery } from './delivery.ts';
import type { Http } from './http.ts';
import type { Inspection } from './openInspector.ts';
import type { Reporting } from './reporting.ts';
import type { Supervision } from './supervision.ts';

/** How long a stop waits in addition to its timeout, in ms: for what is still open, and for QUIT. */
const closingTime = 30;
const quittingTime = 1_000;

/**
 * Stops a reaper in order: refuse calls, stop the actors (passes, then hooks and the term of the leader), close the inspector
 * and the HTTP server, answer pending calls, clear timers, close the connection, log what was only counted, end the events.
 */
export const createShutDown = ({
  calls,
  timeLimit,
  supervision,
  inspection,
  http,
  delivery,
  preflight,
  connection,
  clock,
  reporting,
  endEvents,
}: {
  calls: Calls;
  timeLimit: TimeLimit;
  supervision: Pick<Supervision, 'stop'>;
  inspection: Pick<Inspection, 'close'>;
  http: Pick<Http, 'close'>;
  delivery: Pick<Delivery, 'hurry' | 'stop'>;
  preflight: Pick<Preflight, 'close'>;
  connection: Connection;
  clock: ReaperClock;
  reporting: Pick<Reporting, 'flush'>;
  endEvents: () => void;
}): (() => Promise<void>) => {
  const shutDown = async () => {
    calls.refuse();
    delivery.hurry();
    const closing = createReaperClock(systemClock);
    const isOver = timeLimit.isUp.then(() => pause(closing, closingTime));
    await supervision.stop(timeLimit.isUp);
    const ends = [inspection.close(), http.close(), delivery.stop(timeLimit.isUp), calls.settled()];
    await Promise.race([Promise.allSettled(ends), isOver]);
    calls.end();
    clock.end();
    preflight.close();
    await connection.close(Math.min(quittingTime, timeLimit.left() + closingTime));
    closing.end();
    timeLimit.end();
  };
  return () =>
    shutDown().finally(() => {
      reporting.flush(true);
      endEvents();
    });
};

/** How long a `stop()` may take. */
export interface TimeLimit {
  /** Resolves when the time is up. */
  readonly isUp: Promise<void>;
  /** Time left, in ms. */
  left(): number;
  /** Shortens the time to `ms` from now. The shortest limit counts. */
  setTo(ms: number): void;
  /** Clears its timers. */
  end(): void;
}

/** Measured by the reaper's clock and by the system's: a clock that a test holds must not hold up a stop. */
export const createTimeLimit = (clock: Clock): TimeLimit => {
  const isUp = createSignal();
  const clocks = [...new Set([clock, systemClock])].map(createReaperClock);
  let endsAt = Number.POSITIVE_INFINITY;
  const end = () => {
    endsAt = 0;
    isUp.resolve();
  };
  return {
    isUp: isUp.promise,
    left: () => Math.max(0, endsAt - performance.now()),
    setTo(ms) {
      endsAt = Math.min(endsAt, performance.now() + ms);
      for (const each of clocks) each.setTimeout(end, ms);
    },
    end() {
      for (const each of clocks) each.end();
    },
  };
};
