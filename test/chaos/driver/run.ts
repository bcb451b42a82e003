/** One run of chaos: from a seed to what is wrong after it. */
import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createReaper } from '../../../src/index.ts';
import { startReceiver } from '../../support/receiver.ts';
import { startRedis } from '../../support/redisServer.ts';
import { type Breach, breachesAtRest, breachesOfRuns, runsOf } from './invariants.ts';
import { openLossyLine } from './lossyLine.ts';
import { type Act, type PlannedJob, planOf, wordsOf } from './plan.ts';
import { createProcesses, type Programs } from './processes.ts';
import { redisOptions } from './reaperOptions.ts';
import { type Noted, readRunLogs } from './runLog.ts';
import { hostCount, key, namespace, reaperCount, settleMs, types } from './settings.ts';

export interface RunReport {
  readonly seed: number;
  readonly breaches: readonly Breach[];
  /** Wall clock, ms. */
  readonly startedAt: number;
  readonly tookMs: number;
  /** What was done, and when (wall clock, ms). */
  readonly done: readonly { readonly at: number; readonly text: string }[];
  readonly notes: readonly Noted[];
  readonly runs: number;
  /** Runs that a kill cut off, and pairs at once that a host that slept past the grace explains. */
  readonly cutOff: number;
  readonly excused: number;
}

/** An entry is pushed once, however often that is said: a reply may get lost. */
const enqueueScript = `
  if redis.call('SADD', KEYS[1], ARGV[1]) == 1 then redis.call('LPUSH', KEYS[2], ARGV[2]) end`;

/** @param signal ends the run early, with nothing left running. */
export const runChaos = async (seed: number, programs: Programs, signal?: AbortSignal): Promise<RunReport> => {
  const plan = planOf(seed);
  const logs = join(programs.folder, `seed-${seed}-${Date.now()}`);
  await mkdir(logs);
  const done: { at: number; text: string }[] = [];
  const note = (text: string) => done.push({ at: Date.now(), text });
  const [server, receiver] = await Promise.all([
    startRedis('--appendonly', 'yes', '--appendfsync', 'always'),
    startReceiver(),
  ]);
  const { client } = server;
  const line = await openLossyLine(server.port);
  const processes = createProcesses(programs, { host: line.port, reaper: server.port }, logs);
  const producer = createReaper({ redis: redisOptions(server.port), namespace, logger: false });
  let startedAt = Date.now();
  // Whatever ends the run ends all that waits for its time in it, so that nothing is started when all is cleared away.
  const over = new AbortController();
  const signals = AbortSignal.any(signal === undefined ? [over.signal] : [over.signal, signal]);
  setMaxListeners(0, signals); // Each job and act waits with it.
  const pause = (ms: number) => sleep(Math.max(0, ms), undefined, { signal: signals });
  const until = (atMs: number) => pause(startedAt + atMs - Date.now());

  const killClients = async (picks: readonly number[] | 'all') => {
    const others = ((await client.client('LIST', 'TYPE', 'NORMAL')) as string).match(/^id=\d+/gm) ?? [];
    const chosen = picks === 'all' ? others : picks.map((n) => others[Math.floor((n / 100) * others.length)]);
    for (const found of new Set(chosen)) {
      if (found !== undefined) await client.call('CLIENT', 'KILL', 'ID', found.slice(3), 'SKIPME', 'YES');
    }
  };

  const perform = async (act: Act): Promise<void> => {
    note(wordsOf(act));
    switch (act.kind) {
      case 'kill':
        await processes.kill(act.target);
        await pause(act.forMs);
        void processes.start(act.target);
        return;
      case 'stop':
        processes.stop(act.target);
        await pause(act.forMs);
        return processes.goOn(act.target);
      case 'stop, then kill':
        processes.stop(act.target);
        await pause(act.stopMs);
        await processes.kill(act.target);
        await pause(act.forMs);
        void processes.start(act.target);
        return;
      case 'kill redis':
        await server.kill();
        await pause(act.forMs);
        return server.restart();
      case 'kill clients':
        for (let i = 0; i < act.times; i++) {
          await killClients(act.picks);
          await pause(20);
        }
        return;
      case 'lose replies':
        return line.loseReplies(act.forMs);
      case 'flush scripts':
        await client.script('FLUSH');
    }
  };

  const enqueue = async ({ id, type, workMs, hasHook, execution }: PlannedJob) => {
    const second = Math.floor(Date.now() / 1_000);
    const job = {
      id,
      name: type,
      enqueueTime: second,
      ...(hasHook ? { webHookUrl: `${receiver.url}/200` } : {}),
      ...(execution ? ({ kind: 'Scheduled', upstreamJobId: execution.policy, runAt: second } as const) : {}),
    };
    for (;;) {
      const isSaved = await producer.lifecycle.save(job).then(
        () => true,
        () => false,
      );
      if (isSaved) break;
      await pause(50);
    }
    const args = { ms: workMs, ...(execution ? { _job_kind_periodic_: execution.epoch } : {}) };
    const entry = JSON.stringify({ name: type, id: execution?.policy ?? id, t: second, args });
    await client.eval(enqueueScript, 2, 'enqueued', key('jobs', type), id, entry);
  };

  const hosts = Array.from({ length: hostCount }, (_, i) => `host-${i}`);
  try {
    for (const [type, cap] of Object.entries(types))
      if (cap > 0) await client.set(key('jobs', type, 'max_concurrency'), cap);
    const reapers = Array.from({ length: reaperCount }, (_, i) => `reaper-${i}`);
    await Promise.all([...hosts, ...reapers].map(processes.start));
    signal?.throwIfAborted();
    startedAt = Date.now();
    await Promise.all([
      ...plan.jobs.map(async (job) => {
        await until(job.atMs);
        await enqueue(job);
      }),
      ...plan.acts.map(async ({ atMs, act }) => {
        await until(atMs);
        await perform(act);
      }),
    ]);
    note('the chaos is over');
    let left: Breach[] = [];
    let last = 'nothing';
    const deadline = Date.now() + settleMs;
    do {
      last = left.map(({ text }) => text).join('; ') || last;
      await pause(200);
      const live = processes.alive().map(({ name }) => name);
      left = await breachesAtRest(client, plan, receiver.hooks, live);
    } while (left.length > 0 && Date.now() < deadline);
    if (left.length === 0) note(`all is at rest; what came right last: ${last}`);
    const notes = readRunLogs(logs);
    const runs = runsOf(notes, processes.lives);
    const ofRuns = breachesOfRuns(runs);
    return {
      seed,
      breaches: [...processes.faults.map((text) => ({ text })), ...left, ...ofRuns.breaches],
      startedAt,
      tookMs: Date.now() - startedAt,
      done,
      notes,
      runs: runs.length,
      cutOff: runs.filter(({ outcome }) => outcome === 'cut off').length,
      excused: ofRuns.excused,
    };
  } finally {
    over.abort();
    await processes.killAll();
    await producer.stop({ timeout: 0 });
    line.close();
    await Promise.all([server.stop(), receiver.stop()]);
  }
};
