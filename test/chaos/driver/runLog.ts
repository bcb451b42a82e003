/**
 * What hosts and reapers note of what they do: a file a process, a line an event, written before the call returns. So
 * all that a process did before a SIGKILL stands there, except what it was about to note.
 */
import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export type Note =
  /** A worker has taken a job and its work begins. It asked for it at `askedAt`, after which others could not have it. */
  | { readonly what: 'begin'; readonly run: string; readonly job: string; readonly askedAt: number }
  /** The work of a run is over. */
  | { readonly what: 'end'; readonly run: string; readonly job: string }
  /** What came of writing the run's success: `succeeded`, or why not. */
  | { readonly what: 'told'; readonly run: string; readonly job: string; readonly outcome: string }
  /** A heartbeat is written: its heartbeat_at, and when it was sent. */
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
  | { readonly what: 'acted'; readonly job: string; readonly text: string }
  /** What is good to know when something has gone wrong. */
  | { readonly what: 'said'; readonly text: string };
/** `at`: wall clock, ms. */
export type Noted = Note & { readonly at: number; readonly process: string };

const suffix = '.jsonl';

export const openRunLog = (folder: string, process: string): ((note: Note) => void) => {
  const file = openSync(join(folder, `${process}${suffix}`), 'a');
  return (note) => {
    writeSync(file, `${JSON.stringify({ ...note, at: Date.now() })}\n`);
  };
};

/** All notes of a run in the order of time. The last line of a process that was killed may be cut off: it is left out. */
export const readRunLogs = (folder: string): Noted[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(suffix))
    .flatMap((name) => {
      const lines = readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1);
      return lines.map((line): Noted => ({ ...JSON.parse(line), process: name.slice(0, -suffix.length) }));
    })
    .sort((a, b) => a.at - b.at);
