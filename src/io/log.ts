import { type DestinationStream, pino } from 'pino';
import type { ErrorCode } from '../errors.ts';
import { visible } from '../visible.ts';

/**
 * What the reaper asks of a logger: the loggers of pino 9 and 10 and of Fastify have it, and `console` has it too. An
 * error is the field `err`, which pino writes with its stack.
 */
export interface Logger {
  /** What only the search for a fault needs, such as a job that is left to the next sweep. */
  debug(fields: object, message: string): void;
  /** Each act, and the summary of each pass. */
  info(fields: object, message: string): void;
  /** What a person may want to look at, such as a poison job or a disruption of Redis. */
  warn(fields: object, message: string): void;
  /** What failed. */
  error(fields: object, message: string): void;
}

/** What a line is about, unless it is a failure: its field `code`. `docs/operations.md` lists them. Codes are stable. */
export const logCodes = {
  sweep: 'A sweep has ended: its counts, and its acts in groups.',
  rescue: 'A rescue pass has ended: its counts, and its acts in groups.',
  job: 'A job was acted on.',
  'job-malformed': 'A job cannot be judged, and is left as it is.',
  'job-clock-ahead': 'Every time of a job is ahead of the clock of Redis: it is kept.',
  'job-left': 'A job is left to the next sweep, or to the new leader (debug only).',
  pool: 'A suspected pool has ended: rescued, cleaned or alive.',
  'pool-clock-ahead': 'The clock of the host of a pool is ahead of Redis.',
  'false-death': 'A pool that was declared dead is alive.',
  orphan: 'An orphaned entry was requeued.',
  'stale-entry': 'An entry was removed, because its job had ended.',
  'entry-skipped': 'An entry that may be orphaned stays where it is, because nothing proves that no worker runs it.',
  quarantine: 'A poison job was quarantined.',
  hook: 'A hook was attempted (debug only).',
  'hook-failed': 'Hooks to an endpoint fail: how many since the last line about it, and the last failure.',
  leader: 'This host or another one is the leader.',
  disruption: 'Redis or this process was disrupted: grace periods start again.',
  check: 'A check of `reaper doctor` needs attention, though the reaper can work.',
  'redis-restored': 'Redis can be used again.',
  listening: 'Probes and metrics are served.',
  'config-reloaded': 'The configuration was loaded again after SIGHUP.',
  'config-needs-restart': 'Options have changed that need a restart of `reaper run`.',
  'listener-failed': 'A listener of an event has thrown an error.',
} as const;
/** Lines of failures have the code of the failure. */
export type LogCode = keyof typeof logCodes | ErrorCode;

interface Fields {
  readonly code: LogCode;
  readonly [field: string]: unknown;
}

/** The logger as the reaper itself uses it: each line has a code. */
export interface CodedLogger {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
}

/**
 * Creates the log: JSON lines, or text for people if `pretty`. Logs contain ids, verdicts and counts, but no job parameters, and no
 * more of a URL than its host.
 */
export const createLogger = (level: string, destination?: DestinationStream): Logger =>
  pino({ name: 'reaper', level }, destination ?? stderr());

/** JSON leaves some characters unescaped that control terminals. Escaped, the JSON has the same meaning. */
const stderr = (): DestinationStream => {
  const lines = pino.destination({ dest: 2, sync: true });
  return { write: (line) => lines.write(`${visible(line.trimEnd())}\n`) };
};
