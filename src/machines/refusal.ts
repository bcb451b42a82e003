import { type ErrorCode, ReaperError } from '../errors.ts';

/** Why passes are suspended. */
export interface SuspensionReason {
  /** Such as `redis-out-of-memory`: a code of `docs/errors.md`. */
  readonly code: ErrorCode;
  /** What happened, and what to do. */
  readonly message: string;
}

export const suspensionOf = ({ code, message }: ReaperError): SuspensionReason => ({ code, message });

/** Redis refuses what the reaper writes; the message says why, and what to do. The refused step has changed nothing. */
export class RefusedError extends ReaperError {
  override name = 'RefusedError';
}
