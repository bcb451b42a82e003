import type { Confirmation, Held, Reviewed, Suspect } from '../../machines/types/pool.ts';
import { monotonicOf } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { inChunks } from '../redis/paged.ts';
import { findWrongTyped, unlessWrongType } from '../redis/wrongTypes.ts';
import { readOwnTypes, typesInUse } from './poolLists.ts';
import { evidenceOf } from './poolState.ts';
import type { RegistryReader } from './registry.ts';

/** Judges a suspect again. */
export interface SuspectReview {
  /** After the grace: whether the pool is alive, or what it holds. */
  confirm(suspect: Suspect): Promise<Confirmation>;
  /** After a disruption: the suspect as it looks now, for another grace, unless the pool is alive. */
  review(suspect: Suspect, disruptions: number): Promise<Reviewed>;
}

export const createSuspectReview = ({
  connection: { redis },
  keys,
  clock,
  registry,
}: Pick<Deps, 'connection' | 'keys' | 'clock'> & { registry: RegistryReader }): SuspectReview => {
  /** The present state of a suspect; undefined if it is alive, or wrote a heartbeat since it was suspected. */
  const readDead = async ({ pool, heartbeat: seen }: Suspect) => {
    const state = await registry.readPool(pool);
    if (!state.isReadable) throw new Error(`${keys.heartbeat(pool)} or ${keys.pools} cannot be read`);
    return state.isAlive || (state.heartbeat !== '' && state.heartbeat !== seen) ? undefined : state;
  };

  const readHeld = async (pool: string, types: readonly string[]): Promise<Held[]> => {
    const held = await typesInUse(redis, types, (type) => [keys.inProgress(type, pool)]);
    return inChunks(held, async (type): Promise<Held> => {
      const key = keys.inProgress(type, pool);
      const entries = await unlessWrongType<number | undefined>(redis.llen(key), undefined);
      if (entries !== undefined) return { type, entries };
      const [unreadable] = await findWrongTyped(redis, [[key, 'list']]);
      return { type, entries: 0, ...(unreadable === undefined ? {} : { unreadable }) };
    });
  };

  return {
    async confirm(suspect) {
      const { own, unreadable } = await readOwnTypes({ redis, keys, registry }, suspect, suspect.types);
      const [state, held] = await Promise.all([readDead(suspect), readHeld(suspect.pool, own)]);
      return state === undefined ? { outcome: 'alive' } : { outcome: 'dead', held: [...held, ...unreadable] };
    },

    async review(suspect, disruptions) {
      const state = await readDead(suspect);
      if (state === undefined) return { outcome: 'alive' };
      const { heartbeat } = state;
      const now = { heartbeat, evidence: evidenceOf(state), disruptions, at: monotonicOf(clock) };
      return { outcome: 'suspect', suspect: { ...suspect, ...now } };
    },
  };
};
