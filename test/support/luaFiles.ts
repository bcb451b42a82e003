import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { packageRoot } from '../../src/package.ts';

/** Folders of `lua/` that hold scripts; the others hold what they include. */
const folders = ['hooks', 'jobs', 'leader', 'pools', 'redis'];

/** Each script with the path of its file. */
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
