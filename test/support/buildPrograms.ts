import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** The programs that tests run as processes. */
const programs = [
  'src/cli/main.ts',
  'src/index.ts',
  'examples/cron-job.ts',
  'examples/fastify-host.ts',
  'examples/one-shot.ts',
  'examples/worker-host.ts',
  'test/hooks/host.ts',
  'test/redis/leader/sweeping-host.ts',
];

/** Builds the programs of the project at `root` into a folder. */
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
 * Builds them once for each test run: a built program starts three times as fast as the sources, and there are hundreds of
 * processes. The folder is inside the project, so that Node finds the packages.
 */
export const setup = async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  const temporary = `${root}.tmp/`;
  await mkdir(temporary, { recursive: true });
  const folder = await mkdtemp(`${temporary}programs-`);
  await buildPrograms(root, folder);
  provide('programs', folder);
  return () => rm(folder, { recursive: true, force: true });
};
