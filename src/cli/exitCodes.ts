/** Exit codes of the command besides 0; a signal has its own (`signals.ts`). */
export const failed = 1;
export const wrongUsage = 2;
/** `doctor` or `status` found something that needs attention, or a plan with `--exit-code` something to do. */
export const needsAttention = 3;
/** There is no job with the given id. */
export const notFound = 4;
