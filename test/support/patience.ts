/**
 * How long a wait for progress lasts at most, in ms. It is no bound on what is tested: it only ends a test that hangs, so
 * it is far longer than anything takes on a machine that has much else to do.
 */
export const patience = 180_000;

/** How long a test, or a hook of it, lasts at most, in ms: room for a few waits. */
export const testTimeout = 3 * patience;
