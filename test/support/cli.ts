import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
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
