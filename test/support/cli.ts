import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { vi } from 'vitest';
import { execute } from '../../src/cli/execute.ts';
import { builtOf } from './programs.ts';

const main = builtOf('src/cli/main.ts');

export const launchCli = (args: readonly string[], env: Record<string, string> = {}): ChildProcess =>
  spawn(process.execPath, [main, ...args], {
    // The test runner may force colours for its own output.
    env: { ...process.env, FORCE_COLOR: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** Collects the output of a process, and its exit code when it has ended. */
export const watchCli = (child: ChildProcess) => {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output.stderr += chunk;
  });
  const ended = once(child, 'close').then(([code]) => ({ ...output, code: code as number | null }));
  return { output, ended };
};

/** Runs the command as a process and waits for its end. */
export const runCli = (args: readonly string[], env?: Record<string, string>) => watchCli(launchCli(args, env)).ended;

/**
 * Runs the command in this process, which takes a tenth of the time: for what it prints and its exit code. It has no terminal and no
 * log, and a signal would end the test, so tests of these start a process.
 */
export const callCli = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const before = { ...process.env };
  const output = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      output[name] += text;
      return true;
    }),
  );
  Object.assign(process.env, { FORCE_COLOR: '', REAPER_LOG_LEVEL: 'silent' }, env);
  try {
    await execute(args);
    return { ...output, code: Number(process.exitCode ?? 0) };
  } finally {
    process.exitCode = undefined;
    process.env = before;
    for (const spy of spies) spy.mockRestore();
  }
};
