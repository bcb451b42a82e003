/** docs/errors.md has every code of an error, of a parked hook and of a verdict, and no other. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCodes } from '../src/errors.ts';
import { classify } from '../src/io/redis/errors.ts';
import { packageRoot } from '../src/package.ts';

const [errors = '', parked = '', verdicts = ''] = readFileSync(`${packageRoot}docs/errors.md`, 'utf8').split('\n## ');
const rowsOf = (section: string) => [...section.matchAll(/^\| `([a-z-]+)` \| (.+) \| (.+) \|$/gm)];
const rows = rowsOf(errors);

test('docs/errors.md has a row for each code, in their order, and no other', () => {
  expect(rows.map(([, code]) => code)).toEqual([...errorCodes]);
});

test('each code is used somewhere in src', () => {
  const files = readdirSync(`${packageRoot}src`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && file !== 'errors.ts')
    .map((file) => readFileSync(`${packageRoot}src/${file}`, 'utf8'));
  const used = (code: string) => files.some((text) => text.includes(`'${code}'`));
  // Thrown by the classes in src/errors.ts themselves.
  const own = readFileSync(`${packageRoot}src/errors.ts`, 'utf8').split('export class').slice(1).join();
  expect(errorCodes.filter((code) => !used(code) && !own.includes(`'${code}'`))).toEqual([]);
});

test('docs/errors.md has a row for each reason of a parked hook, and no other', () => {
  const sources = ['http/client', 'http/destination', 'http/reply', 'sender', 'results'].map((file) =>
    readFileSync(`${packageRoot}src/io/hooks/${file}.ts`, 'utf8'),
  );
  const given = sources.join().matchAll(/code: '([a-z-]+)'|reason: '(too-old)'|: '(deadline)'/g);
  const codes = new Set([...given].map(([, ...found]) => found.find((code) => code !== undefined)));
  expect(
    rowsOf(parked)
      .map(([, code]) => code)
      .sort(),
  ).toEqual([...codes, 'dropped'].sort());
});

test('docs/errors.md has a row for each reason of a verdict, in their order, and no other', () => {
  const source = readFileSync(`${packageRoot}src/machines/verdict.ts`, 'utf8');
  const [, type = ''] = /export type Reason =([^;]+);/.exec(source) ?? [];
  const reasons = [...type.matchAll(/'([a-z-]+)'/g)].map(([, reason]) => reason);
  expect(reasons).toContain('hung');
  expect(rowsOf(verdicts).map(([, code]) => code)).toEqual(reasons);
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
