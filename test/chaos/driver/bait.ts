/**
 * The bait in database 0: a dead pool with an entry, and a hung job. All processes of a run have to use another database. A
 * reaper whose SELECT was denied, and that goes on regardless, would act on the bait.
 */
import type { Redis } from 'ioredis';
import type { RedisServer } from '../../support/redisServer.ts';
import { key } from './settings.ts';

export interface Bait {
  /** All changes in database 0 since then. */
  changes(): string[];
  close(): void;
}

/** @param client of the master, in database 0. */
export const plantBait = async (client: Redis, servers: readonly RedisServer[]): Promise<Bait> => {
  const pool = 'pool-of-database-0';
  const entry = JSON.stringify({ name: 'SCAN', id: 'job-of-database-0', t: 1_700_000_000, args: {} });
  await client
    .multi()
    .sadd(key('worker_pools'), pool)
    .sadd(key('known_jobs'), 'SCAN')
    .hset(key('worker_pools', pool), { heartbeat_at: 1_700_000_000, job_names: 'SCAN', worker_ids: 'w', host: 'none' })
    .lpush(key('jobs', 'SCAN', pool, 'inprogress'), entry)
    .set(key('jobs', 'SCAN', 'lock'), 1)
    .hset(key('jobs', 'SCAN', 'lock_info'), pool, 1)
    .hset(key('job_stats', 'job-of-database-0'), {
      ...{ id: 'job-of-database-0', name: 'SCAN', kind: 'Generic', status: 'Running' },
      ...{ revision: 1_700_000_000, update_time: 1_700_000_000, enqueue_time: 1_700_000_000 },
    })
    .hset(key('job_track', 'inprogress'), 'job-of-database-0', 2)
    .exec();
  if (servers.length > 1) await client.wait(servers.length - 1, 5_000);
  const found = new Set<string>();
  const listeners = await Promise.all(
    servers.map(async (server) => {
      const listener = server.client.duplicate();
      listener.on('error', () => undefined);
      listener.on('pmessage', (_pattern: string, channel: string, event: string) => {
        found.add(`${event} of ${channel.slice(channel.indexOf(':') + 1)}`);
      });
      await listener.psubscribe('__keyspace@0__:*');
      return listener;
    }),
  );
  return {
    changes: () => [...found],
    close() {
      for (const listener of listeners) listener.disconnect();
    },
  };
};
