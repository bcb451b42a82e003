/** A reaper of a chaos run, as a process of its own. Arguments: port of Redis, its name, folder of the run's logs. */
import { createReaper } from '../../../src/index.ts';
import { reaperOptions } from './reaperOptions.ts';
import { openRunLog } from './runLog.ts';

const [port = '', name = '', folder = ''] = process.argv.slice(2);
const note = openRunLog(folder, name);
const say = (text: string) => note({ what: 'said', text });
process.on('disconnect', () => process.exit(0)); // The driver is gone.

const reaper = createReaper(reaperOptions(Number(port)));
reaper.on('pool', ({ pool, outcome, entries, evidence, error }) =>
  say(`pool ${pool}: ${outcome}, ${entries} put back; ${evidence}${error === undefined ? '' : `; ${error}`}`),
);
reaper.on('job', ({ id, verdict, reason, outcome, error }) => {
  if (verdict === 'kept') return;
  const text = `${verdict}, ${reason}: ${outcome}${error === undefined ? '' : `; ${error}`}`;
  note({ what: 'acted', job: id, text });
});
reaper.on('rescue', ({ drift }) => {
  for (const { type, lockBefore, lock } of drift) say(`lock of ${type} was ${lockBefore}, is ${lock}`);
});
reaper.on('error', ({ where, error }) => say(`fault: ${where}: ${error}`));
reaper.start();
process.send?.('ready');
