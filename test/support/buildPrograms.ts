import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** What tests run as processes, by its path in the project. */
const programs = [
  'src/cli/main.ts',
  'src/index.ts',
  'examples/worker-host.ts',
  'test/hooks/host.ts',
  'test/redis/sweeping-host.ts',
];

/** Builds what tests run as processes, of the project that is at `root`. */
export const buildPrograms = (root: string, folder: string): Promise<unknown> =>
  build({
    absWorkingDir: root,
    entryPoints: programs,
    outbase: '.',
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });

/**
 * Builds them once a run: a process starts in a third of the time that it takes from the sources,
 * and there are hundreds. In a folder of the run's own, below the project so that its packages are found from there.
 */
export const setup = async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  const temporary = `${root}.tmp/`;
  await mkdir(temporary, { recursive: true });
  const folder = await mkdtemp(`${temporary}programs-`);
  await buildPrograms(root, folder);
  provide('programs', folder);
  return () => rm(folder, { recursive: true, force: true });
};
