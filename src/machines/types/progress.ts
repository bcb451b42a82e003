/** What the rescue passes of this reaper do now. */
export interface RescueProgress {
  readonly step:
    | 'reading-pools'
    | 'rebuilding-counters'
    | 'requeuing-orphans'
    | 'awaiting-second-try'
    | 'rescuing-pools';
  /** Suspected pools that wait for the end of their grace, or until others are rescued. */
  readonly waiting: number;
  /** When the first grace ends, in ms from now; undefined if none runs. */
  readonly graceLeftMs: number | undefined;
  /** Pools that are being rescued: the entries that they held, and those of them that are requeued. */
  readonly pools: readonly { readonly pool: string; readonly entries: number; readonly requeued: number }[];
}
