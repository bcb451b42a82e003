import type { buildConnector } from 'undici/index.js';
import type { Resolve } from './destination.ts';
import { createPending } from './pending.ts';

/** A connection was not opened in time, because the look-up of its name had not ended. */
export class SlowLookupError extends Error {
  override name = 'SlowLookupError';
}

/** Tracks DNS lookups in progress. A connection that is late because of its lookup is not the fault of the endpoint. */
export interface Lookups {
  /** Resolves a name. */
  readonly resolve: Resolve;
  /** Whether a name is being resolved. */
  has(name: string): boolean;
  /** Has a connection fail with `SlowLookupError` if it fails before its own lookup has ended. */
  watch(connect: buildConnector.connector): buildConnector.connector;
}

/** @param resolve resolves a name */
export const createLookups = (resolve: Resolve): Lookups => {
  const pending = createPending();
  /** The connection that is being begun: its lookup begins before `connect` returns. */
  let begun: { isLookedUp: boolean } | undefined;
  return {
    resolve(name, options, callback) {
      const connection = begun;
      if (connection !== undefined) connection.isLookedUp = false;
      const end = pending.begin(name);
      resolve(name, options, (error, addresses) => {
        end();
        if (connection !== undefined) connection.isLookedUp = true;
        callback(error, addresses);
      });
    },
    has: (name) => pending.has(name),
    watch: (connect) => (options, callback) => {
      const connection = { isLookedUp: true };
      begun = connection;
      try {
        connect(options, (...result) => {
          const [error] = result;
          if (error === null || connection.isLookedUp) callback(...result);
          else callback(new SlowLookupError('the look-up did not end in time', { cause: error }), null);
        });
      } finally {
        begun = undefined;
      }
    },
  };
};
