import type { Counter } from 'prom-client';

/**
 * Counts for a counter. A sweep counts each of its jobs, and an increment of prom-client costs ten times as much as one here,
 * so the counter gets its values when it is read.
 */
export interface Tally {
  /** @param values of the labels, in the order of their names. None holds a NUL. */
  add(count: number, ...values: readonly string[]): void;
  /** Writes the counts into the counter. */
  flush(counter: Counter): void;
}

/** @param zeros label values that are there with 0 from the start. */
export const createTally = (labelNames: readonly string[], zeros: readonly (readonly string[])[] = []): Tally => {
  const counts = new Map<string, { readonly values: readonly string[]; count: number }>(
    zeros.map((values) => [values.join('\0'), { values, count: 0 }]),
  );
  return {
    add(count, ...values) {
      const key = values.join('\0');
      const known = counts.get(key);
      if (known === undefined) counts.set(key, { values, count });
      else known.count += count;
    },
    flush(counter) {
      counter.reset();
      for (const { values, count } of counts.values()) {
        counter.inc(Object.fromEntries(labelNames.map((name, i) => [name, values[i] ?? ''])), count);
      }
    },
  };
};
