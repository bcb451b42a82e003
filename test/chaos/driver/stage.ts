/** The servers, connections and processes of a chaos run. */
import { Redis } from 'ioredis';
import { startHookEndpoint } from '../../support/hookEndpoint.ts';
import { plantBait } from './bait.ts';
import type { HostConfig } from './hostConfig.ts';
import { type LossyLine, openLossyLine } from './lossyLine.ts';
import { createPerformer } from './perform.ts';
import type { Plan } from './plan.ts';
import { createProcesses, type Programs } from './processes.ts';
import { createProducer } from './producer.ts';
import { driverRedis, type ReaperConfig } from './reaperOptions.ts';
import { type RedisOfRun, startRedisOfRun } from './redisOfRun.ts';
import { hostCount, key, reaperCount, types } from './settings.ts';

export interface StageOptions {
  readonly plan: Plan;
  readonly programs: Programs;
  /** The folder for the logs of the processes. */
  readonly logs: string;
  /** Aborted when the run is over. */
  readonly signal: AbortSignal;
  readonly pause: (ms: number) => Promise<unknown>;
  readonly note: (text: string) => void;
}

export type Stage = Awaited<ReturnType<typeof createStage>>;

const slots = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}-${i}`);
const hosts = slots('host', hostCount);
const reapers = slots('reaper', reaperCount);

export const createStage = async (options: StageOptions) => {
  const { plan, programs, logs, signal, pause, note } = options;
  const lines = new Map<string, LossyLine>();
  const [redis, hookEndpoint] = await Promise.all([
    startRedisOfRun(
      plan.sentinel,
      () => {
        note('another master');
        for (const line of lines.values()) line.breakAll();
      },
      pause,
    ),
    startHookEndpoint(),
  ]);
  for (const slot of [...hosts, ...reapers, 'driver']) lines.set(slot, await openLossyLine(() => redis.master().port));
  const portOf = (slot: string) => lines.get(slot)?.port ?? 0;
  const client = new Redis(driverRedis(portOf('driver')));
  client.on('error', () => undefined);

  const replicas = plan.sentinel?.replicas ?? 0;
  const cutJobs = new Set<string>();
  const processes = createProcesses({
    programs,
    logs,
    configOf: (slot) => configOf(plan, redis, slot, portOf(slot)),
    onCut: (slot, job, forMs) => {
      if (cutJobs.has(job) || signal.aborted) return;
      cutJobs.add(job);
      note(`connections of ${slot} cut and refused for ${forMs} ms, at ${job}`);
      lines.get(slot)?.cut(forMs);
    },
    isRefused: () => performer.isRefusing(),
  });
  const performer = createPerformer({ redis, client, lines, processes, pause, note });
  const producer = createProducer({ redis: client, replicas, hookUrl: `${hookEndpoint.url}/200`, signal });
  const bait = await plantBait(redis.master().client, redis.servers);

  return {
    ...options,
    ...{ client, hookEndpoint, lines, processes, performer, producer, bait },
    /** Starts the hosts and the reapers. */
    async start() {
      for (const [type, cap] of Object.entries(types))
        if (cap > 0) await client.set(key('jobs', type, 'max_concurrency'), cap);
      if (plan.kinds.has('away-in-sweep')) await producer.trackStanding();
      await Promise.all([...hosts, ...reapers].map(processes.start));
    },
    async close() {
      await processes.killAll();
      bait.close();
      await producer.stop();
      client.disconnect();
      for (const line of lines.values()) line.close();
      await Promise.all([redis.stop(), hookEndpoint.stop()]);
    },
  };
};

/** The first argument of a slot's process. */
const configOf = (plan: Plan, redis: RedisOfRun, slot: string, port: number): HostConfig | ReaperConfig =>
  hosts.includes(slot)
    ? {
        port,
        clockOffset: plan.clockOffsets[slot] ?? 0,
        replicas: plan.sentinel?.replicas ?? 0,
        statuses: slot === hosts.at(-1) ? 'lifecycle' : 'go',
      }
    : {
        address: plan.sentinel === undefined ? { port } : { sentinels: redis.sentinels },
        hasLongLease: plan.kinds.has('away-in-sweep'),
      };
