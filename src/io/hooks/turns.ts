/** For each key one holder at a time; whoever else asks waits for its turn. */
export interface Turns {
  /** Gives what ends the turn. */
  take(key: string): Promise<() => void>;
  isTaken(key: string): boolean;
  /** Whether another one waits for this turn to end. */
  isAwaited(key: string): boolean;
}

export const createTurns = (): Turns => {
  const turns = new Map<string, { last: Promise<void>; count: number }>();
  return {
    async take(key) {
      const before = turns.get(key);
      let end = () => {};
      const last = new Promise<void>((resolve) => {
        end = resolve;
      });
      turns.set(key, { last, count: (before?.count ?? 0) + 1 });
      await before?.last;
      return () => {
        const turn = turns.get(key);
        if (turn === undefined || turn.count <= 1) turns.delete(key);
        else turn.count -= 1;
        end();
      };
    },
    isTaken: (key) => turns.has(key),
    isAwaited: (key) => (turns.get(key)?.count ?? 0) > 1,
  };
};
