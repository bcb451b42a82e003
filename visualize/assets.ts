import { readFile } from 'node:fs/promises';
import { charts } from '../src/charts.ts';
import { ReaperError } from '../src/errors.ts';
import { packageRoot } from '../src/package.ts';
import { partsOf } from './charts/parts.ts';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

const files = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
} as const;

/**
 * Loads all files that the server serves, by path: the built page, and the charts that `npm run charts` has drawn.
 * @throws ReaperError if the page is not built, or if a chart is missing.
 */
export const loadAssets = async (): Promise<ReadonlyMap<string, Asset>> => {
  const page = Object.entries(files).map(async ([path, [file, type]]) => {
    const body = await read(`dist/page/${file}`, 'build');
    return [path, { type, body }] as const;
  });
  const parts = Object.values(charts).flatMap(partsOf);
  const drawings = parts.map(async ({ name }) => {
    const svg = await read(`docs/charts/${name}.svg`, 'charts');
    return [`/charts/${name}.svg`, { type: 'image/svg+xml', body: Buffer.from(withoutStyle(svg.toString())) }] as const;
  });
  return new Map(await Promise.all([...page, ...drawings]));
};

const read = (path: string, command: string): Promise<Buffer> =>
  readFile(`${packageRoot}${path}`).catch((cause) => {
    const text = `${path} is missing: run  npm run ${command}  in the folder of jobservice-reaper`;
    throw new ReaperError('internal', text, { cause });
  });

/** The page has its own style for charts, and its policy forbids styles in the SVG. */
const withoutStyle = (svg: string): string => svg.replace(/<style>[^<]*<\/style>\n/, '');
