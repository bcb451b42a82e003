/**
 * Which ids a sweep has met already, in memory that does not grow with their number: HSCAN may give an id twice while
 * the hash shrinks, and a scan that starts over after a reconnect gives all of them twice (defect 34).
 *
 * An id is remembered as 53 bits of hash, in two generations: when the young one is full it becomes the old one, and
 * what only the old one before it knew is forgotten. 2 × 8 MiB at the most, outside of V8's heap. Two ids with the same
 * hash make the second one wait for the next sweep, whose seed is another.
 */
export class SeenIds {
  readonly #seed: number;
  #young = new Generation();
  #old: Generation | undefined;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
  }

  /** Notes an id; says whether it is new. */
  add(id: string): boolean {
    const hash = this.#hash(id);
    if (this.#old?.has(hash)) return false;
    if (this.#young.isFull) {
      this.#old = this.#young;
      this.#young = new Generation();
    }
    return this.#young.add(hash);
  }

  /** Two 32-bit FNV-1a-like hashes side by side, folded to 53 bits; never 0, which marks a free slot. */
  #hash(id: string): number {
    let a = this.#seed ^ 0x811c9dc5;
    let b = this.#seed ^ 0x9e3779b9;
    for (let i = 0; i < id.length; i++) {
      const code = id.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x85ebca6b);
      b ^= b >>> 13;
    }
    return (a >>> 0) * 0x200000 + ((b ^ (a >>> 7)) >>> 11) || 1;
  }
}

/** A set of numbers by open addressing, which grows to a fixed size. */
class Generation {
  static readonly #most = 2 ** 20;
  #slots = new Float64Array(2 ** 10);
  #count = 0;

  get isFull(): boolean {
    return this.#count >= Generation.#most * 0.7;
  }

  has(hash: number): boolean {
    return this.#slots[this.#find(hash)] === hash;
  }

  add(hash: number): boolean {
    const at = this.#find(hash);
    if (this.#slots[at] === hash) return false;
    this.#slots[at] = hash;
    this.#count += 1;
    if (this.#count > this.#slots.length * 0.7 && this.#slots.length < Generation.#most) this.#grow();
    return true;
  }

  #find(hash: number): number {
    const mask = this.#slots.length - 1;
    let at = (hash % 0x100000000) & mask;
    while (this.#slots[at] !== 0 && this.#slots[at] !== hash) at = (at + 1) & mask;
    return at;
  }

  #grow() {
    const before = this.#slots;
    this.#slots = new Float64Array(Math.min(before.length * 4, Generation.#most));
    for (const hash of before) if (hash !== 0) this.#slots[this.#find(hash)] = hash;
  }
}
