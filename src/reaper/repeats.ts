import { type Clock, monotonicOf } from '../io/clock.ts';

/** Time between two reports of one thing, in ms. */
const reportEvery = 60_000;
/** Things that are reported by themselves in that time. All others share one report. */
const maxKeys = 50;

/** How often a thing has happened since its last report; a thing that has just happened counts 1. */
export interface Counted {
  readonly count: number;
}

/** Bounded reports of what may happen very often, such as failures of an endpoint. */
export interface Repeats<T extends Counted> {
  /** Reports it at once if it is the first of its key in a minute. Otherwise it waits, and is counted. */
  add(key: string, what: T): void;
  /** Reports what has waited for its minute; with `all`, whatever waits. */
  flush(all?: boolean): void;
}

/**
 * @param merge adds up what waits: the later one, with the counts of both.
 * @param report `isShared`: what is reported is of several keys, because there are too many.
 */
export const createRepeats = <T extends Counted>(
  clock: Clock,
  merge: (earlier: T, later: T) => T,
  report: (what: T, isShared: boolean) => void,
): Repeats<T> => {
  /** Keys that were reported within the last minute, or of which something waits. */
  const known = new Map<string, { at: number; waiting: T | undefined }>();
  const shared = '';
  const now = () => monotonicOf(clock);
  const isDue = ({ at }: { at: number }) => now() - at >= reportEvery;

  const reportNow = (key: string, what: T) => {
    known.set(key, { at: now(), waiting: undefined });
    report(what, key === shared);
  };
  const flush = (all = false) => {
    for (const [key, one] of known) {
      if (one.waiting !== undefined && (all || isDue(one))) reportNow(key, one.waiting);
      else if (one.waiting === undefined && isDue(one)) known.delete(key);
    }
  };
  const roomFor = (key: string): string => {
    if (known.has(key) || known.size < maxKeys) return key;
    flush();
    return known.size < maxKeys ? key : shared;
  };

  return {
    add(given, what) {
      const key = roomFor(given);
      const before = known.get(key);
      const sum = before?.waiting === undefined ? what : merge(before.waiting, what);
      if (before === undefined || isDue(before)) reportNow(key, sum);
      else before.waiting = sum;
    },
    flush,
  };
};

/** The later one, with the count of both. */
export const mergeCounts = <T extends Counted>(earlier: T, later: T): T => ({
  ...later,
  count: earlier.count + later.count,
});
