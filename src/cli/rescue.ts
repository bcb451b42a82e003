import type { Command } from 'commander';
import { ageText, countText } from '../ages.ts';
import {
  type OrphanOutcome,
  PassError,
  type PoolOutcome,
  type PoolTraces,
  type Reaper,
  ReaperError,
  type RescueProgress,
  type RescueSummary,
} from '../index.ts';
import { addNonEmpty, duration } from './arguments.ts';
import { printChangeGroups } from './changeGroups.ts';
import { configOf, reaperOf } from './config.ts';
import { failed, needsAttention, notFound } from './exitCodes.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import type { PlanWriter } from './planFile.ts';
import { type PlanFlags, planWriterOf, refusePlanFlags } from './planFlags.ts';
import { describeProgress, withProgress } from './progress.ts';
import { once } from './signals.ts';
import { complain, countsOf, finish, print, printJson } from './text.ts';

export const registerRescue = (program: Command): void => {
  const command = program
    .command('rescue')
    .description('run one rescue pass')
    .option('--plan', 'print what would be done, and change nothing')
    .option('--exit-code', 'with --plan: end with 3 if something would be done')
    .option('--out <file>', 'with --plan: write the changes into a file, for reaper apply')
    .option('--force', 'with --out: replace the file')
    .option('--pool <pool...>', 'only these pools', addNonEmpty)
    .option('--verbose', 'a line for each pool and each orphaned entry, instead of groups')
    .option('--grace <duration>', 'grace period of suspected pools in this pass, such as 15s; 0: no grace', duration);
  withProgress(command, 'reading pools');
  withExamples(command, {
    'what a rescue would do, and then do it': ['reaper rescue --plan', 'reaper rescue'],
    'one pool whose host is known to be dead, without a grace': 'reaper rescue --pool POOL --grace 0',
  });
  withOptions(command, 'redis', 'rescue', 'hooks', 'audit').action(async (flags: RescueFlags) => {
    refusePlanFlags(flags);
    const config = configOf(command);
    const reaper = reaperOf(config);
    const writer = planWriterOf('rescue', flags, config);
    finish(await once(reaper, () => rescue(reaper, flags, writer)).finally(() => writer?.discard()));
  });
};

interface RescueFlags extends PlanFlags {
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly pool?: readonly string[];
  readonly grace?: number;
}

/**
 * One rescue pass: its changes in groups, pools that were given up, the summary at the end. Exit code 1 if a pool was given up,
 * or none could be judged; 4 if it was asked for a pool that is not there.
 */
export const rescue = async (reaper: Reaper, flags: RescueFlags, writer?: PlanWriter): Promise<number> => {
  reaper.on('pool', (outcome) => {
    // The summary has all acts of a plan: their marks are long.
    const { act: _, ...ended } = outcome;
    if (flags.json) printJson('pool', ended);
    else if (flags.verbose || outcome.outcome === 'abandoned') print(poolLine(outcome));
  });
  reaper.on('orphan', (orphan) => {
    if (flags.json) printJson('orphan', { entry: orphan });
    else if (flags.verbose) print(orphanLine(orphan));
  });
  describeProgress(() => doing(reaper.rescueProgress()));
  const summary = await orNotFound(
    reaper.rescue({
      plan: flags.plan === true,
      ...(flags.grace === undefined ? {} : { grace: flags.grace }),
      ...(flags.pool === undefined ? {} : { pools: flags.pool }),
    }),
  );
  if (summary === undefined) return notFound;
  describeProgress(() => 'looking for what can run again');
  if (flags.json) printJson('summary', summary);
  else {
    if (!flags.verbose) printChangeGroups(summary.changes);
    print(...poolsPart(summary), ...entriesPart(summary), ...countersPart(summary), ...attentionPart(summary));
    print(lastLine(summary));
  }
  if (writer !== undefined && summary.suspended === undefined) {
    for (const act of summary.acts ?? []) writer.add(act);
    writer.finish();
    if (!flags.json)
      print(...notInFile(summary), `written: ${flags.out}. To do exactly this: reaper apply ${flags.out}`);
  }
  if (summary.pools.abandoned > 0 || summary.suspended !== undefined) return failed;
  return flags.exitCode && summary.changes.length > 0 ? needsAttention : 0;
};

/** Changes that are printed, and that no later step could compare with the plan. */
const notInFile = ({ drift, acts = [] }: RescueSummary): string[] => {
  const types = new Set(acts.flatMap((act) => ('act' in act && act.act === 'rebuild-counters' ? [act.type] : [])));
  return drift
    .filter(({ type }) => !types.has(type))
    .map(
      ({ type }) =>
        `not part of the plan file: the counters of ${type}, because it has too many lists to compare in one step; a rescue rebuilds them`,
    );
};

/** What a rescue does now, in words. */
export const doing = (progress: RescueProgress | undefined): string => {
  const { step = 'reading-pools', waiting = 0, graceLeftMs, pools = [] } = progress ?? {};
  const [pool, ...others] = pools;
  if (pool !== undefined) {
    const more = others.length === 0 ? '' : `, and ${count(others.length, 'other pool', 'other pools')}`;
    return `requeuing entries of pool ${pool.pool}: ${countText(pool.requeued)} of ${countText(pool.entries)}${more}`;
  }
  if (step === 'reading-pools' || step === 'rebuilding-counters') return words[step];
  if (graceLeftMs === undefined) return words[step];
  return `grace of ${count(waiting, 'suspected pool', 'suspected pools')}: ${Math.ceil(graceLeftMs / 1_000)} s left`;
};

const words: Readonly<Record<RescueProgress['step'], string>> = {
  'reading-pools': 'reading pools',
  'rebuilding-counters': 'rebuilding counters',
  'requeuing-orphans': 'looking for orphaned entries',
  'awaiting-second-try': 'waiting for a second look at entries that seem to be orphaned',
  'rescuing-pools': 'rescuing pools',
};

/** Reports a pool that is not there; undefined then. */
const orNotFound = (pass: Promise<RescueSummary>): Promise<RescueSummary | undefined> =>
  pass.catch((error: unknown) => {
    const cause = error instanceof PassError ? error.cause : undefined;
    if (!(cause instanceof ReaperError) || cause.code !== 'not-found') throw error;
    complain(`reaper: ${cause.message}`);
    return undefined;
  });

const poolsPart = ({ plan, suspended, alive, suspects, durationMs, pools }: RescueSummary): string[] => [
  ...(suspended === undefined ? [] : [`rescue suspended: ${suspended.message}`]),
  `${plan ? 'planned: ' : ''}${count(alive, 'pool', 'pools')} alive, ${countText(suspects)} suspected, in ${countText(durationMs)} ms`,
  `suspected pools: ${countsOf({ ...pools })}`,
];

const entriesPart = ({ plan, entries, orphaned, finished, quarantined, ...rest }: RescueSummary): string[] => [
  `entries of dead pools ${done(plan, 'requeued')}: ${countText(entries)}`,
  `orphaned entries of live pools ${done(plan, 'requeued')}: ${countText(orphaned)}`,
  ...(finished > 0 ? [`entries of jobs that have ended, ${done(plan, 'removed')}: ${countText(finished)}`] : []),
  ...(rest.undecided > 0
    ? [
        `undecided entries: ${countText(rest.undecided)} (a worker may still run them)`,
        `the oldest of them has been unobserved for ${ageText(rest.oldestUndecidedMs)}`,
      ]
    : []),
  ...(rest.unobserved.length > 0
    ? [`pools left as they are, because their workers record no observations: ${rest.unobserved.join(', ')}`]
    : []),
  ...(quarantined === 0
    ? []
    : [`jobs ${done(plan, 'quarantined')}: ${countText(quarantined)}${plan ? '' : ' (see: reaper quarantine)'}`]),
];

const countersPart = ({ plan, drift, changes }: RescueSummary): string[] => [
  ...changes.flatMap((change) => {
    if (change.act !== 'lock') return [];
    const off = drift.find(({ type }) => type === change.type)?.size.lock ?? 0;
    const was = off === 0 ? '' : `; it was off by ${countText(off)}`;
    return [
      `lock of ${change.type} ${done(plan, 'written')}: ${grouped(change.before)} → ${grouped(change.after)}${was}`,
    ];
  }),
  ...drift.flatMap(({ type, fields, size }) =>
    fields === 0
      ? []
      : [
          `lock_info of ${type} ${done(plan, 'rebuilt')}: ${count(fields, 'field', 'fields')}, off by ${countText(size.lockInfo)}`,
        ],
  ),
];

/** A counter as people read it. Redis may hold anything there. */
const grouped = (text: string): string => {
  if (text === '') return 'empty';
  return /^-?\d{1,15}$/.test(text) ? countText(Number(text)) : text;
};

const count = (number: number, one: string, many: string): string =>
  `${countText(number)} ${number === 1 ? one : many}`;

/** How to go on. */
const lastLine = ({ plan, suspended, changes }: RescueSummary): string => {
  if (!plan) return 'see what is left: reaper status';
  if (changes.length === 0 && suspended === undefined) return 'nothing would be changed';
  return 'nothing was changed; without --plan it would be';
};

const attentionPart = ({ clockAhead, unreadable }: RescueSummary): string[] => [
  ...(clockAhead === 0
    ? []
    : [`pools whose clock is ahead of Redis: ${countText(clockAhead)}; correct the clocks of their hosts`]),
  ...unreadable.map((fault) => `cannot be read: ${fault}`),
];

const done = (plan: boolean, what: string): string => (plan ? `that would be ${what}` : what);

const poolLine = (ended: PoolOutcome): string => {
  const { pool, outcome, evidence, moved, quarantined, poison = [], deregistered, error } = ended;
  return [
    pool,
    outcome,
    evidence,
    countsOf({ ...moved, ...(quarantined === 0 ? {} : { quarantined }) }),
    ...(poison.length === 0 ? [] : [`quarantine of ${poison.map(({ id }) => id).join(', ')}`]),
    ...(deregistered === undefined
      ? []
      : [`${outcome === 'planned' ? 'would be removed' : 'removed'}: ${tracesOf(deregistered)}`]),
    ...(error === undefined ? [] : [error]),
  ].join('  ');
};

const tracesOf = ({ isRegistered, hasHeartbeat, lockInfo }: PoolTraces): string =>
  [
    ...(isRegistered ? ['registration'] : []),
    ...(hasHeartbeat ? ['heartbeat'] : []),
    ...(lockInfo.length === 0 ? [] : [`lock_info of ${lockInfo.join(', ')}`]),
  ].join(', ') || 'nothing else';

const orphanLine = (orphan: OrphanOutcome): string => {
  const { id, type, pool, plan, outcome } = orphan;
  const why =
    outcome === 'requeued'
      ? `no worker of ${pool} has run it for ${ageText(orphan.unobservedMs)}`
      : `${pool} held it, and its job ended in Success ${ageText(orphan.endedMs)} ago`;
  return `${id}  ${plan ? 'would be ' : ''}${outcome}  ${type}  ${why}`;
};
