/** An error that trying again can't change: a pass that meets it ends at once. Its message says what to do. */
export class PermanentError extends Error {
  override name = 'PermanentError';
}
