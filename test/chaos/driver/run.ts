/** One chaos run: from a seed to its report. */
import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultKind } from './acts.ts';
import { type Breach, breachesAtRest } from './invariants.ts';
import { type Plan, planOf } from './plan.ts';
import type { Programs } from './processes.ts';
import { type Noted, readRunLogs } from './runLog.ts';
import { breachesOfRuns, breachesOfSweeps, createExcuse, lostSuccesses, runsOf } from './runs.ts';
import { key, standingCount } from './settings.ts';
import { type Settled, settle } from './settle.ts';
import { createStage, type Stage } from './stage.ts';

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

/** How far a job whose Success was lost is set back, in s: more than `hungAfter`. */
const silentS = 100_000;
/** Time-out for the jobs and acts of a plan, which take 9 s, in ms. After it the driver itself must have failed. */
const longestChaosMs = 600_000;

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
  const stage = await createStage({ plan, programs, logs, signal: signals, pause, note });
  try {
    await stage.start();
    signal?.throwIfAborted();
    const startedAt = Date.now();
    await play(stage, startedAt);
    note('all acts are done');
    const settled = await settleStage(stage);
    return { ...reportOf(stage, settled), startedAt, tookMs: Date.now() - startedAt, done };
  } finally {
    over.abort();
    await stage.close();
  }
};

/** Enqueues the jobs of the plan and performs its acts, each at its time. */
const play = async ({ plan, producer, performer, pause }: Stage, startedAt: number): Promise<void> => {
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
};

const settleStage = ({
  plan,
  logs,
  client,
  hookEndpoint,
  processes,
  producer,
  pause,
  note,
}: Stage): Promise<Settled> => {
  const live = () => processes.alive().map(({ name }) => name);
  return settle({
    jobs: plan.jobs,
    findBreaches: (jobs, lost) => breachesAtRest(client, jobs, hookEndpoint.hooks, live(), lost),
    lostSuccesses: () => lostSuccesses(runsOf(readRunLogs(logs), processes.lives)),
    notes: () => readRunLogs(logs),
    waitingJobs: () => client.llen(key('jobs', 'SCAN')),
    enqueue: producer.enqueue,
    async age(job) {
      note(`${job} is set back by a minute`);
      await client.hincrby(key('job_stats', job), 'update_time', -60);
    },
    async silence(job) {
      note(`${job} is set back by more than a day`);
      const stats = key('job_stats', job);
      const { ack, ...times } = await client.hgetall(stats);
      const old = (time: string) => String(Number(time) - silentS);
      const aged = ['update_time', 'enqueue_time', 'revision', 'check_in_at'].flatMap((field) =>
        times[field] === undefined ? [] : [field, old(times[field])],
      );
      // The endpoint has acknowledged this same state.
      if (ack !== undefined) aged.push('ack', ack.replace(/(?<="revision":)\d+/, old));
      await client.hset(stats, aged);
    },
    async endPool(pool) {
      const slot = pool.slice(0, pool.lastIndexOf('-'));
      await processes.kill(slot);
      await processes.start(slot);
    },
    pause,
    note,
  });
};

/** What the logs and the processes say about the run. */
const reportOf = (
  { plan, logs, lines, processes, performer, bait }: Stage,
  settled: Settled,
): Omit<RunReport, 'startedAt' | 'tookMs' | 'done'> => {
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
      ...(plan.kinds.has('away-in-sweep') ? breachesOfSweeps(notes, standingCount) : []),
    ],
    notes,
    runs: runs.length,
    cutOff: runs.filter(({ outcome }) => outcome === 'cut off').length,
    excused: ofRuns.excused,
    settled,
    refused: processes.refused,
  };
};
