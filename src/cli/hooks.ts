import type { Command } from 'commander';
import { ageText, countText } from '../ages.ts';
import type { HookFilter, HookRecord, Reaper } from '../index.ts';
import { nonEmpty, reportNone } from './arguments.ts';
import { configOf, reaperOf } from './config.ts';
import { notFound } from './exitCodes.ts';
import { withExamples } from './help.ts';
import { addGlobalOptions, withOptions } from './options.ts';
import { withProgress } from './progress.ts';
import { once } from './signals.ts';
import { type Cell, countsOf, finish, print, printJson, printTable, timeOf } from './text.ts';
import { UsageError } from './usage.ts';

export const registerHooks = (program: Command): void => {
  const hooks = addGlobalOptions(program.command('hooks').description('undelivered hooks: list, retry or drop them'));
  withExamples(hooks, {
    'undelivered hooks by endpoint and reason': 'reaper hooks',
    'send the hooks of an endpoint that has recovered': 'reaper hooks retry --endpoint https://core.example',
  });
  const withFilter = (command: Command) =>
    command
      .option('--id <job>', 'only hooks of this job id', nonEmpty)
      .option('--endpoint <origin>', 'only hooks of this endpoint, such as https://core.example', nonEmpty)
      .option('--reason <code>', 'only hooks with this reason, such as 404, deadline, too-old', nonEmpty);

  const list = withFilter(hooks.command('list', { isDefault: true })).description(
    'list them by endpoint and reason; changes nothing',
  );
  withProgress(list, 'reading hooks');
  withExamples(list, {
    'undelivered hooks by endpoint and reason': 'reaper hooks list',
    'the hooks of an endpoint, each as a JSON line': 'reaper hooks list --endpoint https://core.example --json',
  });
  withOptions(list, 'redis', 'breaker').action(async (flags: HookFlags) => {
    const reaper = reaperOf(configOf(list));
    finish(await once(reaper, () => listHooks(reaper, flags)));
  });

  for (const [verb, description] of [
    ['retry', 'send them now, whatever their age, and count their attempts from the start'],
    ['drop', 'discard matching hooks'],
  ] as const) {
    const command = withFilter(hooks.command(verb))
      .description(description)
      .option('--all', 'all of them; needed if no filter is given')
      .option('--plan', 'print how many, and change nothing');
    withProgress(command, doing[verb]);
    withExamples(command, examples[verb]);
    withOptions(command, 'redis', ...groups[verb], 'audit').action(async (flags: HookFlags & { all?: boolean }) => {
      if (!flags.all && flags.id === undefined && flags.endpoint === undefined && flags.reason === undefined) {
        throw new UsageError('Specify --id, --endpoint, --reason or --all.');
      }
      const reaper = reaperOf(configOf(command));
      finish(await once(reaper, () => moveHooks(reaper, verb, flags)));
    });
  }
};

const groups = { retry: ['sending'], drop: ['breaker'] } as const;
const doing = { retry: 'sending hooks', drop: 'discarding hooks' } as const;
const examples = {
  retry: {
    'send the hooks of an endpoint that has recovered': 'reaper hooks retry --endpoint https://core.example',
    'how many hooks would be sent': 'reaper hooks retry --all --plan',
  },
  drop: {
    'discard hooks of jobs that the endpoint does not know': 'reaper hooks drop --reason 404',
    'discard the hook of a job': 'reaper hooks drop --id 0f8fad5bd9cb469fa16570a1',
  },
} as const;

interface HookFlags {
  readonly id?: string;
  readonly endpoint?: string;
  readonly reason?: string;
  readonly json?: boolean;
  readonly plan?: boolean;
}

const filterOf = ({ id, endpoint, reason }: HookFlags): HookFilter => ({
  ...(id === undefined ? {} : { id }),
  ...(endpoint === undefined ? {} : { endpoint }),
  ...(reason === undefined ? {} : { reason }),
});

/**
 * Undelivered hooks: each as a JSON line, or in a table by endpoint and reason, with an example. Exit code 4 if `--id` named a
 * job that has none.
 */
export const listHooks = async (reaper: Reaper, flags: HookFlags): Promise<number> => {
  const groups = new Map<string, { count: number; example: HookRecord; oldest: string | undefined }>();
  for await (const page of reaper.hooks.list(filterOf(flags))) {
    for (const record of page) {
      if (flags.json) printJson('hook', record);
      const key = JSON.stringify([record.endpoint, record.state === 'parked', record.answer]);
      const known = groups.get(key);
      const [oldest] = [record.firstAttemptAt, known?.oldest].filter((time) => time !== undefined).sort();
      groups.set(key, { count: (known?.count ?? 0) + 1, example: record, oldest });
    }
  }
  const code = flags.id !== undefined && groups.size === 0 ? notFound : 0;
  const endpoints = await reaper.hooks.endpoints();
  if (flags.json) {
    for (const endpoint of endpoints) printJson('endpoint', endpoint);
    return code;
  }
  if (groups.size === 0) {
    print('no undelivered hooks');
    return code;
  }
  const rows: Cell[][] = [];
  for (const { count, example, oldest } of [...groups.values()].sort((a, b) => b.count - a.count)) {
    const first = oldest === undefined ? 'none yet' : timeOf(oldest);
    const state = example.state === 'parked' ? 'parked' : 'pending';
    rows.push([example.endpoint, state, example.answer ?? 'none yet', count, first, example.id]);
  }
  printTable(['endpoint', 'state', 'answer', 'hooks', 'first attempt', 'example'], rows);
  for (const { endpoint, breaker, failures, waitMs } of endpoints) {
    if (breaker === 'closed') continue;
    const next = waitMs === undefined ? '' : `, next attempt in ${ageText(1_000 * Math.ceil(waitMs / 1_000))}`;
    print(`${endpoint}: ${words[breaker]} (${countsOf({ 'consecutive failures': failures })}${next})`);
  }
  return code;
};

const words = {
  open: 'circuit open',
  probing: 'circuit half open, probing',
  draining: 'recovered, draining',
} as const;

/** Retries or drops the hooks that match. */
export const moveHooks = async (reaper: Reaper, verb: 'retry' | 'drop', flags: HookFlags): Promise<number> => {
  const plan = flags.plan === true;
  const count = await reaper.hooks[verb](filterOf(flags), {
    plan,
    onRecord(record) {
      if (flags.json) printJson('hook', { plan, ...record });
    },
  });
  // There may be no other host that sends them.
  if (!plan && verb === 'retry' && count > 0) await reaper.hooks.quiet();
  const words = verb === 'retry' ? 'retried' : 'dropped';
  if (flags.json) printJson(verb, { plan, count });
  else print(`${plan ? 'would be ' : ''}${words}: ${countText(count)}`);
  for (const { endpoint, breaker, pending } of plan ? [] : await reaper.hooks.endpoints()) {
    if (flags.json || breaker !== 'open') continue;
    print(`circuit open for ${endpoint}: ${countText(pending)} hooks wait until it recovers`);
  }
  return reportNone(count, { id: flags.id, endpoint: flags.endpoint, reason: flags.reason }, 'reaper hooks');
};
