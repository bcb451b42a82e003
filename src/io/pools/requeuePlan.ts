import type { Confirmation, Held, Suspect } from '../../machines/pool.ts';
import type { Deps } from '../redis/deps.ts';
import { type Expected, findWrongTyped, refusalBehind } from '../redis/wrongTypes.ts';
import type { RecoveryLimit } from './rescue.ts';

/** Says what requeue and quarantine would do with what a dead pool holds, step by step as they would. */
export const createRequeuePlan = ({
  connection: { redis },
  keys,
  scripts,
  heartbeatAge,
  batch,
  recovery,
  expectedOf,
}: Pick<Deps, 'connection' | 'keys' | 'scripts'> & {
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  /** How many entries are looked at in one step. */
  batch: number;
  recovery: RecoveryLimit;
  /** The keys behind a refusal. */
  expectedOf: (suspect: Suspect, type: string) => readonly Expected[];
}) => {
  const look = ({ pool, heartbeat }: Suspect, type: string, from: number) =>
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
      [pool, heartbeatAge, heartbeat, from, batch, recovery.most, recovery.windowS],
    );

  /** Entries behind one that can't be quarantined stay where they are. */
  const planType = async (
    suspect: Suspect,
    { type }: Held,
    usesOf: (id: string) => Promise<readonly Expected[]>,
  ): Promise<Held | 'alive'> => {
    const poison: string[] = [];
    let from = 0;
    for (;;) {
      const reply = await look(suspect, type, from);
      if (reply === 'alive') return reply;
      const [seen, ...found] = reply;
      for (let i = 0; i < found.length; i += 2) {
        const [before, id] = [found[i] as number, found[i + 1] as string];
        if ((await findWrongTyped(redis, await usesOf(id))).length > 0) {
          const faults = await findWrongTyped(redis, expectedOf(suspect, type));
          const unreadable = faults.join('; ') || `${id} can not be quarantined: a key of it has another type`;
          return { type, entries: from + before - poison.length, poison, unreadable };
        }
        poison.push(id);
      }
      from += seen;
      if (seen === 0) return { type, entries: from - poison.length, poison };
    }
  };

  return async (
    suspect: Suspect,
    held: readonly Held[],
    usesOf: (id: string) => Promise<readonly Expected[]>,
  ): Promise<Confirmation> => {
    const planned: Held[] = [];
    for (const one of held) {
      if (one.entries === 0) {
        planned.push(one);
        continue;
      }
      try {
        const found = await planType(suspect, one, usesOf);
        if (found === 'alive') return found;
        planned.push(found);
      } catch (error) {
        const unreadable = await refusalBehind(redis, error, expectedOf(suspect, one.type));
        if (unreadable === undefined) throw error;
        planned.push({ type: one.type, entries: 0, unreadable });
      }
    }
    return planned;
  };
};
