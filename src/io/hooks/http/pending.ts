/** Counts what has begun and not ended, by name. */
export interface Pending {
  /** Returns the function to call at the end. */
  begin(name: string): () => void;
  has(name: string): boolean;
}

export const createPending = (): Pending => {
  const counts = new Map<string, number>();
  const add = (name: string, change: number) => {
    const count = (counts.get(name) ?? 0) + change;
    if (count > 0) counts.set(name, count);
    else counts.delete(name);
  };
  return {
    begin(name) {
      add(name, 1);
      return () => add(name, -1);
    },
    has: (name) => counts.has(name),
  };
};
