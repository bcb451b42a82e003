import { PermanentError } from './permanent.ts';
import type { PlannedRescue } from './types/changes.ts';
import type { Held, PoolDone, Suspect } from './types/pool.ts';

/** A pool is not as it was when its rescue was planned: nothing more is done with it. */
export class PlanMovedError extends PermanentError {
  override name = 'PlanMovedError';

  constructor(why: string) {
    super('plan-moved', `not as planned: ${why}`);
  }
}

/**
 * Compares what a dead pool holds with what is left of its plan.
 * @throws PlanMovedError if it is not the same.
 */
export const ensureAsPlanned = (
  { planned, heartbeat, traces }: Suspect & { planned: PlannedRescue },
  held: readonly Held[],
  { moved, quarantined }: PoolDone,
): void => {
  if (heartbeat !== planned.heartbeat) throw new PlanMovedError('it has written a heartbeat since');
  const isDeregistered = held.every(({ unreadable }) => unreadable === undefined);
  const tracesNow = isDeregistered ? tracesOf(traces) : tracesOf(undefined);
  if (tracesNow !== tracesOf(planned.traces)) throw new PlanMovedError('its registration or counters have changed');
  const types = new Set([...Object.keys(planned.entries), ...held.map(({ type }) => type)]);
  for (const type of types) {
    const now = held.find((one) => one.type === type)?.entries ?? 0;
    const left = entriesLeft(planned, type, moved);
    if (now !== left) throw new PlanMovedError(`${now} entries of ${type} would be requeued, ${left} were planned`);
  }
  const poison = held.flatMap(({ type, poison = [] }) => poison.map((id) => ({ type, id })));
  if (keysOf(poison) !== keysOf(poisonLeft(planned, quarantined)))
    throw new PlanMovedError('other jobs would be quarantined');
};

/** How many entries of a type are still to be requeued. A type may have the name of a method of Object. */
export const entriesLeft = ({ entries }: PlannedRescue, type: string, moved: PoolDone['moved']): number =>
  (Object.hasOwn(entries, type) ? (entries[type] as number) : 0) -
  (Object.hasOwn(moved, type) ? (moved[type] as number) : 0);

/** The entries that are still to be quarantined. */
export const poisonLeft = ({ poison }: PlannedRescue, done: PoolDone['quarantined']): PlannedRescue['poison'] => {
  const left = [...poison];
  for (const { id, type } of done) {
    const at = left.findIndex((one) => one.id === id && one.type === type);
    if (at >= 0) left.splice(at, 1);
  }
  return left;
};
const keysOf = (poison: PlannedRescue['poison']): string =>
  JSON.stringify(poison.map(({ type, id }) => JSON.stringify([type, id])).sort());
const tracesOf = (traces: Suspect['traces']): string =>
  traces === undefined ? '' : JSON.stringify([traces.isRegistered, traces.hasHeartbeat, [...traces.lockInfo].sort()]);
