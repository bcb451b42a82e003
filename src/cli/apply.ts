import type { Command } from 'commander';
import { countText } from '../ages.ts';
import type { JobOutcome, PlannedLiveAct, Reaper, SweepSummary } from '../index.ts';
import { duration } from './arguments.ts';
import { configOf, reaperOf } from './config.ts';
import { failed } from './exitCodes.ts';
import { withExamples } from './help.ts';
import { leftHooks } from './leftHooks.ts';
import { withOptions } from './options.ts';
import { type PlanFile, readPlan } from './planFile.ts';
import { addressIn } from './planFlags.ts';
import { withProgress } from './progress.ts';
import { once } from './signals.ts';
import { complain, countsOf, finish, print, printJson } from './text.ts';

export const registerApply = (program: Command): void => {
  const command = program
    .command('apply')
    .argument('<file>', 'a plan, as sweep or rescue --plan --out FILE writes it')
    .description('do exactly the acts of a plan, each only if its facts still stand')
    .option(
      '--grace <duration>',
      'grace period of the dead pools of the plan, such as 15s; 0: no grace, and no second look at entries of live pools',
      duration,
    );
  withProgress(command, 'reading the jobs and pools of the plan');
  withExamples(command, {
    'plan a sweep, read the plan, and do exactly what it says': [
      'reaper sweep --plan --out plan.jsonl',
      'reaper apply plan.jsonl',
    ],
    'the same for a rescue': ['reaper rescue --plan --out rescue.jsonl', 'reaper apply rescue.jsonl'],
  });
  withOptions(command, 'redis', 'judging', 'pools', 'sweep', 'rescue', 'hooks', 'audit').action(
    async (file: string, flags: ApplyFlags) => {
      const config = configOf(command);
      const reaper = reaperOf(config);
      const plan = readPlan(file, String(config.options.namespace));
      const here = addressIn(config.options);
      // One Redis may have several addresses, so this is a note.
      if (plan.redis !== here) complain(`reaper: the plan was made for ${plan.redis}, and this is ${here}`);
      const act = plan.kind === 'sweep' ? applySweep : applyRescue;
      finish(await once(reaper, () => act(reaper, plan, flags)));
    },
  );
};

interface ApplyFlags {
  readonly json?: boolean;
  readonly grace?: number;
}

/** Names what is not done because it is not as planned, and counts it. */
const createReport = ({ json }: ApplyFlags) => {
  let moved = 0;
  return {
    moved: () => moved,
    add(id: string, why: string) {
      moved += 1;
      if (json) printJson('moved', { id, why });
      else print(`${id}: not done, ${why}`);
    },
  };
};

/**
 * Does the acts of a plan of a sweep. Names each that was not done, with the reason. Exit code 1 if there is one: its job has
 * changed, or the act was given up. A hook that is pending already, or parked, leaves nothing to do.
 */
export const applySweep = async (
  reaper: Reaper,
  { acts }: Pick<PlanFile, 'acts'>,
  flags: ApplyFlags,
): Promise<number> => {
  const report = createReport(flags);
  let done = 0;
  let left = 0;
  reaper.on('job', (outcome) => {
    if (flags.json) printJson('job', outcome);
    if (isDone(outcome)) done += 1;
    else if (leftHooks[outcome.outcome] !== undefined) left += 1;
    else if (outcome.outcome === 'overtaken') report.add(outcome.id, whyMoved(outcome));
    else if (!flags.json) print(`${outcome.id}: given up, ${outcome.error ?? outcome.outcome}`);
  });
  const summary = await reaper.sweep({ acts });
  for (const id of summary.notFound ?? []) report.add(id, 'it is not tracked any more');
  const counts = countsBy(acts.length - left, done, report.moved());
  if (flags.json) printJson('summary', { planned: acts.length, ...counts, nothingToDo: left, sweep: summary });
  else
    print(
      ...nothingToDo(summary),
      ...summaryOf(acts.length, counts, summary),
      `hooks, first attempts: ${countsOf({ ...summary.hooks })}`,
    );
  return done + left < acts.length || summary.suspended !== undefined ? failed : 0;
};

/**
 * Does the acts of a plan of a rescue in the same way: the counters, then the entries of live pools, and pool by pool those of dead
 * ones.
 */
export const applyRescue = async (
  reaper: Reaper,
  { changes }: Pick<PlanFile, 'changes'>,
  flags: ApplyFlags,
): Promise<number> => {
  const report = createReport(flags);
  const pools = new Set(changes.flatMap((act) => ('act' in act ? [] : [act.pool])));
  let done = 0;
  reaper.on('orphan', (entry) => {
    if (flags.json) printJson('orphan', { entry });
  });
  reaper.on('pool', (outcome) => {
    const { pool, error } = outcome;
    pools.delete(pool);
    if (flags.json) printJson('pool', outcome);
    if (outcome.outcome === 'rescued' || outcome.outcome === 'cleaned') done += 1;
    else if (outcome.outcome === 'alive') report.add(pool, 'it is alive');
    else if (outcome.isMoved) report.add(pool, error ?? '');
    else if (!flags.json) print(`${pool}: given up, ${error ?? 'this reaper only plans'}`);
  });
  const summary = await reaper.rescue({
    acts: changes,
    ...(flags.grace === undefined ? {} : { grace: flags.grace }),
  });
  if (summary.suspended === undefined) for (const pool of pools) report.add(pool, 'it is alive or gone');
  const { done: doneNow = [], left = [] } = summary.applied ?? {};
  done += doneNow.length;
  for (const { act, why, isMoved } of left) {
    if (isMoved) report.add(nameOf(act), why);
    else if (!flags.json) print(`${nameOf(act)}: given up, ${why}`);
  }
  const counts = countsBy(changes.length, done, report.moved());
  if (flags.json) printJson('summary', { planned: changes.length, ...counts, rescue: summary });
  else print(...summaryOf(changes.length, counts, summary));
  return done < changes.length || summary.suspended !== undefined ? failed : 0;
};

const nameOf = (act: PlannedLiveAct): string =>
  act.act === 'rebuild-counters' ? `counters of ${act.type}` : `${act.id} in pool ${act.pool}`;

const countsBy = (planned: number, done: number, moved: number) => ({ done, moved, failed: planned - done - moved });

const isDone = ({ outcome }: JobOutcome): boolean => outcome === 'done' || outcome === 'enqueued';

const nothingToDo = ({ outcomes }: Pick<SweepSummary, 'outcomes'>): string[] =>
  Object.entries(outcomes).flatMap(([outcome, count]) => {
    const why = leftHooks[outcome as JobOutcome['outcome']];
    return why === undefined ? [] : [`nothing to do for ${countText(count)}: ${why}`];
  });

const whyMoved = ({ moved, facts, verdict, reason }: JobOutcome): string => {
  const now = `${facts.status === undefined ? '' : `it is ${facts.status}, `}a sweep would say ${verdict} (${reason})`;
  return `${moved === 'verdict' ? 'the same facts give another verdict now' : 'its facts have changed'}: ${now}`;
};

const summaryOf = (
  planned: number,
  counts: ReturnType<typeof countsBy>,
  { suspended, durationMs }: Pick<SweepSummary, 'suspended' | 'durationMs'>,
): string[] => [
  ...(suspended === undefined ? [] : [`suspended: ${suspended.message}`]),
  `${countText(planned)} planned: ${countsOf(counts)}, in ${countText(durationMs)} ms`,
];
