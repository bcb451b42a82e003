import { type DestinationStream, type Logger, pino } from 'pino';

import { visible } from '../visible.ts';

export type { Logger };

/**
 * The log: JSON lines, or for a person where `pretty`. What is logged holds ids, verdicts and counts; never a parameter,
 * nor a URL beyond its host.
 */
export const createLogger = (level: string, destination?: DestinationStream): Logger =>
  pino({ name: 'reaper', level }, destination ?? stderr());

/** JSON leaves some characters as they are that a terminal obeys; escaped, it is read as the same. */
const stderr = (): DestinationStream => {
  const lines = pino.destination({ dest: 2, sync: true });
  return { write: (line) => lines.write(`${visible(line.trimEnd())}\n`) };
};
