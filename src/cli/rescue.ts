import type { Command } from 'commander';
import type { OrphanOutcome, PoolOutcome, PoolTraces, Reaper, RescueProgress, RescueSummary } from '../index.ts';
import { duration } from './arguments.ts';
import { configOf, reaperOf } from './config.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { describeProgress, withProgress } from './progress.ts';
import { once } from './signals.ts';
import { countsOf, finish, print, printJson } from './text.ts';

export const registerRescue = (program: Command): void => {
  const command = program
    .command('rescue')
    .description('run one rescue pass')
    .option('--plan', 'print what would be done, and change nothing')
    .option('--grace <duration>', 'grace period of suspected pools in this pass, such as 15s; 0: no grace', duration);
  withProgress(command, 'reading pools');
  withExamples(command, {
    'what a rescue would do, and then do it': ['reaper rescue --plan', 'reaper rescue'],
    'pools whose hosts are known to be dead, without a grace': 'reaper rescue --grace 0',
  });
  withOptions(command, 'redis', 'rescue', 'hooks', 'audit').action(async (flags: RescueFlags) => {
    const reaper = reaperOf(configOf(command));
    finish(await once(reaper, () => rescue(reaper, flags)));
  });
};

interface RescueFlags {
  readonly json?: boolean;
  readonly plan?: boolean;
  readonly grace?: number;
}

/**
 * One rescue pass: a line for each pool and each orphaned entry, the summary at the end. Exit code 1 if a pool was given up, or
 * none could be judged.
 */
export const rescue = async (reaper: Reaper, flags: RescueFlags): Promise<number> => {
  reaper.on('pool', (outcome) => (flags.json ? printJson({ type: 'pool', ...outcome }) : print(poolLine(outcome))));
  reaper.on('orphan', (orphan) =>
    flags.json ? printJson({ type: 'orphan', entry: orphan }) : print(orphanLine(orphan)),
  );
  describeProgress(() => doing(reaper.rescueProgress()));
  const summary = await reaper.rescue({
    plan: flags.plan === true,
    ...(flags.grace === undefined ? {} : { grace: flags.grace }),
  });
  if (flags.json) printJson({ type: 'summary', ...summary });
  else print(...poolsPart(summary), ...entriesPart(summary), ...countersPart(summary), ...attentionPart(summary));
  return summary.pools.abandoned > 0 || summary.suspended !== undefined ? 1 : 0;
};

/** What a rescue does now, in words. */
export const doing = (progress: RescueProgress | undefined): string => {
  const { step = 'reading-pools', waiting = 0, graceLeftMs, pools = [] } = progress ?? {};
  const [pool, ...others] = pools;
  if (pool !== undefined) {
    const more = others.length === 0 ? '' : `, and ${others.length} other pools`;
    return `requeuing entries of pool ${pool.pool}: ${pool.requeued} of ${pool.entries}${more}`;
  }
  if (step === 'reading-pools' || step === 'rebuilding-counters') return words[step];
  if (graceLeftMs === undefined) return words[step];
  return `grace of ${waiting} suspected ${waiting === 1 ? 'pool' : 'pools'}: ${Math.ceil(graceLeftMs / 1_000)} s left`;
};

const words: Readonly<Record<RescueProgress['step'], string>> = {
  'reading-pools': 'reading pools',
  'rebuilding-counters': 'rebuilding counters',
  'requeuing-orphans': 'looking for orphaned entries',
  'awaiting-second-try': 'waiting for a second look at entries that seem to be orphaned',
  'rescuing-pools': 'rescuing pools',
};

const poolsPart = ({ plan, suspended, alive, suspects, durationMs, pools }: RescueSummary): string[] => [
  ...(suspended === undefined ? [] : [`rescue suspended: ${suspended.message}`]),
  `${plan ? 'planned: ' : ''}${alive} pools alive, ${suspects} suspected, in ${durationMs} ms`,
  `suspected pools: ${countsOf({ ...pools })}`,
];

const entriesPart = ({ plan, entries, orphaned, finished, quarantined, ...rest }: RescueSummary): string[] => [
  `entries of dead pools ${done(plan, 'requeued')}: ${entries}`,
  `orphaned entries of live pools ${done(plan, 'requeued')}: ${orphaned}`,
  ...(finished > 0 ? [`entries of jobs that have ended, ${done(plan, 'removed')}: ${finished}`] : []),
  ...(rest.undecided > 0
    ? [
        `undecided entries: ${rest.undecided} (a worker may still run them)`,
        `the oldest of them has been unobserved for ${rest.oldestUndecidedMs / 1_000} s`,
      ]
    : []),
  ...(rest.unobserved.length > 0
    ? [`pools left as they are, because their workers record no observations: ${rest.unobserved.join(', ')}`]
    : []),
  ...(quarantined === 0
    ? []
    : [`jobs ${done(plan, 'quarantined')}: ${quarantined}${plan ? '' : ' (see: reaper quarantine)'}`]),
];

const countersPart = ({ plan, drift, changes }: RescueSummary): string[] => [
  ...drift.map(
    ({ type, lockBefore, lock, fields, size }) =>
      `counters of ${type} ${done(plan, 'rebuilt')}: lock ${lockBefore} → ${lock}, off by ${size.lock}; ${fields} fields, off by ${size.lockInfo}`,
  ),
  ...changes.flatMap((change) =>
    change.act === 'lock'
      ? [`lock of ${change.type} ${done(plan, 'written')}: ${change.before} → ${change.after}`]
      : [],
  ),
];

const attentionPart = ({ clockAhead, unreadable }: RescueSummary): string[] => [
  ...(clockAhead === 0
    ? []
    : [`pools whose clock is ahead of Redis: ${clockAhead}; correct the clocks of their hosts`]),
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
      ? `no worker of ${pool} has run it for ${orphan.unobservedMs / 1_000} s`
      : `${pool} held it, and its job ended in Success ${orphan.endedMs / 1_000} s ago`;
  return `${id}  ${plan ? 'would be ' : ''}${outcome}  ${type}  ${why}`;
};
