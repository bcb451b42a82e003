import type { Screened } from '../../machines/types/sweep.ts';
import type { Keys } from '../redis/keys.ts';
import type { ScriptArgument } from '../redis/scripts.ts';

/** The limits by which `read_facts` passes over jobs that are plainly ongoing, as its arguments. */
export type Screen = readonly ScriptArgument[];

/** Limits in s, as those of the policy by which all other jobs are judged. */
export interface ScreenLimits {
  readonly hungAfter: number;
  readonly hungAfterByType: ReadonlyMap<string, number>;
  readonly clockTolerance: number;
}

/** See `lua/includes/ongoing.lua`. */
export const screenOf = (keys: Keys, { hungAfter, hungAfterByType, clockTolerance }: ScreenLimits): Screen => [
  Buffer.byteLength(keys.stats('')),
  clockTolerance,
  hungAfter,
  ...[...hungAfterByType].flat(),
];

/** Both counts together, by job type. */
export const addScreened = (a: Screened, b: Screened): Screened =>
  b.size === 0 ? a : new Map([...a, ...[...b].map(([type, count]) => [type, (a.get(type) ?? 0) + count] as const)]);
