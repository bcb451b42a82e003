import type { Requeued, Suspect } from '../../machines/types/pool.ts';
import type { RunAnswered } from '../redis/answered.ts';
import type { Deps } from '../redis/deps.ts';
import { refusalBehind } from '../redis/wrongTypes.ts';
import { keysOfSuspect, readOwnTypes } from './poolLists.ts';
import type { RegistryReader } from './registry.ts';

/** How often the entries of a job may be recovered from dead workers (`lua/includes/recovery.lua`). */
export interface RecoveryLimit {
  readonly maxRecoveries: number;
  readonly windowS: number;
}

/** Requeues a bounded number of a dead pool's entries of one type, and `most` at most. */
export type Requeue = (suspect: Suspect, type: string, most?: number) => Promise<Requeued>;

export const createRequeue =
  ({
    connection: { redis },
    keys,
    runAnswered,
    registry,
    heartbeatAge,
    batch,
    recovery,
    onUncounted,
  }: Pick<Deps, 'connection' | 'keys'> & {
    runAnswered: RunAnswered;
    registry: RegistryReader;
    /** Age in ms below which a heartbeat is alive. */
    heartbeatAge: number;
    /** How many entries one step moves. */
    batch: number;
    recovery: RecoveryLimit;
    /** Called with the reason if entries were requeued but their recoveries could not be recorded. */
    onUncounted: (reason: string) => void;
  }): Requeue =>
  async (suspect, type, most = batch) => {
    const { pool, heartbeat, fence, pass = '' } = suspect;
    // A pool whose list has the same name may have started since the suspect was confirmed.
    const { own, unreadable } = await readOwnTypes({ redis, keys, registry }, suspect, [type]);
    if (own.length === 0) {
      const reason = unreadable[0]?.unreadable ?? `${keys.inProgress(type, pool)}: is read as another type's list`;
      return { outcome: 'refused', reason };
    }
    try {
      const reply = await runAnswered(
        'requeue',
        [
          keys.pools,
          keys.heartbeat(pool),
          keys.inProgress(type, pool),
          keys.queue(type),
          keys.lock(type),
          keys.lockInfo(type),
          keys.recoveries,
          keys.recovered,
          keys.quarantine,
          keys.dead,
        ],
        [pool, heartbeatAge, heartbeat, Math.min(batch, most), recovery.maxRecoveries, recovery.windowS, pass],
        fence,
        { pass: `rescue/${pass}`, why: 'dead-pool', type },
      );
      if (reply.outcome === 'alive') return reply;
      const { outcome, moved, left, poison, uncounted } = reply;
      if (uncounted !== '') onUncounted(uncounted);
      return { outcome, moved, left, poison: poison || undefined };
    } catch (error) {
      const reason = await refusalBehind(redis, error, keysOfSuspect(keys, suspect, type));
      if (reason === undefined) throw error;
      return { outcome: 'refused', reason };
    }
  };
