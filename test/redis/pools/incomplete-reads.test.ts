/** Reads that could not see everything report that, and prove nothing. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import { createSearch } from '../../../src/io/evidence/search.ts';
import { noPace } from '../../../src/io/jobs/pace.ts';
import { readHeldEntries } from '../../../src/io/pools/heldEntries.ts';
import { readObservations } from '../../../src/io/pools/observations.ts';
import { createPools, type Pools } from '../../../src/io/pools/rescue.ts';
import { digestOf } from '../../../src/io/redis/disruption.ts';
import { standing } from '../../../src/io/redis/keyWalk.ts';
import { refusalBehind, unlessWrongType } from '../../../src/io/redis/wrongTypes.ts';
import { redisFixture } from '../../support/fixture.ts';
import { intercept, placeOf, second } from '../../support/jobs.ts';
import { entryOf, idsIn, seedPool } from '../../support/pools.ts';

const { redis, connection, keys, scripts } = await redisFixture();

const connectionWith = (epoch: () => number) => ({ ...connection, epoch });
const poolsOf = () => {
  const fixed = {
    heartbeatAge: 10_000,
    batch: 100,
    recovery: { maxRecoveries: 3, windowS: 86_400 },
    clock: systemClock,
  };
  return createPools({
    connection: connection,
    keys,
    scripts,
    jobTypes: [],
    ...fixed,
  });
};
/** Returns where a job is found. */
const find = async (id: string, pools: Pools = poolsOf(), epoch = () => 1, client = redis) => {
  const connection = { ...connectionWith(epoch), redis: client };
  const search = createSearch({ connection, keys, pools, pace: noPace, seed: 1 });
  const facts = { id, name: 'X', readAt: 0, stats: 'found', hasHook: false } as const;
  search.add([facts]);
  await search.run();
  return search.evidenceOf(facts).found;
};

describe('a walk through all places', () => {
  test('a job is not lost if the connection was replaced during each walk, because entries may have been missed', async () => {
    let connections = 0;
    expect(await find('a', poolsOf(), () => ++connections)).toBe('unreadable');
    expect(await find('a')).toBe('nowhere');
  });

  test('an entry that is requeued after its queue was read is found in the list that it was in', async () => {
    await seedPool(redis, 'p', { heartbeat: second(-600), holds: new Map([['X', ['a']]]) });
    const pools = poolsOf();
    let reads = 0;
    const found = await find('a', {
      ...pools,
      async readRegistry(thorough) {
        if (++reads === 2) await redis.rpoplpush(keys.inProgress('X', 'p'), keys.queue('X'));
        return pools.readRegistry(thorough);
      },
    });
    expect(await idsIn(redis, keys.queue('X'))).toEqual(['a']);
    expect(found).toBe('unconfirmed');
  });

  test('an entry that is fetched before its queue was read is found in the list that it is in', async () => {
    await seedPool(redis, 'p', { heartbeat: second() });
    await redis.lpush(keys.queue('X'), entryOf('a'));
    const client = intercept(redis, 'evalsha', async (args) => {
      // The lists were read, and the queues follow.
      if (args.includes(keys.scheduled)) await redis.rpoplpush(keys.queue('X'), keys.inProgress('X', 'p'));
    });
    try {
      expect(await find('a', poolsOf(), () => 1, client)).toBe('held');
      expect(await idsIn(redis, keys.inProgress('X', 'p'))).toEqual(['a']);
    } finally {
      client.disconnect();
    }
  });

  test('a list that may belong to a live pool counts as its list, even if it may belong to another pool', async () => {
    await seedPool(redis, '4711', { heartbeat: second() });
    await seedPool(redis, 'web-1:4711', { heartbeat: second(-600) });
    await redis.rpush('t:jobs:X:web-1:4711:inprogress', entryOf('a'));
    expect(await find('a')).toBe('held');
    const pools = poolsOf();
    const found = await find('a', {
      ...pools,
      async readRegistry(thorough) {
        const seen = await pools.readRegistry(thorough);
        const states = seen.pools.map((state) => ({ ...state, isConfirmedDead: !state.isAlive }));
        return { ...seen, pools: states };
      },
    });
    expect(found).toBe('held');
  });
});

test('if the set of pools cannot be read, no pool is suspected, even with an old heartbeat', async () => {
  await seedPool(redis, 'p', { heartbeat: second(-600), isRegistered: false, holds: new Map([['X', ['a']]]) });
  const pools = poolsOf();
  const { suspects } = await pools.find(true, 0);
  expect(suspects.map(({ pool }) => pool)).toEqual(['p']);
  await redis.set(keys.pools, 'no set');
  expect(await pools.find(true, 0)).toMatchObject({ suspects: [], unreadable: [expect.stringContaining(keys.pools)] });
  for (const suspect of suspects) await expect(pools.confirm(suspect)).rejects.toThrow('cannot be read');
  expect((await pools.readRegistry(true)).pools).toMatchObject([
    { pool: 'p', isReadable: false, isConfirmedDead: false },
  ]);
});

describe('observations of workers', () => {
  const workerIds = Array.from({ length: 6 }, (_, i) => `w${i}`);
  const read = async () => {
    const unreadable: string[] = [];
    const found = await readObservations(
      connection,
      keys,
      [{ pool: 'p', workerIds }],
      (key) => void unreadable.push(key),
    );
    return { found: found.map(({ worker, job }) => [worker, job]), unreadable };
  };

  test('all observations are read, even with large arguments', async () => {
    const args = JSON.stringify({ big: 'x'.repeat(300_000) });
    for (const worker of workerIds) {
      await redis.hset(keys.worker(worker), { job_name: 'X', job_id: `of-${worker}`, started_at: 1, args });
    }
    expect(await read()).toEqual({ found: workerIds.map((worker) => [worker, `of-${worker}`]), unreadable: [] });
  });

  test('an observation that cannot be read is reported', async () => {
    await redis.hset(keys.worker('w0'), { job_name: 'X', job_id: 'a', started_at: 1, args: '' });
    await redis.set(keys.worker('w1'), 'no hash');
    expect(await read()).toEqual({ found: [['w0', 'a']], unreadable: [keys.worker('w1')] });
  });
});

test('of two entries with the same bytes, the entry at the tail is judged, because it is requeued next', async () => {
  const [same, other] = [entryOf('a'), entryOf('b')];
  await redis.rpush(keys.inProgress('X', 'p'), same, other, same);
  const entries = await readHeldEntries(connection, keys, [{ pool: 'p', workerIds: [], types: ['X'] }]);
  expect(entries.map(({ id, place }) => [id, place])).toEqual([
    ['b', placeOf(other, 2)],
    ['a', placeOf(same, 1)],
  ]);
});

test('a key that was deleted after a walk has found it is left out', async () => {
  await redis.rpush('t:jobs:X', 'entry');
  const found = await standing(connection, keys, ['t:jobs:X', 't:jobs:gone']);
  expect(found).toEqual([{ key: 't:jobs:X', name: 'X', holds: 'list' }]);
});

test('a restart, a failover and a refused write each change the condition of Redis', () => {
  const before = { runId: 'run', replication: 'master id', refused: new Map([['OOM', '1']]) };
  const digests = [
    before,
    { ...before, runId: 'other' },
    { ...before, replication: 'slave id' },
    { ...before, refused: new Map([['OOM', '2']]) },
    { ...before, refused: new Map() },
  ].map(digestOf);
  expect(digests).not.toContain(undefined);
  expect(new Set(digests).size).toBe(5);
  expect(digestOf({ ...before })).toBe(digests[0]);
});

test('only a key of another type counts as empty, and a missing right is a reason for a refusal', async () => {
  await redis.set('text', 1);
  expect(await unlessWrongType(redis.llen('text'), 7)).toBe(7);
  const away = new Error('Connection is closed.');
  await expect(unlessWrongType(Promise.reject(away), 7)).rejects.toThrow(away);
  const refused = new Error("NOPERM this user has no permissions to run the 'lpush' command");
  expect(await refusalBehind(redis, refused, [['list', 'list']])).toContain('lpush');
  expect(await refusalBehind(redis, away, [['list', 'list']])).toBeUndefined();
});
