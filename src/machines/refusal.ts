/** Redis refuses what the reaper writes; the message says why, and what to do. Nothing was changed. */
export class RefusedError extends Error {
  override name = 'RefusedError';
}

/** An error that trying again does not end: a right that is missing, a key of the wrong type. */
export class PermanentError extends Error {
  override name = 'PermanentError';
}
