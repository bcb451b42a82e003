import type { Logger, Reaper } from '../index.ts';
import { reloadablePaths } from '../options/reloadable.ts';
import type { ReaperSettings } from '../options.ts';
import { put } from './configFile.ts';
import { commandOptions } from './options.ts';

/** What one reading of the configuration gives. */
export interface Loaded {
  readonly settings: ReaperSettings;
  readonly logLevel: string;
}

/**
 * Reloads the configuration of a reaper at each SIGHUP: intervals, limits and the log level. Other options that have changed
 * are named: they need a restart. A configuration that cannot be used changes nothing.
 *
 * @param load reads everything again. @throws UsageError
 * @returns removes the handler
 */
export const reloadOnHangup = (
  reaper: Pick<Reaper, 'reload'>,
  log: Logger & { level: string },
  { present, load }: { present: Loaded; load: () => Loaded },
): (() => void) => {
  let running = present;
  const handle = () => {
    let next: Loaded;
    try {
      next = load();
      reaper.reload(optionsAt(next.settings, reloadablePaths));
    } catch (error) {
      const { message } = error as Error;
      log.error({ code: 'invalid-options', error: message }, `the configuration was not loaded again: ${message}`);
      return;
    }
    const changed = changesOf(running.settings, next.settings).filter(isReloadable);
    if (next.logLevel !== running.logLevel) changed.push('logLevel');
    log.level = next.logLevel;
    log.info({ code: 'config-reloaded', changed }, 'the configuration was loaded again');
    // Named each time, for as long as the reaper runs with what it was started with.
    const options = changesOf(present.settings, next.settings).filter((path) => !isReloadable(path));
    if (options.length > 0)
      log.warn({ code: 'config-needs-restart', options }, `needs a restart: ${options.join(', ')}`);
    running = next;
  };
  process.on('SIGHUP', handle);
  return () => process.off('SIGHUP', handle);
};

const isReloadable = (path: string): boolean => reloadablePaths.includes(path);

const valueAt = (settings: object, path: string): unknown =>
  path.split('.').reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], settings);

/** Options with these paths only, nested. */
const optionsAt = (settings: object, paths: readonly string[]): Record<string, unknown> => {
  const options: Record<string, unknown> = {};
  for (const path of paths) put(options, path.split('.'), valueAt(settings, path));
  return options;
};

/** Paths of the options that differ. */
const changesOf = (before: ReaperSettings, after: ReaperSettings): string[] =>
  commandOptions()
    .map(({ path }) => path)
    .filter((path) => JSON.stringify(valueAt(before, path)) !== JSON.stringify(valueAt(after, path)));
