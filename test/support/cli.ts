import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
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
 * Runs the command in this process, which takes a tenth of the time: for what it prints and logs, and its exit code. It has no
 * terminal, a signal would end the test, and an open connection would not keep it alive, so tests of these start a process. Two at
 * the same time would share their output.
 */
export const callCli = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const given = { FORCE_COLOR: '', ...env };
  const before = Object.keys(given).map((name) => [name, process.env[name]] as const);
  const output = { stdout: '', stderr: '' };
  const { writeSync } = fs;
  const spies = [
    ...(['stdout', 'stderr'] as const).map((name) =>
      vi.spyOn(process[name], 'write').mockImplementation((text) => {
        output[name] += text;
        return true;
      }),
    ),
    // The log writes to the descriptor of stderr.
    vi.spyOn(fs, 'writeSync').mockImplementation((descriptor, text, ...more) => {
      if (descriptor !== 2) return writeSync(descriptor, text, ...more);
      output.stderr += text;
      return Buffer.byteLength(`${text}`);
    }),
  ];
  Object.assign(process.env, given);
  try {
    await execute(args);
    return { ...output, code: Number(process.exitCode ?? 0) };
  } finally {
    process.exitCode = undefined;
    // In the same object: vitest takes variables out of the one that it has seen first.
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    for (const spy of spies) spy.mockRestore();
  }
};
