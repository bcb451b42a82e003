/**
 * The logs of hosts and reapers: one file for each process, one line for each event, written before the call returns. So a log
 * survives a SIGKILL with everything except the event that was being written.
 */
import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export type Note =
  /** A worker has fetched a job and begins its work. The fetch was sent at `askedAt`; after it no other worker could get it. */
  | { readonly what: 'begin'; readonly run: string; readonly job: string; readonly askedAt: number }
  /** The work of a run has ended. */
  | { readonly what: 'end'; readonly run: string; readonly job: string }
  /** The result of writing Success: `succeeded`, or why it was not written. */
  | { readonly what: 'outcome'; readonly run: string; readonly job: string; readonly outcome: string }
  /** A heartbeat was written: its heartbeat_at, and when it was sent. */
  | { readonly what: 'beat'; readonly value: number; readonly sentAt: number }
  /** A reaper has ended a pass. */
  | {
      readonly what: 'pass';
      readonly pass: 'sweep' | 'rescue';
      readonly scanned?: number;
      readonly undecided?: number;
      readonly error?: string | undefined;
    }
  /** A process has done something about a job. */
  | { readonly what: 'act'; readonly job: string; readonly text: string }
  /** A detail that helps to understand a failure. */
  | { readonly what: 'detail'; readonly text: string };
/** `at`: wall clock, ms. */
export type Noted = Note & { readonly at: number; readonly process: string };

const suffix = '.jsonl';

export const openRunLog = (folder: string, process: string): ((note: Note) => void) => {
  const file = openSync(join(folder, `${process}${suffix}`), 'a');
  return (note) => {
    writeSync(file, `${JSON.stringify({ ...note, at: Date.now() })}\n`);
  };
};

/** All events of a run in the order of time. An incomplete last line of a killed process is skipped. */
export const readRunLogs = (folder: string): Noted[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(suffix))
    .flatMap((name) => {
      const lines = readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1);
      return lines.map((line): Noted => ({ ...JSON.parse(line), process: name.slice(0, -suffix.length) }));
    })
    .sort((a, b) => a.at - b.at);
