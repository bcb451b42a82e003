import { messageOf } from './messageOf.ts';
import { RefusedError, type SuspensionReason, suspensionOf } from './refusal.ts';
import { addTally, type Tally } from './tally.ts';
import type { Page, SweepResult } from './types/sweep.ts';

// What is known of a sweep while it runs, as its result.

export const withTally = (pass: SweepResult | undefined, tally: Tally): SweepResult | undefined =>
  pass && { ...pass, tally: addTally(pass.tally, tally) };
export const withNotFound = (
  pass: SweepResult | undefined,
  notFound: Page['notFound'] = [],
): SweepResult | undefined =>
  pass === undefined || notFound.length === 0 ? pass : { ...pass, notFound: [...(pass.notFound ?? []), ...notFound] };
export const withLimit = (pass: SweepResult | undefined, actsLeft: number | undefined): SweepResult | undefined =>
  pass === undefined || actsLeft !== 0 ? pass : { ...pass, isLimited: true };
/** The first reason stays: later ones are about the same refusal. */
export const withSuspension = (
  pass: SweepResult | undefined,
  suspended: SuspensionReason | undefined,
): SweepResult | undefined =>
  pass === undefined || suspended === undefined || pass.suspended !== undefined ? pass : { ...pass, suspended };
export const withError = (pass: SweepResult | undefined, error: unknown): SweepResult | undefined =>
  pass && { ...pass, error: messageOf(error), cause: error };
export const withRefusal = (pass: SweepResult | undefined, error: unknown): SweepResult | undefined =>
  error instanceof RefusedError ? withSuspension(pass, suspensionOf(error)) : withError(pass, error);
