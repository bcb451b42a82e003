import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { packageRoot } from '../../src/package.ts';

/** The folders of scripts in `lua/`. */
const folders = ['hooks', 'jobs', 'leader', 'pools', 'redis'];

/** Script name → path of its file. */
export const scriptPaths: ReadonlyMap<string, string> = new Map(
  folders.flatMap((folder) =>
    readdirSync(`${packageRoot}lua/${folder}`).map(
      (file) => [basename(file, '.lua'), `${packageRoot}lua/${folder}/${file}`] as const,
    ),
  ),
);

export const scriptPath = (name: string): string => {
  const path = scriptPaths.get(name);
  if (path === undefined) throw new Error(`there is no script ${name}`);
  return path;
};

export const includePath = (name: string): string => `${packageRoot}lua/includes/${name}.lua`;
