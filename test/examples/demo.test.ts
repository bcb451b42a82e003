/** The demo as its reader runs it: a process whose exit code says whether the whole was as promised. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

let folder: string;
let demo: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-test-'));
});
afterEach(async () => {
  demo?.kill('SIGTERM');
  await rm(folder, { recursive: true, force: true });
});

/** Starts the demo; what it starts carries its temp folder in the environment and can be told by it. */
const startDemo = () => {
  const path = fileURLToPath(new URL('../../examples/demo.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  demo = child;
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output.text += chunk));
  return { child, output };
};

/** Ids of processes that the demo has started, those included that nobody waits for any more. */
const descendants = async (): Promise<string[]> => {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const isOurs = await Promise.all(
    ids.map(async (id) =>
      (await readFile(`/proc/${id}/environ`, 'utf8').catch(() => '')).split('\0').includes(`TMPDIR=${folder}`),
    ),
  );
  return ids.filter((_, index) => isOurs[index]);
};
const leftFolders = async () => (await readdir(folder)).filter((name) => name.startsWith('reaper-demo-'));

it('ends with 0, every check ticked, and leaves no process and no folder', async () => {
  const { child, output } = startDemo();
  const [code] = await once(child, 'close');
  expect(code, output.text).toBe(0);
  expect(output.text).toMatch(/host-(one|two): rescued/);
  expect(output.text.match(/^✓/gm)).toHaveLength(11);
  expect(output.text).not.toContain('✗');
  expect(await descendants()).toEqual([]);
  expect(await leftFolders()).toEqual([]);
}, 55_000);

it('leaves no process and no folder when it is interrupted in the middle', async () => {
  const { child, output } = startDemo();
  const closed = once(child, 'close');
  await vi.waitUntil(() => output.text.includes('is killed: SIGKILL'), { timeout: 20_000 });
  expect((await descendants()).length).toBeGreaterThan(2);
  child.kill('SIGINT');
  const [code] = await closed;
  expect(code, output.text).toBe(1);
  expect(await descendants()).toEqual([]);
  expect(await leftFolders()).toEqual([]);
}, 40_000);
