import { readFile } from 'node:fs/promises';
import { charts } from '../src/charts.ts';
import { packageRoot } from '../src/package.ts';
import { graphOf } from './charts/graph.ts';
import { layOut } from './charts/layout.ts';
import { svgOf } from './charts/svg.ts';
import { type ChartName, chartNames } from './protocol.ts';

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
 * All that the server serves, by path: the built page, and the charts as they are laid out from the machines.
 * @throws Error where the page is not built.
 */
export const loadAssets = async (): Promise<ReadonlyMap<string, () => Promise<Asset>>> => {
  const page = Object.entries(files).map(async ([path, [file, type]]) => {
    const body = await readFile(`${packageRoot}dist/page/${file}`).catch(() => {
      throw new Error('its page is not built: run  npm run build  in the folder of jobservice-reaper');
    });
    return [path, async () => ({ type, body })] as const;
  });
  const drawings = chartNames.map((name) => [`/charts/${name}.svg`, () => draw(name)] as const);
  return new Map([...(await Promise.all(page)), ...drawings]);
};

/** Charts that are drawn: they are the same for every reaper of a process. */
const drawn = new Map<ChartName, Promise<Asset>>();

/** Lays a chart out when it is asked for the first time: that keeps the process busy for a tenth of a second or two. */
const draw = (name: ChartName): Promise<Asset> => {
  const known = drawn.get(name);
  if (known !== undefined) return known;
  const drawing = layOut(graphOf(charts[name])).then((drawing) => ({
    type: 'image/svg+xml',
    body: Buffer.from(svgOf(drawing)),
  }));
  drawing.catch(() => drawn.delete(name));
  drawn.set(name, drawing);
  return drawing;
};
