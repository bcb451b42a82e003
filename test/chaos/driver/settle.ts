/**
 * Waits until a run has settled. It waits as long as there is progress, and gives up only after many passes that changed
 * nothing. These take longer on a slow machine.
 *
 * A reaper rightly leaves an entry of a live pool while nothing proves that no worker runs it. The proof comes when the pool's
 * workers run other jobs, so hosts get more jobs until no such entry is left. A host that still holds one after that is
 * ended, and a rescue requeues its entries. A reaper removes the entry of a job a minute after its Success: the driver sets
 * the job back by a minute, so that this happens at once. A job whose Success was lost with its host is hung: the driver sets it back by
 * more than a day, and a sweep has to fail it.
 */
import type { Breach } from './invariants.ts';
import type { PlannedJob } from './plan.ts';
import type { Noted } from './runLog.ts';
import { endHostAfterPasses, hostCount, quietMs, quietPasses, standstillMs, workersAHost } from './settings.ts';

export interface Settled {
  /** The remaining breaches. */
  readonly left: readonly Breach[];
  /** Pools that were ended because they held entries without proof. */
  readonly endedPools: number;
  readonly extraJobs: number;
}

/** A job in Success is set back by a minute after a pool has held its entry for this long, in ms. */
const ageAfterMs = 4_000;
/** Hosts get extra jobs after one of them has held the same entry for this long, in ms. */
const feedAfterMs = 7_000;
/** Duration of an extra job, in ms: long enough for every pass to see its worker run it. */
const extraWorkMs = 1_300;
const extraJob = (i: number): PlannedJob => ({
  ...{ atMs: 0, id: `extra-${i}`, type: 'SCAN', workMs: extraWorkMs, hasHook: false },
  ...{ execution: undefined, cut: undefined, observation: undefined },
});

export const settle = async ({
  jobs,
  findBreaches,
  lostSuccesses,
  notes,
  waitingJobs,
  enqueue,
  age,
  silence,
  endPool,
  pause,
  note,
}: {
  jobs: readonly PlannedJob[];
  /** @param lost jobs that a sweep has to fail as hung. */
  findBreaches: (jobs: readonly PlannedJob[], lost: ReadonlySet<string>) => Promise<Breach[]>;
  /** Jobs whose Success may have been lost with their host. */
  lostSuccesses: () => ReadonlySet<string>;
  notes: () => readonly Noted[];
  /** The number of extra jobs in their queue. */
  waitingJobs: () => Promise<number>;
  enqueue: (job: PlannedJob) => Promise<void>;
  /** Sets the end of a job back by a minute. */
  age: (job: string) => Promise<void>;
  /** Sets all times of a job back, so that it is hung. */
  silence: (job: string) => Promise<void>;
  endPool: (pool: string) => Promise<void>;
  pause: (ms: number) => Promise<unknown>;
  note: (text: string) => void;
}): Promise<Settled> => {
  const extra: PlannedJob[] = [];
  const planned = new Set(jobs.map(({ id }) => id));
  const ended = new Set<string>();
  const aging = createAging({ age, silence, lostSuccesses });
  const holding = createHolding();
  let changedAt = Date.now();
  let before = '';
  let last = 'nothing';

  /** Enough extra jobs for all workers of all hosts, and some more. */
  const feed = async () => {
    const missing = hostCount * workersAHost - (await waitingJobs().catch(() => 0));
    for (let i = 0; i < missing; i++) {
      const job = extraJob(extra.length);
      extra.push(job);
      await enqueue(job);
    }
  };

  for (;;) {
    const all = await findBreaches([...jobs, ...extra], aging.lost).catch((error: Error) => error);
    if (all instanceof Error) {
      if (Date.now() - changedAt > standstillMs) throw all;
      await pause(250);
      continue;
    }
    const held = all.filter(({ leader }) => leader !== undefined);
    const heldFor = holding.update(held);
    await aging.update(all, heldFor, Date.now() - changedAt);
    const undecided = held.filter((one) => !one.hasSucceeded && heldFor(one) > feedAfterMs);
    const isFeeding = undecided.length > 0;
    // While extra jobs run, counters and lists change between two reads.
    const isOfPlan = ({ job }: Breach) => job !== undefined && planned.has(job);
    const left = isFeeding ? all.filter((one) => isOfPlan(one) || undecided.includes(one)) : all;
    if (left.length === 0) {
      note(`settled; the last breach was: ${last}`);
      return { left, endedPools: ended.size, extraJobs: extra.length };
    }
    const now = left.map(({ text }) => text).sort();
    if (now.join() !== before) {
      changedAt = Date.now();
      before = now.join();
      last = now.join('; ');
    }
    if (isFeeding) await feed();
    const quiet = Date.now() - changedAt;
    if (quiet > 5_000) {
      const passes = passesSince(notes(), changedAt);
      const pool = undecided.map(({ leader }) => leader).find((leader) => leader !== undefined && !ended.has(leader));
      if (pool !== undefined && passes.rescue >= endHostAfterPasses) {
        const entries = undecided.filter(({ leader }) => leader === pool).map(({ job }) => job);
        note(`${pool} is ended: it holds ${entries.join(', ')} without proof`);
        ended.add(pool);
        await endPool(pool);
        changedAt = Date.now();
      }
      const isQuiet = passes.rescue >= quietPasses.rescue && passes.sweep >= quietPasses.sweep && quiet > quietMs;
      if (isQuiet || quiet > standstillMs) {
        const text = `gave up after ${quiet} ms, ${passes.rescue} rescue passes and ${passes.sweep} sweeps without a change`;
        note(text);
        return { left: [...left, { text }], endedPools: ended.size, extraJobs: extra.length };
      }
    }
    await pause(250);
  }
};

/** Sets jobs back whose next step is due only after a minute, or after more than a day. */
const createAging = ({
  age,
  silence,
  lostSuccesses,
}: Pick<Parameters<typeof settle>[0], 'age' | 'silence' | 'lostSuccesses'>) => {
  const aged = new Set<string>();
  const lost = new Set<string>();
  return {
    lost,
    async update(all: readonly Breach[], heldFor: (one: Breach) => number, quiet: number) {
      for (const one of all) {
        if (!one.hasSucceeded || one.job === undefined || aged.has(one.job) || heldFor(one) < ageAfterMs) continue;
        await age(one.job).catch(() => undefined);
        aged.add(one.job);
      }
      if (quiet < ageAfterMs) return;
      const unheld = unheldIn(all).filter((job) => !lost.has(job));
      const mayBeLost = unheld.length === 0 ? new Set() : lostSuccesses();
      for (const job of unheld) {
        if (!mayBeLost.has(job)) continue;
        await silence(job).catch(() => undefined);
        lost.add(job);
      }
    },
  };
};

/** Jobs in Running without an entry in any list. */
const unheldIn = (breaches: readonly Breach[]): string[] => {
  const held = new Set(breaches.flatMap(({ about, job }) => (about === 'entry' ? [job] : [])));
  return breaches.flatMap(({ about, job }) =>
    about === 'running' && job !== undefined && !held.has(job) ? [job] : [],
  );
};

/** Measures for how long each breach has been there. */
const createHolding = () => {
  /** When each was first seen. */
  let since = new Map<string, number>();
  const nameOf = ({ text, hasSucceeded }: Breach) => (hasSucceeded ? `${text}, succeeded` : text);
  return {
    /** Returns for how long each of these breaches has been there, in ms. The others are gone. */
    update(held: readonly Breach[]) {
      since = new Map(held.map((one) => [nameOf(one), since.get(nameOf(one)) ?? Date.now()]));
      return (one: Breach) => Date.now() - (since.get(nameOf(one)) ?? Date.now());
    },
  };
};

/** How many passes have ended after a time. */
const passesSince = (notes: readonly Noted[], at: number) => {
  const counts = { sweep: 0, rescue: 0 };
  for (const one of notes) if (one.what === 'pass' && one.at > at) counts[one.pass] += 1;
  return counts;
};
