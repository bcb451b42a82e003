import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

/**
 * The log: JSON lines, or for a person where `pretty`. What is logged holds ids, verdicts and counts; never a parameter,
 * nor a URL beyond its host.
 */
export const createLogger = (level: string, destination?: DestinationStream): Logger =>
  pino({ name: 'reaper', level }, destination ?? pino.destination({ dest: 2, sync: true }));
