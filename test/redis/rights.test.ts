import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { rightsPage, withRights } from '../../scripts/rights.ts';
import { createReaper, type Reaper } from '../../src/index.ts';
import { aclRules, rightsFor } from '../../src/io/redis/rights.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { hasFineRights, type RedisServer, redisVersion, startRedis } from '../support/redisServer.ts';
import { namespace, runSurface, surfaceOptions } from '../support/surface.ts';

const database = 2;
let server: RedisServer;
let hookEndpoint: HookEndpoint;
let admin: Redis;
const reapers: Reaper[] = [];

beforeAll(async () => {
  server = await startRedis();
  hookEndpoint = await startHookEndpoint();
  admin = new Redis({ port: server.port, db: database });
});
beforeEach(async () => {
  await admin.flushall();
  await admin.acl('SETUSER', 'reaper', 'reset', 'on', '>secret', ...aclRules(namespace, redisVersion));
  await admin.call('ACL', 'LOG', 'RESET');
});
afterEach(async () => {
  await Promise.all(reapers.splice(0).map((reaper) => reaper.stop({ timeout: 0 })));
});
afterAll(async () => {
  admin.disconnect();
  await hookEndpoint.stop();
  await server.stop();
});

const create = () => {
  const reaper = createReaper({
    ...surfaceOptions,
    redis: `redis://reaper:secret@127.0.0.1:${server.port}/${database}`,
  });
  reapers.push(reaper);
  return reaper;
};

/** Commands that need no right. */
const free = new Set(['HELLO', 'AUTH', 'QUIT', 'RESET']);
const nameOf = ([command = '', sub = '']: readonly string[]) =>
  command.toUpperCase() === 'CLIENT' ? `CLIENT|${sub.toUpperCase()}` : command.toUpperCase();

/** What others than the test's own client run, scripts included, until `stop`. */
const watchCommands = async () => {
  const monitor = await admin.monitor();
  const own = `127.0.0.1:${(admin as unknown as { stream: { localPort: number } }).stream.localPort}`;
  const used = new Set<string>();
  const end = 'the end of this watch';
  const ended = new Promise<void>((resolve) => {
    monitor.on('monitor', (_: string, args: string[], source: string) => {
      if (args[1] === end) resolve();
      if (source !== own && !free.has(nameOf(args))) used.add(nameOf(args));
    });
  });
  return async () => {
    await admin.echo(end);
    await ended;
    monitor.disconnect();
    return used;
  };
};

const refusals = async () => {
  const log = (await admin.call('ACL', 'LOG')) as unknown[];
  return log.map((entry) => (Array.isArray(entry) ? entry.join(' ') : JSON.stringify(entry)));
};

/** Runs everything, scheduled passes too. */
const runAll = async () => {
  const reaper = create();
  const errors: string[] = [];
  reaper.on('error', ({ where, message }) => errors.push(`${where}: ${message}`));
  await runSurface(admin, reaper, hookEndpoint);
  const passes = Promise.all(
    (['sweep', 'rescue'] as const).map((pass) => new Promise((resolve) => reaper.on(pass, resolve))),
  );
  reaper.start();
  await passes;
  await reaper.stop();
  expect(errors).toEqual([]);
};

test.runIf(hasFineRights)('src/io/redis/rights.ts names each command that a reaper runs, and no other', async () => {
  await admin.acl('SETUSER', 'reaper', 'allkeys', 'allcommands');
  const stop = await watchCommands();
  await runAll();
  const used = await stop();
  const named = new Set(rightsFor(redisVersion).map(({ command }) => command));
  // Not empty: add them to `sentCommands`.
  expect([...used].filter((command) => !named.has(command))).toEqual([]);
  // Not empty: take them out, or let test/support/surface.ts run them.
  expect([...named].filter((command) => !used.has(command))).toEqual([]);
});

test.runIf(hasFineRights)('a user with the ACL line and no other right is refused nothing', async () => {
  await runAll();
  expect(await refusals()).toEqual([]);
});

test('docs/rights.md has the rights as they are', () => {
  const text = readFileSync(rightsPage, 'utf8');
  // If not: npm run rights
  expect(text).toBe(withRights(text));
  expect(text).toContain(`ACL SETUSER reaper on '>PASSWORD' '~{harbor_job_service_namespace}:*' +client|info `);
});

test.runIf(hasFineRights).each(rightsFor(redisVersion))(
  'without $command doctor names it, with what to do, and does not die',
  async (right) => {
    const reaper = create();
    // Without SELECT no new connection gets into its database; one that is there stays there.
    if (right.command === 'SELECT') await reaper.ping();
    await admin.acl('SETUSER', 'reaper', `-${right.command.toLowerCase()}`);
    const report = await reaper.doctor();
    expect(report.ok).toBe(false);
    const named = report.checks.filter(({ what, ok }) => what === 'rights' && !ok);
    expect(named.map(({ detail }) => detail)).toEqual([
      expect.stringContaining(`no right to run ${right.command.replace('|', ' ')}; without it `),
      // What creates its key can be asked for by a script only.
      ...(right.command === 'EVAL' ? [expect.stringMatching(/^these cannot be checked without EVAL: [A-Z, ]+$/)] : []),
    ]);
    expect(named[0]).toMatchObject({
      todo: expect.stringMatching(`ACL SETUSER <user> \\${`+${right.command.toLowerCase()}`.replace('|', '\\|')}$`),
      isBlocking: right.isNeeded,
    });
    // Each of the checks is there, whatever may be asked.
    const all = ['version', 'role', 'cluster', 'database', 'rights', 'namespace', 'keys', 'eviction', 'clock'];
    expect([...new Set(report.checks.map(({ what }) => what))]).toEqual(all);
    expect(report.checks.filter(({ detail }) => detail.startsWith('could not be checked'))).toEqual([]);
  },
);
