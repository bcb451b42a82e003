import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * Runs a program on a terminal of its own. What the terminal shows is the child's stdout; what is written to its stdin is typed.
 * The program takes the place of the shell that `script` starts: a shell that waits would get Ctrl-C too, and some of them (dash)
 * then end with 130 whatever the program says.
 */
export const spawnOnTerminal = (
  program: readonly string[],
  env: Readonly<NodeJS.ProcessEnv> = {},
): ChildProcessByStdio<Writable, Readable, null> =>
  spawn('script', ['-qec', `exec ${program.map(quote).join(' ')}`, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
