import { ReaperError } from '../errors.ts';

/** Proof for Redis that a host still leads: the key of the lease, and the fencing token of the term. */
export interface Fence {
  readonly lease: string;
  readonly token: string;
}

/** The term has ended, or may have: another host may lead. The step that met it has changed nothing; those before it stand. */
export class FencedError extends ReaperError {
  override name = 'FencedError';

  constructor() {
    super(
      'lease-lost',
      'lease lost; nothing more was changed: the next pass of the leader picks up the remaining work',
    );
  }
}

/** Who does the scheduled passes, as Redis answers a host that asks for the lease. */
export interface Term {
  /** The fence of the host that asked; undefined where another host leads. */
  readonly fence: Fence | undefined;
  /** Host and process of the leader. */
  readonly host: string;
}

/** The right to run scheduled passes: behind the leader's fence, or without a fence where the host shares no schedule. */
export interface Mandate {
  readonly fence: Fence | undefined;
}

/** Whether two fences are of the same term. */
export const isSameTerm = (a: Fence | undefined, b: Fence | undefined): boolean => a?.token === b?.token;
