/** How many items the next script gets, so that Redis takes about as long for it as it may. */
export interface BatchSize {
  next(): number;
  /** What a script of so many items will cost, in µs of processor time of Redis. */
  costOf(items: number): number;
  /**
   * Learns from a script that has ended.
   *
   * @param us its processor time; undefined where Redis does not say it.
   */
  learn(items: number, us: number | undefined): void;
}

/** What an item costs where that is not known, in µs. */
const usual = 5;
/** The fixed cost of a script is small compared with this many items. Smaller scripts say little about the cost of an item. */
const least = 10;
/** How much each script counts less than the one after it. */
const fading = 0.75;

/**
 * @param most the most items of a script.
 * @param scriptTime how long a script may take, in µs.
 */
export const createBatchSize = (most: number, scriptTime: number): BatchSize => {
  let [items, us] = [0, 0];
  const costOf = (count: number) => count * (items === 0 ? usual : us / items);
  return {
    next: () => Math.max(Math.min(Math.floor(scriptTime / costOf(1)), most), Math.min(least, most)),
    costOf,
    learn(count, measured) {
      if (measured === undefined || count < least) return;
      items = items * fading + count;
      us = us * fading + measured;
    },
  };
};
