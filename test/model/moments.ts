import type { Redis } from 'ioredis';
import { second } from '../support/jobs.ts';
import { repliesOf } from '../support/states.ts';

/** What Redis held after the beginning of a path, and what the test knows beside it. */
interface Moment<About> {
  /** Steps of this beginning. */
  readonly length: number;
  readonly keys: readonly { readonly key: string; readonly value: Buffer; readonly ttl: number }[];
  readonly about: About;
  /** When it was, in unix seconds. */
  readonly at: number;
}

/** How long a moment can be gone back to, in s. What has just been updated in it would be old after that. */
const usableFor = 10;

const nameOf = (steps: readonly string[]): string => steps.join(' → ');

/** Keeps what Redis holds at the end of each beginning that several paths share. The steps of a path determine its end. */
export const createMoments = <About>(paths: readonly (readonly string[])[]) => {
  const uses = new Map<string, number>();
  for (const path of paths) {
    for (let length = 1; length <= path.length; length++) {
      const name = nameOf(path.slice(0, length));
      uses.set(name, (uses.get(name) ?? 0) + 1);
    }
  }
  const kept = new Map<string, Moment<About>>();
  return {
    async keep(redis: Redis, beginning: readonly string[], about: About): Promise<void> {
      const name = nameOf(beginning);
      if ((uses.get(name) ?? 0) < 2 || kept.has(name)) return;
      const names = await redis.keys('*');
      const pipeline = redis.pipeline();
      for (const key of names) pipeline.dumpBuffer(key).pttl(key);
      const found = await repliesOf(pipeline);
      const keys = names.flatMap((key, i) => {
        const [value, ttl] = found.slice(2 * i) as [Buffer | null, number];
        // A key whose time has just ended is gone.
        return value === null ? [] : [{ key, value, ttl: Math.max(ttl, 0) }];
      });
      kept.set(name, { length: beginning.length, keys, about, at: second() });
    },
    /**
     * Gives Redis the latest state of this path that is known, and returns that moment. Paths that begin alike should follow one
     * another, because moments age.
     */
    async restore(redis: Redis, path: readonly string[]): Promise<Moment<About> | undefined> {
      for (let length = path.length; length > 0; length--) {
        const moment = kept.get(nameOf(path.slice(0, length)));
        if (moment === undefined) continue;
        if (second() - moment.at > usableFor) {
          kept.delete(nameOf(path.slice(0, length)));
          continue;
        }
        const pipeline = redis.pipeline().flushall();
        for (const { key, value, ttl } of moment.keys) pipeline.restore(key, ttl, value);
        await repliesOf(pipeline);
        return moment;
      }
      return undefined;
    },
  };
};
