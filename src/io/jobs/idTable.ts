/**
 * A table of ids: 53 bits of hash and a mark from 1 to 255 each, with open addressing. A slot takes 9 bytes outside V8's heap. It
 * grows up to a fixed size. Two ids with the same hash count as one; another seed tells them apart.
 */
export class IdTable {
  static readonly #maxSlots = 2 ** 20;
  readonly #seed: number;
  #slots = new Float64Array(2 ** 10);
  #marks = new Uint8Array(2 ** 10);
  #count = 0;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
  }

  get isFull(): boolean {
    return this.#count >= IdTable.#maxSlots * 0.7;
  }

  /** The mark of an id; 0 for an unknown id. */
  get(id: string): number {
    return this.#marks[this.#find(this.#hash(id))] as number;
  }

  /** Adds an id with a mark. A known id keeps its mark. Returns whether the id is new. */
  add(id: string, mark = 1): boolean {
    const hash = this.#hash(id);
    const at = this.#find(hash);
    if (this.#slots[at] === hash) return false;
    this.#slots[at] = hash;
    this.#marks[at] = mark;
    this.#count += 1;
    if (this.#count > this.#slots.length * 0.7 && this.#slots.length < IdTable.#maxSlots) this.#grow();
    return true;
  }

  /** Raises the mark of an id, if the id is known and its mark is lower. */
  raise(id: string, mark: number): void {
    const hash = this.#hash(id);
    const at = this.#find(hash);
    if (this.#slots[at] === hash && (this.#marks[at] as number) < mark) this.#marks[at] = mark;
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

  #find(hash: number): number {
    const mask = this.#slots.length - 1;
    let at = (hash % 0x100000000) & mask;
    while (this.#slots[at] !== 0 && this.#slots[at] !== hash) at = (at + 1) & mask;
    return at;
  }

  #grow() {
    const slots = this.#slots;
    const marks = this.#marks;
    const size = Math.min(slots.length * 4, IdTable.#maxSlots);
    this.#slots = new Float64Array(size);
    this.#marks = new Uint8Array(size);
    // By index: the pairs of an iterator are some MB of garbage.
    for (let i = 0; i < slots.length; i++) {
      const hash = slots[i] as number;
      if (hash === 0) continue;
      const at = this.#find(hash);
      this.#slots[at] = hash;
      this.#marks[at] = marks[i] as number;
    }
  }
}
