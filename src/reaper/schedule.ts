import type { SharedView } from '../io/leader/lease.ts';

/** When a scheduled pass is due. Times in monotonic ms, durations in ms. */
export interface Due {
  readonly now: number;
  readonly firstAt: number;
  readonly interval: number;
  /** Whether this host has tried under its present lease, and failed. */
  readonly hasFailed: boolean;
  /** What the hosts share; undefined where this one does its passes for itself. */
  readonly shared: SharedView | undefined;
  readonly pass: 'sweep' | 'rescue';
}

/**
 * How long a host that has the lease waits for the next pass: an interval from the end of the last one, whichever host did
 * it. A sweep that another has begun and not ended is gone on with at once; one that this host could not do is tried again
 * an interval later. Never longer than an interval: the clock of Redis may have been set back since the last one ended.
 */
export const waitFor = ({ now, firstAt, interval, hasFailed, shared, pass }: Due): number => {
  if (hasFailed || shared === undefined) return interval;
  const { progress, ahead } = shared;
  if (pass === 'sweep' && progress.isInHand) return 0;
  const ended = pass === 'sweep' ? progress.ended : progress.rescueEnded;
  if (ended === undefined) return Math.max(0, firstAt - now);
  return Math.min(interval, Math.max(0, ended - ahead + interval - now));
};
