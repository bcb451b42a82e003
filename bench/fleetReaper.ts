/** A reaper at default settings, as a process. */
import { createReaper } from '../src/index.ts';
import { namespace } from './support.ts';

const reaper = createReaper({ redis: process.argv[2] as string, namespace, logger: false });
reaper.on('error', (error) => console.error(error));
await reaper.ping();
reaper.start();
process.on('disconnect', () => process.exit());
process.send?.('started');
