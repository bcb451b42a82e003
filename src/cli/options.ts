import { type Command, Option } from 'commander';
import { describeOptions, type OptionDescription } from '../options/describe.ts';
import { logLevels } from './log.ts';

/** Options of this package, grouped as the help shows them. Each entry is a path, or the beginning of paths with a dot at its end. */
export const optionGroups = {
  redis: { heading: 'Redis:', paths: ['redis', 'sentinelUsername', 'sentinelPassword', 'namespace'] },
  judging: {
    heading: 'Judging jobs:',
    paths: ['jobTypes', 'hungAfter', 'hungAfterByType', 'runTimeLimitByType', 'refireGrace', 'clockTolerance'],
  },
  pools: { heading: 'Pools:', paths: ['rescue.heartbeatTimeout', 'rescue.grace'] },
  sweep: { heading: 'Sweeps:', paths: ['sweep.concurrency', 'sweep.pageSize', 'sweep.maxRedisShare', 'sweep.screen'] },
  rescue: {
    heading: 'Rescue:',
    paths: [
      ...['jobTypes', 'rescue.heartbeatTimeout', 'rescue.orphanedAfter', 'rescue.batchSize', 'rescue.concurrency'],
      ...['rescue.maxRecoveries', 'rescue.recoveryWindow'],
    ],
  },
  schedule: {
    heading: 'Schedule:',
    paths: [
      ...['role', 'lease.', 'sweep.initialDelay', 'sweep.interval', 'sweep.jitter'],
      ...['rescue.initialDelay', 'rescue.interval', 'rescue.grace'],
    ],
  },
  plan: { heading: 'Schedule:', paths: ['plan'] },
  audit: { heading: 'Audit:', paths: ['audit.'] },
  hooks: { heading: 'Hooks:', paths: ['hooks.'] },
  /** To show the state of circuits. */
  breaker: { heading: 'Hooks:', paths: ['hooks.breakerThreshold'] },
  /** To send hooks that were recorded before, on request. */
  sending: {
    heading: 'Hooks:',
    paths: [
      ...['hooks.concurrency', 'hooks.headerTimeout', 'hooks.timeout', 'hooks.deadline', 'hooks.breakerThreshold'],
      ...['hooks.drainRate', 'hooks.allowedOrigins', 'hooks.allowLinkLocal', 'hooks.rewriteOrigins', 'hooks.tls.'],
    ],
  },
  inspector: {
    heading: 'Inspector:',
    paths: ['inspect.token', 'inspect.allowedHosts', 'inspect.control', 'inspect.stately'],
  },
} as const;

export type OptionGroup = keyof typeof optionGroups;

let all: readonly OptionDescription[] | undefined;
/** All options that the command, the environment and the config file know. */
export const commandOptions = (): readonly OptionDescription[] => {
  all ??= describeOptions().filter(({ command }) => command !== undefined);
  return all;
};

/** The Redis that a command uses by default. */
export const defaultRedis = 'redis://127.0.0.1:6379';

/** Adds the options of these groups to a command, and those that every command has. */
export const withOptions = (command: Command, ...groups: readonly OptionGroup[]): Command => {
  const added = new Set<string>();
  for (const group of groups) {
    const { heading, paths } = optionGroups[group];
    for (const description of commandOptions()) {
      const { path } = description;
      const isMeant = paths.some((one) => (one.endsWith('.') ? path.startsWith(one) : path === one));
      if (!isMeant || added.has(path)) continue;
      added.add(path);
      command.addOption(optionOf(description).helpGroup(heading));
    }
  }
  return command
    .addOption(
      new Option('--config <file>', 'config file, YAML or JSON (env: REAPER_CONFIG)').helpGroup('Configuration:'),
    )
    .addOption(
      new Option(
        `--log-level <${logLevels.join('|')}>`,
        'level of the log on stderr (env: REAPER_LOG_LEVEL)',
      ).helpGroup('Output:'),
    )
    .addOption(new Option('--json', 'JSON lines on stdout').helpGroup('Output:'));
};

/** Lets the options that nearly every command has stand before a command too. */
export const addGlobalOptions = (command: Command): Command => {
  withOptions(command, 'redis');
  for (const option of command.options) if (option.attributeName() !== 'version') option.hideHelp();
  return command;
};

/** Gives a command the global options that stand before it. Its own ones win. */
export const inheritGlobalOptions = (command: Command): void => {
  for (let above = command.parent; above !== null; above = above.parent) {
    for (const option of above.options) {
      const name = option.attributeName();
      if (above.getOptionValueSource(name) !== 'cli') continue;
      if (!command.options.some((own) => own.attributeName() === name)) {
        command.error(`error: unknown option '${option.long}'`);
      }
      if (command.getOptionValueSource(name) !== 'cli') {
        command.setOptionValueWithSource(name, above.getOptionValue(name), 'cli');
      }
    }
  }
};

const optionOf = ({ path, schema, description, default: value, command }: OptionDescription): Option => {
  const { flag = '', environment = '' } = command ?? {};
  const shown = path === 'redis' ? defaultRedis : value;
  const notes = [
    ...(shown === undefined || ['false', 'none', '{}', '[]'].includes(shown) ? [] : [`default: ${shown}`]),
    `env: ${environment}`,
  ];
  const text = `${helpTextOf(path, description)} (${notes.join('; ')})`;
  const hint = schema.enum === undefined ? schema.hint : schema.enum.join('|');
  return new Option(schema.type === 'boolean' ? flag : `${flag} <${hint}>`, text);
};

/** Where the docs describe what only code can give, the help is shorter. */
const helpTextOf = (path: string, description: string): string => {
  if (path === 'redis') return 'redis://, rediss://, redis+sentinel:// or rediss+sentinel:// URL.';
  return description.replaceAll('`', '').replace(/^PEM text of/, 'PEM file with');
};
