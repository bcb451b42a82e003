import type { Quarantined as StoredJob } from '../io/pools/quarantine.ts';
import type { QuarantineRecord as StoredRecord, Recovery as StoredRecovery } from '../io/pools/quarantineRecords.ts';
import { isoOfSecond } from '../isoTime.ts';

/** The entry of a job was recovered, because its worker died or lost it. */
export interface Recovery {
  /** ISO time. */
  readonly recoveredAt: string;
  readonly pool: string;
}

/** A job that was quarantined just now. */
export interface QuarantinedJob extends Omit<StoredJob, 'recoveries'> {
  /** All recoveries within the window, the oldest first. */
  readonly recoveries: readonly Recovery[];
}

/** A job in quarantine. */
export interface QuarantineRecord {
  readonly id: string;
  /** Job types of its entries; several only if the job had several entries. */
  readonly types: readonly string[];
  /** ISO time. */
  readonly quarantinedAt: string;
  readonly recoveries: readonly Recovery[];
  /** Whether its entry is still in gocraft's `dead`. If not, gocraft's own tools have taken it. */
  readonly isInDead: boolean;
  /** Job types of the entries that are still in `dead`. */
  readonly typesInDead: readonly string[];
}

const recoveryOf = ({ at, pool }: StoredRecovery): Recovery => ({ recoveredAt: isoOfSecond(at), pool });

export const quarantinedJobOf = (job: StoredJob): QuarantinedJob => ({
  ...job,
  recoveries: job.recoveries.map(recoveryOf),
});

export const quarantineRecordOf = ({ digest: _, at, ...record }: StoredRecord): QuarantineRecord => ({
  ...record,
  quarantinedAt: isoOfSecond(at),
  recoveries: record.recoveries.map(recoveryOf),
});
