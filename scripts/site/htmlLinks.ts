import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * The links of a folder of HTML pages and pictures that lead to no file of the folder, or to no element: `page.html: target`. Links to
 * other sites are not followed.
 */
export const brokenLinks = (folder: string): string[] => {
  const pages = new Map<string, Page>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (/\.(html|svg)$/.test(name)) pages.set(join(folder, name), readPage(readFileSync(join(folder, name), 'utf8')));
  }
  return [...pages].flatMap(([path, { links }]) =>
    links
      .filter((link) => !/^([a-z]+:|\/\/)/i.test(link) && !leadsSomewhere(path, link, pages))
      .map((link) => `${relative(folder, path)}: ${link}`),
  );
};

interface Page {
  readonly links: readonly string[];
  readonly ids: ReadonlySet<string>;
}

const readPage = (html: string): Page => ({
  links: [...html.matchAll(/\s(?:href|src)="([^"]+)"/g)].map(([, link = '']) => link.replaceAll('&amp;', '&')),
  ids: new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id = '']) => id)),
});

const leadsSomewhere = (from: string, link: string, pages: ReadonlyMap<string, Page>): boolean => {
  const [path = '', anchor = ''] = link.split('#').map(decodeURIComponent);
  const given = path === '' ? from : join(dirname(from), path.replace(/\?.*$/, ''));
  const target = existsSync(given) && statSync(given).isDirectory() ? join(given, 'index.html') : given;
  if (!existsSync(target)) return false;
  return anchor === '' || pages.get(target)?.ids.has(anchor) === true;
};
