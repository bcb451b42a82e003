/** docs/errors.md has every error code, and no other; and the code uses each of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCodes } from '../src/errors.ts';
import { classify } from '../src/io/redis/errors.ts';
import { packageRoot } from '../src/package.ts';

const rows = [
  ...readFileSync(`${packageRoot}docs/errors.md`, 'utf8').matchAll(/^\| `([a-z-]+)` \| (.+) \| (.+) \|$/gm),
];

test('docs/errors.md has a row for each code, in their order, and no other', () => {
  expect(rows.map(([, code]) => code)).toEqual([...errorCodes]);
});

// Used once src/reaper carries codes in its `error` events.
const soon = ['aborted', 'step-failed', 'internal'];

test('each code is used somewhere in src', () => {
  const files = readdirSync(`${packageRoot}src`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && file !== 'errors.ts')
    .map((file) => readFileSync(`${packageRoot}src/${file}`, 'utf8'));
  const used = (code: string) => files.some((text) => text.includes(`'${code}'`));
  // Thrown by the classes in src/errors.ts themselves.
  const own = readFileSync(`${packageRoot}src/errors.ts`, 'utf8').split('export class').slice(1).join();
  expect(errorCodes.filter((code) => !used(code) && !own.includes(`'${code}'`) && !soon.includes(code))).toEqual([]);
});

test.each([
  'READONLY x',
  'OOM x',
  'MISCONF x',
  'NOREPLICAS x',
  'WRONGTYPE x',
  'NOPERM x',
  'WRONGPASS x',
  'CROSSSLOT x',
  "ERR unknown command 'x'",
  'ERR DB index is out of range',
])('docs/errors.md gives the advice of the message: %s', (said) => {
  const { code, advice = '' } = classify(new Error(said));
  const [, , , todo = ''] = rows.find(([, name]) => name === code) ?? [];
  const plain = (text: string) => text.replaceAll('`', '').toLowerCase();
  // The message may add a command; the table may add where to read more.
  const [begins = ''] = plain(advice).split(/ \(|, or| its| then/);
  expect(plain(todo)).toContain(begins.split(',')[0]);
});
