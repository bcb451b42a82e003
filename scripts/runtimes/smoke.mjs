// Runs in each runtime, where the package is installed: one sweep and one rescue, the probes and the inspector. Prints what
// they did, and ends by itself.
import { createReaper } from 'jobservice-reaper';

const { REAPER_REDIS: redis, REAPER_NAMESPACE: namespace } = process.env;
const reaper = createReaper({
  ...{ redis, namespace, logger: false },
  http: { port: 0 },
  inspect: { port: 0, announce: () => undefined },
});
const errors = [];
reaper.on('error', ({ code, message }) => errors.push(`${code}: ${message}`));
const { verdicts, hooks } = await reaper.sweep();
const { entries } = await reaper.rescue({ grace: 0 });
const statusOf = async (url) => (await fetch(url, { redirect: 'manual' })).status;
const served = [
  await statusOf(new URL('/readyz', await reaper.httpUrl())),
  await statusOf(new URL('/metrics', await reaper.httpUrl())),
  await statusOf(await reaper.inspectorUrl()),
];
await reaper.stop({ timeout: '10s' });
console.log(JSON.stringify({ verdicts, delivered: hooks.delivered, entries, served, errors }));
