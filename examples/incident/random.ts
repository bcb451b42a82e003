/** Numbers, ids and choices that are the same for the same seed. */
export interface Random {
  /** A whole number from `from` up to and including `to`. */
  between(from: number, to: number): number;
  pick<T>(list: readonly T[]): T;
  /** So many hex digits. Ids of jobs, pools and workers have 24. */
  hex(digits: number): string;
}

/** @param seed any whole number. */
export const createRandom = (seed: number): Random => {
  let state = seed >>> 0;
  /** SplitMix32: from 0 up to 2^32. */
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  const between = (from: number, to: number): number => from + Math.floor((next() / 2 ** 32) * (to - from + 1));
  return {
    between,
    pick: (list) => list[between(0, list.length - 1)] as (typeof list)[number],
    hex(digits) {
      let text = '';
      while (text.length < digits) text += next().toString(16).padStart(8, '0');
      return text.slice(0, digits);
    },
  };
};
