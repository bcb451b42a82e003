/**
 * What the reaper had recorded before it died with its host: hooks that the old core did not take, its progress, and how often
 * poison jobs were recovered. Keys and records: docs/keys.md.
 */
import type { ChainableCommander } from 'ioredis';
import { type IncidentContext, type IncidentJob, lastSweepAge } from './jobs.ts';
import { key } from './namespace.ts';
import type { Pool } from './pools.ts';

/** A hook is given up this many s after its first attempt. */
const deadline = 86_400;

/** Records of a job: of its hook if its endpoint is down, of its recoveries if it is poison. */
export const writeJobHistory = (page: ChainableCommander, job: IncidentJob, context: IncidentContext): void => {
  if (job.state === 'undelivered') writeHook(page, job, context);
  if (job.state === 'poison') writeRecoveries(page, job.id, context);
};

const writeHook = (
  page: ChainableCommander,
  { id, stats }: IncidentJob,
  { now, endpoints: { old } }: IncidentContext,
) => {
  const at = Number(stats?.update_time);
  const first = at + 60;
  const isParked = now - first > deadline;
  const last = isParked ? first + deadline : now - 400;
  const kind = isParked ? 'parked' : 'pending';
  page.hset(
    key('reaper', 'hooks'),
    id,
    `${kind} ${stats?.status}:${at} ${old} ${isParked ? 150 : 40} ${first} ${last} ${isParked ? 'deadline' : 'connect'}`,
  );
  if (isParked) page.zadd(key('reaper', 'hooks', 'parked'), last * 1_000, id);
  else page.zadd(key('reaper', 'hooks', 'due', old), (now + 200) * 1_000, id);
};

const writeRecoveries = (page: ChainableCommander, id: string, { random, now }: IncidentContext) => {
  const times = [3, 2, 1].map((hours) => now - hours * 3_600);
  const recoveries = times.map((at) => [at, random.hex(24), String(at - 30)]);
  page.hset(key('reaper', 'recoveries'), id, JSON.stringify(recoveries)).expire(key('reaper', 'recoveries'), 86_400);
  for (const at of times) page.rpush(key('reaper', 'recovered'), `${at}\n${id}`);
  page.expire(key('reaper', 'recovered'), 86_400);
};

/** The circuit of the old core, and the last passes and the last term of the reaper that ran beside a dead pool. */
export const writeReaperHistory = (
  page: ChainableCommander,
  { now, endpoints: { old } }: IncidentContext,
  { beside, size }: { readonly beside: Pool; readonly size: number },
): void => {
  const ms = (ago: number) => (now - ago) * 1_000;
  page.sadd(key('reaper', 'hooks', 'origins'), old).hset(key('reaper', 'hooks', 'endpoint', old), {
    failures: 5_312,
    failing_since: ms(20 * 3_600),
    answer: 'connect',
    opens: 40,
    open_until: ms(-200),
  });
  page.hset(key('reaper', 'progress'), {
    begun: ms(lastSweepAge + 12),
    ended: ms(lastSweepAge),
    scanned: size,
    total: size,
    rescue_ended: ms(now - beside.heartbeatAt),
  });
  page.hset(key('reaper', 'lease'), {
    holder: 'reaper-of-the-dead-host',
    host: `${beside.host}:${beside.pid}`,
    fence: ms(26 * 3_600),
    since: ms(26 * 3_600),
    until: ms(now - beside.heartbeatAt - 10),
  });
};
