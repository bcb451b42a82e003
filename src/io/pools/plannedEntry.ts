import { createHash } from 'node:crypto';
import type { PlannedEntry } from '../../machines/types/changes.ts';
import { entryKey, type HeldEntry } from './heldEntries.ts';

/** The act of a plan that is about an entry of a live pool. */
export const plannedEntryOf = (
  act: PlannedEntry['act'],
  { id, type, pool, digest, copies }: HeldEntry,
  fingerprint: string,
): PlannedEntry => ({ act, id, type, pool: pool.pool, entry: digest, copies, fingerprint });

/** `keyOf` of the entry that an act is about. */
export const keyOfAct = ({ pool, type, entry }: PlannedEntry): string => entryKey(pool, type, entry);

/** Fingerprint of what a run changes in the stats of a job. */
export const fingerprintOf = (...facts: readonly string[]): string =>
  createHash('sha1').update(JSON.stringify(facts)).digest('hex');
