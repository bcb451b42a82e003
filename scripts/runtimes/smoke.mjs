// Runs in each runtime, where the package is installed: one sweep and one rescue. Prints what they did, and ends by itself.
import { createReaper } from 'jobservice-reaper';

const { REAPER_REDIS: redis, REAPER_NAMESPACE: namespace } = process.env;
const reaper = createReaper({ redis, namespace, logger: false });
const errors = [];
reaper.on('error', ({ code, message }) => errors.push(`${code}: ${message}`));
const { verdicts, hooks } = await reaper.sweep();
const { entries } = await reaper.rescue({ grace: 0 });
await reaper.stop({ timeout: '10s' });
console.log(JSON.stringify({ verdicts, delivered: hooks.delivered, entries, errors }));
