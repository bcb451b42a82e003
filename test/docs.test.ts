/** The pages: generated ones are current and name each option once; links lead somewhere; every chart is shown. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { generated } from '../scripts/docs.ts';
import { brokenLinks } from '../scripts/site/htmlLinks.ts';
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

const folders = [
  ...['.', 'docs', 'docs/adr', 'docs/runbooks', 'test', 'test/chaos', 'test/mutants', 'bench'],
  'deploy/helm/jobservice-reaper',
];
const pages = folders.flatMap((folder) =>
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
const brokenPageLinks = (page: string, text: string) =>
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
  expect(brokenPageLinks(page, readFileSync(join(packageRoot, page), 'utf8'))).toEqual([]);
});

test('a link to a file or heading that is gone is found', () => {
  const text =
    '# One\n[a](README.md) [b](gone.md) [c](#one) [d](#two) [e](SECURITY.md#hooks) [f](https://h.example/gone.md)';
  expect(brokenPageLinks('README.md', text)).toEqual(['gone.md', '#two', 'SECURITY.md#hooks']);
});

test('in the docs site, a link to a file or element that is gone is found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reaper-site-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'pages'));
  writeFileSync(join(folder, 'icons.svg'), '<svg><g id="icon"/></svg>');
  writeFileSync(
    join(folder, 'index.html'),
    '<h1 id="top"><a href="pages/a b.html"><a href="#gone"><use href="icons.svg#icon">',
  );
  const links = [
    '../index.html#top',
    '../gone.html',
    '../index.html#end',
    'https://h.example/gone',
    '../icons.svg#none',
  ];
  writeFileSync(join(folder, 'pages/a b.html'), links.map((link) => `<a href="${link}">`).join(''));
  expect(brokenLinks(folder).sort()).toEqual([
    'index.html: #gone',
    'pages/a b.html: ../gone.html',
    'pages/a b.html: ../icons.svg#none',
    'pages/a b.html: ../index.html#end',
  ]);
});

test('docs/charts.md shows every chart', () => {
  const shown = [...readFileSync(`${packageRoot}docs/charts.md`, 'utf8').matchAll(/\(charts\/(.+\.svg)\)/g)];
  expect(shown.map(([, name]) => name).sort()).toEqual(readdirSync(`${packageRoot}docs/charts`).sort());
});
