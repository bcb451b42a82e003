import { IdTable } from './idTable.ts';

/**
 * Which ids a sweep has met already, in memory that does not grow with their number: HSCAN may give an id twice while
 * the hash shrinks, and a scan that starts over after a reconnect gives all of them twice (defect 34).
 *
 * Remembered in two generations: when the young one is full it becomes the old one, and what only the old one before it
 * knew is forgotten. 2 × 9 MiB at the most. Two ids with the same hash make the second one wait for the next sweep, whose
 * seed is another.
 */
export class SeenIds {
  readonly #seed: number;
  #young: IdTable;
  #old: IdTable | undefined;

  constructor(seed: number) {
    this.#seed = seed;
    this.#young = new IdTable(seed);
  }

  /** Notes an id; says whether it is new. */
  add(id: string): boolean {
    if (this.#old !== undefined && this.#old.get(id) > 0) return false;
    if (this.#young.isFull) {
      this.#old = this.#young;
      this.#young = new IdTable(this.#seed);
    }
    return this.#young.add(id);
  }
}
