import { withStaying } from '../../machines/marks.ts';
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

  /** Why a poison job cannot be quarantined; undefined if it can be. */
  const whyNot = async (suspect: Suspect, type: string, keysOfJob: readonly Expected[]) => {
    if ((await findWrongTyped(redis, keysOfJob)).length === 0) return undefined;
    return (await findWrongTyped(redis, keysOfSuspect(keys, suspect, type, keysOfJob))).join('; ');
  };

  /** Entries behind one that cannot be quarantined stay, as in the rescue. */
  const planType = async (suspect: Suspect, { type }: Held, keysFor: KeysFor): Promise<Held | Alive> => {
    /** The entries of poison jobs, the first of the list first. */
    const found: [index: number, id: string][] = [];
    let [read, marks] = [0, ''];
    for (;;) {
      const reply = await planStep(suspect, type, read);
      if (reply.outcome === 'alive') return reply;
      for (let i = 0; i < reply.poison.length; i += 2)
        found.push([read + (reply.poison[i] as number), reply.poison[i + 1] as string]);
      read += reply.count;
      marks += reply.marks;
      if (reply.count === 0) break;
    }
    const poison: string[] = [];
    for (const [index, id] of found.reverse()) {
      const unreadable = await whyNot(suspect, type, await keysFor(id));
      if (unreadable !== undefined) {
        const entries = read - index - 1 - poison.length;
        return { type, entries, poison, marks: withStaying(marks, index + 1), unreadable };
      }
      poison.push(id);
    }
    return { type, entries: read - poison.length, poison, marks };
  };

  return async (suspect: Suspect, held: readonly Held[], keysFor: KeysFor): Promise<Confirmation> => {
    // What cannot be read comes first, as in the report of a rescue.
    const planned = held.filter(({ entries }) => entries === 0);
    for (const one of held.filter(({ entries }) => entries > 0)) {
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
