/** A reaper of a chaos run, as a process. Arguments: its config (JSON), its name, the folder of the run's logs. */
import { createReaper } from '../../../src/index.ts';
import { reaperOptions } from './reaperOptions.ts';
import { openRunLog } from './runLog.ts';

const [config = '', name = '', folder = ''] = process.argv.slice(2);
const note = openRunLog(folder, name);
const log = (text: string) => note({ what: 'detail', text });
process.on('disconnect', () => process.exit(0)); // The driver has ended.

const reaper = createReaper(reaperOptions(JSON.parse(config), name));
reaper.on('pool', ({ pool, outcome, entries, evidence, error }) =>
  log(`pool ${pool}: ${outcome}, ${entries} requeued; ${evidence}${error === undefined ? '' : `; ${error}`}`),
);
reaper.on('job', ({ id, verdict, reason, outcome, error }) => {
  // Only acts change something.
  if (verdict.startsWith('ke')) return;
  const text = `${verdict}, ${reason}: ${outcome}${error === undefined ? '' : `; ${error}`}`;
  note({ what: 'act', job: id, text });
});
reaper.on('orphan', (orphan) => {
  if (orphan.outcome !== 'requeued') return;
  const { id, pool, unobservedMs } = orphan;
  note({ what: 'act', job: id, text: `orphaned in ${pool}, unobserved for ${unobservedMs} ms: requeued` });
});
reaper.on('quarantine', ({ id }) => note({ what: 'act', job: id, text: 'quarantined' }));
reaper.on('rescue', ({ drift, undecided, error, suspended }) => {
  note({ what: 'pass', pass: 'rescue', undecided, error: error ?? suspended?.message });
  for (const { type, lockBefore, lock } of drift) log(`lock of ${type} was ${lockBefore}, is ${lock}`);
});
reaper.on('sweep', (summary) => {
  // Each of these reports that the sweep did not judge all jobs.
  const { scanned, error, suspended } = summary as typeof summary & {
    readonly suspended?: { readonly message: string };
  };
  note({ what: 'pass', pass: 'sweep', scanned, error: error ?? suspended?.message });
});
reaper.on('leader', ({ isThisHost }) => log(isThisHost ? 'leads' : 'follows'));
reaper.on('error', ({ where, message }) => log(`error: ${where}: ${message}`));
reaper.start();
process.send?.({ event: 'ready' });
