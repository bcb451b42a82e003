import type { Command } from 'commander';
import { countText } from '../ages.ts';
import type { QuarantineFilter, Reaper } from '../index.ts';
import { nonEmpty, reportNone } from './arguments.ts';
import { configOf, reaperOf } from './config.ts';
import { notFound } from './exitCodes.ts';
import { withExamples } from './help.ts';
import { addGlobalOptions, withOptions } from './options.ts';
import { withProgress } from './progress.ts';
import { once } from './signals.ts';
import { type Cell, finish, print, printJson, printTable, timeOf } from './text.ts';
import { UsageError } from './usage.ts';

export const registerQuarantine = (program: Command): void => {
  const quarantine = addGlobalOptions(program.command('quarantine').description('manage quarantined jobs'));
  withExamples(quarantine, {
    'what is in quarantine': 'reaper quarantine',
    'requeue a job whose cause was repaired': 'reaper quarantine release --id 0f8fad5bd9cb469fa16570a1',
  });
  const withFilter = (command: Command) =>
    command.option('--id <job>', 'this job', nonEmpty).option('--type <type>', 'entries of this type', nonEmpty);

  const list = withFilter(quarantine.command('list', { isDefault: true })).description(
    'list them: since when, how many workers died with them, and in which pools',
  );
  withProgress(list, 'reading the quarantine');
  withExamples(list, {
    'what is in quarantine': 'reaper quarantine list',
    'quarantined jobs of a type, as JSON lines': 'reaper quarantine list --type IMAGE_SCAN --json',
  });
  withOptions(list, 'redis').action(async (flags: QuarantineFlags) => {
    const reaper = reaperOf(configOf(list));
    finish(await once(reaper, () => listQuarantine(reaper, flags)));
  });

  for (const [verb, description] of [
    ['release', 'requeue them, byte for byte, and reset their recovery count'],
    ['drop', 'remove them from the dead jobs for good'],
  ] as const) {
    const command = withFilter(quarantine.command(verb))
      .description(description)
      .option('--all', 'all of them; needed if no filter is given')
      .option('--plan', 'print how many, and change nothing');
    withProgress(command, doing[verb]);
    withExamples(command, examples[verb]);
    withOptions(command, 'redis', 'audit').action(async (flags: QuarantineFlags & { all?: boolean }) => {
      if (!flags.all && flags.id === undefined && flags.type === undefined) {
        throw new UsageError('Specify --id, --type or --all.');
      }
      const reaper = reaperOf(configOf(command));
      finish(await once(reaper, () => endQuarantine(reaper, verb, flags)));
    });
  }
};

const doing = { release: 'requeuing jobs', drop: 'removing jobs' } as const;
const examples = {
  release: {
    'requeue a job whose cause was repaired': 'reaper quarantine release --id 0f8fad5bd9cb469fa16570a1',
    'how many jobs of a type would be requeued': 'reaper quarantine release --type IMAGE_SCAN --plan',
  },
  drop: {
    'remove a job for good': 'reaper quarantine drop --id 0f8fad5bd9cb469fa16570a1',
    'how many jobs would be removed': 'reaper quarantine drop --all --plan',
  },
} as const;

interface QuarantineFlags {
  readonly id?: string;
  readonly type?: string;
  readonly json?: boolean;
  readonly plan?: boolean;
}

const filterOf = ({ id, type }: QuarantineFlags): QuarantineFilter => ({
  ...(id === undefined ? {} : { id }),
  ...(type === undefined ? {} : { type }),
});

/** Jobs in quarantine: each as a JSON line, or in a table. Exit code 4 if `--id` named a job that is not there. */
export const listQuarantine = async (reaper: Reaper, flags: QuarantineFlags): Promise<number> => {
  const rows: Cell[][] = [];
  for await (const page of reaper.quarantine.list(filterOf(flags))) {
    for (const record of page) {
      if (flags.json) printJson('quarantine', record);
      const { id, types, quarantinedAt, recoveries, isInDead } = record;
      rows.push([
        id,
        [...new Set(types)].join(', '),
        timeOf(quarantinedAt),
        `${recoveries.length} times since ${timeOf(recoveries[0]?.recoveredAt ?? quarantinedAt)}`,
        [...new Set(recoveries.map(({ pool }) => pool))],
        isInDead ? 'yes' : 'no, already removed by another tool',
      ]);
    }
  }
  if (!flags.json && rows.length === 0) print('the quarantine is empty');
  else if (!flags.json) printTable(['job', 'type', 'since', 'workers died', 'in pools', 'in dead'], rows);
  return flags.id !== undefined && rows.length === 0 ? notFound : 0;
};

/** Requeues or removes the jobs that match. */
export const endQuarantine = async (
  reaper: Reaper,
  verb: 'release' | 'drop',
  flags: QuarantineFlags,
): Promise<number> => {
  const plan = flags.plan === true;
  const { done, gone } = await reaper.quarantine[verb](filterOf(flags), {
    plan,
    onRecord(record) {
      if (flags.json) printJson('quarantine', { plan, ...record });
    },
  });
  if (flags.json) printJson(verb, { plan, count: done, gone });
  else {
    print(`${plan ? 'would be ' : ''}${verb === 'release' ? 'requeued' : 'dropped'}: ${countText(done)}`);
    if (gone > 0) print(`no longer among the dead jobs, already removed by another tool: ${countText(gone)}`);
  }
  return reportNone(done + gone, { id: flags.id, type: flags.type }, 'reaper quarantine');
};
