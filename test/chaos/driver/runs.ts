/** The job runs of the hosts, and those that must not have happened. */
import type { Breach } from './invariants.ts';
import type { Blackout } from './lossyLine.ts';
import type { Life } from './processes.ts';
import type { Noted } from './runLog.ts';
import { deadAfterMs, grace, heartbeatMs } from './settings.ts';

/** One run of a job by a worker. */
export interface Run {
  readonly run: string;
  readonly job: string;
  readonly host: Life;
  readonly askedAt: number;
  readonly beginAt: number;
  readonly endAt: number;
  readonly outcome: string;
}

const unwritten = 'done, status not written';

export const runsOf = (notes: readonly Noted[], lives: readonly Life[]): Run[] => {
  const hosts = new Map(lives.map((life) => [life.name, life]));
  const ends = new Map(notes.flatMap((note) => (note.what === 'end' ? [[note.run, note]] : [])));
  const endings = new Map(notes.flatMap((note) => (note.what === 'outcome' ? [[note.run, note.outcome]] : [])));
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
        outcome: endings.get(note.run) ?? (end === undefined ? 'cut off' : unwritten),
      },
    ];
  });
};

/**
 * Jobs whose Success may be lost. A Go host writes Success, and then finishes the entry, each by a command of its own. If the first one
 * fails and the second one is done, and the host dies before it repeats the first, the job stays in Running and is in no list.
 */
export const lostSuccesses = (runs: readonly Run[]): ReadonlySet<string> => {
  const last = new Map(runs.map((run) => [run.job, run]));
  return new Set(
    [...last.values()].flatMap(({ job, outcome, host }) =>
      outcome === unwritten && host.endedAt !== undefined ? [job] : [],
    ),
  );
};

/** The times in which the heartbeat_at of a host did not change, at their longest. */
const standstillsOf = (notes: readonly Noted[], { name, endedAt }: Life): Blackout[] => {
  const standstills: Blackout[] = [];
  let value: number | undefined;
  let from = 0;
  for (const note of notes) {
    if (note.what !== 'beat' || note.process !== name || note.value === value) continue;
    if (value !== undefined) standstills.push({ from, to: note.at });
    value = note.value;
    from = note.sentAt;
  }
  if (value !== undefined) standstills.push({ from, to: endedAt ?? Number.POSITIVE_INFINITY });
  return standstills;
};

/** A host that was cut off for less than this, in ms, cannot have been considered dead: its heartbeat changed within the grace. */
const shortestExcuse = grace - 1_000 - heartbeatMs;
const overlap = (a: Blackout, b: Blackout) => a.from <= b.to && a.to >= b.from;

/**
 * The only excuse for two simultaneous runs of a job: the first host was rightly considered dead while it ran. Its
 * heartbeat did not change for the time that a rescue requires, and the host itself was the reason: it was stopped, or its
 * own connection was cut or silent. An outage of Redis is not an excuse.
 */
export const createExcuse = (
  notes: readonly Noted[],
  lives: readonly Life[],
  blackoutsOf: (slot: string) => readonly Blackout[],
  offsetOf: (slot: string) => number,
) => {
  const excuses = new Map<string, Blackout[]>();
  for (const life of lives.filter(({ slot }) => slot.startsWith('host'))) {
    const own = [...life.stops, ...blackoutsOf(life.slot)].filter(({ from, to }) => to - from >= shortestExcuse);
    // With a wrong clock a heartbeat is always too old, or never. Only its changes prove that the pool is alive.
    const atLeast = offsetOf(life.slot) === 0 ? deadAfterMs : grace;
    excuses.set(
      life.name,
      standstillsOf(notes, life).filter(
        (standstill) => standstill.to - standstill.from >= atLeast && own.some((one) => overlap(one, standstill)),
      ),
    );
  }
  return ({ host, askedAt, endAt }: Run): boolean =>
    (excuses.get(host.name) ?? []).some((excuse) => overlap(excuse, { from: askedAt, to: endAt }));
};

/** Jobs with two simultaneous runs, or with two successes, without an excuse. */
export const breachesOfRuns = (
  runs: readonly Run[],
  isExcused: (run: Run) => boolean,
): { breaches: Breach[]; excused: number } => {
  const breaches: Breach[] = [];
  let excused = 0;
  const byJob = new Map<string, Run[]>();
  for (const run of runs) byJob.set(run.job, [...(byJob.get(run.job) ?? []), run]);
  for (const [job, all] of byJob) {
    const inOrder = all.toSorted((a, b) => a.askedAt - b.askedAt);
    for (const [i, first] of inOrder.entries()) {
      for (const second of inOrder.slice(i + 1)) {
        const isAtOnce = second.beginAt < first.endAt;
        const isTwice = first.outcome === 'succeeded' && second.outcome === 'succeeded';
        if (!isAtOnce && !isTwice) continue;
        if (isExcused(first)) {
          excused += 1;
          continue;
        }
        const what = isAtOnce ? 'had two simultaneous runs' : 'succeeded twice';
        breaches.push({
          text: `${job} ${what}: ${first.run} (${first.outcome}) and ${second.run} (${second.outcome})`,
          job,
        });
      }
    }
  }
  return { breaches, excused };
};

/**
 * Sweeps that judged fewer jobs than were tracked all the time, without reporting it. The first sweep of a new leader may
 * continue the sweep of another host, and counts only its own part.
 */
export const breachesOfSweeps = (notes: readonly Noted[], standing: number): Breach[] => {
  const breaches: Breach[] = [];
  let last: string | undefined;
  for (const note of notes) {
    if (note.what === 'detail' && note.text === 'leads') last = undefined;
    if (note.what !== 'pass' || note.pass !== 'sweep') continue;
    const isWhole = last === note.process && note.error === undefined;
    if (isWhole && (note.scanned ?? 0) < standing) {
      breaches.push({
        text: `a sweep of ${note.process} judged ${note.scanned} of ${standing} jobs without reporting it`,
      });
    }
    last = note.process;
  }
  return breaches;
};
