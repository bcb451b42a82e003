import { ReaperError } from '../errors.ts';

/** An error that trying again cannot change: a pass that meets it ends at once. Its message says what to do. */
export class PermanentError extends ReaperError {
  override name = 'PermanentError';
}
