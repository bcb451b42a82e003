/** Upstream's way to read tracked jobs: a Go program with its client library, or a stand-in where there is no `go`. */
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
}

/** Builds the Go program. Without `go`, or without its packages, the stand-in takes its place. */
export const buildUpstream = (): Upstream => {
  mkdirSync(`${root}.tmp`, { recursive: true });
  const program = `${root}.tmp/bench-upstream`;
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  return built.status === 0
    ? { name: 'Go client', read: readerOf(program) }
    : { name: 'stand-in for the Go client', read: standIn };
};

const readerOf =
  (...[program, ...args]: [string, ...string[]]) =>
  async (port: number, most: number): Promise<Reading> => {
    const { stdout } = await promisify(execFile)(program, [...args, String(port), namespace, String(most)]);
    const { jobs, ms, cpuMs } = JSON.parse(stdout);
    assert.equal(jobs, most);
    return { us: (ms * 1_000) / jobs, cpuUs: (cpuMs * 1_000) / jobs };
  };

/** On a raw socket in Node. */
export const standIn = readerOf(process.execPath, '--import', 'tsx', `${folder}standIn.ts`);
