import type { PlannedRescue } from './types/changes.ts';
import type { PoolDone } from './types/pool.ts';

/** Characters of a mark (`lua/includes/mark.lua`). */
const width = 12;

/** The marks of the entries of a type from one index of its list to another, which is left out. */
export const marksOf = ({ marks }: Pick<PlannedRescue, 'marks'>, type: string, from = 0, to = Infinity): string =>
  // A type may have the name of a method of Object.
  Object.hasOwn(marks, type) ? (marks[type] as string).slice(from * width, to * width) : '';

/** The marks, with the first `count` entries staying where they are. */
export const withStaying = (marks: string, count: number): string =>
  marks.slice(0, count * width).replace(letters, '-') + marks.slice(count * width);

/** The bytes that the marks tell of, whatever is done with the entries. */
export const withoutActs = (marks: string): string => marks.replace(letters, '');

/** Of how many entries these are the marks. */
export const countEntries = (marks: string): number => marks.length / width;

/** How many entries of a type the pool may still hold, after what was done with it. */
export const countLeft = (planned: PlannedRescue, type: string, { moved, quarantined }: PoolDone): number => {
  const requeued = Object.hasOwn(moved, type) ? (moved[type] as number) : 0;
  return countEntries(marksOf(planned, type)) - requeued - quarantined.filter((one) => one.type === type).length;
};

/** How many entries are requeued (`r`) or quarantined (`q`). */
export const countMarks = (marks: string, letter: 'r' | 'q'): number => marks.split(letter).length - 1;

export const areMarks = (value: unknown): value is string =>
  typeof value === 'string' && value.replace(/[rq-][0-9a-f]{11}/g, '') === '';

const letters = /[rq-]/g;
