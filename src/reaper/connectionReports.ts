import { BackgroundError } from '../errors.ts';
import type { CodedLogger } from '../io/log.ts';
import { type Connection, connect } from '../io/redis/connection.ts';
import { codeOfOutage, redact } from '../io/redis/errors.ts';
import type { ReaperSettings } from '../options.ts';
import type { Emitter } from './events.ts';

const where = 'the connection to Redis';

/** Connects, and turns each outage and its end into log lines and events. */
export const connectReported = (
  { redis, sentinelUsername, sentinelPassword }: ReaperSettings,
  log: CodedLogger,
  emit: Emitter['emit'],
): Connection => {
  const connection: Connection = connect(
    redis,
    (error) => {
      const { message } = error;
      const code = codeOfOutage(error);
      log.error({ where, code, err: redact(error) }, 'something failed');
      emit('error', new BackgroundError(code, where, message, withCause(error)));
      emit('connection', { state: 'lost', redis: connection.description, error: message });
    },
    {
      sentinelUsername,
      sentinelPassword,
      onReminder: (err, forMs) =>
        log.warn(
          { where, code: codeOfOutage(err), err: redact(err), forMs: Math.round(forMs) },
          'Redis is still unavailable',
        ),
      onRestored(forMs) {
        const durationMs = Math.round(forMs);
        log.info({ where, code: 'redis-restored', durationMs }, 'Redis can be used again');
        emit('connection', { state: 'restored', redis: connection.description, durationMs });
      },
    },
  );
  return connection;
};

/** Errors of ioredis hold the command, whose arguments may be a password. */
const withCause = (error: Error) => ('command' in error ? {} : { cause: error });
