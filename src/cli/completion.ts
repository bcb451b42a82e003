import { Argument, type Command } from 'commander';
import { describeProgram } from './commandTree.ts';
import { bashScript } from './completion/bash.ts';
import { fishScript } from './completion/fish.ts';
import { zshScript } from './completion/zsh.ts';
import { withExamples } from './help.ts';
import { print } from './text.ts';

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export const registerCompletion = (program: Command): void => {
  const command = program
    .command('completion')
    .description('print a script that completes commands, options and values in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(scripts)))
    .action((shell: keyof typeof scripts) => print(...scripts[shell](describeProgram(program)).trimEnd().split('\n')));
  withExamples(command, {
    'completion in bash': 'reaper completion bash > ~/.local/share/bash-completion/completions/reaper',
    'completion in zsh, in a folder of fpath': 'reaper completion zsh > ~/.zsh/completions/_reaper',
    'completion in fish': 'reaper completion fish > ~/.config/fish/completions/reaper.fish',
  });
};
