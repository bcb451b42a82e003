/** The size of the fleet that `fleet` simulates, and the names in it. */
export const fleet = { pools: 200, workers: 20, types: 50, held: 50, queued: 2_000, fetchesPerSecond: 500 } as const;

export const typeOf = (i: number) => `TYPE_${i % fleet.types}`;
export const poolsOf = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}-${i}`);
