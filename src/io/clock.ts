/** The clock of the reaper, in ms. xstate's `SimulatedClock` is one. */
export interface Clock {
  /** The time of day, for people. It may jump. */
  now(): number;
  /**
   * A monotonic time. All durations are measured with it; only differences have a meaning. Without it, `now` is used, and steps
   * back are ignored.
   */
  monotonic?(): number;
  /** Calls `fn` once after `timeout` ms. Returns what `clearTimeout` takes. */
  setTimeout(fn: (...args: unknown[]) => void, timeout: number): unknown;
  /** Cancels a timer. */
  clearTimeout(id: unknown): void;
}

/** The longest timer of Node: a longer one fires after 1 ms. */
export const longestTimer = 2_147_483_647;

export const systemClock = {
  now: () => Date.now(),
  monotonic: () => performance.timeOrigin + performance.now(),
  setTimeout: (fn, timeout) => setTimeout(fn, timeout),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
} satisfies Clock;

/** Clocks that use the time of day of the system. */
const systemClocks = new WeakSet<Clock>([systemClock]);

/**
 * The time in ms that scripts use instead of the clock of Redis, so that hours can pass in a test. '' for a system clock: scripts
 * use the clock of Redis then.
 */
export const clockOverride = (clock: Clock): string => (systemClocks.has(clock) ? '' : String(Math.round(clock.now())));

/** The time that durations are measured with, in ms. */
export const monotonicOf = (clock: Pick<Clock, 'now' | 'monotonic'>): number => clock.monotonic?.() ?? clock.now();

/** The clock of one reaper. */
export interface ReaperClock extends Clock {
  monotonic(): number;
  /** Clears all timers, and sets none from now on. */
  end(): void;
}

/** Wraps a clock for one reaper: timers of any length, and `end()`. */
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

/** A monotonic time from `now`. If the time of day goes back, the process's own clock fills in. */
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

/** Waits for a promise for up to `ms`. Resolves to whether it was fulfilled in time, and rejects if it does. Leaves no timer. */
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

/** A promise with its `resolve`: Node 20 lacks `Promise.withResolvers`. */
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
