/** The names of keys, and how they are read. */
import { expect, test } from 'vitest';
import { readListName, splitsOf, typeProvenBy } from '../../src/io/redis/keyNames.ts';
import { escapeGlob, keysOf } from '../../src/io/redis/keys.ts';

test('white space around a namespace is trimmed, and it gets one colon', () => {
  for (const namespace of ['n', 'n:', ' n ', '\tn:\n']) expect(keysOf(namespace).queue('X')).toBe('n:jobs:X');
  expect(keysOf('{n}').track).toBe('{n}:job_track:inprogress');
  expect(keysOf('').queue('X')).toBe('jobs:X');
});

test('each special character of a pattern is escaped in that of a namespace', () => {
  expect(escapeGlob('a*b?c[d]e\\f')).toBe('a\\*b\\?c\\[d\\]e\\\\f');
  expect(keysOf('[n]*').jobsPattern).toBe('\\[n\\]\\*:jobs:*');
});

const known = (types: string[], pools: string[]) => ({ types: new Set(types), pools: new Set(pools) });

test('a list name with one reading is read that way', () => {
  expect(splitsOf('X:p:inprogress')).toEqual([{ type: 'X', pool: 'p' }]);
  expect(readListName('X:p:inprogress', known([], []))).toEqual({ type: 'X', pool: 'p' });
  expect(readListName('X', known([], []))).toBeUndefined();
  expect(readListName('inprogress', known([], []))).toBeUndefined();
  expect(readListName('X:inprogress', known([], []))).toBeUndefined();
  expect(readListName(':p:inprogress', known([], []))).toBe('none');
  expect(readListName('X::inprogress', known([], []))).toBe('none');
});

test('a reading with a known type and a known pool comes first, then one in which either is known', () => {
  const name = 'X:web-1:4711:inprogress';
  expect(readListName(name, known([], []))).toBe('several');
  expect(readListName(name, known(['X'], []))).toEqual({ type: 'X', pool: 'web-1:4711' });
  expect(readListName(name, known([], ['4711']))).toEqual({ type: 'X:web-1', pool: '4711' });
  expect(readListName(name, known(['X'], ['4711']))).toBe('several');
  expect(readListName(name, known(['X', 'X:web-1'], ['4711']))).toEqual({ type: 'X:web-1', pool: '4711' });
  expect(readListName(name, known(['X', 'X:web-1'], ['4711', 'web-1:4711']))).toBe('several');
});

test('the queue of a known type is not taken for a list of a pool, unless a pool could own it', () => {
  const name = 'X:p:inprogress';
  expect(readListName(name, known([name], []))).toBeUndefined();
  expect(readListName(name, known([name, 'X'], []))).toBeUndefined();
  expect(readListName(name, known([name, 'X'], ['p']))).toBe('several');
});

test('the name and the contents of a key prove its job type', () => {
  expect(typeProvenBy('X', 'list')).toBe('X');
  expect(typeProvenBy('', 'list')).toBeUndefined();
  expect(typeProvenBy('X:p:inprogress', 'list')).toBeUndefined();
  expect(typeProvenBy('X:lock', 'string')).toBe('X');
  expect(typeProvenBy('X:lock', 'list')).toBe('X:lock');
  expect(typeProvenBy('X:lock_info', 'hash')).toBe('X');
  expect(typeProvenBy('X:lock_info', 'string')).toBeUndefined();
  expect(typeProvenBy('X:max_concurrency', 'string')).toBe('X');
  expect(typeProvenBy(':lock', 'string')).toBeUndefined();
  expect(typeProvenBy('X', 'zset')).toBeUndefined();
});
