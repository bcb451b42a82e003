import type { Redis } from 'ioredis';
import { countText } from '../ages.ts';
import { unlessRefused } from '../io/redis/refusals.ts';
import { type DoctorCheck, fine, notFine } from './report.ts';
import { fieldOf } from './server.ts';

/** Checks what Redis does when its memory is full. */
export const checkEviction = async (redis: Redis): Promise<DoctorCheck[]> => {
  const [memory, stats] = await Promise.all([unlessRefused(redis.info('memory')), unlessRefused(redis.info('stats'))]);
  if (memory === undefined || stats === undefined) {
    return [notFine('eviction', 'INFO is not allowed, so eviction cannot be checked', 'allow INFO')];
  }
  const policy = fieldOf(memory, 'maxmemory_policy') ?? 'unknown';
  const evicted = Number(fieldOf(stats, 'evicted_keys') ?? 0);
  const todo = 'set maxmemory-policy noeviction, and a maxmemory that is large enough';
  if (policy !== 'noeviction') {
    const lost = evicted === 0 ? '' : `; it has evicted ${countText(evicted)} keys`;
    return [notFine('eviction', `maxmemory-policy is ${policy}: Redis may remove jobs${lost}`, todo)];
  }
  const [used, most] = [fieldOf(memory, 'used_memory'), fieldOf(memory, 'maxmemory')].map(Number) as [number, number];
  if (most > 0 && used >= most) {
    return [notFine('eviction', 'Redis has no memory left and refuses writes', 'raise its maxmemory, or free some')];
  }
  return evicted === 0
    ? [fine('eviction', 'maxmemory-policy is noeviction, no key was evicted')]
    : [
        notFine(
          'eviction',
          `Redis has evicted ${countText(evicted)} keys since its start: jobs, or records of them, may be missing`,
          'run reaper status to see what is left; CONFIG RESETSTAT sets the count to 0',
        ),
      ];
};
