import type { Redis } from 'ioredis';
import type { Command } from './everySchedule.ts';

/** A client for one of the actors of `everySchedule`: each of its commands waits for its turn. */
export const turnTaking = (redis: Redis, command: Command, who: string): Redis =>
  new Proxy(redis, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) =>
        command(
          who,
          `${String(name)} ${args.slice(0, 3).join(' ').slice(0, 60)}`,
          () => Reflect.apply(value, target, args) as Promise<unknown>,
        );
    },
  });
