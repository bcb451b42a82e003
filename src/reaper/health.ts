import { ageText } from '../ages.ts';
import { type Clock, monotonicOf } from '../io/clock.ts';
import type { Lease, SharedView } from '../io/leader/lease.ts';
import type { Outage } from '../io/redis/outages.ts';
import { isoTime } from '../isoTime.ts';
import type { FailedChild } from '../machines/types/reports.ts';
import type { ScheduleSettings } from '../options/schedule.ts';
import type { PassReports, PassState } from './passReports.ts';
import type { Schedule } from './schedule.ts';

/** Whether the passes run on time. */
export interface Health {
  /**
   * False if Redis cannot be used for 3 s, if an actor crashed too often and does not run, or if a scheduled pass is
   * overdue by more than twice its interval. If the hosts share the schedule, the passes of all of them count, and a follower
   * is healthy while another host is the leader.
   */
  readonly ok: boolean;
  /** What `/livez` says: false if an actor crashed too often. Restart the process then. */
  readonly isLive: boolean;
  /** What `/readyz` says: `ok`, the connection to Redis is confirmed, and no pass is suspended. */
  readonly isReady: boolean;
  /** What is overdue or suspended, and why. */
  readonly detail: string;
  /** Why passes are suspended, by kind; empty if none are. */
  readonly suspended: PassState['suspended'];
  /** ISO times of the ends of the last passes that completed; of any host, if the hosts share the schedule. */
  readonly lastSweepAt: string | undefined;
  readonly lastRescueAt: string | undefined;
}

/** How long Redis may be away, in ms. A reconnect takes less. */
const maxOutage = 3_000;

/** Collects what `healthOf` needs. Asks Redis nothing. */
export const createHealth =
  ({
    settings: { sweep, rescue },
    schedule,
    lease,
    passReports,
    outage,
    isConnected,
    clock,
    isScheduling,
    isShared,
    failed,
  }: {
    settings: ScheduleSettings;
    schedule: Pick<Schedule, 'startedAt'>;
    lease: Pick<Lease, 'seen'>;
    passReports: Pick<PassReports, 'state'>;
    outage: () => Outage | undefined;
    isConnected: () => boolean;
    clock: Clock;
    isScheduling: boolean;
    isShared: boolean;
    /** Actors that crashed too often and do not run. */
    failed: () => readonly FailedChild[];
  }) =>
  (): Health => {
    const now = outage();
    return healthOf({
      now: monotonicOf(clock),
      timeOfDay: clock.now(),
      startedAt: isScheduling ? schedule.startedAt() : undefined,
      ...passReports.state(),
      shared: isShared ? lease.seen() : undefined,
      outage: now && { error: now.error.message, forMs: performance.now() - now.since },
      isConnected: isConnected(),
      failed: failed(),
      sweep,
      rescue,
    });
  };

export const healthOf = ({
  now,
  timeOfDay,
  startedAt,
  lastSweepAt,
  lastRescueAt,
  shared,
  suspended = {},
  outage,
  isConnected = true,
  failed = [],
  sweep,
  rescue,
}: {
  /** By the monotonic clock in ms, as all times here: a change of the time of day makes nothing late. */
  now: number;
  /** Time of day, in ms. */
  timeOfDay: number;
  /** Undefined if no pass is scheduled. */
  startedAt: number | undefined;
  /** Ends of this host's own passes. */
  lastSweepAt: number | undefined;
  lastRescueAt: number | undefined;
  /** State that the hosts share; undefined if this host runs its passes for itself. */
  shared: SharedView | undefined;
  /** Why no pool is judged now (`rescue`), and why the last sweep was suspended. */
  suspended?: PassState['suspended'];
  /** Why Redis cannot be used now, and for how many ms. */
  outage?: { readonly error: string; readonly forMs: number } | undefined;
  /** Whether the connection to Redis was made, and has not been lost since. */
  isConnected?: boolean;
  /** Actors that crashed too often and do not run. */
  failed?: readonly FailedChild[];
  sweep: ScheduleSettings['sweep'];
  rescue: ScheduleSettings['rescue'];
}): Health => {
  /** From a time of Redis to the monotonic time of this host. A time ahead is ignored: the clock of Redis was set back since. */
  const toMonotonic = (time: number | undefined) => {
    if (time === undefined || shared === undefined) return undefined;
    const at = time - shared.clockOffset;
    return at > now + tolerance ? undefined : Math.min(at, now);
  };
  const sweptAt = latest(lastSweepAt, toMonotonic(shared?.progress.ended));
  const rescuedAt = latest(lastRescueAt, toMonotonic(shared?.progress.rescueEnded));
  const shownAt = (time: number | undefined) =>
    time === undefined ? undefined : isoTime(Math.round(timeOfDay - now + time));
  const late = (what: string, last: number | undefined, first: number, interval: number) => {
    if (startedAt === undefined) return [];
    // A host that has just started cannot be late yet.
    const due = (last === undefined ? startedAt + first : Math.max(last, startedAt)) + 2 * interval;
    return now > due ? [`${what} overdue by ${ageText(now - due)}`] : [];
  };
  const overdue = [
    ...late('sweep', sweptAt, sweep.initialDelay, sweep.interval),
    ...late('rescue', rescuedAt, rescue.initialDelay, rescue.interval + rescue.grace),
  ];
  const crashed = failed.map(
    ({ child, error }) => `${child} crashed too often and does not run: ${error}; restart the process`,
  );
  const unavailable = outage === undefined ? [] : [`Redis unavailable for ${ageText(outage.forMs)}: ${outage.error}`];
  const suspensions = [
    ...(suspended.rescue === undefined ? [] : [`no pool is judged: ${suspended.rescue.message}`]),
    ...(suspended.sweep === undefined ? [] : [`sweeps are suspended: ${suspended.sweep.message}`]),
  ];
  const leader = shared?.leader;
  const isFollowing = leader !== undefined && !leader.isThisOne && now < leader.until - (shared?.clockOffset ?? 0);
  const ok =
    crashed.length === 0 && (overdue.length === 0 || isFollowing) && (outage === undefined || outage.forMs < maxOutage);
  return {
    ok,
    isLive: crashed.length === 0,
    isReady: ok && isConnected && suspensions.length === 0,
    detail: [...crashed, ...unavailable, ...overdue, ...suspensions].join('; ') || 'all passes are on time',
    suspended,
    lastSweepAt: shownAt(sweptAt),
    lastRescueAt: shownAt(rescuedAt),
  };
};

/** How far ahead a time of Redis may be by the clock of this host, in ms: replies take time. */
const tolerance = 10_000;

const latest = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
