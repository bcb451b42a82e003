import type { Alive, Confirmation, Held, Suspect } from '../../machines/types/pool.ts';
import type { Deps } from '../redis/deps.ts';
import { type Expected, findWrongTyped, refusalBehind } from '../redis/wrongTypes.ts';
import { keysOfSuspect } from './poolLists.ts';
import type { RecoveryLimit } from './requeue.ts';

/** The keys that the quarantine of a job would write. */
type KeysFor = (id: string) => Promise<readonly Expected[]>;

/** Plans what requeue and quarantine would do with the entries of a dead pool, in the same steps. */
export const createRequeuePlan = ({
  connection: { redis },
  keys,
  scripts,
  heartbeatAge,
  batch,
  recovery,
}: Pick<Deps, 'connection' | 'keys' | 'scripts'> & {
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  /** How many entries one step reads. */
  batch: number;
  recovery: RecoveryLimit;
}) => {
  const planStep = ({ pool, heartbeat, pass = '' }: Suspect, type: string, from: number) =>
    scripts.run(
      'plan_requeue',
      [
        keys.pools,
        keys.heartbeat(pool),
        keys.inProgress(type, pool),
        keys.queue(type),
        keys.recoveries,
        keys.recovered,
        keys.quarantine,
        keys.dead,
      ],
      [pool, heartbeatAge, heartbeat, from, batch, recovery.maxRecoveries, recovery.windowS, pass],
    );

  /** Stops at an entry that cannot be quarantined, as the rescue does. */
  const planType = async (suspect: Suspect, { type }: Held, keysFor: KeysFor): Promise<Held | Alive> => {
    const poison: string[] = [];
    let from = 0;
    for (;;) {
      const reply = await planStep(suspect, type, from);
      if (reply.outcome === 'alive') return reply;
      const { count: seen, poison: found } = reply;
      for (let i = 0; i < found.length; i += 2) {
        const [before, id] = [found[i] as number, found[i + 1] as string];
        if ((await findWrongTyped(redis, await keysFor(id))).length > 0) {
          const faults = await findWrongTyped(redis, keysOfSuspect(keys, suspect, type));
          const unreadable = faults.join('; ') || `${id} cannot be quarantined: a key of it has another type`;
          return { type, entries: from + before - poison.length, poison, unreadable };
        }
        poison.push(id);
      }
      from += seen;
      if (seen === 0) return { type, entries: from - poison.length, poison };
    }
  };

  return async (suspect: Suspect, held: readonly Held[], keysFor: KeysFor): Promise<Confirmation> => {
    const planned: Held[] = [];
    for (const one of held) {
      if (one.entries === 0) {
        planned.push(one);
        continue;
      }
      try {
        const found = await planType(suspect, one, keysFor);
        if ('outcome' in found) return found;
        planned.push(found);
      } catch (error) {
        const unreadable = await refusalBehind(redis, error, keysOfSuspect(keys, suspect, one.type));
        if (unreadable === undefined) throw error;
        planned.push({ type: one.type, entries: 0, unreadable });
      }
    }
    return { outcome: 'dead', held: planned };
  };
};
