#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander';
import { version } from '../index.ts';
import { visible } from '../visible.ts';
import { doctor } from './doctor.ts';
import { explain } from './explain.ts';
import { type HookFlags, listHooks, moveHooks } from './hooks.ts';
import { inspect } from './inspect.ts';
import { endQuarantine, listQuarantine, type QuarantineFlags } from './quarantine.ts';
import { rescue } from './rescue.ts';
import { type RunFlags, run } from './run.ts';
import {
  address,
  type CommonFlags,
  hostName,
  type InspectFlags,
  inspectOptionsOf,
  inspectToken,
  milliseconds,
  nonEmpty,
  once,
  reaperOf,
  stately,
  UsageError,
  withCommonFlags,
} from './shared.ts';
import { status } from './status.ts';
import { sweep } from './sweep.ts';
import { complain } from './text.ts';

const failed = 1;
const wrongUsage = 2;

const finish = (code: number) => {
  process.exitCode = code;
};

const program = new Command('reaper')
  .description('Supervises Redis job queues of Harbor jobservice and gocraft/work')
  .version(version)
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({
    writeErr: (text) => process.stderr.write(text.split('\n').map(visible).join('\n')),
    outputError(text, write) {
      // What was given is part of it, with line ends of its own; what Commander adds is a line of ours.
      const [, message = text, hint = ''] = /^(.*?)(\n\(Did you mean [^\n]*\))?\n$/s.exec(text) ?? [];
      write(`${visible(message)}${hint}\n`);
    },
  });

withCommonFlags(program.command('run'), 'info')
  .description('sweep and rescue from now on, beside a running jobservice; a signal stops it')
  .addOption(
    new Option('--sweep-interval <ms>', 'from one sweep to the next (default: 3600000)')
      .env('REAPER_SWEEP_INTERVAL')
      .argParser(milliseconds),
  )
  .addOption(
    new Option('--rescue-interval <ms>', 'from one look for dead pools to the next (default: 10000)')
      .env('REAPER_RESCUE_INTERVAL')
      .argParser(milliseconds),
  )
  .addOption(
    new Option(
      '--role <role>',
      'auto: one host of all that run does the scheduled passes; always: this one does them too; never: it does none',
    )
      .env('REAPER_ROLE')
      .choices(['auto', 'never', 'always'])
      .default('auto'),
  )
  .option('--inspect [host:port]', 'let a browser watch the statecharts work (default: 127.0.0.1:7331)', address)
  .addOption(inspectToken())
  .option('--control', 'with --inspect: let the page start sweeps and rescues')
  .addOption(stately())
  .addOption(hostName())
  .action(async (flags: CommonFlags & InspectFlags & RunFlags) => {
    if (flags.inspect === undefined && (flags.control || flags.stately || flags.hostName)) {
      throw new UsageError('--control, --stately and --host-name are about --inspect: give that too');
    }
    const reaper = reaperOf(flags, {
      role: flags.role,
      ...(flags.inspect === undefined ? {} : { inspect: inspectOptionsOf(flags) }),
      ...(flags.sweepInterval === undefined ? {} : { sweep: { intervalMs: flags.sweepInterval } }),
      ...(flags.rescueInterval === undefined ? {} : { rescue: { intervalMs: flags.rescueInterval } }),
    });
    finish(await run(reaper, flags));
  });

withCommonFlags(program.command('sweep'))
  .description('judge every tracked job once, now')
  .option('--plan', 'say what would be done, and change nothing')
  .action(async (flags: CommonFlags & { plan?: boolean }) => {
    const reaper = reaperOf(flags);
    finish(await once(reaper, () => sweep(reaper, flags)));
  });

withCommonFlags(program.command('rescue'))
  .description('look for dead pools once, now, and put back what they hold')
  .option('--plan', 'say what would be done, and change nothing')
  .addOption(
    new Option(
      '--grace <ms>',
      'how long a suspected pool may prove that it lives (default: 15000); 0 waits for nothing',
    ).argParser(milliseconds),
  )
  .action(async (flags: CommonFlags & { plan?: boolean; grace?: number }) => {
    const reaper = reaperOf(flags);
    finish(await once(reaper, () => rescue(reaper, flags)));
  });

withCommonFlags(program.command('status'))
  .description('show tracked jobs, queues, locks and pools; changes nothing')
  .action(async (flags: CommonFlags) => {
    const reaper = reaperOf(flags);
    finish(await once(reaper, () => status(reaper, flags)));
  });

withCommonFlags(program.command('explain'))
  .description('show why a job is treated as it is, and where it is; changes nothing')
  .argument('<job>', 'id of the job')
  .action(async (id: string, flags: CommonFlags) => {
    const reaper = reaperOf(flags);
    finish(await once(reaper, () => explain(reaper, id, flags)));
  });

withCommonFlags(program.command('doctor'))
  .description(
    'check all that the reaper depends on, and say what to do; changes nothing; exit code 3 where something needs attention',
  )
  .action(async (flags: CommonFlags) => {
    const reaper = reaperOf(flags);
    // What a Redis that answers is refused for is one of its checks.
    finish(
      await once(
        reaper,
        () => doctor(reaper, flags),
        async () => undefined,
      ),
    );
  });

withCommonFlags(program.command('inspect'))
  .description('watch in a browser what a reaper would do here, every minute; changes nothing')
  .argument('[host:port]', 'where to listen (default: 127.0.0.1:7331)', address)
  .addOption(inspectToken())
  .option('--control', 'let the page ask for plans')
  .addOption(stately())
  .addOption(hostName())
  .addOption(new Option('--sweep-interval <ms>', 'from one plan to the next').argParser(milliseconds).default(60_000))
  .action(async (where: InspectFlags['inspect'], flags: CommonFlags & InspectFlags & { sweepInterval: number }) => {
    const reaper = reaperOf(flags, {
      plan: true,
      inspect: inspectOptionsOf({ ...flags, inspect: where }),
      sweep: { firstAfterMs: 0, intervalMs: flags.sweepInterval },
    });
    finish(await inspect(reaper));
  });

const hooksCommand = program.command('hooks').description('changes that receivers have not confirmed');
const withHookFlags = (command: Command) =>
  withCommonFlags(command)
    .option('--id <job>', 'of this job', nonEmpty)
    .option('--endpoint <origin>', 'to this receiver, such as https://core.example', nonEmpty)
    .option('--reason <word>', 'with this answer or reason, such as 404, deadline, too-old', nonEmpty);

withHookFlags(hooksCommand.command('list', { isDefault: true }))
  .description('list them by receiver and reason; changes nothing')
  .action(async (flags: CommonFlags & HookFlags) => {
    const reaper = reaperOf(flags);
    finish(await once(reaper, () => listHooks(reaper, flags)));
  });

for (const [verb, description] of [
  ['retry', 'send them now, whatever their age; their tries begin anew'],
  ['drop', 'give them up: their receivers are not told of this state'],
] as const) {
  withHookFlags(hooksCommand.command(verb))
    .description(description)
    .option('--all', 'all of them; needed where nothing else says which')
    .option('--plan', 'say how many, and change nothing')
    .action(async (flags: CommonFlags & HookFlags & { all?: boolean }) => {
      if (!flags.all && flags.id === undefined && flags.endpoint === undefined && flags.reason === undefined) {
        throw new UsageError(`which hooks? give --id, --endpoint or --reason, or --all`);
      }
      const reaper = reaperOf(flags);
      finish(await once(reaper, () => moveHooks(reaper, verb, flags)));
    });
}

const quarantineCommand = program
  .command('quarantine')
  .description('jobs that are out of circulation, for their workers died');
const withQuarantineFlags = (command: Command) =>
  withCommonFlags(command)
    .option('--id <job>', 'this job', nonEmpty)
    .option('--type <type>', 'entries of this type', nonEmpty);

withQuarantineFlags(quarantineCommand.command('list', { isDefault: true }))
  .description('list them: since when, how many workers were lost with them, and in which pools')
  .action(async (flags: CommonFlags & QuarantineFlags) => {
    const reaper = reaperOf(flags);
    finish(await once(reaper, () => listQuarantine(reaper, flags)));
  });

for (const [verb, description] of [
  ['release', 'put them back into their queues, byte for byte, and forget how often their workers died'],
  ['drop', 'remove them from the dead jobs, for good'],
] as const) {
  withQuarantineFlags(quarantineCommand.command(verb))
    .description(description)
    .option('--all', 'all of them; needed where nothing else says which')
    .option('--plan', 'say how many, and change nothing')
    .action(async (flags: CommonFlags & QuarantineFlags & { all?: boolean }) => {
      if (!flags.all && flags.id === undefined && flags.type === undefined) {
        throw new UsageError('which jobs? give --id or --type, or --all');
      }
      const reaper = reaperOf(flags);
      finish(await once(reaper, () => endQuarantine(reaper, verb, flags)));
    });
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version end with 0; the text is out already.
    process.exitCode = error.exitCode === 0 ? 0 : wrongUsage;
  } else {
    complain(`reaper: ${(error as Error).message}`);
    process.exitCode = error instanceof UsageError ? wrongUsage : failed;
  }
}
