/** Names from Redis on a terminal: nothing in them moves the cursor, colours a line or forges one. */
import { afterEach, expect, test, vi } from 'vitest';
import { wantsColors } from '../../src/cli/text.ts';
import { visible, visibleJson } from '../../src/visible.ts';

afterEach(() => vi.unstubAllEnvs());

test.each([
  ['\u001b[31m', '\\u001b[31m'],
  ['a\nb\r', 'a\\u000ab\\u000d'],
  ['\u0000\u007f\u009b', '\\u0000\\u007f\\u009b'],
  ['\u2028\u2029', '\\u2028\\u2029'],
  ['\u200e\u200f', '\\u200e\\u200f'],
  ['\u202a\u202e', '\\u202a\\u202e'],
  ['\u2066\u2069', '\\u2066\\u2069'],
  ['Zoë 名 😀 \u2027\u2030', 'Zoë 名 😀 \u2027\u2030'],
])('%j is shown as %s', (text, shown) => {
  expect(visible(text)).toBe(shown);
  expect(JSON.parse(visibleJson({ text }))).toEqual({ text });
  expect(visibleJson({ text })).not.toMatch(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u);
});

test('colours are used only on a terminal that supports them, if they are wanted', () => {
  const terminal = { isTTY: true } as NodeJS.WriteStream;
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'xterm');
  expect(wantsColors(terminal)).toBe(true);
  expect(wantsColors({} as NodeJS.WriteStream)).toBe(false);
  vi.stubEnv('NO_COLOR', '1');
  expect(wantsColors(terminal)).toBe(false);
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'dumb');
  expect(wantsColors(terminal)).toBe(false);
});
