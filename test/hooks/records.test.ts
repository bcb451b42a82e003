/** How the records of undelivered hooks and the states of endpoints in Redis are shown, and what their scripts do. */
import { describe, expect, test } from 'vitest';
import type { HookRecord } from '../../src/io/hooks/record.ts';
import { createHookRecords } from '../../src/io/hooks/records.ts';
import { createScripts } from '../../src/io/redis/scripts.ts';
import { createTestClock } from '../support/clock.ts';
import { redisFixture } from '../support/fixture.ts';

const { redis, connection, keys, scripts } = await redisFixture();
/** It stands still, so each wait is exact. */
const clock = createTestClock();
const at = clock.now();
const settings = { maxRecords: 10_000, breakerThreshold: 3, drainRate: 50, claimDuration: 60_000 };
const recordsOf = (client = redis) =>
  createHookRecords({
    connection: { ...connection, redis: client },
    keys,
    scripts: createScripts(client),
    settings,
    clock,
  });
const endpoint = 'http://a:1';
/** Writes the state of an endpoint with a hook that has been due for a second. */
const seedEndpoint = async (state: Record<string, number>, to = endpoint) => {
  await redis.sadd(keys.hookEndpoints, to);
  await redis.zadd(keys.dueHooks(to), at - 1_000, 'j');
  if (Object.keys(state).length > 0) await redis.hset(keys.hookEndpoint(to), state);
};

describe('an endpoint is shown', () => {
  test.each([
    [
      'closed while it has failed too few times to open its breaker',
      { failures: 2, open_until: at + 9_000 },
      'closed',
      0,
    ],
    ['open from that failure on', { failures: 3, open_until: at + 9_000 }, 'open', 9_000],
    ['open while a host probes it', { failures: 3, open_until: at - 1, probe_until: at + 7_000 }, 'open', 7_000],
    ['probing when both times are over', { failures: 3, open_until: at - 9, probe_until: at - 7 }, 'probing', 0],
    ['draining while deliveries are rate-limited', { tokens: 0, tokens_at: at }, 'draining', 0],
    [
      'probing when its times are of before the clock went back',
      { failures: 3, open_until: at + 600_001 },
      'probing',
      0,
    ],
    ['closed without a state', {}, 'closed', 0],
  ] as const)('%s', async (_, state, breaker, wait) => {
    await seedEndpoint(state);
    expect(await recordsOf().endpoints()).toMatchObject([{ endpoint, pending: 1, breaker, wait }]);
  });

  test.each([
    [
      'at once if a hook is to wait longer than any waits for its first attempt',
      'pending Error:7 e 0 0 0 -',
      60_001,
      0,
    ],
    ['after its wait if that is not so long', 'pending Error:7 e 0 0 0 -', 60_000, 60_000],
    ['at once if its last attempt is still to come', 'pending Error:7 e 2 5 LATER 503', 900_000, 0],
    ['when its retry is due', 'pending Error:7 e 2 5 NOW 503', 900_000, 900_000],
    ['at once if its claim is still to come', 'sending Error:7 e 1 5 LATER -', 900_000, 0],
    ['when a record is due that cannot be read', 'junk', 900_000, 900_000],
  ])('fault 104: as due %s', async (_, template, wait, left) => {
    const [now, later] = [Math.floor(at / 1_000) + 1, Math.floor(at / 1_000) + 2].map(String) as [string, string];
    const text = template.replace('NOW', now).replace('LATER', later).replace(' e ', ` ${endpoint} `);
    await redis.sadd(keys.hookEndpoints, endpoint);
    await redis.hset(keys.hooks, 'j', text);
    await redis.zadd(keys.dueHooks(endpoint), at + wait, 'j');
    expect(await recordsOf().endpoints()).toMatchObject([{ pending: 1, wait: left }]);
    const record = await recordsOf().find('j');
    expect(record && (await recordsOf().nextAttempt(record))).toBe(record && at + left);
  });

  test('as unreadable if its keys hold another type, and the other endpoints are shown as usual', async () => {
    await seedEndpoint({ failures: 3, open_until: at + 9_000 }, 'http://b:1');
    await redis.sadd(keys.hookEndpoints, endpoint, 'http://c:1');
    await redis.set(keys.dueHooks(endpoint), 'no queue');
    await redis.set(keys.hookEndpoint('http://c:1'), 'no hash');
    expect(await recordsOf().endpoints()).toMatchObject([
      { endpoint, pending: 0, answer: 'unreadable' },
      { endpoint: 'http://b:1', pending: 1, breaker: 'open', failures: 3 },
      { endpoint: 'http://c:1', pending: 0, answer: 'unreadable' },
    ]);
  });
});

describe('a record is shown', () => {
  const text = (kind: string, answer = '-') => `${kind} Error:7 ${endpoint} 2 5 6 ${answer}`;
  const all = async () => {
    const found: HookRecord[] = [];
    for await (const page of recordsOf().all()) found.push(...page);
    return found;
  };

  test.each([
    ['pending', 'pending'],
    ['asked', 'pending'],
    ['sending', 'sending'],
    ['resending', 'sending'],
    ['parked', 'parked'],
  ])('%s as %s', async (kind, state) => {
    await redis.hset(keys.hooks, 'j', text(kind, '503'));
    const record = {
      ...{ id: 'j', state, about: 'Error:7', endpoint, attempts: 2, first: 5, last: 6, answer: '503' },
      text: text(kind, '503'),
    };
    expect(await recordsOf().find('j')).toEqual(record);
    expect(await recordsOf().findAll(['none', 'j'])).toEqual([record]);
    expect(await all()).toEqual([record]);
  });

  test('shows no answer before the first attempt', async () => {
    await redis.hset(keys.hooks, 'j', text('pending'));
    const [record] = await all();
    expect(record).toMatchObject({ id: 'j', state: 'pending' });
    expect(record?.answer).toBeUndefined();
  });

  test('in a list of thousands of records', async () => {
    const ids = Array.from({ length: 3_000 }, (_, i) => `j${i}`);
    await redis.hset(keys.hooks, ...ids.flatMap((id) => [id, text('parked', '404')]));
    expect((await all()).map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  });
});

describe('the scripts of hooks:', () => {
  test('a missing right is an error of the whole call, not an outcome of each job', async () => {
    await redis.call('ACL', 'SETUSER', 'some', 'on', '>pass', '~*', '+@all', '-zcard');
    const client = redis.duplicate({ username: 'some', password: 'pass' });
    client.on('error', () => undefined);
    try {
      const changes = ['a', 'b'].map((id) => ({ id, state: 'Error:7', endpoint }));
      await expect(recordsOf(client).enqueue(changes)).rejects.toThrow(/zcard/i);
      expect(await redis.exists(keys.hooks, keys.dueHooks(endpoint), keys.hookEndpoints)).toBe(0);
      expect(await recordsOf().enqueue(changes)).toEqual([{ outcome: 'enqueued' }, { outcome: 'enqueued' }]);
    } finally {
      client.disconnect();
      await redis.call('ACL', 'DELUSER', 'some');
    }
  });

  test('each job whose hook cannot be queued gets the error of the queue of its own endpoint', async () => {
    const other = 'http://b:1';
    for (const to of [endpoint, other]) await redis.set(keys.dueHooks(to), 'no queue');
    const changes = [endpoint, other, other].map((to, i) => ({ id: `j${i}`, state: 'Error:7', endpoint: to }));
    const errors = (await recordsOf().enqueue(changes)).map(
      (change) => 'error' in change && change.error.split(' ')[1],
    );
    expect(errors).toEqual([endpoint, other, other].map(keys.dueHooks));
  });

  test('hooks that are delivered at the same time are recorded by one call, and the one that cannot be fails alone', async () => {
    const ids = ['j', 'odd', 'k'];
    for (const id of ids) {
      await redis.hset(keys.stats(id), { id, status: 'Error', revision: 7 });
      await redis.hset(keys.hooks, id, `pending Error:7 ${endpoint} 0 0 0 -`);
      await redis.zadd(keys.dueHooks(endpoint), at, id);
    }
    const records = recordsOf();
    const { hooks } = await records.claim(endpoint, 3);
    await redis.set(keys.stats('odd'), 'no hash');
    await redis.config('RESETSTAT');
    const sent = { verb: 'delivered', status: 'Error', revision: 7, checkInAt: 0, unreadableAck: undefined } as const;
    const ends = await Promise.allSettled(hooks.map((hook) => records.recordAttempt(hook, sent)));
    expect(Object.fromEntries(ends.map((end, i) => [hooks[i]?.id, end]))).toMatchObject({
      j: { value: 'done' },
      k: { value: 'done' },
      odd: { reason: { code: 'redis-wrong-type', message: expect.stringContaining(keys.stats('odd')) } },
    });
    expect(await redis.info('commandstats')).toMatch(/cmdstat_evalsha:calls=1,/);
    expect(await redis.hkeys(keys.hooks)).toEqual(['odd']);
  });

  test('thousands of hooks are enqueued in one step', async () => {
    const ids = Array.from({ length: 5_000 }, (_, i) => `j${i}`);
    const { changes } = await scripts.run(
      'enqueue_hooks',
      [keys.hooks, keys.parkedHooks, keys.hookEndpoints, keys.dueHooks(endpoint)],
      [at, 10_000, 1, endpoint, ...ids.flatMap((id) => [id, 'Error:7', 1])],
    );
    expect(new Set(changes.map(({ outcome }) => outcome))).toEqual(new Set(['enqueued']));
    expect(changes).toHaveLength(5_000);
    expect(await redis.hlen(keys.hooks)).toBe(5_000);
    expect(await redis.zcard(keys.dueHooks(endpoint))).toBe(5_000);
  });

  test('deliveries to a recovered endpoint are rate-limited until no hook is due, whichever hooks a claim names', async () => {
    await seedEndpoint({ tokens: 5, tokens_at: at });
    await redis.hset(keys.hooks, 'j', `pending Error:7 ${endpoint} 0 0 0 -`);
    await redis.hset(keys.stats('j'), { id: 'j', status: 'Error', revision: 7 });
    const records = recordsOf();
    // Another host has sent the named hook; another hook is due.
    expect(await records.claim(endpoint, 1, ['sent'])).toMatchObject({ hooks: [], breaker: 'draining', wait: 0 });
    expect((await records.endpoints())[0]).toMatchObject({ breaker: 'draining' });
    expect(await records.claim(endpoint, 1)).toMatchObject({ hooks: [{ id: 'j' }], breaker: 'draining' });
    // The last due hook is being sent, so the endpoint has received everything that it has missed.
    expect(await records.claim(endpoint, 1)).toMatchObject({ hooks: [], breaker: 'closed' });
    expect(await redis.hexists(keys.hookEndpoint(endpoint), 'tokens')).toBe(0);
  });
});
