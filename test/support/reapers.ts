import type { Redis } from 'ioredis';
import { createReaper, type Reaper, type ReaperOptions } from '../../src/index.ts';

/** The reapers and clients of a test, in the namespace `t`. All of them are closed after the test. */
export interface Opened {
  create(options: Partial<ReaperOptions> & Pick<ReaperOptions, 'redis'>): Reaper;
  /** Adds a client to be closed. */
  hold(client: Redis): Redis;
  close(): Promise<void>;
}

export const trackOpened = (): Opened => {
  const reapers: Reaper[] = [];
  const clients: Redis[] = [];
  return {
    create(options) {
      // A clock of a test stands still while a sweep waits for its share of Redis.
      const sweep = options.clock === undefined ? options.sweep : { maxRedisShare: 1, ...options.sweep };
      const reaper = createReaper({ namespace: 't', logger: false, random: () => 0.5, ...options, sweep });
      reapers.push(reaper);
      return reaper;
    },
    hold(client) {
      clients.push(client);
      return client;
    },
    async close() {
      await Promise.all(reapers.splice(0).map((reaper) => reaper.stop({ timeout: 0 })));
      for (const client of clients.splice(0)) client.disconnect();
    },
  };
};
