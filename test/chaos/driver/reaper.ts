/** A reaper of a chaos run, as a process of its own. Arguments: its config (JSON), its name, folder of the run's logs. */
import { createReaper } from '../../../src/index.ts';
import { reaperOptions } from './reaperOptions.ts';
import { openRunLog } from './runLog.ts';

const [config = '', name = '', folder = ''] = process.argv.slice(2);
const note = openRunLog(folder, name);
const say = (text: string) => note({ what: 'said', text });
process.on('disconnect', () => process.exit(0)); // The driver is gone.

const reaper = createReaper(reaperOptions(JSON.parse(config), name));
reaper.on('pool', ({ pool, outcome, entries, evidence, error }) =>
  say(`pool ${pool}: ${outcome}, ${entries} requeued; ${evidence}${error === undefined ? '' : `; ${error}`}`),
);
reaper.on('job', ({ id, verdict, reason, outcome, error }) => {
  // A verdict that is none of the acts changes nothing.
  if (verdict.startsWith('ke')) return;
  const text = `${verdict}, ${reason}: ${outcome}${error === undefined ? '' : `; ${error}`}`;
  note({ what: 'acted', job: id, text });
});
reaper.on('orphan', (orphan) => {
  if (orphan.outcome !== 'requeued') return;
  const { id, pool, unobservedMs } = orphan;
  note({ what: 'acted', job: id, text: `orphaned in ${pool}, unobserved for ${unobservedMs} ms: requeued` });
});
reaper.on('quarantine', ({ id }) => note({ what: 'acted', job: id, text: 'quarantined' }));
reaper.on('rescue', ({ drift, undecided, error, suspended }) => {
  note({ what: 'pass', pass: 'rescue', undecided, error: error ?? suspended });
  for (const { type, lockBefore, lock } of drift) say(`lock of ${type} was ${lockBefore}, is ${lock}`);
});
reaper.on('sweep', (summary) => {
  // A sweep says that it did not judge all by any of these.
  const { scanned, error, suspended } = summary as typeof summary & { readonly suspended?: string };
  note({ what: 'pass', pass: 'sweep', scanned, error: error ?? suspended });
});
reaper.on('leader', ({ isThisHost }) => say(isThisHost ? 'leads' : 'follows'));
reaper.on('error', ({ where, message }) => say(`fault: ${where}: ${message}`));
reaper.start();
process.send?.({ event: 'ready' });
