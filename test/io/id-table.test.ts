/** What a sweep remembers of ids: marks, growth, and generations whose memory has a bound. */
import { beforeAll, describe, expect, test } from 'vitest';
import { IdTable } from '../../src/io/jobs/idTable.ts';
import { SeenIds } from '../../src/io/jobs/seenIds.ts';

describe('a table of ids', () => {
  test('keeps the first mark of an id, and only raises it', () => {
    const table = new IdTable(1);
    expect([table.add('a', 3), table.add('a', 5), table.get('a')]).toEqual([true, false, 3]);
    table.raise('a', 2);
    expect(table.get('a')).toBe(3);
    table.raise('a', 7);
    expect(table.get('a')).toBe(7);
    table.raise('unknown', 7);
    expect(table.get('unknown')).toBe(0);
  });

  test('keeps all ids and marks while it grows', () => {
    const table = new IdTable(1);
    for (let i = 0; i < 20_000; i++) table.add(`id-${i}`, 1 + (i % 200));
    const wrong = Array.from({ length: 20_000 }, (_, i) => i).filter((i) => table.get(`id-${i}`) !== 1 + (i % 200));
    expect(wrong).toEqual([]);
    expect(table.get('id-20000')).toBe(0);
  });
});

describe('the ids that a sweep has seen', () => {
  /** Ids that fill one generation. */
  let generation = 0;
  beforeAll(() => {
    const table = new IdTable(1);
    while (!table.isFull && generation < 900_000) table.add(`id-${generation++}`);
  });

  test('a table is full at a fixed number of ids', () => {
    expect(generation).toBeGreaterThan(700_000);
    expect(generation).toBeLessThan(900_000);
  });

  test('an id of this generation or the one before is not new', () => {
    const seen = new SeenIds(1);
    for (let i = 0; i < generation; i++) seen.add(`id-${i}`);
    // From here on there is another generation.
    const last = generation + 10;
    for (let i = generation; i < last; i++) expect(seen.add(`id-${i}`)).toBe(true);
    for (const i of [0, 1, generation - 1, generation, last - 1]) expect([i, seen.add(`id-${i}`)]).toEqual([i, false]);
  });

  test('older generations are forgotten, so memory does not grow', () => {
    const seen = new SeenIds(1);
    for (let i = 0; i <= 2 * generation; i++) seen.add(`id-${i}`);
    expect(seen.add('id-1')).toBe(true);
    expect(seen.add(`id-${2 * generation}`)).toBe(false);
    expect(seen.add(`id-${generation + 1}`)).toBe(false);
  });
});
