/** docs/incident.md: its commands, run on the Redis of the incident, show what the page says, and image scans run again. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { namespace } from '../../examples/incident/namespace.ts';
import { counters } from '../../examples/incident/scenario.ts';
import { type Incident, seedIncident } from '../../examples/incident/seed.ts';
import { robotSecret } from '../../examples/incident/types.ts';
import { liveOf, startWorkers, type Workers } from '../../examples/incident/workers.ts';
import { keysOf } from '../../src/io/redis/keys.ts';
import { packageRoot } from '../../src/package.ts';
import { runCli } from '../support/cli.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';

const { redis, server } = await redisFixture();
const core = await hookEndpointFixture();
const keys = keysOf(namespace);
const type = 'IMAGE_SCAN';

/** A command of the page, and what the page shows of its output. */
interface Step {
  readonly args: readonly string[];
  readonly shown: string;
}
const stepsOf = (page: string): Step[] =>
  [...page.matchAll(/^```console\n\$ npx jobservice-reaper(.*)\n([\s\S]*?)^```/gm)].map(
    ([, args = '', shown = '']) => ({
      args: args.split(' ').filter((word) => word !== ''),
      shown,
    }),
  );
const page = readFileSync(`${packageRoot}docs/incident.md`, 'utf8');
const steps = stepsOf(page);

/** A text without what differs from run to run: numbers, ages, ids, and where lines and cells end. */
const settled = (text: string): string =>
  text
    .replace(/\b[0-9a-f]{24}\b/g, 'ID')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/\b\d+ (d|h|min|s)\b( \d+ (h|min|s)\b)?/g, 'AGE')
    .replace(/\d[\d,.]*/g, 'N')
    .replace(/[┌┬┐├┼┤└┴┘─│\s]+/g, ' ')
    .trim();
/** The first part of what the page shows that is not in the output, at its place; undefined if all of it is. */
const missingPart = (shown: string, output: string): string | undefined => {
  let from = 0;
  for (const part of shown.split(/^…$/m).map(settled)) {
    const at = output.indexOf(part, from);
    if (at < 0) return part;
    from = at + part.length;
  }
  return undefined;
};

/** The commands that an output names: in a text, or as the commands of the help. */
const namesOf = (output: string): string[] =>
  [...output.matchAll(/\breaper ([a-z][\w -]*\w)$|^ {2}([a-z]+) /gm)].map(([, text, ofHelp]) => text ?? ofHelp ?? '');

let incident: Incident;
let workers: Workers;
beforeEach(async () => {
  core.answer = (_, response) => response.writeHead(200).end();
  incident = await seedIncident(redis, { size: 5_000, endpoints: { core: new URL(core.url).origin } });
  workers = await startWorkers(redis, server.url, incident);
});
afterEach(() => workers.stop());

const runningOf = async () => {
  const held = await Promise.all(incident.pools.live.map(({ id }) => redis.llen(keys.inProgress(type, id))));
  return held.reduce((sum, count) => sum + count, 0);
};

test('at most four commands, each found in the output of the one before, and the stuck type runs', async () => {
  expect(steps.length).toBeGreaterThan(1);
  expect(steps.length).toBeLessThanOrEqual(4);
  const environment = {
    REAPER_REDIS: server.url,
    REAPER_NAMESPACE: namespace,
    // A shorter pass; and the heartbeats of this process may be late on a busy machine.
    ...{ REAPER_RESCUE_GRACE: '1s', REAPER_RESCUE_HEARTBEAT_TIMEOUT: '60s' },
  };
  for (const pool of incident.pools.live) expect(await liveOf(redis, pool).fetch(type)).toBeNull();

  let before: string | undefined;
  for (const { args, shown } of steps) {
    if (before !== undefined) expect(namesOf(before), before).toContain(args.join(' '));
    const { stdout, stderr } = await runCli(args, environment);
    const output = `${stdout}${stderr}`;
    expect(missingPart(shown, settled(output)), output).toBeUndefined();
    expect(output).not.toContain(robotSecret);
    // The workers of the live pools have taken jobs as soon as they could.
    if (args[0] === 'rescue' && !args.includes('--plan')) await vi.waitUntil(async () => (await runningOf()) > 3);
    before = output;
  }

  await vi.waitUntil(async () => Number(await redis.get(keys.lock(type))) === (await runningOf()));
  expect(Number(await redis.get(keys.lock(type)))).toBeLessThan(counters[type]?.cap ?? 0);
  const [pool] = incident.pools.live;
  expect(await liveOf(redis, pool as (typeof incident.pools.live)[number]).fetch(type)).not.toBeNull();
});
