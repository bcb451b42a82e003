import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createReaper, type JobOutcome, type Reaper, type ReaperOptions } from '../../src/index.ts';
import { decodeAck } from '../../src/io/jobs/stats.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { type HookEndpoint, startHookEndpoint } from '../support/hookEndpoint.ts';
import { judgedFingerprint } from '../support/jobs.ts';
import { type RedisServer, startRedis } from '../support/redisServer.ts';
import { judgedFields } from '../support/scriptSetUps/values.ts';
import { readState, type State, writeState } from '../support/states.ts';

let server: RedisServer;
let hookEndpoint: HookEndpoint;
beforeAll(async () => {
  [server, hookEndpoint] = await Promise.all([startRedis(), startHookEndpoint()]);
});
afterAll(() => Promise.all([server.stop(), hookEndpoint.stop()]));

const now = Math.floor(Date.now() / 1_000);
const track = 't:job_track:inprogress';
const status = fc.constantFrom('Pending', 'Scheduled', 'Running', 'Success', 'Stopped', 'Error');
const time = fc.constantFrom(now, now - 30, now - 600, now - 86_500, now - 10_000_000, now + 5_000).map(String);
const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('', '0', '-1', '1.5', 'soon', '1e3', '99999999999999999999'),
);
const often = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: usual, weight: 8 }, { arbitrary: odd, weight: 1 });

const ackText = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({
        status,
        revision: fc.constantFrom(now, now - 600, now - 10_000_000),
        check_in_at: fc.constantFrom(0, now),
      })
      .map((ack) => JSON.stringify(ack)),
  },
  { weight: 1, arbitrary: fc.json({ maxDepth: 3 }) },
  { weight: 1, arbitrary: oddText },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{"status":"Running","revision":NaN}',
      '{"status":"Running","revision":1e400}',
      '{"status":"Running"',
      '['.repeat(2_000),
      '{"status":"Error","revision":9007199254740993}',
    ),
  },
);

const stats = fc
  .record(
    {
      name: fc.constantFrom('X', 'Y'),
      kind: fc.constantFrom('Generic', 'Scheduled', 'Periodic', 'Odd'),
      status: often<string>(status, oddText),
      update_time: often(time, oddText),
      revision: often(time, oddText),
      enqueue_time: often(time, oddText),
      check_in_at: often(time, oddText),
      run_at: often(fc.oneof(time, fc.constant('0')), oddText),
      web_hook_url: fc.constantFrom('', '  ', 'HOOK/200/x', 'HOOK/500/x', 'HOOK/close/x', 'not a url', 'ftp://x/y'),
      ack: ackText,
      parameters: fc.oneof(fc.json({ maxDepth: 2 }), oddText),
      unique: oddText,
    },
    { requiredKeys: ['name'] },
  )
  .map(
    (fields) =>
      Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Record<string, string>,
  );

const job = fc.record({
  id: fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter((id) => Buffer.from(id).toString() === id),
  stats: fc.option(stats, { freq: 6 }),
  isString: fc.boolean(),
  count: fc.constantFrom('2', '1', '0', '-1', 'many', '', '7'),
});

const put = async (
  jobs: readonly { id: string; stats: Record<string, string> | null; isString: boolean; count: string }[],
) => {
  await server.client.flushall();
  for (const each of jobs) {
    if (each.stats !== null) {
      const url = each.stats.web_hook_url?.replace('HOOK', hookEndpoint.url);
      await server.client.hset(`t:job_stats:${each.id}`, {
        ...each.stats,
        id: each.id,
        ...(url === undefined ? {} : { web_hook_url: url }),
      });
    } else if (each.isString) await server.client.set(`t:job_stats:${each.id}`, 'no hash');
    await server.client.hset(track, each.id, each.count);
  }
};

/**
 * One reaper for all runs of a property: what it remembers of one must not matter in the next. No grace ends while a test runs, however
 * long it takes: the second sweep would send hooks that the first one has left.
 */
const withReaper = async (act: (reaper: Reaper) => Promise<void>, options: Partial<ReaperOptions> = {}) => {
  const hooks = { headerTimeout: 2_000 };
  const reaper = createReaper({
    redis: server.client,
    namespace: 't',
    logger: false,
    hooks,
    refireGrace: '1h',
    ...options,
  });
  try {
    await act(reaper);
  } finally {
    await reaper.stop({ timeout: 0 });
  }
};

const sweep = async (reaper: Reaper) => {
  const outcomes = new Map<string, JobOutcome>();
  const note = (outcome: JobOutcome) => void outcomes.set(outcome.id, outcome);
  reaper.on('job', note);
  await reaper.sweep();
  reaper.off('job', note);
  return { outcomes, after: await readState(server.client) };
};

/** Times to live run on by themselves. */
const still = (state: State) =>
  Object.fromEntries(Object.entries(state).map(([key, { type, value }]) => [key, { type, value }]));

test('for any records, a sweep throws and loses nothing, and a second sweep has nothing to do', () =>
  withReaper((reaper) =>
    fc.assert(
      fc.asyncProperty(fc.uniqueArray(job, { selector: ({ id }) => id, minLength: 1, maxLength: 12 }), async (jobs) => {
        await put(jobs);
        const before = await readState(server.client);
        const first = await sweep(reaper);
        expect(first.outcomes.size).toBe(jobs.length);
        for (const { id } of jobs) {
          const key = `t:job_stats:${id}`;
          const { verdict, reason, outcome, error } = first.outcomes.get(id) as JobOutcome;
          expect([outcome, error]).not.toContain('abandoned');
          // No stats are ever removed, and a record that cannot be read is left as it is.
          expect(first.after[key] === undefined).toBe(before[key] === undefined);
          if (verdict === 'keep')
            expect([first.after[key], first.after[track]?.value[id]]).toEqual([before[key], before[track]?.value[id]]);
          if (reason === 'malformed') expect(verdict).toBe('keep');
          // Only what is final or has no stats leaves the tracking hash.
          const isTracked = first.after[track]?.value[id] !== undefined;
          const final = ['Success', 'Stopped', 'Error'].includes(first.after[key]?.value.status);
          if (!isTracked) expect(final || before[key] === undefined).toBe(true);
        }
        // What the first sweep made final is untracked by the second one; nothing else happens, and then nothing at all.
        const second = await sweep(reaper);
        for (const { verdict, reason, outcome } of second.outcomes.values()) {
          expect(['keep', 'untrack', 'refire']).toContain(verdict);
          if (verdict === 'untrack') expect(['acknowledged', 'no-endpoint']).toContain(reason);
          expect(outcome).not.toBe('overtaken');
        }
        const third = await sweep(reaper);
        expect(still(third.after)).toEqual(still(second.after));
        for (const [key, { value }] of Object.entries(still(first.after))) {
          if (key !== track) expect(still(second.after)[key]?.value).toEqual(value);
        }
      }),
      { numRuns: 120 },
    ),
  ));

test('Lua and TypeScript agree on which ACKs can be read', async () => {
  const scripts = createScripts(server.client);
  await fc.assert(
    fc.asyncProperty(ackText, async (text) => {
      await server.client.flushall();
      // One that can be read as newer refuses an older ACK; one that cannot is none, and gives way.
      await server.client.hset('t:job_stats:a', { status: 'Pending', revision: 0, ack: text });
      const reply = await scripts.run('acknowledge', ['t:job_stats:a', track], ['Pending', -9_000_000_000, 0, 'a']);
      const ack = decodeAck(text);
      const isOlder = ack !== 'unreadable' && ack !== undefined && ack.revision > -9_000_000_000;
      // Stats of a newer revision refuse it too where there is no readable ack: revision 0 is newer.
      expect(reply).toEqual({ outcome: 'refused' });
      await server.client.hset('t:job_stats:a', { revision: -9_000_000_001 });
      const again = await scripts.run('acknowledge', ['t:job_stats:a', track], ['Pending', -9_000_000_000, 0, 'a']);
      expect(again).toEqual({ outcome: isOlder ? 'refused' : 'done' });
    }),
    { numRuns: 300 },
  );
});

test('Lua and TypeScript make the same fingerprint of any bytes, and another one of each change', async () => {
  const scripts = createScripts(server.client);
  const text = fc.oneof(fc.uint8Array({ maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 6 }), oddText);
  const values = fc.dictionary(fc.constantFrom(...judgedFields, 'web_hook_url', 'parameters'), text.map(Buffer.from), {
    minKeys: 1,
  });
  const isUnchanged = async (judged: string) =>
    (await scripts.run('untrack', ['t:job_stats:j', track], ['j', judged])).outcome === 'done';
  await fc.assert(
    fc.asyncProperty(values, fc.constantFrom(...judgedFields), async (fields, changed) => {
      await server.client.flushall();
      await server.client.hset('t:job_stats:j', fields);
      const judged = await judgedFingerprint(server.client, 't:job_stats:j');
      expect(await isUnchanged(judged)).toBe(true);
      await server.client.hset(
        't:job_stats:j',
        changed,
        Buffer.concat([fields[changed] ?? Buffer.of(), Buffer.of(255)]),
      );
      expect(await isUnchanged(judged)).toBe(false);
    }),
    { numRuns: 200 },
  );
});

test('for any pools, a rescue keeps every entry and corrects the counters, and a second rescue changes nothing', async () => {
  const pool = fc.record({
    name: fc.constantFrom('p1', 'p2', 'p3', 'p4'),
    isRegistered: fc.boolean(),
    heartbeat: fc.option(fc.constantFrom(String(now), String(now - 5_000), 'soon', '')),
    held: fc.dictionary(fc.constantFrom('X', 'Y:Z'), fc.array(oddText, { maxLength: 5 }), { maxKeys: 2 }),
    counts: fc.dictionary(fc.constantFrom('X', 'Y:Z'), fc.constantFrom('0', '3', '-2', 'x'), { maxKeys: 2 }),
  });
  const locks = fc.dictionary(fc.constantFrom('X', 'Y:Z'), fc.constantFrom('0', '5', '-3', 'x'), { maxKeys: 2 });
  await withReaper(
    (reaper) =>
      fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(pool, { selector: ({ name }) => name, maxLength: 4 }),
          locks,
          async (pools, lock) => {
            await server.client.flushall();
            const entries: string[] = [];
            const state: Record<string, State[string]> = {};
            for (const { name, isRegistered, heartbeat, held, counts } of pools) {
              if (isRegistered) await server.client.sadd('t:worker_pools', name);
              if (heartbeat !== null)
                state[`t:worker_pools:${name}`] = {
                  type: 'hash',
                  value: {
                    heartbeat_at: heartbeat === String(now) ? String(Math.floor(Date.now() / 1_000)) : heartbeat,
                  },
                };
              for (const [type, list] of Object.entries(held)) {
                if (list.length > 0) state[`t:jobs:${type}:${name}:inprogress`] = { type: 'list', value: list };
                entries.push(...list.map((entry) => `${type} ${entry}`));
              }
              for (const [type, count] of Object.entries(counts))
                await server.client.hset(`t:jobs:${type}:lock_info`, name, count);
            }
            await writeState(server.client, state);
            for (const [type, value] of Object.entries(lock)) await server.client.set(`t:jobs:${type}:lock`, value);
            const alive = pools
              .filter(({ isRegistered, heartbeat }) => isRegistered && heartbeat === String(now))
              .map(({ name }) => name);

            // A heartbeat that nothing else names belongs to no pool: it is not a suspect, and stays.
            const isNamed = ({ isRegistered, held, counts }: (typeof pools)[number]) =>
              isRegistered || Object.values(held).some((list) => list.length > 0) || Object.keys(counts).length > 0;
            const beating = pools
              .filter((each) => each.heartbeat !== null && (alive.includes(each.name) || !isNamed(each)))
              .map(({ name }) => `t:worker_pools:${name}`);

            await reaper.rescue({ grace: 0 });
            const after = await readState(server.client);
            const found: string[] = [];
            for (const type of ['X', 'Y:Z']) {
              let sum = 0;
              found.push(...((after[`t:jobs:${type}`]?.value as string[]) ?? []).map((entry) => `${type} ${entry}`));
              for (const { name, held } of pools) {
                const list: string[] = after[`t:jobs:${type}:${name}:inprogress`]?.value ?? [];
                found.push(...list.map((entry) => `${type} ${entry}`));
                expect(list).toEqual(alive.includes(name) ? (held[type] ?? []) : []);
                sum += list.length;
                expect(Number(after[`t:jobs:${type}:lock_info`]?.value[name] ?? 0)).toBe(list.length);
              }
              expect(Number(after[`t:jobs:${type}:lock`]?.value ?? 0)).toBe(sum);
            }
            expect(found.sort()).toEqual(entries.sort());
            expect(
              Object.keys(after)
                .filter((key) => key.startsWith('t:worker_pools:'))
                .sort(),
            ).toEqual(beating.sort());
            await reaper.rescue({ grace: 0 });
            expect(await readState(server.client)).toEqual(after);
          },
        ),
        { numRuns: 80 },
      ),
    { jobTypes: ['X', 'Y:Z'] },
  );
});
