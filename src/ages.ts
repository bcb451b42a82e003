import { msOfIso } from './isoTime.ts';

const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const;

/**
 * A time in ms as people read it: its two largest units, without a smaller one that is 0.
 * @example ageText(183_600_000) // '2 d 3 h'
 */
export const ageText = (ms: number): string => {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  let left = seconds;
  const parts = units.slice(first, first + 2).flatMap(([unit, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count === 0 ? [] : [`${countText(count)} ${unit}`];
  });
  return `${ms < 0 ? '-' : ''}${parts.join(' ')}`;
};

/** A count as people read it: `34,200`. */
export const countText = (count: number): string => count.toLocaleString('en-US');

/** A time with its age: `2026-11-24T03:00:00Z, 2 d 3 h ago`. A text that is no ISO time is shown as it is. */
export const timeWithAge = (at: string, now: number): string => {
  const time = msOfIso(at);
  if (time === undefined) return at;
  const age = now - time;
  return `${at.replace(/\.\d{3}Z$/, 'Z')}, ${age < 0 ? `in ${ageText(-age)}` : `${ageText(age)} ago`}`;
};
