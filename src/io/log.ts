import { type DestinationStream, pino } from 'pino';
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
