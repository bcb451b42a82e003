/** The pages: generated ones are current and name each option once; links lead somewhere; every chart is shown. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { generated } from '../scripts/docs.ts';
import { describeOptions } from '../src/options/describe.ts';
import { packageRoot } from '../src/package.ts';

/** Formatting may differ: it is the formatter's. */
const words = (text: string) => text.replace(/[\s,;|]+/g, ' ');

test.each(Object.entries(generated()))('%s is current: npm run docs', (file, text) => {
  const now = readFileSync(`${packageRoot}${file}`, 'utf8');
  if (file.endsWith('.json')) expect(JSON.parse(now)).toEqual(JSON.parse(text));
  else if (/\.(md|1)$/.test(file)) expect(now).toBe(text);
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

const pages = ['.', 'docs', 'docs/adr', 'test', 'test/chaos', 'test/mutants', 'bench'].flatMap((folder) =>
  readdirSync(join(packageRoot, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);
/** The anchors of a page, as GitHub makes them from its headings. */
const anchorsOf = (page: string) =>
  [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
/** Links of a page that lead to no file, or to no heading. Links to other sites are not followed. */
const brokenLinks = (page: string, text: string) =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(packageRoot, target))) return true;
      if (anchor === undefined) return false;
      return !anchorsOf(path === '' ? text : readFileSync(join(packageRoot, target), 'utf8')).includes(anchor);
    });

test.each(pages)('the links of %s lead to files and headings', (page) => {
  expect(brokenLinks(page, readFileSync(join(packageRoot, page), 'utf8'))).toEqual([]);
});

test('a link to a file or heading that is gone is found', () => {
  const text =
    '# One\n[a](README.md) [b](gone.md) [c](#one) [d](#two) [e](SECURITY.md#hooks) [f](https://h.example/gone.md)';
  expect(brokenLinks('README.md', text)).toEqual(['gone.md', '#two', 'SECURITY.md#hooks']);
});

test('docs/charts.md shows every chart', () => {
  const shown = [...readFileSync(`${packageRoot}docs/charts.md`, 'utf8').matchAll(/\(charts\/(.+\.svg)\)/g)];
  expect(shown.map(([, name]) => name).sort()).toEqual(readdirSync(`${packageRoot}docs/charts`).sort());
});
