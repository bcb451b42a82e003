import type { Resolve } from './destination.ts';
import type { Pending } from './pending.ts';

/**
 * Tracks DNS lookups in progress. A connection that is late because of its lookup is not the fault of the endpoint.
 *
 * @returns a function that resolves a name as `resolve` does
 */
export const trackLookups =
  (resolve: Resolve, pending: Pending): Resolve =>
  (name, options, callback) => {
    const end = pending.begin(name);
    resolve(name, options, (error, addresses) => {
      end();
      callback(error, addresses);
    });
  };
