import type { Deregistered, Suspect } from '../../machines/types/pool.ts';
import type { RunAnswered } from '../redis/answered.ts';
import type { Deps } from '../redis/deps.ts';
import { partsOf } from '../redis/paged.ts';
import { maxTypesPerStep, readOwnTypes, typesInUse } from './poolLists.ts';
import type { RegistryReader } from './registry.ts';

/** Removes a dead pool: its registration, its heartbeat and its counters. */
export type Deregister = (suspect: Suspect, types: readonly string[]) => Promise<Deregistered>;

/** The pool with many types is removed in steps. If it stops between two, the pool stays registered, and the next pass repeats them. */
export const createDeregister =
  ({
    connection: { redis },
    keys,
    runAnswered,
    registry,
    heartbeatAge,
  }: Pick<Deps, 'connection' | 'keys'> & {
    runAnswered: RunAnswered;
    registry: RegistryReader;
    /** Age in ms below which a heartbeat is alive. */
    heartbeatAge: number;
  }): Deregister =>
  async (suspect, types) => {
    const { pool, heartbeat, fence, pass = '' } = suspect;
    const { own, unreadable } = await readOwnTypes({ redis, keys, registry }, suspect, types);
    if (unreadable.length > 0) return { outcome: 'entries' };
    const keysOf = (type: string) => [keys.inProgress(type, pool), keys.lockInfo(type)];
    const steps = partsOf(await typesInUse(redis, own, keysOf), maxTypesPerStep);
    const run = <Name extends 'clear_counts' | 'deregister_pool'>(name: Name, given: readonly string[]) =>
      runAnswered(name, [keys.pools, keys.heartbeat(pool), ...given], [pool, heartbeatAge, heartbeat], fence, {
        pass: `rescue/${pass}`,
        why: 'dead-pool',
      });
    for (const some of steps.slice(0, -1)) {
      const reply = await run('clear_counts', some.flatMap(keysOf));
      if (reply.outcome !== 'cleared') return reply;
    }
    return run('deregister_pool', [keys.rescueNote(pool), ...(steps.at(-1) ?? []).flatMap(keysOf)]);
  };
