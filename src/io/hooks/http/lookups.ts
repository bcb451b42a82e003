import type { Resolve } from './destination.ts';

/** Tracks DNS lookups in progress. A connection that is late because of its lookup is not the fault of the endpoint. */
export interface Lookups {
  /** Resolves a name as `dns.lookup` does. */
  readonly resolve: Resolve;
  isPending(name: string): boolean;
}

export const trackLookups = (resolve: Resolve): Lookups => {
  const pending = new Map<string, number>();
  return {
    resolve(name, options, callback) {
      pending.set(name, (pending.get(name) ?? 0) + 1);
      resolve(name, options, (error, addresses) => {
        const left = (pending.get(name) ?? 1) - 1;
        if (left > 0) pending.set(name, left);
        else pending.delete(name);
        callback(error, addresses);
      });
    },
    isPending: (name) => pending.has(name),
  };
};
