import type { ReloadableOptions } from '../options/reloadable.ts';
import { type ReaperSettings, readReload } from '../options.ts';
import type { Calls } from './calls.ts';
import type { Delivery } from './delivery.ts';
import type { Supervision } from './supervision.ts';

/**
 * Changes options while the reaper runs. What uses one of these options reads it in `settings` at each use, so that is where
 * they change.
 */
export const createReload =
  ({
    settings,
    calls,
    delivery,
    supervision,
  }: {
    settings: ReaperSettings;
    calls: Pick<Calls, 'check'>;
    delivery: Pick<Delivery, 'setConcurrency'>;
    supervision: Pick<Supervision, 'reschedule'>;
  }) =>
  (options: ReloadableOptions): void => {
    calls.check();
    const { sweep, rescue, hooks } = readReload(settings, options);
    Object.assign(settings.sweep, sweep);
    Object.assign(settings.rescue, rescue);
    Object.assign(settings.hooks, hooks);
    delivery.setConcurrency(settings.hooks.concurrency);
    supervision.reschedule();
  };
