import { ReaperError } from '../errors.ts';

/** Redis refuses what the reaper writes; the message says why, and what to do. Nothing was changed. */
export class RefusedError extends ReaperError {
  override name = 'RefusedError';
}
