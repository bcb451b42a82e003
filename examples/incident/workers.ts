/**
 * The two pools that live: they write heartbeats, and their idle workers take what they can, by gocraft's rules. Before the rescue
 * no image scan is given to them, because the lock is at the cap; after it they run them.
 */
import type { Redis } from 'ioredis';
import { createReaper, type Reaper } from '../../src/index.ts';
import { createPool, type Entry, type Pool as LivePool, readEntry } from '../gocraft.ts';
import { namespace } from './namespace.ts';
import type { Pool } from './pools.ts';
import type { Incident } from './seed.ts';
import { jobTypes } from './types.ts';

/** In ms: between two heartbeats, between two looks of an idle worker, and how long a job runs at least and at most. */
const heartbeatMs = 5_000;
const idleMs = 1_000;
const runMs = [20_000, 60_000] as const;

export interface Workers {
  /** Stops everything. What runs is left as if the hosts had died. */
  stop(): Promise<void>;
}

/** Writes the first heartbeats, and works until it is stopped. */
export const startWorkers = async (redis: Redis, url: string, { pools, busy }: Incident): Promise<Workers> => {
  // It only reports what the jobs do: `never` means no passes.
  const reaper = createReaper({ redis: url, namespace, role: 'never', logger: false });
  reaper.on('error', ({ where, message }) => console.error(`${where}: ${message}`));
  const live = pools.live.map((pool) => ({ pool, gocraft: liveOf(redis, pool) }));
  const beat = () => Promise.all(live.map(({ gocraft }) => gocraft.beat()));
  await beat();
  const idle = live.flatMap(({ pool, gocraft }) =>
    pool.workers.filter((worker) => !busy.has(worker)).map((worker) => createWorker(reaper, gocraft, worker)),
  );
  const every = (ms: number, act: () => unknown) =>
    setInterval(() => void Promise.resolve(act()).catch((error: Error) => console.error(error.message)), ms);
  const timers = [every(heartbeatMs, beat), every(idleMs, () => Promise.all(idle.map((worker) => worker.look())))];
  return {
    async stop() {
      for (const timer of timers) clearInterval(timer);
      for (const worker of idle) worker.stop();
      await reaper.stop({ timeout: 1_000 });
    },
  };
};

/** A live pool of the scenario, as gocraft runs it. */
export const liveOf = (redis: Redis, { id, ...identity }: Pool): LivePool =>
  createPool(redis, namespace, id, jobTypes, identity);

const createWorker = (reaper: Reaper, pool: LivePool, worker: string) => {
  let isLooking = false;
  let ending: NodeJS.Timeout | undefined;

  const fetch = async (): Promise<Entry | undefined> => {
    for (const type of jobTypes) {
      const bytes = await pool.fetch(type);
      if (bytes !== null) return readEntry(type, bytes);
    }
    return undefined;
  };
  const run = async (entry: Entry) => {
    if (!(await pool.observe(entry, worker))) return;
    const job = await reaper.lifecycle.load(entry.jobId);
    await job?.run();
    const end = async () => {
      await job?.succeed();
      await pool.finish(entry, worker);
    };
    const [least, most] = runMs;
    ending = setTimeout(
      () => {
        ending = undefined;
        void end().catch((error: Error) => console.error(error.message));
      },
      least + Math.random() * (most - least),
    );
  };
  return {
    /** Takes a job and begins it, if the worker is idle and there is one. */
    async look() {
      if (isLooking || ending !== undefined) return;
      isLooking = true;
      try {
        const entry = await fetch();
        if (entry !== undefined) await run(entry);
      } finally {
        isLooking = false;
      }
    },
    stop: () => clearTimeout(ending),
  };
};
