import { expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import { createNextMarks } from '../../../src/io/pools/nextMarks.ts';
import { createRegistryReader } from '../../../src/io/pools/registry.ts';
import { createRequeue } from '../../../src/io/pools/requeue.ts';
import { createSuspects } from '../../../src/io/pools/suspects.ts';
import { createRunAnswered, type RunAnswered } from '../../../src/io/redis/answered.ts';
import { createScripts, FencedError } from '../../../src/io/redis/scripts.ts';
import { redisFixture } from '../../support/fixture.ts';
import { second } from '../../support/jobs.ts';

// For a list with many entries, one step sends two scripts at once.

const { redis, keys } = await redisFixture();
const connection = { redis, description: '', epoch: () => 1, close: async () => undefined };
const scripts = createScripts(redis);
const runAnswered = createRunAnswered({ keys, scripts, clock: systemClock, onLostReply: () => undefined });
const suspects = createSuspects({ connection, keys, grace: 0, disruptions: () => 0 });
const heartbeatAge = 10_000;
const registry = createRegistryReader({ connection, keys, jobTypes: [], heartbeatAge, suspects });

const heartbeat = String(second(-60));
const suspect = { pool: 'p', heartbeat, types: ['X'], evidence: '', disruptions: 0, at: 0 };
const entryOf = (i: number) => `{"name":"X","id":"j${i}","t":1700000000,"args":null}`;
const held = keys.inProgress('X', 'p');
const hold = async (count: number) => {
  await redis.sadd(keys.pools, 'p');
  await redis.hset(keys.heartbeat('p'), 'heartbeat_at', heartbeat);
  for (let i = 0; i < count; i++) await redis.lpush(held, entryOf(i));
  await redis.set(keys.lock('X'), count);
  await redis.hset(keys.lockInfo('X'), 'p', count);
};

type Script = () => ReturnType<RunAnswered>;
/** A step with batches of five entries, whose nth script runs as `runs` says. */
const stepWith = (...runs: readonly ((script: Script) => ReturnType<Script>)[]) => {
  const [began, uncounted, failed]: [number[], string[], unknown[]] = [[], [], []];
  let open = 0;
  const requeue = createRequeue({
    ...{ connection, keys, registry, heartbeatAge },
    runAnswered: (async (...call: Parameters<RunAnswered>) => {
      open += 1;
      began.push(open);
      const run = runs[began.length - 1] ?? ((script) => script());
      return await run(() => runAnswered(...call)).finally(() => {
        open -= 1;
      });
    }) as RunAnswered,
    nextMarks: createNextMarks({ connection, keys }),
    batch: 5,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    onUncounted: (reason) => void uncounted.push(reason),
    onError: (error) => void failed.push(error),
  });
  return { requeue, began, uncounted, failed };
};
const fails = (error: unknown) => () => Promise.reject(error);
const moved = (count: number, left: number, poison?: string) => ({
  outcome: 'moved',
  counts: [{ moved: count, left }],
  poison,
});
/** The queue, in the order in which entries were taken. */
const queued = async () => (await redis.lrange(keys.queue('X'), 0, -1)).reverse();
const entriesTo = (end: number) => Array.from({ length: end }, (_, i) => entryOf(i));

test.each([
  { entries: 0, calls: 1, isDone: 5 },
  { entries: 5, calls: 1, isDone: 5 },
  { entries: 6, calls: 2, isDone: 10 },
  { entries: 1_000, calls: 2, isDone: 10 },
])('of $entries known entries $isDone are requeued, by $calls scripts', async ({ entries, calls, isDone }) => {
  await hold(12);
  const { requeue, began, failed } = stepWith();
  expect(await requeue(suspect, ['X'], { entries })).toEqual(moved(isDone, 12 - isDone));
  expect(began).toEqual(calls === 1 ? [1] : [1, 2]);
  expect(await queued()).toEqual(entriesTo(isDone));
  expect(await redis.lrange(held, 0, -1)).toEqual(entriesTo(12).slice(isDone).reverse());
  expect([await redis.get(keys.lock('X')), await redis.hget(keys.lockInfo('X'), 'p')]).toEqual(
    Array(2).fill(String(12 - isDone)),
  );
  expect(failed).toEqual([]);
});

test('several types take one script', async () => {
  await hold(12);
  await redis.lpush(keys.inProgress('Y', 'p'), entryOf(99));
  const { requeue, began } = stepWith();
  expect(await requeue({ ...suspect, types: ['X', 'Y'] }, ['X', 'Y'], { entries: 12 })).toEqual(moved(5, 7));
  expect(began).toEqual([1]);
});

test('the second script stops before a poison job, as the first does', async () => {
  await hold(12);
  const died = Array.from({ length: 3 }, (_, i) => [second(-600 + i), `old${i}`, String(second(-700))]);
  await redis.hset(keys.recoveries, 'j7', JSON.stringify(died));
  const { requeue, began } = stepWith();
  expect(await requeue(suspect, ['X'], { entries: 12 })).toEqual(moved(7, 5, 'j7'));
  expect(await requeue(suspect, ['X'], { entries: 5 + 7 })).toEqual(moved(0, 5, 'j7'));
  expect(began).toEqual([1, 2, 1, 2]);
  expect(await queued()).toEqual(entriesTo(7));
});

test('what one script moved is counted, though the pool was alive for the other one', async () => {
  await hold(12);
  const { requeue, failed } = stepWith(
    (script) => script(),
    async (script) => {
      await redis.hset(keys.heartbeat('p'), 'heartbeat_at', second());
      return script();
    },
  );
  expect(await requeue(suspect, ['X'], { entries: 12 })).toEqual(moved(5, 7));
  expect(failed).toEqual([]);
  expect(await requeue(suspect, ['X'], { entries: 7 })).toEqual({ outcome: 'alive' });
  expect(await queued()).toEqual(entriesTo(5));
});

test.each([0, 1])('what one script moved is counted, though number %i failed; the step says so', async (index) => {
  await hold(12);
  const lost = new Error('Connection is closed.');
  const runs = [(script: Script) => script(), (script: Script) => script()];
  runs[index] = fails(lost);
  const { requeue, failed } = stepWith(...runs);
  expect(await requeue(suspect, ['X'], { entries: 12 })).toEqual({ ...moved(5, 7), failure: lost });
  expect(failed).toEqual([lost]);
});

test.each([new FencedError(), new Error('WRONGTYPE Operation against a key holding the wrong kind of value')])(
  'the next step meets the same error: %s',
  async (error) => {
    await hold(12);
    const { requeue, failed } = stepWith((script) => script(), fails(error));
    expect(await requeue(suspect, ['X'], { entries: 12 })).toEqual(moved(5, 7));
    expect(failed).toEqual([error]);
  },
);

test('if both scripts fail, the step fails with the first error, and the other one is reported', async () => {
  await hold(12);
  const [first, other] = [new Error('first'), new Error('other')];
  const { requeue, failed } = stepWith(fails(first), fails(other));
  await expect(requeue(suspect, ['X'], { entries: 12 })).rejects.toBe(first);
  expect(failed).toEqual([other]);
  expect(await redis.llen(held)).toBe(12);
});

test('a pool that is alive is alive, though the second script failed, which is reported', async () => {
  await hold(12);
  await redis.hset(keys.heartbeat('p'), 'heartbeat_at', second());
  const other = new Error('other');
  const { requeue, failed } = stepWith((script) => script(), fails(other));
  expect(await requeue(suspect, ['X'], { entries: 12 })).toEqual({ outcome: 'alive' });
  expect(failed).toEqual([other]);
});

test('recoveries that could not be recorded are reported once for a step', async () => {
  await hold(12);
  await redis.set(keys.recoveries, 'a string');
  const { requeue, uncounted } = stepWith();
  expect(await requeue(suspect, ['X'], { entries: 12 })).toEqual(moved(10, 2));
  expect(uncounted).toEqual([expect.stringContaining(`${keys.recoveries} holds a string`)]);
});
