/**
 * What gocraft's observer does for a worker: it notes what the worker runs and writes that down at its next tick, once. A
 * write that fails is not repeated, nor is the DEL at the end of a job: then what stood there stands on until the next job.
 */
import type { Redis } from 'ioredis';
import { observerMs } from './settings.ts';

export interface Observed {
  readonly fields: Readonly<Record<string, string | number>>;
  /** In s. */
  readonly ttl: number;
  /** Redis is taken to refuse it. */
  readonly isRefused: boolean;
}

export interface Observer {
  started(observed: Observed): void;
  done(): void;
}

export const createObserver = (redis: Redis, observation: string): Observer => {
  let current: Observed | undefined;
  let version = 0;
  let written = 0;
  const write = () => {
    written = version;
    const sent =
      current === undefined
        ? redis.del(observation)
        : current.isRefused
          ? Promise.resolve()
          : redis.pipeline().hset(observation, current.fields).expire(observation, current.ttl).exec();
    sent.catch(() => undefined);
  };
  const change = (next: Observed | undefined) => {
    current = next;
    version += 1;
    // The first one does not wait for a tick.
    if (version === 1) write();
  };
  setInterval(() => {
    if (written !== version) write();
  }, observerMs);
  return { started: change, done: () => change(undefined) };
};
