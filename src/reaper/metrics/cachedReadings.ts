import { type Clock, monotonicOf, within } from '../../io/clock.ts';
import type { Outage } from '../../io/redis/outages.ts';
import type { Readings } from '../../queries/readings.ts';

/** For how long readings serve all scrapes, in ms. */
const freshFor = 5_000;
/** How long a scrape waits for new readings, in ms. Prometheus itself waits 10 s by default. */
const scrapeWait = 2_000;

/** The last readings of Redis, and when they were read, by the monotonic clock in ms. */
export interface CachedReadings {
  /**
   * Reads again, unless the readings are fresh or Redis is away. Scrapes at the same time share one reading. Waits a bounded time, and never
   * rejects: a scrape answers with what is known.
   */
  refresh(): Promise<void>;
  /** Undefined before the first reading. */
  last(): { readonly at: number; readonly readings: Readings } | undefined;
}

export const createCachedReadings = ({
  clock,
  read,
  outage,
}: {
  clock: Clock;
  read: () => Promise<Readings>;
  outage: () => Outage | undefined;
}): CachedReadings => {
  let last: ReturnType<CachedReadings['last']>;
  let reading: Promise<void> | undefined;

  const readOnce = async () => {
    try {
      last = { readings: await read(), at: monotonicOf(clock) };
    } catch {
      // The connection reports an outage. The age of the readings shows every other failure.
    } finally {
      reading = undefined;
    }
  };

  return {
    last: () => last,
    async refresh() {
      if (last !== undefined && monotonicOf(clock) - last.at < freshFor) return;
      if (outage() !== undefined) return;
      reading ??= readOnce();
      await within(clock, scrapeWait, reading);
    },
  };
};
