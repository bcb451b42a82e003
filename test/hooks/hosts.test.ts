/** Each hook is sent by one of several hosts, also when a host or Redis fails in between. */
import { describe, expect, test, vi } from 'vitest';
import { countTimers, createTestClock } from '../support/clock.ts';
import { intercept } from '../support/jobs.ts';
import { deliveryFixture, hour, minute } from './deliveryFixture.ts';

const { redis, opened, hookEndpoint, outcomes, create, seed, ackOf, recordOf } = await deliveryFixture();

describe('several hosts', () => {
  test('each hook is sent by one of them', async () => {
    for (let i = 0; i < 400; i++) await seed(`j${i}`);
    const reapers = [create(), create(), create()];
    await Promise.all(reapers.map((reaper) => reaper.sweep()));
    await vi.waitUntil(async () => (await redis.hlen('t:reaper:hooks')) === 0);
    expect(hookEndpoint.hooks).toHaveLength(400);
    expect(new Set(hookEndpoint.hooks.map(({ body }) => body.job_id)).size).toBe(400);
  });

  test('a hook that a host had claimed when it died is sent by another host after the claim has expired', async () => {
    const clock = createTestClock();
    await seed('a');
    hookEndpoint.answer = () => undefined;
    const first = create({ clock });
    void first.sweep().catch(() => undefined);
    await vi.waitUntil(() => hookEndpoint.hooks.length === 1);
    expect(await recordOf('a')).toMatch(/^sending /);
    hookEndpoint.answer = undefined;
    const other = create({ clock });
    other.start();
    await clock.until(async () => (await recordOf('a')) === null, 1_000);
    expect(hookEndpoint.hooks).toHaveLength(2);
    expect(await ackOf('a')).not.toBeNull();
  });

  test('a host sends the pending hooks of other hosts when it starts', async () => {
    const first = create();
    hookEndpoint.answer = (_, response) => response.writeHead(503).end();
    await seed('a');
    await first.sweep();
    await first.stop();
    hookEndpoint.answer = undefined;
    const clock = createTestClock();
    create({ clock }).start();
    await clock.until(async () => (await recordOf('a')) === null);
    expect(await ackOf('a')).not.toBeNull();
  });

  test('a reaper that only plans sends nothing', async () => {
    const first = create();
    await seed('a', '/503/x');
    await first.sweep();
    await first.stop();
    hookEndpoint.hooks.length = 0;
    const clock = createTestClock();
    const planner = create({ clock, plan: true });
    planner.start();
    await planner.sweep();
    clock.advance(hour);
    await planner.sweep();
    expect(hookEndpoint.hooks).toEqual([]);
  });
});

describe('cut off anywhere', () => {
  /** A host that sweeps, and from the nth script on, before or after it, says nothing to Redis any more. */
  const sweepUntil = async (nth: number, isBefore: boolean): Promise<number> => {
    let calls = 0;
    const client = opened.hold(
      intercept(redis, 'evalsha', () => {
        calls += 1;
        if (calls > nth || (calls === nth && isBefore)) throw new Error('this host is dead');
      }),
    );
    const reaper = create({ redis: client });
    let isOver = false;
    void reaper
      .sweep()
      .catch(() => undefined)
      .then(() => {
        isOver = true;
      });
    await vi.waitUntil(() => isOver || calls > nth || (calls === nth && isBefore), { interval: 5 });
    await reaper.stop({ timeout: 0 });
    return calls;
  };

  test('a host that is killed before or after any script loses no change, and a hook is sent twice only if the host died between POST and ACK', async () => {
    let total = Number.POSITIVE_INFINITY;
    for (let nth = 0; nth <= total; nth++) {
      for (const isBefore of [true, false]) {
        await redis.flushall();
        hookEndpoint.hooks.length = 0;
        await seed('a');
        await seed('hung', '/200/x', { age: 90_000 });
        const calls = await sweepUntil(nth === 0 ? Number.POSITIVE_INFINITY : nth, isBefore);
        if (nth === 0) total = calls;
        const deliveriesOf = (id: string) => hookEndpoint.hooks.filter(({ body }) => body.job_id === id).length;
        const before = { a: [deliveriesOf('a'), await ackOf('a')], hung: [deliveriesOf('hung'), await ackOf('hung')] };
        // The claim of the dead is over after a while.
        const clock = createTestClock();
        clock.advance(2 * minute);
        const other = create({ clock });
        await other.sweep();
        await clock.until(async () => (await redis.hlen('t:reaper:hooks')) === 0);
        await other.stop({ timeout: 0 });
        expect([nth, await ackOf('a')]).toMatchObject([nth, { status: 'Running' }]);
        expect([nth, await ackOf('hung')]).toMatchObject([nth, { status: 'Error' }]);
        for (const id of ['a', 'hung'] as const) {
          const isTwice = before[id][0] === 1 && before[id][1] === null;
          expect([nth, isBefore, id, deliveriesOf(id)]).toEqual([nth, isBefore, id, isTwice ? 2 : 1]);
        }
      }
    }
    expect(total).toBeGreaterThan(6);
  });
});

test('a hook that was delivered while Redis refused writes is not sent again; only its ACK is written later', async () => {
  const clock = createTestClock();
  const timers = countTimers(clock);
  await seed('a');
  hookEndpoint.answer = async (_, response) => {
    await redis.config('SET', 'min-replicas-to-write', '1'); // Redis refuses writes from here on.
    response.writeHead(200).end();
  };
  const reaper = create({ clock });
  const sweep = reaper.sweep();
  // What was refused is tried again after a pause.
  await vi.waitUntil(() => timers(500) === 1);
  expect(hookEndpoint.hooks).toHaveLength(1);
  await redis.config('SET', 'min-replicas-to-write', '0');
  clock.advance(500);
  await sweep;
  expect(outcomes).toMatchObject([{ outcome: 'delivered' }]);
  expect(hookEndpoint.hooks).toHaveLength(1);
  expect(await ackOf('a')).not.toBeNull();
});

test('what an endpoint has confirmed is kept for longer than a claim is valid, and is not sent again', async () => {
  const clock = createTestClock();
  const timers = countTimers(clock);
  await seed('a');
  hookEndpoint.answer = async (_, response) => {
    if (hookEndpoint.hooks.length === 1) await redis.config('SET', 'min-replicas-to-write', '1');
    response.writeHead(200).end();
  };
  void create({ clock }).sweep();
  await vi.waitUntil(() => timers(500) === 1);
  const began = clock.now();
  await clock.until(() => clock.now() - began > 5 * minute, 1_000);
  await redis.config('SET', 'min-replicas-to-write', '0');
  await clock.until(() => outcomes.length > 0);
  expect(outcomes).toMatchObject([{ outcome: 'delivered' }]);
  expect(await ackOf('a')).not.toBeNull();
  expect(hookEndpoint.hooks).toHaveLength(1);
});
