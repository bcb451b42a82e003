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
  'examples/incident/main.ts',
  'examples/one-shot.ts',
  'examples/worker-host.ts',
  'test/hooks/host.ts',
  'test/redis/leader/sweeping-host.ts',
];

/**
 * The first line of each built file. Packages are built in, so that a process starts in half the time. Some of them are CommonJS,
 * and call `require`.
 */
export const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

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
    banner: { js: banner },
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });

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
