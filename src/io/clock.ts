/** Time as the reaper sees it; xstate's `SimulatedClock` is one. All in ms. */
export interface Clock {
  /** The time of day. It is what people are shown; it may jump. */
  now(): number;
  /**
   * A time that never jumps, whatever is done to the time of day: every duration is measured by it. Only differences count.
   * A clock without it is measured by `now`, and a step back of that is left out.
   */
  monotonic?(): number;
  setTimeout(fn: (...args: unknown[]) => void, timeout: number): unknown;
  clearTimeout(id: unknown): void;
}

/** The longest timer that Node has: a longer one fires after 1 ms. */
export const longestTimer = 2_147_483_647;

export const systemClock = {
  now: () => Date.now(),
  monotonic: () => performance.timeOrigin + performance.now(),
  setTimeout: (fn, timeout) => setTimeout(fn, timeout),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
} satisfies Clock;

/** The clocks whose time of day is that of the system. */
const systemClocks = new WeakSet<Clock>([systemClock]);

/**
 * What a script takes for the clock of Redis, in ms, so that hours can pass in a test: the empty string, for none, where
 * the clock is the system's own.
 */
export const clockOverride = (clock: Clock): string => (systemClocks.has(clock) ? '' : String(Math.round(clock.now())));

/** What durations are measured by, in ms. */
export const monotonicOf = (clock: Pick<Clock, 'now' | 'monotonic'>): number => clock.monotonic?.() ?? clock.now();

/** The clock of one reaper. */
export interface ReaperClock extends Clock {
  monotonic(): number;
  /** Clears every timer that is set, and sets none from now on. */
  end(): void;
}

/** Puts the clock that one reaper uses on top of another one. Its timers may be as long as they like. */
export const createReaperClock = (base: Clock): ReaperClock => {
  const timers = new Set<{ id: unknown }>();
  let isOver = false;
  const clock: ReaperClock = {
    now: () => base.now(),
    monotonic: base.monotonic === undefined ? withoutStepsBack(base) : () => monotonicOf(base),
    setTimeout(fn, timeout) {
      const timer: { id: unknown } = { id: undefined };
      const endsAt = clock.monotonic() + timeout;
      const arm = (left: number) => {
        const part = Math.min(left, longestTimer);
        timer.id = base.setTimeout((...args) => {
          const rest = left > part ? endsAt - clock.monotonic() : 0;
          if (rest > 0) return arm(rest);
          timers.delete(timer);
          return fn(...args);
        }, part);
      };
      if (isOver) return timer;
      timers.add(timer);
      arm(timeout);
      return timer;
    },
    clearTimeout(id) {
      const timer = id as { id: unknown } | undefined;
      if (timer !== undefined && timers.delete(timer)) base.clearTimeout(timer.id);
    },
    end() {
      isOver = true;
      for (const timer of timers) clock.clearTimeout(timer);
    },
  };
  if (systemClocks.has(base)) systemClocks.add(clock);
  return clock;
};

/** Where the time of day went back, it is told by this process how long that took. */
const withoutStepsBack = (base: Clock): (() => number) => {
  let [elapsed, last, lastHere] = [base.now(), base.now(), performance.now()];
  return () => {
    const [now, here] = [base.now(), performance.now()];
    elapsed += now >= last ? now - last : here - lastHere;
    [last, lastHere] = [now, here];
    return elapsed;
  };
};

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
