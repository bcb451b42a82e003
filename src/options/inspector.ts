import type { ReaperOptions } from './generated.ts';

/** Options of an inspector that is mounted in a server of the caller's. */
export type InspectorOptions = Pick<
  Exclude<NonNullable<ReaperOptions['inspect']>, boolean>,
  'token' | 'allowedHosts' | 'control' | 'stately'
>;
