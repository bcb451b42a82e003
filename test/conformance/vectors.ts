import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { State } from '../support/states.ts';

/** The folder of the vectors: this one, or CONFORMANCE_DIR. */
const folder = process.env.CONFORMANCE_DIR
  ? `${process.env.CONFORMANCE_DIR}/`
  : new URL('./', import.meta.url).pathname;

export const readVectors = <Vector>(file: string): Vector[] =>
  gunzipSync(readFileSync(`${folder}${file}`))
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

export const readJson = <T>(file: string): T => JSON.parse(readFileSync(`${folder}${file}`, 'utf8'));

interface Vector {
  readonly name: string;
  readonly before: State;
}

export interface SweepVector extends Vector {
  readonly upstream: {
    readonly after: State;
    readonly hooks?: readonly { path: string; contentType: string; body: { job_id: string } }[];
  };
  readonly ours: Readonly<Record<string, { verdict: string; reason: string; upstream: string; deviation?: number }>>;
}

export interface RescueVector extends Vector {
  readonly jobTypes: readonly string[];
  readonly ours: {
    readonly queues: Readonly<
      Record<string, { was: readonly string[]; moved: Readonly<Record<string, readonly string[]>> }>
    >;
    readonly counts: Readonly<Record<string, { lock: number; lock_info: Readonly<Record<string, number>> }>>;
    readonly live: readonly string[];
  };
}

export interface ScriptVector extends Vector {
  readonly op: 'setStatus' | 'ack' | 'reset';
  readonly args: readonly string[];
  readonly upstream: { readonly after: State };
  readonly ours: { readonly reply: string; readonly deviation?: number };
}

export const namespace = '{harbor_job_service_namespace}';
