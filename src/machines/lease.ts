/** By which Redis knows whether whoever acts is still the one that may: the key of the lease, and its fencing number. */
export interface Fence {
  readonly lease: string;
  readonly number: string;
}

/** The lease is over, or another's: nothing was changed. */
export class FencedError extends Error {
  override name = 'FencedError';

  constructor() {
    super(
      'another host has taken over, or may have: nothing was changed; what is left to do is found by whoever has the lease',
    );
  }
}

/** Who does the scheduled passes, as the one that asked is told. */
export interface Term {
  /** The fence of whoever asked; undefined where another has the lease. */
  readonly fence: Fence | undefined;
  /** Host and process of the holder. */
  readonly host: string;
}
