import type { Heartbeat } from './heartbeats.ts';
import type { SuspectRecord, Suspects } from './suspects.ts';

/** The state of a pool at one moment. */
export interface PoolState {
  readonly pool: string;
  readonly isAlive: boolean;
  /** Whether it is alive by the age of its heartbeat. A pool with a wrong clock can be alive without being fresh. */
  readonly isFresh: boolean;
  /** Whether a rescue would confirm its death now: the grace is over, the heartbeat has not moved, no disruption since. */
  readonly isConfirmedDead: boolean;
  readonly isRegistered: boolean;
  /** Whether its heartbeat and the set of pools can be read. Otherwise it cannot be judged dead. */
  readonly isReadable: boolean;
  /** heartbeat_at as stored; empty if there is none. */
  readonly heartbeat: string;
  /** Age of the heartbeat by Redis TIME in ms, negative if it is ahead; undefined if it cannot be read. */
  readonly age: number | undefined;
  readonly host: string | undefined;
  readonly jobNames: readonly string[];
  readonly workerIds: readonly string[];
  readonly pid: number | undefined;
  readonly concurrency: number | undefined;
  readonly hasHeartbeat: boolean;
}

/** How far a fresh heartbeat may be ahead of Redis TIME, in ms: it is stored in whole seconds. */
export const aheadTolerance = 1_000;

/** Judges whether a pool is alive, by its heartbeat and by what earlier rescue passes have recorded about it. */
export const stateOf = (
  pool: string,
  { heartbeat, isReadable, brokenTypes: _, ...rest }: Heartbeat,
  isRegistered: boolean,
  {
    time,
    record,
    condition,
    heartbeatAge,
    suspects,
  }: {
    /** Redis TIME in ms. */
    time: number;
    record: SuspectRecord | undefined;
    condition: string | undefined;
    heartbeatAge: number;
    suspects: Pick<Suspects, 'isConfirmed'>;
  },
): PoolState => {
  const at = /^[+-]?\d{1,300}(\.\d+)?$/.test(heartbeat) ? Number(heartbeat) : undefined;
  const age = at === undefined ? undefined : time - at * 1_000;
  const isFresh = isRegistered && age !== undefined && age < heartbeatAge && age >= -aheadTolerance;
  // With a wrong clock, only a heartbeat that moves shows that the pool is alive.
  const isMoving = heartbeat !== '' && hasMoved(record, heartbeat, time, heartbeatAge);
  const isAlive = isFresh || isMoving;
  return {
    pool,
    isRegistered,
    isReadable,
    isAlive,
    isFresh,
    isConfirmedDead:
      !isAlive && isReadable && record !== undefined && suspects.isConfirmed(record, heartbeat, time, condition),
    heartbeat,
    age,
    ...rest,
  };
};

/** Whether a heartbeat that is not fresh by Redis TIME was written within the last `heartbeatAge` ms. */
const hasMoved = (
  record: SuspectRecord | undefined,
  heartbeat: string,
  time: number,
  heartbeatAge: number,
): boolean => {
  if (record === undefined) return false;
  if (record.heartbeat !== heartbeat) return record.heartbeat !== '';
  return record.moved && time - record.first < heartbeatAge && record.first <= time;
};

/** Describes a pool that does not look alive, for logs and outcomes. */
export const evidenceOf = ({ isRegistered, age, heartbeat }: PoolState): string => {
  const beat =
    heartbeat === ''
      ? 'no heartbeat'
      : age === undefined
        ? 'a heartbeat that is not a time'
        : age < -aheadTolerance
          ? `clock-ahead: a heartbeat ${Math.round(-age / 1_000)} s ahead of Redis`
          : `a heartbeat ${Math.round(age / 1_000)} s old`;
  return `${isRegistered ? 'registered' : 'not registered'}, ${beat}`;
};
