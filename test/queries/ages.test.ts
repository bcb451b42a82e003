/** Times and counts as people read them. */
import { expect, test } from 'vitest';
import { ageText, countText, timeWithAge } from '../../src/ages.ts';

test.each([
  [0, '0 s'],
  [499, '0 s'],
  [500, '1 s'],
  [59_499, '59 s'],
  [59_500, '1 min'],
  [62_000, '1 min 2 s'],
  [3_600_000, '1 h'],
  [3_605_000, '1 h'],
  [7_380_000, '2 h 3 min'],
  [183_600_000, '2 d 3 h'],
  [86_400_000 * 1_234, '1,234 d'],
  [-183_600_000, '-2 d 3 h'],
])('%d ms are %s', (ms, text) => {
  expect(ageText(ms)).toBe(text);
});

test('a time is shown with its age, before and after the reading', () => {
  const now = Date.parse('2026-11-26T06:00:00.500Z');
  expect(timeWithAge('2026-11-24T03:00:00.000Z', now)).toBe('2026-11-24T03:00:00Z, 2 d 3 h ago');
  expect(timeWithAge('2026-11-26T06:05:00.500Z', now)).toBe('2026-11-26T06:05:00Z, in 5 min');
  expect(timeWithAge('unix 1e+300', now)).toBe('unix 1e+300');
});

test('counts have separators', () => {
  expect([countText(999), countText(34_200), countText(1_234_567)]).toEqual(['999', '34,200', '1,234,567']);
});
