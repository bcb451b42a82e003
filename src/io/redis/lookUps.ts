import type { Resolve } from '../hooks/http/destination.ts';

/** Look-ups of names, and which of them have not ended: a connection that is late for one of them is not its endpoint's fault. */
export interface LookUps {
  readonly resolve: Resolve;
  isPending(name: string): boolean;
}

export const watchLookUps = (resolve: Resolve): LookUps => {
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
