import type { FinishedEntry, OrphanedEntry, PoolOutcome, PoolTraces, Reaper } from '../index.ts';
import { countsOf } from './shared.ts';
import { print, printJson } from './text.ts';

/** One look for dead pools, each as it ends, the summary last. Exit code 1 where a pool was given up, or none judged. */
export const rescue = async (
  reaper: Reaper,
  flags: { json?: boolean; plan?: boolean; grace?: number },
): Promise<number> => {
  reaper.on('pool', (outcome) => (flags.json ? printJson({ type: 'pool', ...outcome }) : print(lineOf(outcome))));
  reaper.on('lost', (entry) => (flags.json ? printJson({ type: 'lost', entry }) : print(orphanLine(entry))));
  reaper.on('finished', (entry) =>
    flags.json ? printJson({ type: 'finished', entry }) : print(lineOfFinished(entry)),
  );
  const summary = await reaper.rescue({
    plan: flags.plan === true,
    ...(flags.grace === undefined ? {} : { grace: flags.grace }),
  });
  if (flags.json) printJson({ type: 'summary', ...summary });
  else {
    print(
      ...[
        ...(summary.suspended === undefined ? [] : [`no pool was judged: ${summary.suspended}`]),
        `${summary.plan ? 'planned: ' : ''}${summary.alive} pools alive, ${summary.suspects} suspected, in ${summary.durationMs} ms`,
        `suspected pools: ${countsOf({ ...summary.pools })}`,
        `entries ${summary.plan ? 'that would be put back' : 'put back'}: ${summary.entries}`,
        `lost on live pools, ${summary.plan ? 'would be put back' : 'put back'}: ${summary.lost}`,
        ...(summary.finished > 0
          ? [`entries of ended jobs, ${summary.plan ? 'would be removed' : 'removed'}: ${summary.finished}`]
          : []),
        ...(summary.undecided > 0
          ? [
              `entries that look lost, left since nothing says that nobody runs them: ${summary.undecided}`, // prose-ok
              `the oldest of them has been unobserved for ${summary.oldestUndecidedS} s`,
            ]
          : []),
        ...(summary.unobserved.length > 0
          ? [`pools whose workers never say what they run, left alone: ${summary.unobserved.join(', ')}`]
          : []),
        ...(summary.quarantined === 0
          ? []
          : [
              summary.plan
                ? `would be put in quarantine: ${summary.quarantined}`
                : `put in quarantine: ${summary.quarantined} (see: reaper quarantine)`,
            ]),
        ...summary.drift.map(
          ({ type, lockBefore, lock, fields, size }) =>
            `counters of ${type} ${summary.plan ? 'would be rebuilt' : 'rebuilt'}: lock ${lockBefore} → ${lock}, off by ${size.lock}; ${fields} fields, off by ${size.lockInfo}`,
        ),
        ...summary.changes.flatMap((change) =>
          change.act === 'lock'
            ? [
                `lock of ${change.type}, ${summary.plan ? 'would be written' : 'written'}: ${change.before} → ${change.after}`,
              ]
            : [],
        ),
        ...(summary.clockAhead === 0
          ? []
          : [`pools whose clock is ahead of Redis: ${summary.clockAhead}; set the clocks of their hosts right`]),
        ...summary.unreadable.map((fault) => `can not be read: ${fault}`),
      ],
    );
  }
  return summary.pools.abandoned > 0 || summary.suspended !== undefined ? 1 : 0;
};

const lineOf = ({
  pool,
  outcome,
  evidence,
  moved,
  quarantined,
  poison = [],
  deregistered,
  error,
}: PoolOutcome): string =>
  [
    pool,
    outcome,
    evidence,
    countsOf({ ...moved, ...(quarantined === 0 ? {} : { 'put in quarantine': quarantined }) }),
    ...(poison.length === 0 ? [] : [`quarantine of ${poison.map(({ id }) => id).join(', ')}`]),
    ...(deregistered === undefined
      ? []
      : [`${outcome === 'planned' ? 'would be removed' : 'removed'}: ${tracesOf(deregistered)}`]),
    ...(error === undefined ? [] : [error]),
  ].join('  ');

const tracesOf = ({ isRegistered, hasHeartbeat, lockInfo }: PoolTraces): string =>
  [
    ...(isRegistered ? ['registration'] : []),
    ...(hasHeartbeat ? ['heartbeat'] : []),
    ...(lockInfo.length === 0 ? [] : [`lock_info of ${lockInfo.join(', ')}`]),
  ].join(', ') || 'nothing else';

const orphanLine = ({ id, type, pool, unobservedS, plan }: OrphanedEntry): string =>
  `${id}  ${plan ? 'would be put back' : 'put back'}  ${type}  no worker of ${pool} has run it for ${unobservedS} s`;

const lineOfFinished = ({ id, type, pool, endedS, plan }: FinishedEntry): string =>
  `${id}  ${plan ? 'would be removed' : 'removed'}  ${type}  ${pool} held it, and its job ended in Success ${endedS} s ago`;
