import { type Command, Option } from 'commander';
import { countText } from '../ages.ts';
import type { ActingVerdict, JobOutcome, PlannedAct, Reaper, SweepOptions, SweepSummary } from '../index.ts';
import { addNonEmpty, positive } from './arguments.ts';
import { configOf, reaperOf } from './config.ts';
import { failed, needsAttention, notFound as notFoundCode } from './exitCodes.ts';
import { withExamples } from './help.ts';
import { createJobGroups, printJobGroups } from './jobGroups.ts';
import { withOptions } from './options.ts';
import type { PlanWriter } from './planFile.ts';
import { type PlanFlags, planWriterOf, refusePlanFlags } from './planFlags.ts';
import { describeProgress, withProgress } from './progress.ts';
import { once } from './signals.ts';
import { complain, countsOf, finish, print, printJson } from './text.ts';

export const registerSweep = (program: Command): void => {
  const command = program
    .command('sweep')
    .description('judge every tracked job once, or some of them')
    .option('--plan', 'print what would be done, and change nothing')
    .option('--exit-code', 'with --plan: end with 3 if something would be done')
    .option('--out <file>', 'with --plan: write the acts into a file, for reaper apply')
    .option('--force', 'with --out: replace the file')
    .option('--verbose', 'a line for each job, instead of groups')
    .option('--type <type...>', 'only jobs of these types', addNonEmpty)
    .option('--id <job...>', 'only these jobs', addNonEmpty)
    .addOption(new Option('--verdict <verdict...>', 'only these acts').choices(['fail', 'refire', 'reset', 'untrack']))
    .option('--limit <count>', 'act on this many jobs at most', positive);
  withProgress(command, 'reading tracked jobs');
  withExamples(command, {
    'what a sweep would do, and then exactly that': ['reaper sweep --plan --out plan.jsonl', 'reaper apply plan.jsonl'],
    'fail ten hung jobs of one type': 'reaper sweep --type IMAGE_SCAN --verdict fail --limit 10',
    'only what was done, for scripts': 'reaper sweep --json | jq \'select(.outcome == "done")\'',
  });
  withOptions(command, 'redis', 'judging', 'pools', 'sweep', 'hooks', 'audit').action(async (flags: SweepFlags) => {
    refusePlanFlags(flags);
    const config = configOf(command);
    const reaper = reaperOf(config);
    const writer = planWriterOf('sweep', flags, config);
    finish(await once(reaper, () => sweep(reaper, flags, writer)).finally(() => writer?.discard()));
  });
};

export interface SweepFlags extends PlanFlags {
  readonly verbose?: boolean;
  readonly json?: boolean;
  readonly type?: readonly string[];
  readonly id?: readonly string[];
  readonly verdict?: readonly ActingVerdict[];
  readonly limit?: number;
}

/**
 * One sweep: the jobs that it acts on, or that need attention, in groups; the summary at the end. Exit code 1 if an act was given
 * up, or the sweep was suspended; 4 if none of the jobs that it was asked for is tracked.
 */
export const sweep = async (reaper: Reaper, flags: SweepFlags, writer?: PlanWriter): Promise<number> => {
  const plan = flags.plan === true;
  const groups = createJobGroups();
  const countJobs = await describeJobs(reaper, flags);
  reaper.on('screened', ({ count }) => countJobs(count));
  reaper.on('job', (outcome) => {
    countJobs(1);
    if (outcome.act !== undefined) writer?.add(planLineOf(outcome.act, outcome));
    if (flags.json) printJson('job', outcome);
    else if (!isNoteworthy(outcome)) return;
    else if (!flags.verbose) groups.add(outcome);
    else print(lineOf(outcome));
  });
  const summary = await reaper.sweep({ plan, ...scopeOf(flags) }).finally(() => printJobGroups(groups, plan));
  if (flags.json) printJson('summary', summary);
  else print(...summaryOf(summary));
  if (writer !== undefined && summary.suspended === undefined) {
    writer.finish();
    if (!flags.json) print(`written: ${flags.out}. To do exactly this: reaper apply ${flags.out}`);
  }
  return codeOf(summary, flags);
};

const scopeOf = ({ type, id, verdict, limit }: SweepFlags): SweepOptions => ({
  ...(type === undefined ? {} : { types: type }),
  ...(id === undefined ? {} : { ids: id }),
  ...(verdict === undefined ? {} : { verdicts: verdict }),
  ...(limit === undefined ? {} : { limit }),
});

const codeOf = ({ scanned, outcomes, suspended, notFound = [] }: SweepSummary, flags: SweepFlags): number => {
  if (notFound.length > 0) complain(`reaper: not tracked: ${notFound.join(', ')}. See: reaper explain JOB`);
  if (flags.type !== undefined && flags.id === undefined && scanned === 0 && suspended === undefined)
    complain(`reaper: no tracked job has the type ${flags.type.join(' or ')}. See: reaper status`);
  if ((outcomes.abandoned ?? 0) > 0 || suspended !== undefined) return failed;
  if (flags.id !== undefined && notFound.length === new Set(flags.id).size) return notFoundCode;
  return flags.exitCode && (outcomes.planned ?? 0) > 0 ? needsAttention : 0;
};

/** An act of a plan, and what helps a person to read it. */
const planLineOf = (act: PlannedAct, { facts, endpoint }: JobOutcome): object => ({
  ...act,
  ...{ job: facts.name, status: facts.status, endpoint },
});

/** Shows how many jobs are judged, if they can be counted. Returns what counts them. */
const describeJobs = async (
  reaper: Reaper,
  { type, verdict, limit, id }: SweepFlags,
): Promise<(count: number) => void> => {
  let value = 0;
  let total = id?.length ?? Number.POSITIVE_INFINITY;
  const isShown = describeProgress(() =>
    value < total ? { what: 'jobs judged', value, total } : 'all jobs judged, waiting for answers to hooks',
  );
  if (isShown && (id ?? type ?? verdict ?? limit) === undefined) total = await reaper.tracked();
  return (count) => {
    value += count;
  };
};

const isNoteworthy = ({ verdict, reason, outcome }: JobOutcome) =>
  (verdict !== 'keep' && outcome !== 'already-pending') || reason === 'malformed' || reason === 'clock-ahead';

const lineOf = ({ id, verdict, reason, detail, outcome, facts, error }: JobOutcome): string =>
  [
    id,
    facts.name ?? '-',
    facts.status ?? 'no status',
    `${verdict} (${reason}${detail === undefined ? '' : `: ${detail}`})`,
    outcome,
    ...(error === undefined ? [] : [error]),
  ].join('  ');

const summaryOf = ({ plan, scanned, screened, verdicts, outcomes, hooks, ...rest }: SweepSummary): string[] => [
  ...(rest.suspended === undefined ? [] : [`the sweep was suspended: ${rest.suspended.message}`]),
  `${plan ? 'planned: ' : ''}${countText(scanned)} jobs in ${countText(rest.durationMs)} ms${screened === undefined ? '' : `, ${countText(screened)} screened`}`,
  `verdicts: ${countsOf(verdicts)}`,
  `outcomes: ${countsOf(outcomes)}`,
  ...(rest.isLimited ? ['the limit was reached: there may be more'] : []),
  ...(plan ? [] : [`hooks, first attempts: ${countsOf({ ...hooks })}`]),
];
