/** One chaos run: from a seed to its report. */
import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startReceiver } from '../../support/receiver.ts';
import type { FaultKind } from './acts.ts';
import { plantBait } from './bait.ts';
import type { HostConfig } from './hostConfig.ts';
import { type Breach, breachesAtRest } from './invariants.ts';
import { type LossyLine, openLossyLine } from './lossyLine.ts';
import { createPerformer } from './perform.ts';
import { type Plan, planOf } from './plan.ts';
import { createProcesses, type Programs } from './processes.ts';
import { createProducer } from './producer.ts';
import { driverRedis, type ReaperConfig } from './reaperOptions.ts';
import { startRedisOfRun } from './redisOfRun.ts';
import { type Noted, readRunLogs } from './runLog.ts';
import { breachesOfRuns, breachesOfSweeps, createExcuse, runsOf } from './runs.ts';
import { hostCount, key, reaperCount, standingCount, types } from './settings.ts';
import { type Settled, settle } from './settle.ts';

export interface RunReport {
  readonly plan: Plan;
  readonly breaches: readonly Breach[];
  /** Wall clock, ms. */
  readonly startedAt: number;
  readonly tookMs: number;
  /** What happened, and when (wall clock, ms). */
  readonly done: readonly { readonly at: number; readonly text: string }[];
  readonly notes: readonly Noted[];
  readonly runs: number;
  /** Job runs that were cut off by a kill, and pairs of simultaneous runs whose first host was rightly considered dead. */
  readonly cutOff: number;
  readonly excused: number;
  readonly settled: Pick<Settled, 'endedPools' | 'extraJobs'>;
  /** Reapers that ended while Redis denied them access, and were restarted. */
  readonly refused: number;
}

export interface RunOptions {
  readonly only?: readonly FaultKind[] | undefined;
  /** Ends the run early, and all its processes. */
  readonly signal?: AbortSignal;
}

/** Time-out for the jobs and acts of a plan, which take 9 s, in ms. After it the driver itself must have failed. */
const longestChaosMs = 600_000;

const slots = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}-${i}`);

export const runChaos = async (
  seed: number,
  programs: Programs,
  { only, signal }: RunOptions = {},
): Promise<RunReport> => {
  const plan = planOf(seed, only);
  const logs = join(programs.folder, `seed-${seed}-${Date.now()}`);
  await mkdir(logs);
  const done: { at: number; text: string }[] = [];
  const note = (text: string) => done.push({ at: Date.now(), text });
  // The end of the run ends all its waits, so that nothing starts after the clean-up.
  const over = new AbortController();
  const signals = AbortSignal.any(signal === undefined ? [over.signal] : [over.signal, signal]);
  setMaxListeners(0, signals); // Each job and each act listens to it.
  const pause = (ms: number) => sleep(Math.max(0, ms), undefined, { signal: signals });

  const lines = new Map<string, LossyLine>();
  const [redis, receiver] = await Promise.all([
    startRedisOfRun(
      plan.sentinel,
      () => {
        note('another master');
        for (const line of lines.values()) line.breakAll();
      },
      pause,
    ),
    startReceiver(),
  ]);
  const hosts = slots('host', hostCount);
  const reapers = slots('reaper', reaperCount);
  for (const slot of [...hosts, ...reapers, 'driver']) lines.set(slot, await openLossyLine(() => redis.master().port));
  const portOf = (slot: string) => lines.get(slot)?.port ?? 0;
  const client = new Redis(driverRedis(portOf('driver')));
  client.on('error', () => undefined);

  const replicas = plan.sentinel?.replicas ?? 0;
  const isSweepMet = plan.kinds.has('away-in-sweep');
  const reaperConfigOf = (slot: string): ReaperConfig => ({
    address: plan.sentinel === undefined ? { port: portOf(slot) } : { sentinels: redis.sentinels },
    hasLongLease: isSweepMet,
  });
  const hostConfigOf = (slot: string): HostConfig => ({
    port: portOf(slot),
    clockOffset: plan.clockOffsets[slot] ?? 0,
    replicas,
    statuses: slot === hosts.at(-1) ? 'lifecycle' : 'go',
  });
  const cutJobs = new Set<string>();
  const processes = createProcesses({
    programs,
    logs,
    configOf: (slot) => (hosts.includes(slot) ? hostConfigOf(slot) : reaperConfigOf(slot)),
    onCut: (slot, job, forMs) => {
      if (cutJobs.has(job) || signals.aborted) return;
      cutJobs.add(job);
      note(`connections of ${slot} cut and refused for ${forMs} ms, at ${job}`);
      lines.get(slot)?.cut(forMs);
    },
    isRefused: () => performer.isRefusing(),
  });
  const performer = createPerformer({ redis, client, lines, processes, pause, note });
  const producer = createProducer({ redis: client, replicas, hookUrl: `${receiver.url}/200`, signal: signals });
  const bait = await plantBait(redis.master().client, redis.servers);

  try {
    for (const [type, cap] of Object.entries(types))
      if (cap > 0) await client.set(key('jobs', type, 'max_concurrency'), cap);
    if (isSweepMet) await producer.trackStanding();
    await Promise.all([...hosts, ...reapers].map(processes.start));
    signal?.throwIfAborted();
    const startedAt = Date.now();
    const until = (atMs: number) => pause(startedAt + atMs - Date.now());
    const timedOut = pause(longestChaosMs).then(() => Promise.reject(new Error('jobs or acts did not end')));
    const planned = Promise.all([
      ...plan.jobs.map(async (job) => {
        await until(job.atMs);
        await producer.enqueue(job);
      }),
      ...plan.acts.map(async ({ atMs, act }) => {
        await until(atMs);
        await performer.perform(act);
      }),
    ]);
    timedOut.catch(() => undefined); // It matters only while the plan runs.
    await Promise.race([planned, timedOut]);
    note('all acts are done');
    const live = () => processes.alive().map(({ name }) => name);
    const settled = await settle({
      jobs: plan.jobs,
      findBreaches: (jobs) => breachesAtRest(client, jobs, receiver.hooks, live()),
      notes: () => readRunLogs(logs),
      waitingJobs: () => client.llen(key('jobs', 'SCAN')),
      enqueue: producer.enqueue,
      async age(job) {
        note(`${job} is set back by a minute`);
        await client.hincrby(key('job_stats', job), 'update_time', -60);
      },
      async endPool(pool) {
        const slot = pool.slice(0, pool.lastIndexOf('-'));
        await processes.kill(slot);
        await processes.start(slot);
      },
      pause,
      note,
    });
    const notes = readRunLogs(logs);
    const runs = runsOf(notes, processes.lives);
    const excuse = createExcuse(
      notes,
      processes.lives,
      (slot) => lines.get(slot)?.blackouts ?? [],
      (slot) => plan.clockOffsets[slot] ?? 0,
    );
    const ofRuns = breachesOfRuns(runs, excuse);
    return {
      plan,
      breaches: [
        ...processes.faults.map((text) => ({ text })),
        ...bait.changes().map((text) => ({ text: `a write in database 0: ${text}` })),
        ...performer.breaches,
        ...settled.left,
        ...ofRuns.breaches,
        ...(isSweepMet ? breachesOfSweeps(notes, standingCount) : []),
      ],
      startedAt,
      tookMs: Date.now() - startedAt,
      done,
      notes,
      runs: runs.length,
      cutOff: runs.filter(({ outcome }) => outcome === 'cut off').length,
      excused: ofRuns.excused,
      settled,
      refused: processes.refused,
    };
  } finally {
    over.abort();
    await processes.killAll();
    bait.close();
    await producer.stop();
    client.disconnect();
    for (const line of lines.values()) line.close();
    await Promise.all([redis.stop(), receiver.stop()]);
  }
};
