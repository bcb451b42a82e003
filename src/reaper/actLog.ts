import type { CodedLogger, LogCode } from '../io/log.ts';
import type { Suspension } from './events.ts';

type PassName = Suspension['pass'];

/** What is counted together, such as a verdict, a job type and a reason. */
export type ActGroup = Readonly<Record<string, string>>;

/** The acts of a pass in its log line. */
export interface GroupedActs {
  /** The largest groups, the largest first. */
  readonly acts: readonly Readonly<Record<string, string | number>>[];
  /** Acts in all other groups. */
  readonly otherActs?: number;
  /** Acts that have no line of their own, unless the level is `debug`. */
  readonly unlisted?: number;
}

/** An act, and its line. */
export interface Act {
  readonly level: 'info' | 'warn' | 'error';
  readonly group: ActGroup;
  readonly fields: { readonly code: LogCode; readonly [field: string]: unknown };
  readonly message: string;
}

/**
 * The log of what passes do, bounded whatever they do: the first acts of a pass have a line each at their level, all others
 * only at `debug`, and the line of the pass has all of them in groups. Errors have lines of their own number, so that many
 * acts don't hide them.
 */
export interface ActLog {
  begin(pass: PassName): void;
  add(pass: PassName, act: Act): void;
  /** The acts since the last line of such a pass. Rescue passes may overlap: each act is in one line. */
  take(pass: PassName): GroupedActs;
}

/** Lines of single acts that one pass writes above `debug`, and the same number for errors. Fewer than 50 acts have a line each. */
const maxLines = 49;
/** Groups in the line of a pass, and groups that are counted apart. */
const maxGroups = 20;
const maxCounted = 500;
/** Characters of a name from outside, such as a job type. */
const maxName = 100;

export const createActLog = (log: CodedLogger): ActLog => {
  const open: Record<PassName, OpenActs> = { sweep: noActs(), rescue: noActs() };
  return {
    begin(pass) {
      open[pass].lines = { acts: 0, errors: 0 };
    },
    add(pass, { level, group, fields, message }) {
      const acts = open[pass];
      count(acts, group);
      const kind = level === 'error' ? 'errors' : 'acts';
      const isListed = acts.lines[kind] < maxLines;
      if (isListed) acts.lines[kind] += 1;
      else acts.unlisted += 1;
      log[isListed ? level : 'debug'](fields, message);
    },
    take(pass) {
      const { groups, others, unlisted, lines } = open[pass];
      open[pass] = { ...noActs(), lines };
      const sorted = [...groups.values()].toSorted((a, b) => b.count - a.count);
      const rest = sorted.slice(maxGroups).reduce((sum, { count }) => sum + count, others);
      return {
        acts: sorted.slice(0, maxGroups).map(({ group, count }) => ({ ...group, count })),
        ...(rest === 0 ? {} : { otherActs: rest }),
        ...(unlisted === 0 ? {} : { unlisted }),
      };
    },
  };
};

interface OpenActs {
  readonly groups: Map<string, { readonly group: ActGroup; count: number }>;
  others: number;
  unlisted: number;
  lines: { acts: number; errors: number };
}

const noActs = (): OpenActs => ({ groups: new Map(), others: 0, unlisted: 0, lines: { acts: 0, errors: 0 } });

const count = (acts: OpenActs, group: ActGroup): void => {
  const key = JSON.stringify(Object.values(group));
  const known = acts.groups.get(key);
  if (known !== undefined) known.count += 1;
  else if (acts.groups.size >= maxCounted) acts.others += 1;
  else {
    const short = Object.entries(group).map(([name, value]) => [name, value.slice(0, maxName)]);
    acts.groups.set(key, { group: Object.fromEntries(short), count: 1 });
  }
};
