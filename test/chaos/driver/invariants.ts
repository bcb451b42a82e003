/** What must be true once a run has come to rest, whatever happened in it. */
import type { Redis } from 'ioredis';
import { jobOf } from '../../../src/io/entries.ts';
import { isFinal, type Status } from '../../../src/machines/facts.ts';
import type { ReceivedHook } from '../../support/receiver.ts';
import type { Plan } from './plan.ts';
import type { Life } from './processes.ts';
import type { Noted } from './runLog.ts';
import { key, stoppedPastGraceMs, types } from './settings.ts';

export interface Breach {
  readonly text: string;
  /** The job that it is about. */
  readonly job?: string;
}

/** What is not as it must be in Redis, and in what receivers were told. Empty once all has come to rest. */
export const breachesAtRest = async (
  redis: Redis,
  plan: Plan,
  hooks: readonly ReceivedHook[],
  livePools: readonly string[],
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
  const stats = await Promise.all(plan.jobs.map(({ id }) => redis.hmget(key('job_stats', id), 'status', 'ack')));
  const told = new Set(hooks.map(({ body }) => `${body.job_id} ${body.status}`));
  const executions = new Map<string, string | null>();
  for (const { id, execution } of plan.jobs) {
    if (execution) executions.set(id, await redis.zscore(key('executions', execution.policy), id));
  }
  for (const [i, { id, hasHook, execution }] of plan.jobs.entries()) {
    const breach = (text: string) => breaches.push({ text: `${id} ${text}`, job: id });
    const [status, ack] = stats[i] as (string | null)[];
    const deaths = died.filter((job) => job === id).length;
    if (status !== (deaths === 0 ? 'Success' : 'Error')) breach(`is ${status ?? 'without stats'}, ${deaths} × in dead`);
    if (deaths > 1) breach(`is ${deaths} × in dead`);
    if (id in tracked) breach(`is ${status} and still tracked (${tracked[id]}), confirmed: ${ack}`);
    if (hasHook && !told.has(`${id} ${status}`)) breach(`is ${status}, and its receiver was never told`);
    if (execution && isFinal(status as Status) && executions.get(id) !== '-1') breach('is not marked in executions');
  }
  for (const id of Object.keys(tracked)) {
    if (!plan.jobs.some((job) => job.id === id)) breaches.push({ text: `${id}, which nobody saved, is tracked` });
  }
  if (undelivered > 0) breaches.push({ text: `${undelivered} records of hooks are left` });
  if (retry + scheduled > 0) breaches.push({ text: `${retry} in retry, ${scheduled} in scheduled` });

  for (const type of names) {
    const queue = await redis.lrange(key('jobs', type), 0, -1);
    for (const entry of queue)
      breaches.push({ text: `${jobOf(entry)} waits in the queue of ${type}`, job: `${jobOf(entry)}` });
    const lists = keys.filter((name) => name.startsWith(key('jobs', `${type}:`)) && name.endsWith(':inprogress'));
    const lengths = new Map<string, number>();
    for (const list of lists) {
      const pool = list.split(':').at(-2) as string;
      const entries = await redis.lrange(list, 0, -1);
      lengths.set(pool, entries.length);
      for (const entry of entries)
        breaches.push({ text: `${jobOf(entry)} is in progress in ${pool}`, job: `${jobOf(entry)}` });
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

/** One time that a worker ran a job, or may have. */
interface Run {
  readonly run: string;
  readonly job: string;
  readonly host: Life;
  readonly askedAt: number;
  readonly beginAt: number;
  readonly endAt: number;
  readonly outcome: string;
}

export const runsOf = (notes: readonly Noted[], lives: readonly Life[]): Run[] => {
  const hosts = new Map(lives.map((life) => [life.name, life]));
  const ends = new Map(notes.flatMap((note) => (note.what === 'end' ? [[note.run, note]] : [])));
  return notes.flatMap((note) => {
    const host = hosts.get(note.process);
    if (note.what !== 'begin' || host === undefined) return [];
    const end = ends.get(note.run);
    return [
      {
        run: note.run,
        job: note.job,
        host,
        askedAt: note.askedAt,
        beginAt: note.at,
        endAt: end?.at ?? host.endedAt ?? Number.POSITIVE_INFINITY,
        outcome: end?.outcome ?? 'cut off',
      },
    ];
  });
};

const hasRun = ({ outcome }: Run) => !outcome.startsWith('not run') && !outcome.startsWith('not begun');

/** Whether the host slept during the run for so long that others could take it for dead. */
const mayHaveLostIt = ({ host, askedAt, endAt }: Run): boolean =>
  host.stops.some(({ from, to }) => from <= endAt && to >= askedAt && to - from >= stoppedPastGraceMs);

/** Jobs that ran twice at once, or succeeded twice, with no host that slept past the grace to explain it. */
export const breachesOfRuns = (runs: readonly Run[]): { breaches: Breach[]; excused: number } => {
  const breaches: Breach[] = [];
  let excused = 0;
  const byJob = new Map<string, Run[]>();
  for (const run of runs.filter(hasRun)) byJob.set(run.job, [...(byJob.get(run.job) ?? []), run]);
  for (const [job, all] of byJob) {
    const inOrder = all.toSorted((a, b) => a.askedAt - b.askedAt);
    for (const [i, first] of inOrder.entries()) {
      for (const second of inOrder.slice(i + 1)) {
        const atOnce = second.beginAt < first.endAt;
        const bothSucceeded = first.outcome === 'succeeded' && second.outcome === 'succeeded';
        if (!atOnce && !bothSucceeded) continue;
        if (mayHaveLostIt(first)) {
          excused += 1;
          continue;
        }
        const what = atOnce ? 'ran twice at once' : 'succeeded twice';
        breaches.push({
          text: `${job} ${what}: ${first.run} (${first.outcome}) and ${second.run} (${second.outcome})`,
          job,
        });
      }
    }
  }
  return { breaches, excused };
};
