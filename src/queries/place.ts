/** A place where a job's entry is. */
export interface Place {
  readonly kind: 'queue' | 'in-progress' | 'retry' | 'scheduled' | 'dead' | 'observed';
  readonly type?: string;
  readonly pool?: string;
  readonly isPoolAlive?: boolean;
  /** For a queue: entries that are taken before it. */
  readonly ahead?: number;
  /** ISO time: when it is due, for `retry` and `scheduled`; when it died, for `dead`; when it started, for `observed`. */
  readonly at?: string;
}
