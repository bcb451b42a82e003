import { beforeEach, expect, test } from 'vitest';
import { callCli } from '../support/cli.ts';
import { redisFixture } from '../support/fixture.ts';
import { second } from '../support/jobs.ts';

const { server } = await redisFixture();

const secret = 'hunter2';
/** Runs the command on the Redis and namespace of the test. */
const reaper = async (...args: string[]) => {
  const result = await callCli([...args, '--redis', server.url, '--namespace', '{t}']);
  expect(`${result.stdout}${result.stderr}`).not.toContain(secret);
  return result;
};
const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const entryOf = (id: string) => `{"name":"X","id":"${id}","t":1,"args":{"p":"${secret}"}}`;

/** A dead pool holds three jobs, of which two were recovered three times in the last hour. */
beforeEach(async () => {
  const { client } = server;
  await client.rpush('{t}:jobs:X:p9:inprogress', ...['a', 'good', 'b'].map(entryOf));
  for (const id of ['a', 'b']) {
    const deaths = [1, 2, 3].map((n) => [second(-3_600 + n), `p${n}`, second(-3_700)]);
    await client.hset('{t}:reaper:recoveries', id, JSON.stringify(deaths));
  }
});

test('rescue warns of each job that it quarantines, and the list shows its record', async () => {
  expect((await reaper('quarantine')).stdout).toBe('the quarantine is empty\n');
  const rescue = await reaper('rescue', '--grace', '0', '--verbose');
  expect(rescue.stdout).toMatch(/p9 {2}rescued {2}.* {2}1 X, 2 quarantined/);
  expect(rescue.stdout).toContain('jobs quarantined: 2 (see: reaper quarantine)');
  const warnings = lines(rescue.stderr).filter(({ msg }) => msg === 'a poison job was quarantined');
  expect(
    warnings.map(({ level, quarantined: { id, type, recoveries } }) => [level, id, type, recoveries.length]),
  ).toEqual([
    [40, 'b', 'X', 4],
    [40, 'a', 'X', 4],
  ]);
  expect(warnings[0].quarantined.recoveries.map(({ pool }: { pool: string }) => pool)).toEqual([
    'p1',
    'p2',
    'p3',
    'p9',
  ]);

  expect((await reaper('status')).stdout).toContain('dead 2, in quarantine 2');
  const { stdout } = await reaper('quarantine');
  expect(stdout).toMatch(/ a .* X .* 4 times since \S+Z .* p1 .* yes /);
  const { stdout: json } = await reaper('quarantine', 'list', '--id', 'b', '--json');
  expect(lines(json)).toMatchObject([{ type: 'quarantine', id: 'b', types: ['X'], isInDead: true }]);
});

test('release and drop act on jobs by id or type, and a plan only counts', async () => {
  await reaper('rescue', '--grace', '0');
  expect((await reaper('quarantine', 'release', '--type', 'X', '--plan')).stdout).toBe('would be requeued: 2\n');
  expect((await reaper('quarantine', 'release', '--id', 'a')).stdout).toBe('requeued: 1\n');
  expect(await server.client.lrange('{t}:jobs:X', 0, -1)).toEqual([entryOf('a'), entryOf('good')]);
  await server.client.del('{t}:dead');
  expect((await reaper('quarantine', 'drop', '--all')).stdout).toBe(
    'dropped: 0\nno longer among the dead jobs, already removed by another tool: 1\n',
  );
  expect((await reaper('quarantine')).stdout).toBe('the quarantine is empty\n');
});

test.each(['release', 'drop'])('%s needs a filter or --all', async (verb) => {
  const { code, stderr } = await reaper('quarantine', verb);
  expect(code).toBe(2);
  expect(stderr).toContain('--all');
});
