import type { Logger } from '../io/log.ts';
import { type Connection, connect } from '../io/redis/connection.ts';
import type { ReaperSettings } from '../options.ts';
import type { Emitter } from './events.ts';

const where = 'the connection to Redis';

/** Connects, and turns each outage and its end into log lines and events. */
export const connectReported = (
  { redis, sentinelUsername, sentinelPassword }: ReaperSettings,
  log: Logger,
  emit: Emitter['emit'],
): Connection => {
  const connection: Connection = connect(
    redis,
    ({ message: error }) => {
      log.error({ where, error }, 'something failed');
      emit('error', { where, error });
      emit('connection', { state: 'lost', redis: connection.description, error });
    },
    {
      sentinelUsername,
      sentinelPassword,
      onReminder: ({ message: error }, forMs) =>
        log.warn({ where, error, forMs: Math.round(forMs) }, 'Redis can still not be used'),
      onRestored(forMs) {
        const durationMs = Math.round(forMs);
        log.info({ where, durationMs }, 'Redis can be used again');
        emit('connection', { state: 'restored', redis: connection.description, durationMs });
      },
    },
  );
  return connection;
};
