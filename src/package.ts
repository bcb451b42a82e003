import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The nearest folder with the package's manifest: this module is in the sources, or in `dist/`. */
const rootAbove = (folder: URL): URL =>
  existsSync(new URL('package.json', folder)) ? folder : rootAbove(new URL('../', folder));

/** Folder of this package, with a slash at its end. */
export const packageRoot = fileURLToPath(rootAbove(new URL('./', import.meta.url)));

/** Version of this package. */
export const version: string = JSON.parse(readFileSync(`${packageRoot}package.json`, 'utf8')).version;
