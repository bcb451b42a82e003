/** Holds the latest `size` items. */
export interface Ring<T> {
  push(item: T): void;
  /** The items, newest first, up to the first one for which `isNew` is false. */
  newest(isNew?: (item: T) => boolean): T[];
}

export const createRing = <T>(size: number): Ring<T> => {
  const items: T[] = [];
  let next = 0;
  return {
    push(item) {
      items[next] = item;
      next = (next + 1) % size;
    },
    newest(isNew = () => true) {
      const found: T[] = [];
      for (let i = 0; i < items.length; i++) {
        const item = items[(next - 1 - i + items.length + items.length) % items.length] as T;
        if (!isNew(item)) break;
        found.push(item);
      }
      return found;
    },
  };
};
