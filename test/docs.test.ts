/** What is generated from the schema of the options is current, and names each option once. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generated } from '../scripts/docs.ts';
import { describeOptions } from '../src/options/describe.ts';
import { packageRoot } from '../src/package.ts';

/** Formatting may differ: it is the formatter's. */
const words = (text: string) => text.replace(/[\s,;|]+/g, ' ');

test.each(Object.entries(generated()))('%s is current: npm run docs', (file, text) => {
  const now = readFileSync(`${packageRoot}${file}`, 'utf8');
  if (file.endsWith('.json')) expect(JSON.parse(now)).toEqual(JSON.parse(text));
  else if (file.endsWith('.md')) expect(now).toBe(text);
  else expect(words(now)).toBe(words(text));
});

test('each option has a description, and a flag and a variable of its own', () => {
  const options = describeOptions();
  expect(options.length).toBeGreaterThan(50);
  for (const { path, description } of options) expect(description, path).toMatch(/\.$/);
  const names = options.flatMap(({ command }) => (command === undefined ? [] : [command.flag, command.environment]));
  expect(new Set(names).size).toBe(names.length);
});

test('the JSON Schema has every option that a file can hold, and none of the others', () => {
  const schema = JSON.parse(readFileSync(`${packageRoot}docs/options.schema.json`, 'utf8'));
  const has = (key: string) => {
    let inner = schema;
    for (const name of key.split('.')) {
      const properties =
        inner?.properties ?? inner?.anyOf?.find((member: object) => 'properties' in member)?.properties;
      inner = properties?.[name];
    }
    return inner !== undefined;
  };
  for (const { path, command } of describeOptions()) {
    if (path !== 'inspect' && path !== 'http') expect(has(command?.key ?? path), path).toBe(command !== undefined);
  }
  expect(has('logLevel')).toBe(true);
});
