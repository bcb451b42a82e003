import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The demo as a process with its own temporary folder. */
export interface DemoRun {
  readonly child: ChildProcess;
  readonly folder: string;
  /** The exit code, when the process and its output have ended. */
  readonly ended: Promise<number | null>;
  /** Everything that it has written. */
  output(): string;
  stop(): Promise<void>;
}

export const startDemo = async (...args: string[]): Promise<DemoRun> => {
  const folder = await mkdtemp(join(tmpdir(), 'demo-test-'));
  const path = fileURLToPath(new URL('../../examples/demo.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk;
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    folder,
    ended,
    output: () => text,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** Ids of all processes that the demo has started, orphaned ones too. Their environment has the demo's folder. */
export const descendantsOf = async ({ folder }: DemoRun): Promise<string[]> => {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const isOurs = await Promise.all(
    ids.map(async (id) =>
      (await readFile(`/proc/${id}/environ`, 'utf8').catch(() => '')).split('\0').includes(`TMPDIR=${folder}`),
    ),
  );
  return ids.filter((_, index) => isOurs[index]);
};

/** The folders that the demo has left in its temporary folder. */
export const leftFoldersOf = async ({ folder }: DemoRun): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.startsWith('reaper-demo-'));
