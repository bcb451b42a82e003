import { IdTable } from './idTable.ts';

/**
 * Remembers which ids a sweep has seen, in bounded memory. HSCAN may return an id twice while the hash shrinks, and a scan that
 * starts over after a reconnect returns all of them twice (defect 34).
 *
 * There are two generations of 9 MiB at most. When the young one is full, it becomes the old one, and the previous old one is
 * forgotten. If two ids have the same hash, the second one waits for the next sweep, which has another seed.
 */
export class SeenIds {
  readonly #seed: number;
  #young: IdTable;
  #old: IdTable | undefined;

  constructor(seed: number) {
    this.#seed = seed;
    this.#young = new IdTable(seed);
  }

  /** Adds an id. Returns whether it is new. */
  add(id: string): boolean {
    if (this.#old !== undefined && this.#old.get(id) > 0) return false;
    if (this.#young.isFull) {
      this.#old = this.#young;
      this.#young = new IdTable(this.#seed);
    }
    return this.#young.add(id);
  }
}
