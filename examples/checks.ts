import type { Redis } from 'ioredis';
import { type Host, key } from './stage.ts';

/** What the demo looks at in the end. */
export interface Outcome {
  readonly redis: Redis;
  /** The hooks that the endpoint has received. */
  readonly received: readonly { readonly job_id: string; readonly status: string }[];
  readonly victim: Host;
  readonly survivor: Host;
}

/** What must be true at the end of the demo, and whether it is. */
export const checksOf = async (
  { redis, received, victim, survivor }: Outcome,
  isAllJudged: boolean,
): Promise<readonly (readonly [string, boolean])[]> => {
  const status = (id: string) => redis.hget(key('job_stats', id), 'status');
  const tracked = (id: string) => redis.hget(key('job_track', 'inprogress'), id);
  const delivered = (id: string, what: string) =>
    received.some((event) => event.job_id === id && event.status === what);
  return [
    ['the sweep judged every broken job', isAllJudged],
    [
      'hung: is Error, its hook was delivered, no longer tracked',
      (await status('hung')) === 'Error' && delivered('hung', 'Error') && (await tracked('hung')) === null,
    ],
    [
      'unacked: its hook for Success was delivered, no longer tracked',
      delivered('unacked', 'Success') && (await tracked('unacked')) === null,
    ],
    [
      'behind: has the Success that its endpoint had confirmed, no longer tracked',
      (await status('behind')) === 'Success' && (await tracked('behind')) === null,
    ],
    ['missing: no longer tracked', (await tracked('missing')) === null],
    ['acknowledged: no longer tracked', (await tracked('acknowledged')) === null],
    [
      'collect-1: finished by the survivor, once',
      survivor.finished.filter((id) => id === 'collect-1').length === 1 && !victim.finished.includes('collect-1'),
    ],
    [
      'collect-1: is Success, its hook was delivered, no longer tracked',
      (await status('collect-1')) === 'Success' &&
        delivered('collect-1', 'Success') &&
        (await tracked('collect-1')) === null,
    ],
    ['the lock of COLLECT is free', Number(await redis.get(key('jobs', 'COLLECT', 'lock'))) === 0],
    [
      'nothing is left in a queue or in progress',
      (await redis.exists(key('jobs', 'COLLECT'), key('jobs', 'COLLECT', victim.pool, 'inprogress'))) === 0,
    ],
    [
      'the dead pool has left no trace',
      (await redis.exists(key('worker_pools', victim.pool))) === 0 &&
        (await redis.hexists(key('jobs', 'COLLECT', 'lock_info'), victim.pool)) === 0,
    ],
  ];
};
