/** Enqueues the jobs of a run, each once, despite the faults of Redis. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { createReaper, type NewJob } from '../../../src/index.ts';
import type { JobArgs } from './hostConfig.ts';
import type { PlannedJob } from './plan.ts';
import { createReplication } from './replication.ts';
import { key, namespace, standingCount } from './settings.ts';

export interface Producer {
  enqueue(job: PlannedJob): Promise<void>;
  /** Adds jobs that are tracked and never run. */
  trackStanding(): Promise<void>;
  stop(): Promise<void>;
}

/** Pushes an entry once, also if the script is sent again because its reply got lost. */
const enqueueScript = `
  if redis.call('SADD', KEYS[1], ARGV[1]) == 1 then redis.call('LPUSH', KEYS[2], ARGV[2]) end`;
const enqueued = 'enqueued';
const standing = 'standing-';
export const isStanding = (id: string): boolean => id.startsWith(standing);

export const createProducer = ({
  redis,
  replicas,
  hookUrl,
  signal,
}: {
  /** A client of the driver. Its owner closes it. */
  redis: Redis;
  replicas: number;
  hookUrl: string;
  signal: AbortSignal;
}): Producer => {
  const { confirmed } = createReplication(redis, replicas);
  const reaper = createReaper({ redis, namespace, logger: false });
  const second = () => Math.floor(Date.now() / 1_000);

  const untilConfirmed = async (step: () => Promise<unknown>) => {
    for (;;) {
      const isDone = await confirmed(step).then(
        () => true,
        () => false,
      );
      if (isDone) return;
      await sleep(50, undefined, { signal });
    }
  };

  return {
    async enqueue({ id, type, workMs, hasHook, execution, cut, observation }) {
      const job: NewJob = {
        id,
        name: type,
        enqueueTime: second(),
        ...(hasHook ? { webHookUrl: hookUrl } : {}),
        ...(execution ? ({ kind: 'Scheduled', upstreamJobId: execution.policy, runAt: second() } as const) : {}),
      };
      const args: JobArgs = {
        ms: workMs,
        ...(cut ? { cut } : {}),
        ...(observation ? { observation } : {}),
        ...(execution ? { _job_kind_periodic_: execution.epoch } : {}),
      };
      const entry = JSON.stringify({ name: type, id: execution?.policy ?? id, t: second(), args });
      // What a failover has lost is done again. The stats of an enqueued job are saved again only if they are lost: the
      // job may be running. They are lost without the entry if the failover comes between the two.
      await untilConfirmed(async () => {
        const isEnqueued = (await redis.sismember(enqueued, id)) === 1;
        if (!isEnqueued || (await redis.exists(key('job_stats', id))) === 0) await reaper.lifecycle.save(job);
        if (!isEnqueued) {
          await redis.eval(enqueueScript, 2, enqueued, key('jobs', type), id, entry);
        }
        await redis.incr('confirmed'); // WAIT needs a write of this connection.
      });
    },

    async trackStanding() {
      await untilConfirmed(async () => {
        const batch = redis.pipeline();
        for (let i = 0; i < standingCount; i++) {
          const id = `${standing}${i}`;
          batch.hset(key('job_stats', id), {
            ...{ id, name: 'SCAN', kind: 'Generic', unique: 0, status: 'Pending', ref_link: '', web_hook_url: '' },
            ...{ enqueue_time: second(), update_time: second(), revision: second(), run_at: 0 },
          });
          batch.hset(key('job_track', 'inprogress'), id, 2);
        }
        await batch.exec();
      });
    },

    stop: () => reaper.stop({ timeout: 0 }),
  };
};
