import type { Config, ConfiguredOption } from './config.ts';
import { commandOptions, defaultRedis } from './options.ts';

/** All options with their values and where these come from, in the order of the docs. Secrets have no value. */
export const originsOf = ({ configured }: Pick<Config, 'configured'>): readonly ConfiguredOption[] => {
  const set = new Map(configured.map((option) => [option.path, option]));
  const defaults = [
    ...commandOptions().map(({ path, default: value }) => ({ path, value: path === 'redis' ? defaultRedis : value })),
    { path: 'logLevel', value: 'warn; info for run' },
  ];
  return defaults.flatMap(({ path, value }) => {
    const given = set.get(path);
    if (given !== undefined) return [given];
    // Namespaces have no default.
    return value === undefined ? [] : [{ path, value, source: 'default' }];
  });
};
