import { type DestinationStream, type Logger, pino } from 'pino';

import { visible } from '../visible.ts';

export type { Logger };

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
