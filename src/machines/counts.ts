/**
 * Counts by a name that comes from outside, such as a job type, which may be a word like `constructor` or `__proto__`. Only
 * own members count, and each name is an own member of what comes out, so that JSON shows it.
 */
export type CountsByName = Readonly<Record<string, number>>;

/** What a counter of the Go side says, as the scripts read it (`lua/includes/count.lua`). */
export const countIn = (text: string): number => {
  const count = /^-?\d+$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(count) ? count + 0 : 0;
};

export const addCounts = (
  counts: CountsByName,
  more: Iterable<readonly [name: string, count: number]>,
): CountsByName => {
  const sums = new Map(Object.entries(counts));
  for (const [name, count] of more) sums.set(name, (sums.get(name) ?? 0) + count);
  return Object.fromEntries(sums);
};
