import { expect, test } from 'vitest';
import { areMarks } from '../../src/machines/marks.ts';

test.each([
  ['', true],
  ['r0123456789a', true],
  ['q0123456789a-0123456789a', true],
  ['x0123456789a', false],
  ['r0123456789a0', false],
  ['r0123456789A', false],
  [1, false],
])('whether %j are marks: %s', (value, are) => expect(areMarks(value)).toBe(are));

test('marks may be those of many entries', () => {
  const marks = 'r0123456789a'.repeat(1_000_000);
  expect([areMarks(marks), areMarks(`${marks}x`)]).toEqual([true, false]);
});
