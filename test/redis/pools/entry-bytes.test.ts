import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import type { Reaper } from '../../../src/index.ts';
import { countTimers, createTestClock } from '../../support/clock.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second, seedJob } from '../../support/jobs.ts';

// An entry is what gocraft removes by its bytes. So whatever these are, they come out of each path as they went in, or stay.

const { server, redis, opened, keys } = await redisFixture();

const list = keys.inProgress('X', 'p');
const bytesOf = (...parts: (string | Buffer)[]) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const sorted = (entries: readonly Buffer[]) => entries.map((entry) => entry.toString('latin1')).sort();
const read = async (key: string) => sorted(await redis.lrangeBuffer(key, 0, -1));
const hold = async (pool: string, entries: readonly Buffer[]) => {
  await redis.rpush(keys.inProgress('X', pool), ...entries);
  await redis.set(keys.lock('X'), entries.length);
  await redis.hset(keys.lockInfo('X'), pool, entries.length);
};

/** Bytes that may stand within a string of JSON: any, but for a quote, a backslash and control characters. */
const innerBytes = fc
  .uint8Array({ minLength: 1, maxLength: 30 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte < 32 || byte === 34 || byte === 92 ? 255 : byte))));
/** Values of JSON that decoding and encoding would change, if it did not refuse them. */
const oddValue = fc.oneof(
  innerBytes.map((bytes) => bytesOf('"', bytes, '"')),
  fc
    .constantFrom('"\\ud800"', '"\\u0000"', '"\\u00e9\\/"', '12345678901234567890', '1e400', '-0.0E+7', '[ {} , null ]')
    .map((text) => Buffer.from(text)),
);
/** An entry that its worker can run, of the job `id`. */
const oddEntry = (id: string) =>
  fc
    .record({ name: innerBytes, value: oddValue, space: fc.constantFrom('', ' ', '\t', '\n  ') })
    .map(({ name, value, space }) =>
      bytesOf(`{"name":"X`, name, `",${space}"id":"${id}","t":${second(60)},"args":{"a":`, value, `}${space}}`, space),
    );
const oddEntries = (prefix: string, count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => fc.sample(oddEntry(`${prefix}${i}`), { numRuns: 1, seed: seed + i })).flat();
/** Bytes that are not an entry at all, and entries whose id is not valid UTF-8. */
const brokenEntries = (count: number, seed: number) =>
  fc.sample(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      innerBytes.map((bytes) => bytesOf('{"name":"X","id":"\xe9', Buffer.from([0xff]), bytes, '","t":1,"args":null}')),
      innerBytes.map((bytes) => bytesOf('{"name":"X","id":"a","args":"\0', bytes, '"}\0')),
    ),
    { numRuns: count, seed },
  );

test('fault 146: entries of a dead pool go to their queue as the same bytes, for any bytes', async () => {
  const entries = [...oddEntries('a', 100, 1), ...brokenEntries(100, 2)];
  await redis.sadd(keys.pools, 'p');
  await redis.sadd(keys.knownJobs, 'X');
  await hold('p', entries);
  const { entries: moved } = await opened.create({ redis: server.url }).rescue({ grace: 0 });
  expect(moved).toBe(entries.length);
  expect(await read(keys.queue('X'))).toEqual(sorted(entries));
  expect(await redis.exists(list)).toBe(0);
});

test('fault 146: orphaned entries are requeued, and those of ended jobs removed, as their bytes; others stay and are reported', async () => {
  const orphaned = oddEntries('orphaned', 30, 3);
  const ended = oddEntries('ended', 30, 4);
  const broken = [...new Map(brokenEntries(30, 5).map((entry) => [entry.toString('latin1'), entry])).values()];
  for (const [i] of orphaned.entries()) await seedJob(redis, `orphaned${i}`, { status: 'Pending' });
  for (const [i] of ended.entries()) await seedJob(redis, `ended${i}`, { status: 'Success' });
  await hold(
    'p',
    orphaned.flatMap((entry, i) => [entry, ended[i] as Buffer, ...broken.slice(i, i + 1)]),
  );
  const beat = async () => {
    await redis.sadd(keys.pools, 'p');
    await redis.hset(keys.heartbeat('p'), { heartbeat_at: second(), job_names: 'X', worker_ids: 'w' });
    await redis.hset(keys.worker('w'), { job_name: 'X', job_id: 'other', started_at: second(), args: '' });
  };
  const lines: string[] = [];
  const clock = createTestClock();
  const logger = pino({}, { write: (line: string) => void lines.push(line) });
  const reaper = opened.create({ redis: server.url, clock, role: 'always', logger });
  const passes: { undecided: number }[] = [];
  reaper.on('rescue', (summary) => passes.push(summary));
  await beat();
  const timers = countTimers(clock);
  reaper.start();
  for (const [i, ms] of [5_000, 10_000, 10_000, 10_000, 10_000].entries()) {
    await beat();
    await vi.waitUntil(() => timers(10_000) === i); // The next pass waits for its time.
    clock.advance(ms);
    await vi.waitUntil(() => passes.length === i + 1);
  }
  expect(await read(keys.queue('X'))).toEqual(sorted(orphaned));
  expect(await read(list)).toEqual(sorted(broken));
  expect(passes.at(-1)?.undecided).toBe(broken.length);
  const named = broken.filter((entry) => {
    const digest = createHash('sha1').update(entry).digest('hex');
    return lines.some((line) => line.includes(digest));
  });
  // Those with an id that can be read are named by it.
  const byId = broken.filter((entry) => entry.includes('"id":"a"'));
  expect(named.length + byId.length).toBe(broken.length);
});

/** Jobs whose entries have any bytes, after a rescue has put them into quarantine. */
const quarantined = async (count: number, seed: number) => {
  const entries = oddEntries('bad', count, seed);
  const deaths = JSON.stringify([3, 2, 1].map((age) => [second(-age), `q${age}`, '']));
  await redis.sadd(keys.pools, 'p');
  await redis.sadd(keys.knownJobs, 'X');
  await hold('p', entries);
  for (const [i] of entries.entries()) await redis.hset(keys.recoveries, `bad${i}`, deaths);
  const reaper = opened.create({ redis: server.url });
  expect(await reaper.rescue({ grace: 0 })).toMatchObject({ entries: 0, quarantined: entries.length });
  return { reaper, entries };
};
/** Undoes all acts of this kind. */
const undoAll = async (reaper: Reaper, what: string, count: number) => {
  const ids: string[] = [];
  for await (const page of reaper.audit.list())
    ids.push(...page.filter((entry) => entry.what === what).map(({ id }) => id));
  const outcomes = await reaper.audit.undo(ids);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(count).fill('done'));
};

test('fault 146: a poison job moves to dead and back as the same bytes', async () => {
  const { reaper, entries } = await quarantined(40, 6);
  const members = sorted(await redis.zrangeBuffer(keys.dead, '0', '-1'));
  for (const entry of sorted(entries)) {
    // Up to the brace that ends it nothing is changed.
    const start = entry.slice(0, entry.lastIndexOf('}')).trimEnd();
    expect(members.filter((member) => member.startsWith(start))).toHaveLength(1);
  }
  expect(await reaper.quarantine.release({})).toEqual({ done: entries.length, gone: 0 });
  expect(await read(keys.queue('X'))).toEqual(sorted(entries));
  expect(await redis.exists(keys.dead, keys.quarantine)).toBe(0);
});

test('fault 146: the undo of a quarantine puts the same bytes into the queue', async () => {
  const { reaper, entries } = await quarantined(20, 9);
  await undoAll(reaper, 'quarantine', entries.length);
  expect(await read(keys.queue('X'))).toEqual(sorted(entries));
  expect(await redis.exists(keys.dead, keys.quarantine)).toBe(0);
});

test('fault 146: the undo of a drop puts the same bytes into dead and into the quarantine', async () => {
  const { reaper, entries } = await quarantined(20, 10);
  const inDead = async () => sorted(await redis.zrangeBuffer(keys.dead, '0', '-1', 'WITHSCORES'));
  const inQuarantine = async () => sorted(Object.values(await redis.hgetallBuffer(keys.quarantine)));
  const before = [await inDead(), await inQuarantine()];
  expect(await reaper.quarantine.drop({})).toEqual({ done: entries.length, gone: 0 });
  expect(await redis.exists(keys.dead, keys.quarantine)).toBe(0);
  await undoAll(reaper, 'drop-quarantined', entries.length);
  expect([await inDead(), await inQuarantine()]).toEqual(before);
  expect(await reaper.quarantine.release({})).toEqual({ done: entries.length, gone: 0 });
  expect(await read(keys.queue('X'))).toEqual(sorted(entries));
});

test('fault 146: the entry of a job is found among entries of any bytes', async () => {
  await seedJob(redis, 'odd0', { status: 'Pending', age: 200_000 });
  const [entry] = oddEntries('odd', 1, 7) as [Buffer];
  await redis.lpush(keys.queue('X'), ...brokenEntries(20, 8), entry);
  const reaper = opened.create({ redis: server.url });
  expect(await reaper.explain('odd0')).toMatchObject({ verdict: 'keep', places: [{ kind: 'queue', type: 'X' }] });
  expect((await reaper.sweep()).verdicts).toEqual({ keep: 1 });
});
