import type { PassCancel } from './types/sweep.ts';

/*
 * A caller may abort a pass of a rescue. A pass that waits for a time ends at once. A pass that takes a step ends after it: it
 * begins no further act, and is in `thenEnd` meanwhile. A pass that awaits its pools ends when those that are worked on have ended.
 */

const isPresent = {
  type: 'isPresent',
  params: ({ event }: { event: PassCancel }) => ({ number: event.number }),
} as const;
export const cancelPass = { type: 'cancelPass', params: isPresent.params } as const;

/** While the present pass takes a step. */
export const abort = { 'rescue.cancel': { guard: isPresent, target: 'thenEnd', actions: cancelPass } } as const;
/** While the present pass waits for a time. */
export const endWhenAborted = {
  'rescue.cancel': [
    { guard: isPresent, target: '#rescue.idle', actions: [cancelPass, 'endSteps'] },
    { actions: cancelPass },
  ],
} as const;
/** While the present pass takes a step that changes Redis. */
export const stopAfterStep = { stop: { actions: 'recordStop' } } as const;
