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
 * Compares what a dead pool holds with what is left of its plan. It may hold less, since a dead pool gets no entries: the rest was
 * done by an earlier `apply` that did not complete, or by another reaper.
 * @param taken jobs that are in quarantine already.
 * @throws PlanMovedError if anything would be done that was not planned.
 */
export const ensureAsPlanned = (
  { planned, heartbeat, traces }: Suspect & { planned: PlannedRescue },
  held: readonly Held[],
  { moved, quarantined }: PoolDone,
  taken: ReadonlySet<string>,
): void => {
  if (heartbeat !== planned.heartbeat) throw new PlanMovedError('it has written a heartbeat since');
  const isDeregistered = held.every(({ unreadable }) => unreadable === undefined);
  if (!areTracesLeft(isDeregistered ? traces : undefined, planned))
    throw new PlanMovedError('its registration or counters have changed');
  for (const { type, entries: now } of held) {
    const left = entriesLeft(planned, type, moved);
    if (now > left) throw new PlanMovedError(`${now} entries of ${type} would be requeued, ${left} were planned`);
  }
  const left = poisonLeft(planned, quarantined);
  const now = poisonIn(held);
  const gone = poisonLeft({ poison: left }, now);
  if (now.length + gone.length !== left.length || !gone.every(({ id }) => taken.has(id)))
    throw new PlanMovedError('other jobs would be quarantined');
};

/** The jobs of a plan that would be quarantined, and are not found any more. */
export const poisonGone = (
  planned: PlannedRescue,
  held: readonly Held[],
  { quarantined }: Pick<PoolDone, 'quarantined'>,
): readonly string[] => poisonLeft({ poison: poisonLeft(planned, quarantined) }, poisonIn(held)).map(({ id }) => id);

/** How many entries of a type are still to be requeued. A type may have the name of a method of Object. */
export const entriesLeft = ({ entries }: PlannedRescue, type: string, moved: PoolDone['moved']): number =>
  (Object.hasOwn(entries, type) ? (entries[type] as number) : 0) -
  (Object.hasOwn(moved, type) ? (moved[type] as number) : 0);

/** The entries that are still to be quarantined. */
export const poisonLeft = (
  { poison }: Pick<PlannedRescue, 'poison'>,
  done: PlannedRescue['poison'],
): PlannedRescue['poison'] => {
  const left = [...poison];
  for (const { id, type } of done) {
    const at = left.findIndex((one) => one.id === id && one.type === type);
    if (at >= 0) left.splice(at, 1);
  }
  return left;
};

const poisonIn = (held: readonly Held[]): PlannedRescue['poison'] =>
  held.flatMap(({ type, poison = [] }) => poison.map((id) => ({ type, id })));

/** Whether the traces are those of the plan. Only counts may have come and gone: the counters of the plan are rebuilt first. */
const areTracesLeft = (now: Suspect['traces'], { traces, entries, poison }: PlannedRescue): boolean => {
  if (now === undefined || traces === undefined) return now === traces;
  const counted = new Set([...traces.lockInfo, ...Object.keys(entries), ...poison.map(({ type }) => type)]);
  return (
    now.isRegistered === traces.isRegistered &&
    now.hasHeartbeat === traces.hasHeartbeat &&
    now.lockInfo.every((type) => counted.has(type))
  );
};
