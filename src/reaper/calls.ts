import { StoppedError } from '../errors.ts';
import { forCaller } from '../io/redis/errors.ts';

/** Calls by the users of a reaper, from the first one to the end of its `stop()`. */
export interface Calls {
  /** @throws StoppedError once calls are refused. */
  check(): void;
  /** Runs `act`, unless calls are refused. An error of Redis becomes one with a code. */
  make<T>(act: () => T | Promise<T>): Promise<T>;
  /** A copy of the object whose methods are calls. The named methods return async iterables: each step is a call. */
  guard<T extends object>(target: T, ...iterables: readonly (keyof T)[]): T;
  /** Refuses new calls from now on. */
  refuse(): void;
  /** Resolves when no call is pending. */
  settled(): Promise<void>;
  /** Rejects the calls that are still pending. */
  end(): void;
  readonly isRefusing: boolean;
  readonly hasEnded: boolean;
}

/**
 * Every call to a reaper goes through here. It knows the pending calls, so `stop()` can wait for them, and every caller gets
 * an answer at the end of `stop()` even if Redis gives none.
 */
export const createCalls = (): Calls => {
  const pending = new Set<(error: unknown) => void>();
  const waiting: (() => void)[] = [];
  let isRefusing = false;
  let hasEnded = false;

  const check = () => {
    if (isRefusing) throw new StoppedError('this reaper is stopped; create another one');
  };
  const leave = (reject: (error: unknown) => void) => {
    pending.delete(reject);
    if (pending.size === 0) for (const resolve of waiting.splice(0)) resolve();
  };
  const make = <T>(act: () => T | Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      check();
      pending.add(reject);
      new Promise<T>((begun) => begun(act()))
        .then(resolve, (error) => reject(forCaller(error)))
        .finally(() => leave(reject));
    });

  return {
    check,
    make,
    guard: (target, ...iterables) => guard(target, iterables, make),
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
    get isRefusing() {
      return isRefusing;
    },
    get hasEnded() {
      return hasEnded;
    },
  };
};

const guard = <T extends object>(target: T, iterables: readonly (keyof T)[], make: Calls['make']): T => {
  const guarded = { ...Object.getOwnPropertyDescriptors(target) } as PropertyDescriptorMap;
  for (const [name, property] of Object.entries(guarded)) {
    const { value } = property;
    if (typeof value !== 'function') continue;
    const call = iterables.includes(name as keyof T)
      ? (...args: unknown[]) => iterate(value.apply(target, args), make)
      : (...args: unknown[]) => make(() => value.apply(target, args));
    guarded[name] = { ...property, value: call };
  }
  return Object.defineProperties({}, guarded) as T;
};

async function* iterate<T>(items: AsyncIterable<T>, make: Calls['make']): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await make(() => iterator.next());
      if (done) return;
      yield value;
    }
  } finally {
    // Not awaited: this may be the pending call itself.
    iterator.return?.().catch(() => undefined);
  }
}
