/**
 * Time-out of every wait, in ms. It only ends a test that hangs, so it is much longer than any wait on a busy machine. It says
 * nothing about the tested behavior.
 */
export const waitLimit = 180_000;

/** Time-out of a test or a hook, in ms: enough for a few waits, and for thousands of schedules on a busy machine. */
export const testTimeout = 10 * waitLimit;
