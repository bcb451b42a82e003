import type { PoolOutcome, Reaper } from '../index.ts';
import { countsOf, print, printJson } from './shared.ts';

/** One look for dead pools, each as it ends, the summary last. Exit code 1 where a pool was given up, or none judged. */
export const rescue = async (
  reaper: Reaper,
  flags: { json?: boolean; plan?: boolean; grace?: number },
): Promise<number> => {
  reaper.on('pool', (outcome) => (flags.json ? printJson({ type: 'pool', ...outcome }) : print(lineOf(outcome))));
  const summary = await reaper.rescue({
    plan: flags.plan === true,
    ...(flags.grace === undefined ? {} : { grace: flags.grace }),
  });
  if (flags.json) printJson({ type: 'summary', ...summary });
  else {
    print(
      [
        ...(summary.standsDown === undefined ? [] : [`no pool was judged: ${summary.standsDown}`]),
        `${summary.plan ? 'planned: ' : ''}${summary.alive} pools alive, ${summary.suspects} suspected, in ${summary.durationMs} ms`,
        `suspected pools: ${countsOf({ ...summary.pools })}`,
        `entries ${summary.plan ? 'that would be put back' : 'put back'}: ${summary.entries}`,
        ...summary.drift.map(
          ({ type, lockBefore, lock, fields }) =>
            `counters of ${type} rebuilt: lock ${lockBefore} → ${lock}, ${fields} fields`,
        ),
        ...summary.unreadable.map((fault) => `counters that can not be read, left as they are: ${fault}`),
      ].join('\n'),
    );
  }
  return summary.pools.abandoned > 0 || summary.standsDown !== undefined ? 1 : 0;
};

const lineOf = ({ pool, outcome, evidence, moved, error }: PoolOutcome): string =>
  [pool, outcome, evidence, countsOf(moved), ...(error === undefined ? [] : [error])].join('  ');
