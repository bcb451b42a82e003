import { expect } from 'vitest';
import type { AuditEntry, Reaper, UndoOutcome } from '../../src/index.ts';
import type { redisFixture } from './fixture.ts';
import { ackText, second, seedJob } from './jobs.ts';

/** Acts to undo, and what is read of them, on the Redis of a test file. */
export const undoFixture = ({ redis, server, opened, keys }: Awaited<ReturnType<typeof redisFixture>>) => {
  const endpoint = 'http://127.0.0.1:1';
  const old = 100_000;
  const create = (options: object = {}) =>
    opened.create({ redis: server.url, rescue: { grace: 0, heartbeatTimeout: 600_000, maxRecoveries: 1 }, ...options });
  const entries = async (reaper: Reaper): Promise<AuditEntry[]> => {
    const all: AuditEntry[] = [];
    for await (const page of reaper.audit.list()) all.push(...page);
    return all;
  };
  const entryOf = async (reaper: Reaper, what: string): Promise<string> => {
    const found = (await entries(reaper)).find((entry) => entry.what === what);
    if (found === undefined) throw new Error(`no entry of a ${what}`);
    return found.id;
  };
  const undo = async (reaper: Reaper, id: string, plan = false): Promise<UndoOutcome> =>
    (await reaper.audit.undo([id], { plan }))[0] as UndoOutcome;
  /** The bytes of every key that lasts, the stream too. */
  const stateOf = async () => {
    const names = (await redis.keys('*')).filter((name) => name !== keys.probe).sort();
    return Promise.all(names.map(async (name) => [name, (await redis.dumpBuffer(name))?.toString('base64')]));
  };
  const stats = (id = 'a') => redis.hgetall(keys.stats(id));
  const count = (id = 'a') => redis.hget(keys.track, id);
  const isNow = expect.stringMatching(/^\d{10}$/);
  /** A hook that no host of the test sends: it is recorded by the script of the act. */
  const hook = () => redis.hget(keys.hooks, 'a');

  /** A job that a sweep has failed, without a host that sends its hook. */
  const failed = async (fields: Record<string, string | number> = {}) => {
    const at = await seedJob(redis, 'a', { age: old, ack: ackText('Running', second(-old)), ...fields });
    const reaper = create();
    await reaper.sweep();
    return { reaper, at, entry: await entryOf(reaper, 'fail') };
  };
  const pendingError = async (at: number, attempts = 0) => {
    await redis.hset(keys.hooks, 'a', `pending Error:${at} ${endpoint} ${attempts} 0 0 -`);
    await redis.zadd(keys.dueHooks(endpoint), Date.now() + 3_600_000, 'a');
  };

  return { endpoint, old, create, entries, entryOf, undo, stateOf, stats, count, isNow, hook, failed, pendingError };
};
