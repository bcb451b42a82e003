import { Command } from 'commander';
import { masked } from '../options/masked.ts';
import { version } from '../package.ts';
import { visible } from '../visible.ts';
import { registerApply } from './apply.ts';
import { registerAudit } from './audit.ts';
import { registerCompletion } from './completion.ts';
import { registerDoctor } from './doctor.ts';
import { registerExplain } from './explain.ts';
import { helpLayout, registerHelp, withExamples } from './help.ts';
import { registerHooks } from './hooks.ts';
import { registerInspect } from './inspect.ts';
import { addGlobalOptions, inheritGlobalOptions } from './options.ts';
import { beginProgress, endProgress } from './progress.ts';
import { registerQuarantine } from './quarantine.ts';
import { registerRescue } from './rescue.ts';
import { registerRun } from './run.ts';
import { registerStatus } from './status.ts';
import { registerSweep } from './sweep.ts';
import { widthOf } from './text.ts';
import { registerUndo } from './undo.ts';

/** The commands, as the help groups them. */
const commands: Readonly<Record<string, readonly ((program: Command) => void)[]>> = {
  'What is wrong:': [registerStatus, registerExplain, registerDoctor],
  'Repair:': [registerRescue, registerSweep, registerApply, registerHooks, registerQuarantine],
  'On record:': [registerAudit, registerUndo],
  'Keep running:': [registerRun, registerInspect],
  'This command:': [registerCompletion, registerHelp],
};

/** The command with all its subcommands and options. The help, the completion scripts and the man page are made from it. */
export const createProgram = (): Command => {
  const program = new Command('reaper')
    .description('Supervises Redis job queues of Harbor jobservice and gocraft/work')
    .version(version)
    .exitOverride()
    .enablePositionalOptions()
    .configureHelp(helpLayout)
    .configureOutput({
      writeErr: (text) => process.stderr.write(text.split('\n').map(visible).join('\n')),
      getOutHelpWidth: () => widthOf(process.stdout),
      getErrHelpWidth: () => widthOf(process.stderr),
    })
    .hook('preAction', (_, command) => {
      inheritGlobalOptions(command);
      beginProgress(command);
    })
    .hook('postAction', endProgress);
  addGlobalOptions(program).addHelpText('after', `\n${globalHelp}`);
  for (const [heading, registers] of Object.entries(commands)) {
    program.commandsGroup(heading);
    for (const register of registers) register(program);
  }
  withExamples(program, {
    'what keeps jobs from running': 'reaper status --namespace "{harbor_job_service_namespace}"',
    'what a rescue would do, and then do it': ['reaper rescue --plan', 'reaper rescue'],
  });
  for (const command of allOf(program)) {
    command.helpCommand(false);
    command.configureOutput({ outputError: (text, write) => write(usageLine(text, command)) });
  }
  return program;
};

const globalHelp = `Every command that uses Redis takes --redis, --namespace, --config, --log-level
and --json, before or after its name. REAPER_REDIS and REAPER_NAMESPACE can be
set instead of the first two.`;

const allOf = (command: Command): Command[] => [command, ...command.commands.flatMap(allOf)];

/** One line with what is wrong and what to do. Commander's text holds what the user typed, which may have line ends of its own. */
const usageLine = (text: string, command: Command): string => {
  const [, message = text, suggestion] = /^(?:error: )?(.*?)(?:\n\((Did you mean [^\n]*)\))?\n$/s.exec(text) ?? [];
  const misspelled = unknownBelow(command);
  if (/^too many /.test(message) && misspelled !== undefined) return `reaper: ${misspelled}\n`;
  const needsHelp = /^(unknown|missing|too many) | argument missing$/.test(message);
  const advice = suggestion ?? (needsHelp ? `See: ${fullNameOf(command)} --help` : '');
  return `reaper: ${visible(maskedUsage(message))}${advice === '' ? '' : `${message.endsWith('.') ? '' : '.'} ${advice}`}\n`;
};

/** A message without passwords: what is quoted is masked, and the value of an unknown option, which may be any, is left out. */
const maskedUsage = (message: string): string =>
  message.replace(/^(unknown option '(?:-[^-]|[^=]*(?==))).*'$/s, "$1'").replace(/(?<= ').*?(?='(?:[ .]|$))/gs, masked);

/** A word that a command like `hooks` takes for an argument of `list`, which it runs by default. */
const unknownBelow = ({ parent }: Command): string | undefined => {
  const [word = '-'] = parent?.args ?? [];
  const names = parent?.commands.map((each) => each.name()) ?? [];
  if (!parent?.parent || word.startsWith('-') || names.includes(word)) return undefined;
  return `unknown command '${visible(masked(word))}'. It must be one of: ${names.join(', ')}.`;
};

/** Such as `reaper hooks drop`. */
const fullNameOf = (command: Command): string =>
  command.parent === null ? command.name() : `${fullNameOf(command.parent)} ${command.name()}`;
