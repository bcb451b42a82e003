import type { SharedView } from '../io/leader/lease.ts';
import type { ReaperSettings } from '../options.ts';

/** Whether the passes come when they should. */
export interface Health {
  /**
   * False while Redis can't be used for 3 s, or a pass that is scheduled has not ended for more than twice its interval. Where hosts share the schedule it is
   * the passes of all of them that count, and a host that only watches is well while another has the lease.
   */
  readonly ok: boolean;
  /** What is late, and why no pool is judged if so. */
  readonly detail: string;
  /** The end of the last pass that got to it, in ms of the clock; where hosts share the schedule, of any of them. */
  readonly lastSweepAt: number | undefined;
  readonly lastRescueAt: number | undefined;
}

/** For how long Redis may be away, in ms: a connection that is made anew takes less. */
const tooLong = 3_000;

export const healthOf = ({
  now,
  timeOfDay,
  startedAt,
  lastSweepAt,
  lastRescueAt,
  shared,
  suspended,
  sweepSuspended,
  outage,
  sweep,
  rescue,
}: {
  /** In monotonic ms, as all times here: whatever becomes of the time of day, what is late is late. */
  now: number;
  /** The time of day, in ms. */
  timeOfDay: number;
  /** Undefined where no pass is scheduled. */
  startedAt: number | undefined;
  /** The ends of this host's own passes. */
  lastSweepAt: number | undefined;
  lastRescueAt: number | undefined;
  /** What the hosts share; undefined where this one does its passes for itself. */
  shared: SharedView | undefined;
  /** Why no pool is judged now, if so. */
  suspended: string | undefined;
  /** Why the last sweep was suspended, if it was. */
  sweepSuspended?: string | undefined;
  /** Why Redis can't be used now, if so, and for how many ms by a monotonic clock. */
  outage?: { readonly error: string; readonly forMs: number } | undefined;
  sweep: ReaperSettings['sweep'];
  rescue: ReaperSettings['rescue'];
}): Health => {
  /** A time yet to come is none: the clock of Redis went back since it was noted. */
  const here = (time: number | undefined) => {
    if (time === undefined || shared === undefined) return undefined;
    const at = time - shared.ahead;
    return at > now + unsharp ? undefined : Math.min(at, now);
  };
  const sweptAt = latest(lastSweepAt, here(shared?.progress.ended));
  const rescuedAt = latest(lastRescueAt, here(shared?.progress.rescueEnded));
  const shownAt = (time: number | undefined) => (time === undefined ? undefined : Math.round(timeOfDay - now + time));
  const late = (what: string, last: number | undefined, first: number, interval: number) => {
    if (startedAt === undefined) return [];
    // A host that has just come up has had no time to be late.
    const due = (last === undefined ? startedAt + first : Math.max(last, startedAt)) + 2 * interval;
    return now > due ? [`no ${what} has ended for ${Math.round((now - due) / 1_000)} s longer than it may`] : [];
  };
  const faults = [
    ...late('sweep', sweptAt, sweep.firstAfterMs, sweep.intervalMs),
    ...late('look for dead pools', rescuedAt, rescue.firstAfterMs, rescue.intervalMs + rescue.graceMs),
  ];
  const cutOff =
    outage === undefined ? [] : [`Redis can not be used for ${Math.round(outage.forMs / 1_000)} s: ${outage.error}`];
  const asides = [
    ...(suspended === undefined ? [] : [`no pool is judged: ${suspended}`]),
    ...(sweepSuspended === undefined ? [] : [`sweeps are suspended: ${sweepSuspended}`]),
  ];
  const leader = shared?.leader;
  const isWatching = leader !== undefined && !leader.isThisOne && now < leader.until - (shared?.ahead ?? 0);
  return {
    ok: (faults.length === 0 || isWatching) && (outage === undefined || outage.forMs < tooLong),
    detail: [...cutOff, ...faults, ...asides].join('; ') || 'all passes are on time',
    lastSweepAt: shownAt(sweptAt),
    lastRescueAt: shownAt(rescuedAt),
  };
};

/** By how much a time of Redis may be wrong here, in ms: replies take their time. */
const unsharp = 10_000;

const latest = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
