import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { lineOf } from '../../src/cli/doctor.ts';
import { wantsColors } from '../../src/cli/text.ts';
import { aclRules } from '../../src/io/redis/rights.ts';
import { visible } from '../../src/visible.ts';
import { callCli, launchCli, runCli, watchCli } from '../support/cli.ts';
import { hasFineRights, type RedisServer, redisVersion, startRedis } from '../support/redisServer.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => server.client.flushall());

const secret = 'hunter2';
const user = 'some-body';
const on = (redis: string, namespace = '{t}') => ['--redis', redis, '--namespace', namespace];
const doctorBy = async (run: typeof callCli | typeof runCli, redis: string, ...more: string[]) => {
  const result = await run(['doctor', ...more, ...on(redis)]);
  // No part of what stands before the @ of the URL.
  for (const part of [secret, user]) expect(`${result.stdout}${result.stderr}`).not.toContain(part);
  return result;
};
const doctor = (redis: string, ...more: string[]) => doctorBy(callCli, redis, ...more);
/** The URL of a user with the rights that are needed, and with the rules given. */
const allow = async (...more: string[]) => {
  await server.client.acl('SETUSER', user, 'reset', 'on', `>${secret}`, ...aclRules('{t}', redisVersion), ...more);
  return `redis://${user}:${secret}@127.0.0.1:${server.port}`;
};

describe('exit codes', () => {
  test('0 if everything is fine', async () => {
    await server.client.sadd('{t}:known_jobs', 'X');
    const { code, stdout, stderr } = await doctorBy(runCli, await allow());
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^namespace \{t\} on 127\.0\.0\.1:\d+\/0\nok {2}version {4}Redis /);
    expect(stdout).toMatch(/\neverything is fine\n$/);
  });

  test('3 if something needs attention: it is named, with advice', async () => {
    const { code, stdout } = await doctorBy(runCli, await allow('-ltrim'));
    expect(code).toBe(3);
    expect(stdout).toMatch(/!! {2}rights {5}no right to run LTRIM; .*\n {15}to do: ACL SETUSER <user> \+ltrim\n/);
    expect(stdout).toMatch(/1 of \d+ checks need attention\n$/);
  });

  test.each(['ping', 'info', 'eval', 'time', 'type', 'scan', 'exists', ...(hasFineRights ? ['client|info'] : [])])(
    '3 without %s, not 1',
    async (command) => {
      const { code, stdout } = await doctor(await allow(`-${command}`));
      expect(code).toBe(3);
      expect(stdout).toContain(`no right to run ${command.toUpperCase().replace('|', ' ')}; without it`);
    },
  );

  test('1 if Redis cannot be reached, or does not accept the password', async () => {
    const away = await doctor('redis://127.0.0.1:1');
    expect([away.code, away.stdout]).toEqual([1, '']);
    expect(away.stderr).toContain('cannot be reached');
    await allow();
    const refused = await doctorBy(runCli, `redis://${user}:wrong@127.0.0.1:${server.port}`);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toContain('WRONGPASS');
  });

  test('fault 101: 3 if the database is refused, with the report, as from code', async () => {
    const { code, stdout } = await doctor(`${server.url}/99`, '--json');
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      checks: [{ what: 'database', ok: false, detail: expect.stringContaining('database 99'), isBlocking: true }],
    });
    const asText = await doctor(`${await allow('-select')}/3`);
    expect([asText.code, asText.stdout]).toEqual([3, expect.stringMatching(/!! {2}database .*\n +to do: .*\+select/)]);
  });

  test('2 for wrong usage', async () => {
    const { code, stderr } = await callCli(['doctor', '--redis', server.url]);
    expect(code).toBe(2);
    expect(stderr).toContain('--namespace');
    expect((await callCli(['doctor', '--plan', ...on(server.url)])).code).toBe(2);
  });
});

test('--json gives the same, with a schema', async () => {
  await server.client.set('{t}:jobs:X', 'x');
  const { code, stdout } = await doctor(server.url, '--json');
  expect(code).toBe(3);
  expect(stdout.trim()).not.toContain('\n');
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ schema: 1, type: 'doctor', ok: false, namespace: '{t}' });
  expect(report.checks).toContainEqual({
    what: 'keys',
    ok: false,
    detail: '{t}:jobs:X holds a string, where a list is needed',
    todo: expect.any(String),
    isBlocking: false,
  });
  expect(report.checks).toContainEqual({ what: 'role', ok: true, detail: 'master', isBlocking: false });
});

test('control characters in names are escaped, and a pipe gets no colours', async () => {
  const name = 'a\u001b[31m\u009b2J\nok  version';
  await server.client.set(`{t}:jobs:${name}`, 'x');
  for (const more of [[], ['--json']]) {
    const { stdout } = await doctor(server.url, ...more);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    expect(stdout).not.toMatch(/[\u001b\u009b]/);
    expect(stdout).toContain('\\u001b[31m\\u009b2J');
  }
  expect(JSON.parse((await doctor(server.url, '--json')).stdout).checks).toContainEqual(
    expect.objectContaining({ detail: `{t}:jobs:${name} holds a string, where a list is needed` }),
  );
});

test('colours are used on a terminal that supports them', () => {
  const terminal = { isTTY: true } as NodeJS.WriteStream;
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'xterm');
  expect([wantsColors(terminal), wantsColors({} as NodeJS.WriteStream)]).toEqual([true, false]);
  vi.stubEnv('TERM', 'dumb');
  expect(wantsColors(terminal)).toBe(false);
  vi.stubEnv('TERM', 'xterm');
  vi.stubEnv('NO_COLOR', '1');
  expect(wantsColors(terminal)).toBe(false);
  vi.unstubAllEnvs();
  const check = { what: 'role', ok: true, detail: 'master', todo: undefined, isBlocking: false };
  expect([lineOf(check), lineOf(check, true)]).toEqual([
    'ok  role       master',
    '\u001b[32mok\u001b[0m  role       master',
  ]);
  expect(visible('a\u202eb\u2028')).toBe('a\\u202eb\\u2028');
});

describe('run', () => {
  test('does not start without a right that it needs: exit code 1, with advice', async () => {
    await server.client.rpush('{t}:jobs:X:dead1:inprogress', 'x');
    const { code, stdout, stderr } = await runCli(['run', ...on(await allow('-ltrim'))]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('no right to run LTRIM; without it these stop: rescues of dead pools');
    expect(stderr).toContain('to do: ACL SETUSER <user> +ltrim');
    expect(stderr).not.toContain('reaper: started');
    expect(stderr).not.toContain(secret);
    expect(await server.client.exists('{t}:reaper:lease')).toBe(0);
  });

  test('does not start on a replica', async () => {
    const replica = await startRedis('--replicaof', '127.0.0.1', String(server.port));
    const { code, stderr } = await runCli(['run', ...on(replica.url)]);
    await replica.stop();
    expect(code).toBe(1);
    expect(stderr).toContain('this Redis is a read-only replica');
  });

  test.runIf(hasFineRights)('warns of missing rights that are optional, and starts', async () => {
    const child = launchCli(['run', ...on(await allow('-client|setname'))]);
    const { output, ended } = watchCli(child);
    await vi.waitUntil(() => output.stderr.includes('reaper: started'));
    expect(output.stderr).toContain('no right to run CLIENT SETNAME');
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });

  test('starts while Redis is down, says so, and works once Redis is up', async () => {
    const later = await startRedis();
    await later.kill();
    const child = launchCli(['run', '--rescue-interval', '100ms', ...on(later.url)]);
    const { output, ended } = watchCli(child);
    await vi.waitUntil(() => output.stderr.includes('reaper: started'));
    expect(output.stderr).toContain('ECONNREFUSED');
    await later.restart();
    await vi.waitUntil(() => later.client.exists('{t}:reaper:lease'));
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    await later.stop();
  });
});
