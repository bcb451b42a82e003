import type { Redis } from 'ioredis';
import type { Reaper } from '../src/index.ts';
import { key } from './stage.ts';

const second = () => Math.floor(Date.now() / 1_000);

/** Enqueues a job as its owner does: stats first, then the entry. Its work takes `ms`. */
export const enqueueOn =
  (reaper: Reaper, redis: Redis, hook: string) =>
  async (id: string, type: string, ms: number): Promise<void> => {
    await reaper.lifecycle.save({ id, name: type, webHookUrl: hook, enqueueTime: second() });
    await redis.lpush(key('jobs', type), JSON.stringify({ name: type, id, t: second(), args: { ms } }));
  };

/** Writes the stats of a job whose last update was `ageS` seconds ago. `ack` is the status that its endpoint confirmed. */
export const seedOn =
  (redis: Redis, hook: string) =>
  async (id: string, status: string, ageS: number, ack: string | undefined): Promise<void> => {
    const t = second() - ageS;
    const stats = {
      id,
      name: 'SCAN',
      kind: 'Generic',
      status,
      web_hook_url: hook,
      enqueue_time: t,
      update_time: t,
      revision: t,
    };
    const confirmed = ack === undefined ? {} : { ack: JSON.stringify({ status: ack, revision: t, check_in_at: 0 }) };
    await redis.hset(key('job_stats', id), { ...stats, ...confirmed });
  };
