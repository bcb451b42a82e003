import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const manifest = createRequire(import.meta.url).resolve('jobservice-reaper/package.json');

/** Folder of this package, with a slash at its end, wherever a module of it stands: in the sources or in `dist/`. */
export const packageRoot = `${dirname(manifest)}/`;

/** Version of this package. */
export const version: string = JSON.parse(readFileSync(manifest, 'utf8')).version;
