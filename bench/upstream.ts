/** What the Go side does: a Go program with its client library, or stand-ins where there is no `go`. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { namespace } from './support.ts';

const folder = fileURLToPath(new URL('./upstream/', import.meta.url));
const root = fileURLToPath(new URL('../', import.meta.url));

export interface Reading {
  /** Wall time and processor time of the client for one job, in µs. */
  readonly us: number;
  readonly cpuUs: number;
}

export interface Upstream {
  readonly name: 'Go client' | 'stand-in for the Go client';
  /** Reads the first `most` tracked jobs in a process of its own. */
  read(port: number, most: number): Promise<Reading>;
  /** Requeues these many entries of dead pools in a process of its own, one entry a call; undefined where there is no `go`. */
  readonly requeue:
    | ((port: number, entries: number, type: string, pools: readonly string[]) => Promise<Reading>)
    | undefined;
}

/** Builds the Go program. Without `go`, or without its packages, the stand-in takes its place. */
export const buildUpstream = (): Upstream => {
  mkdirSync(`${root}.tmp`, { recursive: true });
  const program = `${root}.tmp/bench-upstream`;
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  return built.status === 0
    ? {
        name: 'Go client',
        read: (port, most) => run(most, program, 'read', String(port), namespace, String(most)),
        requeue: (port, entries, type, pools) =>
          run(entries, program, 'requeue', String(port), namespace, type, ...pools),
      }
    : { name: 'stand-in for the Go client', read: standIn, requeue: undefined };
};

const run = async (count: number, program: string, ...args: string[]): Promise<Reading> => {
  const { stdout } = await promisify(execFile)(program, args);
  const { jobs, ms, cpuMs } = JSON.parse(stdout);
  assert.equal(jobs, count);
  return { us: (ms * 1_000) / jobs, cpuUs: (cpuMs * 1_000) / jobs };
};

/** On a raw socket in Node. */
export const standIn = (port: number, most: number): Promise<Reading> =>
  run(most, process.execPath, '--import', 'tsx', `${folder}standIn.ts`, String(port), namespace, String(most));
