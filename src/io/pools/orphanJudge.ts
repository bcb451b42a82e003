import type { PlannedEntry, PoisonEntry } from '../../machines/types/changes.ts';
import type { OrphanedEntry } from '../../machines/types/rescue.ts';
import { clockOverride } from '../clock.ts';
import type { Deps } from '../redis/deps.ts';
import { retry } from '../redis/retry.ts';
import { callOnce, type Fence } from '../redis/scripts.ts';
import { findWrongTyped } from '../redis/wrongTypes.ts';
import { type HeldEntry, keyOf } from './heldEntries.ts';
import { fingerprintOf, plannedEntryOf } from './plannedEntry.ts';
import type { OrphanProof, Quarantine } from './quarantine.ts';
import type { RecoveryLimit } from './requeue.ts';
import type { StepErrors } from './stepErrors.ts';

/** What looks orphaned but stays where it is, and why. */
export interface SkippedOrphan {
  readonly pool: string;
  /** Undefined for a whole pool, and for an entry whose id cannot be read. */
  readonly id?: string;
  /** Undefined for a whole pool. */
  readonly type?: string;
  /** How long it has been unobserved, in s. */
  readonly ageS?: number;
  readonly reason: string;
}

/** An entry that no worker is observed with. */
export interface UnobservedEntry extends HeldEntry {
  /** Since when, and when it was read, in ms by the clock of Redis. */
  readonly since: number;
  readonly at: number;
  readonly isProvable: boolean;
  /** The signs of life of its job (`lua/includes/orphan.lua`). */
  readonly signs: string;
  readonly memoryOf: (field: string) => string;
}

/** Whether an entry has been unobserved for long enough. */
export const isDue = (
  { at, since }: UnobservedEntry,
  { orphanedAfter }: Pick<OrphanSettings, 'orphanedAfter'>,
): boolean => at - since >= orphanedAfter;

export interface JudgedOrphans {
  readonly orphaned: readonly OrphanedEntry[];
  readonly poison: readonly PoisonEntry[];
  /** How many entries look orphaned without proof, and how long the oldest of them has been unobserved, in s. */
  readonly undecided: number;
  readonly oldestUndecidedS: number;
  /** In a plan: the acts that do this. */
  readonly acts: readonly PlannedEntry[];
}

export interface OrphanSettings {
  /** Age in ms below which a heartbeat is alive. */
  readonly heartbeatAge: number;
  /** How long an entry must be unobserved, in ms. */
  readonly orphanedAfter: number;
  /** How many entries one pass judges. */
  readonly batch: number;
  readonly recovery: RecoveryLimit;
  /** Takes entries of jobs that were recovered too often. */
  readonly quarantine: Pick<Quarantine, 'addOrphan' | 'keysFor'>;
  /** Called once for each entry or pool that stays where it is, until that changes. */
  readonly onSkipped: (what: SkippedOrphan) => void;
}

/** Judges entries that have been unobserved for long enough. The script `requeue_orphan` decides, by the records in Redis. */
export type JudgeOrphans = (
  due: readonly UnobservedEntry[],
  options: {
    readonly plan: boolean;
    readonly fence: Fence | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly errors: StepErrors;
  },
) => Promise<JudgedOrphans>;

export const createOrphanJudge = ({
  connection,
  keys,
  scripts,
  clock,
  ...settings
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & OrphanSettings): JudgeOrphans => {
  const { batch, quarantine, onSkipped } = settings;
  const requeueOrphan = createRequeueOrphan({ keys, scripts, clock, ...settings });
  const proofOf = createProofOf({ keys, clock, ...settings });
  /** Entries without proof in the last pass. They are reported once, and judged after all others. */
  let undecided = new Set<string>();

  const takePoison = async (entry: UnobservedEntry, plan: boolean, fence: Fence | undefined) => {
    const { pool, type, id, place } = entry;
    const isTaken = plan
      ? (await findWrongTyped(connection.redis, await quarantine.keysFor(id))).length === 0
      : (await quarantine.addOrphan({ ...pool, fence }, type, id, place, proofOf(entry))).outcome === 'quarantined';
    return isTaken ? { id, type, pool: pool.pool } : undefined;
  };

  const reportUndecided = async ({ pool, type, id, fault }: UnobservedEntry, ageS: number) => {
    const faults =
      fault === undefined
        ? await findWrongTyped(connection.redis, [
            [keys.stats(id), 'hash'],
            ...pool.workerIds.map((worker) => [keys.worker(worker), 'hash'] as const),
          ])
        : [fault];
    const reason = faults.length > 0 ? faults.join('; ') : 'nothing proves that no worker runs it';
    onSkipped({ pool: pool.pool, ...(id === '' ? {} : { id }), type, ageS, reason });
  };

  return async (due, { plan, fence, signal, errors }) => {
    const orphaned: OrphanedEntry[] = [];
    const poison: PoisonEntry[] = [];
    const acts: PlannedEntry[] = [];
    const stillUndecided = new Set<string>();
    let oldest = 0;
    const judge = async (entry: UnobservedEntry) => {
      const { pool, type, id } = entry;
      const ageS = Math.round((entry.at - entry.since) / 1_000);
      const outcome = entry.fault === undefined ? (await requeueOrphan(entry, plan, fence)).outcome : 'undecided';
      if (outcome === 'requeued') {
        orphaned.push({ id, type, pool: pool.pool, unobservedS: ageS, plan });
        acts.push(plannedEntryOf('requeue-orphan', entry, fingerprintOf(entry.signs)));
      }
      if (outcome === 'poison') {
        const taken = await takePoison(entry, plan, fence);
        if (taken !== undefined) {
          poison.push(taken);
          acts.push(plannedEntryOf('quarantine', entry, fingerprintOf(entry.signs)));
        }
      }
      if (outcome !== 'undecided') return;
      stillUndecided.add(keyOf(entry));
      oldest = Math.max(oldest, ageS);
      if (!undecided.has(keyOf(entry))) await reportUndecided(entry, ageS);
    };
    const sorted = due.toSorted((a, b) => Number(undecided.has(keyOf(a))) - Number(undecided.has(keyOf(b))));
    for (const entry of sorted.slice(0, batch)) {
      if (signal?.aborted) break;
      await errors.attempt(() => judge(entry));
    }
    const rest = sorted.slice(batch).map(keyOf);
    undecided = new Set([...stillUndecided, ...rest.filter((key) => undecided.has(key))]);
    return { orphaned, undecided: undecided.size, oldestUndecidedS: oldest, poison, acts };
  };
};

/** What proves an entry to be orphaned again, in the step that quarantines it. */
export const createProofOf =
  ({
    keys,
    clock,
    heartbeatAge,
    orphanedAfter,
  }: Pick<Deps, 'keys' | 'clock'> & Pick<OrphanSettings, 'heartbeatAge' | 'orphanedAfter'>) =>
  ({ pool, field }: UnobservedEntry): OrphanProof => ({
    keys: [
      ...[keys.pools, keys.heartbeat(pool.pool), keys.workerRecords(pool.pool), keys.unobserved(pool.pool)],
      ...pool.workerIds.map(keys.worker),
    ],
    args: [heartbeatAge, field, orphanedAfter, clockOverride(clock), pool.moving ?? '', ...pool.workerIds],
  });

/** Requeues an entry, or says why not; a plan changes nothing. */
export const createRequeueOrphan =
  ({
    keys,
    scripts,
    clock,
    heartbeatAge,
    orphanedAfter,
    recovery,
  }: Pick<Deps, 'keys' | 'scripts' | 'clock'> & Pick<OrphanSettings, 'heartbeatAge' | 'orphanedAfter' | 'recovery'>) =>
  ({ pool, type, id, place, field, memoryOf }: UnobservedEntry, plan: boolean, fence: Fence | undefined) => {
    const scriptKeys = [
      keys.pools,
      keys.heartbeat(pool.pool),
      keys.inProgress(type, pool.pool),
      keys.queue(type),
      keys.lock(type),
      keys.lockInfo(type),
      keys.stats(id),
      keys.recoveries,
      keys.recovered,
      keys.quarantine,
      keys.dead,
      keys.beforeQuarantine(id),
      keys.workerRecords(pool.pool),
      keys.unobserved(pool.pool),
      ...pool.workerIds.map(keys.worker),
    ];
    const args = [
      pool.pool,
      heartbeatAge,
      place,
      id,
      field,
      orphanedAfter,
      clockOverride(clock),
      recovery.maxRecoveries,
      recovery.windowS,
      memoryOf(field),
      pool.moving ?? '',
      pool.pass ?? '',
      ...pool.workerIds,
    ];
    if (plan) return retry(clock, () => scripts.plan('requeue_orphan', scriptKeys, args, fence));
    const change = callOnce(keys);
    const note = { pass: `rescue/${pool.pass ?? ''}`, why: 'orphaned', type };
    return retry(clock, () => scripts.run('requeue_orphan', scriptKeys, args, fence, change, note));
  };
