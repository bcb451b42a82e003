interface PassTimes {
  readonly initialDelay: number;
  readonly interval: number;
}

/**
 * The options that say when passes are due, in ms. They are not taken from the type of all options: that one is zod's, and
 * the declarations of this module are in the package, which is installed without zod.
 */
export interface ScheduleSettings {
  readonly sweep: PassTimes & { readonly jitter: number };
  readonly rescue: PassTimes & { readonly grace: number; readonly orphanedAfter: number };
  readonly role: 'auto' | 'always' | 'never';
}
