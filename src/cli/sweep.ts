import type { Command } from 'commander';
import type { JobOutcome, Reaper, SweepSummary } from '../index.ts';
import { configOf, reaperOf } from './config.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { describeProgress, withProgress } from './progress.ts';
import { once } from './signals.ts';
import { countsOf, finish, print, printJson } from './text.ts';

export const registerSweep = (program: Command): void => {
  const command = program
    .command('sweep')
    .description('judge every tracked job once')
    .option('--plan', 'print what would be done, and change nothing');
  withProgress(command, 'reading tracked jobs');
  withExamples(command, {
    'what a sweep would do': 'reaper sweep --plan',
    'a sweep in which garbage collections are hung after a week':
      'reaper sweep --hung-after-by-type GARBAGE_COLLECTION=7d',
    'only what was done, for scripts': 'reaper sweep --json | jq \'select(.outcome == "done")\'',
  });
  withOptions(command, 'redis', 'judging', 'pools', 'sweep', 'hooks', 'audit').action(async (flags: SweepFlags) => {
    const reaper = reaperOf(configOf(command));
    finish(await once(reaper, () => sweep(reaper, flags)));
  });
};

interface SweepFlags {
  readonly json?: boolean;
  readonly plan?: boolean;
}

/**
 * One sweep: a line for each job that needs one, the summary at the end. Exit code 1 if an act was given up, or the sweep was
 * suspended.
 */
export const sweep = async (reaper: Reaper, flags: SweepFlags): Promise<number> => {
  let value = 0;
  let total = Number.POSITIVE_INFINITY;
  const isShown = describeProgress(() =>
    value < total ? { what: 'jobs judged', value, total } : 'all jobs judged, waiting for answers to hooks',
  );
  if (isShown) total = await reaper.tracked();
  reaper.on('job', (outcome) => {
    value += 1;
    if (flags.json) printJson({ type: 'job', ...outcome });
    else if (needsLine(outcome)) print(lineOf(outcome));
  });
  const summary = await reaper.sweep({ plan: flags.plan === true });
  if (flags.json) printJson({ type: 'summary', ...summary });
  else print(...summaryOf(summary));
  return (summary.outcomes.abandoned ?? 0) > 0 || summary.suspended !== undefined ? 1 : 0;
};

const needsLine = ({ verdict, reason }: JobOutcome) =>
  verdict !== 'keep' || reason === 'malformed' || reason === 'clock-ahead';

const lineOf = ({ id, verdict, reason, detail, outcome, facts, error }: JobOutcome): string =>
  [
    id,
    facts.name ?? '-',
    facts.status ?? 'no status',
    `${verdict} (${reason}${detail === undefined ? '' : `: ${detail}`})`,
    outcome,
    ...(error === undefined ? [] : [error]),
  ].join('  ');

const summaryOf = ({ plan, scanned, verdicts, outcomes, hooks, durationMs, suspended }: SweepSummary): string[] => [
  ...(suspended === undefined ? [] : [`the sweep was suspended: ${suspended.message}`]),
  `${plan ? 'planned: ' : ''}${scanned} jobs in ${durationMs} ms`,
  `verdicts: ${countsOf(verdicts)}`,
  `outcomes: ${countsOf(outcomes)}`,
  ...(plan ? [] : [`hooks, first attempts: ${countsOf({ ...hooks })}`]),
];
