/** Time as the reaper sees it; xstate's `SimulatedClock` is one. All in ms. */
export interface Clock {
  now(): number;
  setTimeout(fn: (...args: unknown[]) => void, timeout: number): unknown;
  clearTimeout(id: unknown): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (fn, timeout) => setTimeout(fn, timeout),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
};

/**
 * What a script takes for the clock of Redis, in ms, so that hours can pass in a test: the empty string, for none, where
 * the clock is the system's own.
 */
export const standInFor = (clock: Clock): string => (clock === systemClock ? '' : String(Math.round(clock.now())));

/** Resolves after `ms`. */
export const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.setTimeout(() => resolve(), ms);
  });

/** Waits for something, but for no longer than `ms`; says whether it came. Leaves no timer behind. */
export const within = async (clock: Clock, ms: number, what: Promise<unknown>): Promise<boolean> => {
  let timer: unknown;
  const late = new Promise<false>((resolve) => {
    timer = clock.setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([what.then(() => true as const), late]);
  } finally {
    clock.clearTimeout(timer);
  }
};

/** A promise that is resolved from outside: Node 20 has no `Promise.withResolvers`. */
export interface Signal {
  readonly promise: Promise<void>;
  resolve(): void;
}

export const createSignal = (): Signal => {
  let resolve = () => {};
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
};
