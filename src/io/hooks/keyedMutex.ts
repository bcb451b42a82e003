/** A mutex for each key: holders of the same key take turns, in the order in which they asked. */
export interface KeyedMutex {
  /** Resolves when the lock is acquired, with the function that releases it. */
  acquire(key: string): Promise<() => void>;
  isLocked(key: string): boolean;
  /** Whether another caller waits for the lock. */
  isContended(key: string): boolean;
}

export const createKeyedMutex = (): KeyedMutex => {
  /** Key → the last caller's release, and how many callers hold or await the lock. */
  const locks = new Map<string, { last: Promise<void>; count: number }>();
  return {
    async acquire(key) {
      const before = locks.get(key);
      let end = () => {};
      const last = new Promise<void>((resolve) => {
        end = resolve;
      });
      locks.set(key, { last, count: (before?.count ?? 0) + 1 });
      await before?.last;
      return () => {
        const lock = locks.get(key);
        if (lock === undefined || lock.count <= 1) locks.delete(key);
        else lock.count -= 1;
        end();
      };
    },
    isLocked: (key) => locks.has(key),
    isContended: (key) => (locks.get(key)?.count ?? 0) > 1,
  };
};
