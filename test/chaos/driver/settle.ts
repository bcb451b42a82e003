/**
 * Waits until a run has come to rest. It goes by progress, not by the clock: as long as something comes right it waits on, and it gives
 * up only after many passes of the reapers that changed nothing, which take longer on a slow machine.
 *
 * An entry that a live pool holds and of which nothing proves that no worker runs it is rightly left where it is. Proof
 * comes when the pool's workers are seen at other jobs, so hosts get more jobs until no such entry is left. A host that
 * holds one after that is ended, and a rescue requeues what it held. An entry of a job that has succeeded is removed when
 * that is a minute ago: there the minute is made to pass at once.
 */
import type { Breach } from './invariants.ts';
import type { PlannedJob } from './plan.ts';
import type { Noted } from './runLog.ts';
import { endHostAfterPasses, hostCount, quietMs, quietPasses, standstillMs, workersAHost } from './settings.ts';

export interface Settled {
  /** What has not come right. */
  readonly left: readonly Breach[];
  /** Pools that were ended since they held entries of which nothing was proven. */
  readonly endedPools: number;
  readonly extraJobs: number;
}

/** A job is made to look older when a pool has held its entry in Success for this long, in ms. */
const ageAfterMs = 4_000;
/** Hosts get extra jobs when one of them has held the same entry for this long, in ms. */
const feedAfterMs = 7_000;
/** How long an extra job runs, in ms: so long that every pass sees its worker at it. */
const extraWorkMs = 1_300;
const extraJob = (i: number): PlannedJob => ({
  ...{ atMs: 0, id: `extra-${i}`, type: 'SCAN', workMs: extraWorkMs, hasHook: false },
  ...{ execution: undefined, cut: undefined, observation: undefined },
});

export const settle = async ({
  jobs,
  look,
  notes,
  waitingJobs,
  enqueue,
  age,
  endPool,
  pause,
  note,
}: {
  jobs: readonly PlannedJob[];
  look: (jobs: readonly PlannedJob[]) => Promise<Breach[]>;
  notes: () => readonly Noted[];
  /** How many jobs wait in the queue of the extra ones. */
  waitingJobs: () => Promise<number>;
  enqueue: (job: PlannedJob) => Promise<void>;
  /** Makes a job look as if it had ended a minute earlier. */
  age: (job: string) => Promise<void>;
  endPool: (pool: string) => Promise<void>;
  pause: (ms: number) => Promise<unknown>;
  note: (text: string) => void;
}): Promise<Settled> => {
  const extra: PlannedJob[] = [];
  const planned = new Set(jobs.map(({ id }) => id));
  const ended = new Set<string>();
  const aged = new Set<string>();
  /** Entries that live pools hold, by when each was first seen there. */
  let heldSince = new Map<string, number>();
  let changedAt = Date.now();
  let before = '';
  let last = 'nothing';

  const passesSince = (at: number) => {
    const counts = { sweep: 0, rescue: 0 };
    for (const one of notes()) if (one.what === 'pass' && one.at > at) counts[one.pass] += 1;
    return counts;
  };
  /** Enough for all workers of all hosts, and some that wait. */
  const feed = async () => {
    const missing = hostCount * workersAHost - (await waitingJobs().catch(() => 0));
    for (let i = 0; i < missing; i++) {
      const job = extraJob(extra.length);
      extra.push(job);
      await enqueue(job);
    }
  };

  for (;;) {
    const all = await look([...jobs, ...extra]).catch((error: Error) => error);
    if (all instanceof Error) {
      if (Date.now() - changedAt > standstillMs) throw all;
      await pause(250);
      continue;
    }
    const held = all.filter(({ leader }) => leader !== undefined);
    const nameOf = ({ text, hasSucceeded }: Breach) => (hasSucceeded ? `${text}, succeeded` : text);
    heldSince = new Map(held.map((one) => [nameOf(one), heldSince.get(nameOf(one)) ?? Date.now()]));
    const heldFor = (one: Breach) => Date.now() - (heldSince.get(nameOf(one)) ?? Date.now());
    for (const one of held) {
      if (!one.hasSucceeded || one.job === undefined || aged.has(one.job) || heldFor(one) < ageAfterMs) continue;
      await age(one.job).catch(() => undefined);
      aged.add(one.job);
    }
    const undecided = held.filter((one) => !one.hasSucceeded && heldFor(one) > feedAfterMs);
    const isFeeding = undecided.length > 0;
    // While extra jobs come and go, counters and lists can't be read at one moment.
    const isOfPlan = ({ job }: Breach) => job !== undefined && planned.has(job);
    const left = isFeeding ? all.filter((one) => isOfPlan(one) || undecided.includes(one)) : all;
    if (left.length === 0) {
      note(`all is at rest; what came right last: ${last}`);
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
      const passes = passesSince(changedAt);
      const pool = undecided.map(({ leader }) => leader).find((leader) => leader !== undefined && !ended.has(leader));
      if (pool !== undefined && passes.rescue >= endHostAfterPasses) {
        const entries = undecided.filter(({ leader }) => leader === pool).map(({ job }) => job);
        note(`${pool} is ended: it holds ${entries.join(', ')}, and nothing was proven of them`);
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
