/** What must be true in Redis when a run has settled. */
import type { Redis } from 'ioredis';
import { isFinal, type Status } from '../../../src/machines/facts.ts';
import { jobOf } from '../../support/entries.ts';
import type { ReceivedHook } from '../../support/hookEndpoint.ts';
import type { PlannedJob } from './plan.ts';
import { isStanding } from './producer.ts';
import { key, types } from './settings.ts';

export interface Breach {
  readonly text: string;
  /** The job with the breach. */
  readonly job?: string;
  /** The live pool that holds the job's entry, and whether the job is in Success. */
  readonly leader?: string;
  readonly hasSucceeded?: boolean;
  /** Whether the breach is that the job is Running, or an entry of the job. */
  readonly about?: 'running' | 'entry';
}

/** The breaches of the invariants, in Redis and in the delivered hooks. Empty when the run has settled. */
export const breachesAtRest = async (
  redis: Redis,
  jobs: readonly PlannedJob[],
  hooks: readonly ReceivedHook[],
  livePools: readonly string[],
  /** Jobs that a sweep has to fail as hung. */
  lost: ReadonlySet<string>,
): Promise<Breach[]> => {
  const breaches: Breach[] = [];
  const names = Object.keys(types);
  const [tracked, undelivered, registered, dead, retry, scheduled, keys] = await Promise.all([
    redis.hgetall(key('job_track', 'inprogress')),
    redis.hlen(key('reaper', 'hooks')),
    redis.smembers(key('worker_pools')),
    redis.zrange(key('dead'), '0', '-1'),
    redis.zcard(key('retry')),
    redis.zcard(key('scheduled')),
    redis.keys(key('*')),
  ]);

  const died = dead.map((entry) => jobOf(entry));
  const stats = await Promise.all(jobs.map(({ id }) => redis.hmget(key('job_stats', id), 'status', 'ack')));
  const delivered = new Set(hooks.map(({ body }) => `${body.job_id} ${body.status}`));
  const executions = new Map<string, string | null>();
  for (const { id, execution } of jobs) {
    if (execution) executions.set(id, await redis.zscore(key('executions', execution.policy), id));
  }
  const succeeded = new Set(jobs.flatMap(({ id }, i) => (stats[i]?.[0] === 'Success' ? [id] : [])));
  for (const [i, { id, hasHook, execution }] of jobs.entries()) {
    const breach = (text: string, isRunning = false) =>
      breaches.push({ text: `${id} ${text}`, job: id, ...(isRunning ? { about: 'running' } : {}) });
    const [status, ack] = stats[i] as (string | null)[];
    const deaths = died.filter((job) => job === id).length;
    const expected = deaths === 0 && !lost.has(id) ? 'Success' : 'Error';
    if (status !== expected) breach(`is ${status ?? 'without stats'}, ${deaths} × in dead`, status === 'Running');
    if (deaths > 1) breach(`is ${deaths} × in dead`);
    if (id in tracked) breach(`is ${status} and still tracked (${tracked[id]}), confirmed: ${ack}`);
    if (hasHook && !delivered.has(`${id} ${status}`)) breach(`is ${status}, and its endpoint never got a hook`);
    if (execution && isFinal(status as Status) && executions.get(id) !== '-1') breach('is not marked in executions');
  }
  for (const id of Object.keys(tracked)) {
    if (!isStanding(id) && !jobs.some((job) => job.id === id))
      breaches.push({ text: `${id}, which was never saved, is tracked` });
  }
  if (undelivered > 0) breaches.push({ text: `${undelivered} hooks are pending` });
  if (retry + scheduled > 0) breaches.push({ text: `${retry} in retry, ${scheduled} in scheduled` });

  for (const type of names) {
    const queue = await redis.lrange(key('jobs', type), 0, -1);
    for (const entry of queue)
      breaches.push({ text: `${jobOf(entry)} waits in the queue of ${type}`, job: `${jobOf(entry)}`, about: 'entry' });
    const lists = keys.filter((name) => name.startsWith(key('jobs', `${type}:`)) && name.endsWith(':inprogress'));
    const lengths = new Map<string, number>();
    for (const list of lists) {
      const pool = list.split(':').at(-2) as string;
      const entries = await redis.lrange(list, 0, -1);
      lengths.set(pool, entries.length);
      for (const entry of entries) {
        const job = `${jobOf(entry)}`;
        const held = livePools.includes(pool) ? { leader: pool, hasSucceeded: succeeded.has(job) } : {};
        breaches.push({ text: `${job} is in progress in ${pool}`, job, about: 'entry', ...held });
      }
    }
    const sum = [...lengths.values()].reduce((a, b) => a + b, 0);
    const lock = (await redis.get(key('jobs', type, 'lock'))) ?? '0';
    if (lock !== String(sum)) breaches.push({ text: `lock of ${type} is ${lock}, in progress are ${sum}` });
    for (const [pool, count] of Object.entries(await redis.hgetall(key('jobs', type, 'lock_info')))) {
      const length = lengths.get(pool) ?? 0;
      if (count !== String(length))
        breaches.push({ text: `lock_info of ${type} has ${count} for ${pool}, which runs ${length}` });
    }
  }
  for (const pool of registered) {
    if (!livePools.includes(pool)) breaches.push({ text: `dead pool ${pool} is still registered` });
  }
  return breaches;
};
