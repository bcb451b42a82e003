/** What a person names is done, and nothing else: retry and drop of hooks. A real Redis, a real endpoint, the real command. */
import { describe, expect, test } from 'vitest';
import { OptionsError, type Reaper } from '../../src/index.ts';
import { callCli } from '../support/cli.ts';
import { hookEndpointFixture, redisFixture } from '../support/fixture.ts';
import type { HookEndpoint } from '../support/hookEndpoint.ts';
import { seedJob } from '../support/jobs.ts';

const [{ server, opened }, hookEndpoint, other] = await Promise.all([
  redisFixture(),
  hookEndpointFixture(),
  hookEndpointFixture(),
]);

const create = (options = {}): Reaper => opened.create({ redis: server.url, ...options });
const cli = (...args: string[]) => callCli([...args, '--redis', server.url, '--namespace', 't']);
const idsAt = ({ hooks }: HookEndpoint) => hooks.map(({ body }) => body.job_id).sort();
const recordOf = (id: string) => server.client.hget('t:reaper:hooks', id);
const all = () => server.client.hgetall('t:reaper:hooks');
const dueAt = (id: string) => server.client.zscore(`t:reaper:hooks:due:${hookEndpoint.url}`, id);

/** A hook that waits: due now, later or parked. */
const seedHook = async (
  id: string,
  {
    to = hookEndpoint,
    state = 'due',
    answer = '-',
  }: { to?: HookEndpoint; state?: 'due' | 'later' | 'parked'; answer?: string } = {},
) => {
  const at = await seedJob(server.client, id, { web_hook_url: `${to.url}/200/x`, status: 'Success' });
  const kind = state === 'parked' ? 'parked' : 'pending';
  await server.client.hset('t:reaper:hooks', id, `${kind} Success:${at} ${to.url} 1 ${at} ${at} ${answer}`);
  if (state === 'parked') await server.client.zadd('t:reaper:hooks:parked', Date.now(), id);
  else {
    await server.client.zadd(`t:reaper:hooks:due:${to.url}`, Date.now() + (state === 'due' ? -1_000 : 3_600_000), id);
    await server.client.sadd('t:reaper:hooks:origins', to.url);
  }
};
const seedThree = async () => {
  await seedHook('a');
  await seedHook('b');
  await seedHook('c', { state: 'parked', answer: '404' });
  await seedHook('elsewhere', { to: other });
};
const others = async () => {
  const { c: _, ...rest } = await all();
  return [rest, await dueAt('a'), await dueAt('b')];
};

describe('fault 124: hooks retry sends what the filter names, and nothing else', () => {
  test('by the command, although other hooks are due for the same and other endpoints', async () => {
    await seedThree();
    const before = await others();
    const { stdout, code } = await cli('hooks', 'retry', '--id', 'c');
    expect([stdout, code]).toEqual(['retried: 1\n', 0]);
    expect([idsAt(hookEndpoint), idsAt(other)]).toEqual([['c'], []]);
    expect(await recordOf('c')).toBeNull();
    expect(await others()).toEqual(before);
  });

  test('by the API of a reaper that was not started', async () => {
    await seedThree();
    const before = await others();
    const reaper = create();
    expect(await reaper.hooks.retry({ id: 'c' })).toBe(1);
    await reaper.hooks.quiet();
    expect([idsAt(hookEndpoint), idsAt(other)]).toEqual([['c'], []]);
    expect(await others()).toEqual(before);
  });

  test('sends nothing if nothing matches, if another reaper has claimed it, or in a plan', async () => {
    await seedThree();
    const before = await all();
    const reapers = [create(), create(), create()];
    const filters = [{ id: 'none' }, { reason: '404', id: 'a' }, { id: 'c' }];
    for (const [i, reaper] of reapers.entries()) {
      const count = await reaper.hooks.retry(filters[i] as object, { plan: i === 2 });
      expect(count).toBe(i === 2 ? 1 : 0);
      await reaper.hooks.quiet();
    }
    expect([idsAt(hookEndpoint), idsAt(other)]).toEqual([[], []]);
    expect(await all()).toEqual(before);
  });

  test('by endpoint and reason together: both must match', async () => {
    await seedThree();
    await seedHook('d', { to: other, state: 'parked', answer: '404' });
    await seedHook('e', { state: 'parked', answer: '400' });
    await cli('hooks', 'retry', '--endpoint', `${hookEndpoint.url}/some/path`, '--reason', '404');
    expect([idsAt(hookEndpoint), idsAt(other)]).toEqual([['c'], []]);
    const { hooks } = create();
    expect(await hooks.retry({ id: 'e', reason: '404' })).toBe(0);
    expect(await hooks.drop({ id: 'e', endpoint: other.url })).toBe(0);
    expect(idsAt(hookEndpoint)).toEqual(['c']);
    expect(await recordOf('e')).toMatch(/ 400$/);
  });

  test('a plan counts no hook that the act leaves: one whose id is not UTF-8', async () => {
    await seedThree();
    const broken = Buffer.from([0x62, 0xff]);
    await server.client.hset('t:reaper:hooks', broken, `parked Success:5 ${hookEndpoint.url} 3 5 5 404`);
    for (const verb of ['retry', 'drop'] as const) {
      const { hooks } = create();
      for (const filter of [{}, { reason: '404' }, { endpoint: hookEndpoint.url }]) {
        const planned: string[] = [];
        const count = await hooks[verb](filter, { plan: true, onRecord: ({ id }) => void planned.push(id) });
        expect([count, planned]).toEqual([planned.length, expect.not.arrayContaining([broken.toString()])]);
      }
      const planned = await hooks[verb]({ reason: '404' }, { plan: true });
      expect([planned, await hooks[verb]({ reason: '404' })]).toEqual([1, 1]);
      await hooks.quiet();
      await seedHook('c', { state: 'parked', answer: '404' });
    }
  });

  test.each(['c*', '*', 'a,c', 'C', ' c', 'c ', 'c:1', '../c', '-c'])(
    'an id is meant to the letter: %j',
    async (id) => {
      await seedThree();
      const before = await all();
      const reaper = create();
      expect([await reaper.hooks.retry({ id }), await reaper.hooks.drop({ id })]).toEqual([0, 0]);
      expect([idsAt(hookEndpoint), idsAt(other)]).toEqual([[], []]);
      expect(await all()).toEqual(before);
      await seedHook(id, { state: 'parked' });
      expect(await reaper.hooks.retry({ id })).toBe(1);
      await reaper.hooks.quiet();
      expect(idsAt(hookEndpoint)).toEqual([id]);
    },
  );

  test('an empty or missing value is refused and changes nothing', async () => {
    await seedThree();
    const before = await all();
    const { code, stderr } = await cli('hooks', 'drop', '--id', '', '--all');
    expect([code, stderr]).toEqual([2, expect.stringContaining('must not be empty')]);
    const { hooks, quarantine } = create();
    for (const filter of [
      { id: '' },
      { id: undefined },
      { job: 'c' },
      { endpoint: '' },
      { state: 'dead' },
      undefined,
    ]) {
      await expect(hooks.drop(filter as never)).rejects.toThrow(OptionsError);
      await expect(hooks.retry(filter as never)).rejects.toThrow(OptionsError);
      await expect(quarantine.drop(filter as never)).rejects.toThrow(OptionsError);
      await expect(quarantine.release(filter as never)).rejects.toThrow(OptionsError);
    }
    expect(await all()).toEqual(before);
    const unknown = await cli('hooks', 'drop', '--endpoint', 'https://unknown.example');
    expect([unknown.code, unknown.stdout]).toEqual([0, 'dropped: 0\n']);
    expect(unknown.stderr).toContain('nothing matches --endpoint https://unknown.example');
    expect(await all()).toEqual(before);
    const glob = await cli('hooks', 'drop', '--id', '*');
    expect([glob.code, glob.stdout]).toEqual([4, 'dropped: 0\n']);
    expect(await all()).toEqual(before);
  });

  test('drop changes no other hook', async () => {
    await seedThree();
    const before = await others();
    expect(await create().hooks.drop({ id: 'c' })).toBe(1);
    expect(await recordOf('c')).toMatch(/^parked .* dropped$/);
    expect(await others()).toEqual(before);
    expect(idsAt(hookEndpoint)).toEqual([]);
  });

  test('a reaper that only plans moves and sends nothing', async () => {
    await seedThree();
    const before = await all();
    const { hooks } = create({ plan: true });
    const named: string[] = [];
    expect(await hooks.retry({ id: 'c' }, { onRecord: ({ id }) => named.push(id) })).toBe(1);
    expect(await hooks.drop({})).toBe(4);
    await hooks.quiet();
    expect(named).toEqual(['c']);
    expect(await all()).toEqual(before);
    expect([idsAt(hookEndpoint), idsAt(other)]).toEqual([[], []]);
  });

  test('a plan names the same items as the act', async () => {
    await seedThree();
    const items = (text: string) =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter(({ type }) => type === 'hook')
        .map(({ plan: _, ...item }) => item)
        .sort((a, b) => (a.id < b.id ? -1 : 1));
    const plan = await cli('hooks', 'retry', '--endpoint', hookEndpoint.url, '--json', '--plan');
    const act = await cli('hooks', 'retry', '--endpoint', hookEndpoint.url, '--json');
    expect(items(plan.stdout).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(items(act.stdout)).toEqual(items(plan.stdout));
    expect(idsAt(hookEndpoint)).toEqual(['a', 'b', 'c']);
    expect(plan.stdout + act.stdout).not.toContain('/200/x');
  });
});

test('fault 150: hooks retry ends only after all selected hooks were sent', async () => {
  const ids = Array.from({ length: 60 }, (_, i) => `j${i}`);
  await Promise.all(ids.map((id) => seedHook(id, { state: 'parked', answer: '404' })));
  const { stdout } = await cli('hooks', 'retry', '--reason', '404');
  expect(stdout).toBe('retried: 60\n');
  expect(idsAt(hookEndpoint)).toEqual(ids.toSorted());
  expect(await all()).toEqual({});
});

test('fault 124: hooks behind an open circuit are not sent, and the command does not wait for them', async () => {
  await seedThree();
  await server.client.hset(`t:reaper:hooks:endpoint:${hookEndpoint.url}`, {
    failures: 10,
    opens: 1,
    open_until: Date.now() + 590_000,
  });
  const { stdout, code } = await cli('hooks', 'retry', '--id', 'c');
  expect(stdout).toContain('retried: 1\n');
  expect(stdout).toContain('circuit open for');
  expect(code).toBe(0);
  expect(idsAt(hookEndpoint)).toEqual([]);
  expect(await recordOf('c')).toMatch(/^asked /);
});

test('fault 124: an endpoint that has recovered gets only the selected hooks, at the drain rate', async () => {
  const ids = Array.from({ length: 12 }, (_, i) => `j${i}`);
  await Promise.all(ids.map((id) => seedHook(id, { state: 'parked', answer: '404' })));
  await seedThree();
  await server.client.hset(`t:reaper:hooks:endpoint:${hookEndpoint.url}`, { tokens: 1, tokens_at: Date.now() });
  const reaper = create();
  await server.client.hdel('t:reaper:hooks', 'c');
  await reaper.hooks.retry({ reason: '404' });
  await reaper.hooks.quiet();
  expect(idsAt(hookEndpoint)).toEqual(ids.toSorted());
});
