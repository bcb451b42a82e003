import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildInto } from '../../scripts/build.ts';
import { packageRoot } from '../../src/package.ts';

const run = promisify(execFile);

/** The package as npm publishes it, unpacked where no development dependency is found. */
export interface Packed {
  /** A folder with the package and its dependencies in `node_modules`. */
  readonly folder: string;
  readonly files: readonly { readonly path: string; readonly size: number }[];
  /** Bytes of the tarball, and of its files. */
  readonly size: number;
  readonly unpackedSize: number;
  remove(): Promise<void>;
}

/** Builds the package from the sources, packs it with npm and unpacks it. The page has to be built. */
export const packPackage = async (): Promise<Packed> => {
  const folder = await mkdtemp(join(tmpdir(), 'reaper-packed-'));
  const copy = `${folder}/copy/`;
  const manifest = JSON.parse(await readFile(`${packageRoot}package.json`, 'utf8'));
  await Promise.all(
    ['package.json', 'LICENSE', 'README.md', ...manifest.files]
      .filter((file) => file !== 'dist' && !file.startsWith('!'))
      .map((file) => cp(`${packageRoot}${file}`, `${copy}${file}`, { recursive: true })),
  );
  await cp(`${packageRoot}dist/page`, `${copy}dist/page`, { recursive: true });
  await buildInto(`${copy}dist`);
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const [packed] = Object.values(JSON.parse((await run('npm', args, { cwd: copy })).stdout)) as [
    { filename: string; files: { path: string; size: number }[]; size: number; unpackedSize: number },
  ];
  const { filename, files, size, unpackedSize } = packed;

  const modules = `${folder}/node_modules/`;
  await mkdir(`${modules}jobservice-reaper`, { recursive: true });
  await run('tar', ['-xzf', `${folder}/${filename}`, '--strip-components=1', '-C', `${modules}jobservice-reaper`]);
  for (const name of Object.keys(manifest.dependencies)) {
    await symlink(`${packageRoot}node_modules/${name}`, `${modules}${name}`);
  }
  return {
    ...{ folder, files, size, unpackedSize },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
};
