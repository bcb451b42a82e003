import { setImmediate } from 'node:timers/promises';

/** Adds an item to the next call for its key, and resolves to what that call returns for the item. */
export type Batcher<Item, Result> = (key: string, item: Item) => Promise<Result>;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Creates a function that makes one call for several items: those of the same turn of the event loop, and those that come while
 * a call for their key is in progress. So the more there is to do, the fewer calls it takes.
 *
 * @param call makes one call. It returns a result for each item, in order. If it fails, all of its items fail.
 * @param maxItems items of one call
 */
export const createBatcher = <Item, Result>(
  call: (key: string, items: readonly Item[]) => Promise<readonly Result[]>,
  maxItems: number,
): Batcher<Item, Result> => {
  const queues = new Map<string, Waiting<Item, Result>[]>();

  const run = async (key: string, queue: Waiting<Item, Result>[]) => {
    while (queue.length > 0) {
      await setImmediate();
      const some = queue.splice(0, maxItems);
      try {
        const results = await call(
          key,
          some.map(({ item }) => item),
        );
        for (const [i, { resolve }] of some.entries()) resolve(results[i] as Result);
      } catch (error) {
        for (const { reject } of some) reject(error);
      }
    }
    // In the same step that saw an empty queue: an item that is added later starts another run.
    queues.delete(key);
  };

  return (key, item) =>
    new Promise((resolve, reject) => {
      const waiting = { item, resolve, reject };
      const queue = queues.get(key);
      if (queue !== undefined) {
        queue.push(waiting);
        return;
      }
      const first = [waiting];
      queues.set(key, first);
      void run(key, first);
    });
};
