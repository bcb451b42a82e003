import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { banner } from '../../scripts/build/banner.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** The programs that tests run as processes. */
const programs = [
  'src/cli/main.ts',
  'src/index.ts',
  'examples/cron-job.ts',
  'examples/fastify-host.ts',
  'examples/incident/main.ts',
  'examples/one-shot.ts',
  'examples/worker-host.ts',
  'test/hooks/host.ts',
  'test/redis/leader/sweeping-host.ts',
];

/** Bundles programs into a folder, with their packages: a process then starts in half the time. */
export const bundle = (folder: string, options: Pick<BuildOptions, 'absWorkingDir' | 'entryPoints' | 'outbase'>) =>
  build({
    ...options,
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    banner: { js: banner },
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });

/** Builds the programs of the project at `root` into a folder. */
export const buildPrograms = (root: string, folder: string): Promise<unknown> =>
  bundle(folder, { absWorkingDir: root, entryPoints: programs, outbase: '.' });

/**
 * Builds them once for each test run: a built program starts much faster than the sources, and there are hundreds of
 * processes.
 */
export const setup = async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  const temporary = `${root}.tmp/`;
  await mkdir(temporary, { recursive: true });
  const folder = await mkdtemp(`${temporary}programs-`);
  await buildPrograms(root, folder);
  provide('programs', folder);
  return () => rm(folder, { recursive: true, force: true });
};
