import { type Clock, createReaperClock, createSignal, systemClock } from '../io/clock.ts';

/** What was asked of a reaper after its `stop()`, or had not ended when that was over. */
export class StoppedError extends Error {
  override name = 'StoppedError';
}

/** What callers ask of a reaper, from the first call to the end of its `stop()`. */
export interface Calls {
  /** @throws StoppedError once calls are refused. */
  check(): void;
  /** Does it, unless calls are refused. */
  make<T>(act: () => T | Promise<T>): Promise<T>;
  /** The same object, each method of it a call. Those that are named give something to iterate over: each step is a call. */
  guard<T extends object>(target: T, ...iterables: readonly (keyof T)[]): T;
  /** Refuses at once what is asked from now on. */
  refuse(): void;
  /** Resolves when no call is pending. */
  settled(): Promise<void>;
  /** Rejects all that is pending still. */
  end(): void;
  readonly hasEnded: boolean;
}

/**
 * The one gate through which callers reach a reaper. It knows what is pending, so that `stop()` can wait for it, and so
 * that a caller is answered at the end of `stop()` whatever Redis does.
 */
export const createCalls = (): Calls => {
  const pending = new Set<(error: StoppedError) => void>();
  const waiting: (() => void)[] = [];
  let isRefusing = false;
  let hasEnded = false;

  const check = () => {
    if (isRefusing) throw new StoppedError('this reaper is stopped; create another one');
  };
  const leave = (reject: (error: StoppedError) => void) => {
    pending.delete(reject);
    if (pending.size === 0) for (const resolve of waiting.splice(0)) resolve();
  };
  const make = <T>(act: () => T | Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      check();
      pending.add(reject);
      new Promise<T>((begun) => begun(act())).then(resolve, reject).finally(() => leave(reject));
    });
  async function* iterate<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    const iterator = items[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await make(() => iterator.next());
        if (done) return;
        yield value;
      }
    } finally {
      // Not waited for: it may be what is pending.
      iterator.return?.().catch(() => undefined);
    }
  }

  return {
    check,
    make,
    guard<T extends object>(target: T, ...iterables: readonly (keyof T)[]): T {
      const guarded = { ...Object.getOwnPropertyDescriptors(target) } as PropertyDescriptorMap;
      for (const [name, property] of Object.entries(guarded)) {
        const { value } = property;
        if (typeof value !== 'function') continue;
        const call = iterables.includes(name as keyof T)
          ? (...args: unknown[]) => iterate(value.apply(target, args))
          : (...args: unknown[]) => make(() => value.apply(target, args));
        guarded[name] = { ...property, value: call };
      }
      return Object.defineProperties({}, guarded) as T;
    },
    refuse() {
      isRefusing = true;
    },
    settled: () => (pending.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(() => resolve()))),
    end() {
      hasEnded = true;
      const error = new StoppedError('the reaper was stopped before this had ended: ask Redis whether it was done');
      for (const reject of pending) reject(error);
      pending.clear();
    },
    get hasEnded() {
      return hasEnded;
    },
  };
};

/** The time that a `stop()` has. */
export interface TimeLimit {
  /** Resolves when it is over. */
  readonly isUp: Promise<void>;
  /** How much of it is left, in ms. */
  left(): number;
  /** Shortens it to `ms` from now; the shortest counts. */
  setTo(ms: number): void;
  /** Leaves no timer behind. */
  end(): void;
}

/** Measured by the reaper's clock, and by the system's too: a clock that somebody holds must not hold up a stop. */
export const createTimeLimit = (clock: Clock): TimeLimit => {
  const isUp = createSignal();
  const clocks = [...new Set([clock, systemClock])].map(createReaperClock);
  let endsAt = Number.POSITIVE_INFINITY;
  const end = () => {
    endsAt = 0;
    isUp.resolve();
  };
  return {
    isUp: isUp.promise,
    left: () => Math.max(0, endsAt - performance.now()),
    setTo(ms) {
      endsAt = Math.min(endsAt, performance.now() + ms);
      for (const each of clocks) each.setTimeout(end, ms);
    },
    end() {
      for (const each of clocks) each.end();
    },
  };
};
