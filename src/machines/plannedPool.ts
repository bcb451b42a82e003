import { countEntries, countLeft, marksOf, withoutActs } from './marks.ts';
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
 * Compares what a dead pool holds with its plan. It may hold less: the oldest entries were requeued or quarantined by an earlier
 * `apply` that did not complete, or by another reaper.
 * @returns the jobs that were to be quarantined and of which an entry is not found any more: they must be in quarantine already.
 * @throws PlanMovedError if anything would be done that was not planned.
 */
export const ensureAsPlanned = (
  { planned, heartbeat, traces }: Suspect & { planned: PlannedRescue },
  held: readonly Held[],
  done: PoolDone,
): readonly string[] => {
  if (heartbeat !== planned.heartbeat) throw new PlanMovedError('it has written a heartbeat since');
  const isDeregistered = held.every(({ unreadable }) => unreadable === undefined);
  if (!areTracesLeft(isDeregistered ? traces : undefined, planned))
    throw new PlanMovedError('its registration or counters have changed');
  for (const { type, marks = '' } of held) {
    const [now, left] = [countEntries(marks), countLeft(planned, type, done)];
    if (now > left) throw new PlanMovedError(`it holds ${now} entries of ${type}, and ${left} were planned`);
    const asPlanned = marksOf(planned, type, 0, now);
    if (marks === asPlanned) continue;
    const isSame = withoutActs(marks) === withoutActs(asPlanned);
    throw new PlanMovedError(isSame ? otherJobs : `it holds other entries of ${type}`);
  }
  return poisonGone(planned, held, done);
};

/** Why a pool is left whose poison jobs are not those of its plan. */
export const otherJobs = 'other jobs would be quarantined';

const poisonGone = (
  { poison }: PlannedRescue,
  held: readonly Held[],
  { quarantined }: Pick<PoolDone, 'quarantined'>,
): readonly string[] => {
  const left = [...poison];
  const found = held.flatMap(({ type, poison: ids = [] }) => ids.map((id) => ({ type, id })));
  for (const { id, type } of [...quarantined, ...found]) {
    const at = left.findIndex((one) => one.id === id && one.type === type);
    if (at < 0) throw new PlanMovedError(otherJobs);
    left.splice(at, 1);
  }
  return left.map(({ id }) => id);
};

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
