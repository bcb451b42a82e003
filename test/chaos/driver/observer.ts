/**
 * gocraft's observer of one worker: it writes at its next tick, once, which job the worker runs. It repeats neither a failed
 * write nor a failed DEL at the end of a job: the old observation stays until the next job.
 */
import type { Redis } from 'ioredis';
import { observerMs } from './settings.ts';

export interface Observed {
  readonly fields: Readonly<Record<string, string | number>>;
  /** In s. */
  readonly ttl: number;
  /** As if Redis refused the write. */
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
    // The first observation is written at once.
    if (version === 1) write();
  };
  setInterval(() => {
    if (written !== version) write();
  }, observerMs);
  return { started: change, done: () => change(undefined) };
};
