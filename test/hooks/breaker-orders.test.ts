import { beforeAll, expect, test } from 'vitest';
import { everySchedule } from '../support/everySchedule.ts';
import { redisFixture } from '../support/fixture.ts';
import { base, claimFor, keys, origin, replies } from './hookValues.ts';
import { createWorld, loadScripts } from './hookWorld.ts';

// The breaker of an endpoint, which all hosts share, in every order that Redis can see.

const { redis } = await redisFixture();
const world = createWorld(redis);
beforeAll(() => loadScripts(redis));

/** Jobs that wait for an endpoint which has failed so often, the last time at `at`. */
const failing = async (jobs: number, failures: number, at: number) => {
  await world.reset();
  for (let i = 0; i < jobs; i++) {
    await world.seed(`j${i}`);
    await world.sweep(undefined, 'Running:100', at, origin, `j${i}`);
  }
  if (failures > 0) await world.host(undefined, 'before', at, replies.down, { most: failures });
};
const endpoint = () => redis.hgetall(keys.hookEndpoint(origin));

test('the failures of two hosts add up, and what is in flight when the breaker opens does not open it for longer', async () => {
  await everySchedule({
    reset: () => failing(4, 0, -1),
    look: world.look,
    body: (command) => ['a', 'b'].map((who) => world.host(command, who, 0, replies.down, { most: 2 })),
    check: async () => {
      world.verify();
      const settled = Object.values(world.said)
        .flat()
        .filter((what) => what === 'failed pending').length;
      const { failures = '0', opens } = await endpoint();
      expect([Number(failures), opens]).toEqual([settled, settled >= 3 ? '1' : undefined]);
      const { breaker, hooks } = await world.recordsOf(undefined, 'next', 1_999).claim(origin, 100);
      if (settled >= 3) expect([breaker, hooks.length]).toEqual(['open', 0]);
      else expect(breaker).toBe('closed');
    },
    crashes: true,
  });
});

test.each([
  ['down', replies.down],
  ['taken', replies.taken],
] as const)('an open breaker lets one probe through among three hosts, and hears "%s"', async (word, reply) => {
  let isClaimed = false;
  await everySchedule({
    reset: () => {
      isClaimed = false;
      return failing(8, 3, -10_000);
    },
    look: world.look,
    body: (command) => {
      const hosts = ['a', 'b'].map((who, i) => world.host(command, who, i, reply, { most: 2 }));
      // This one dies with what it has claimed.
      const dying = world.recordsOf(command, 'c', 2).claim(origin, 2);
      const note = dying.then(({ hooks }) => {
        isClaimed = hooks.length > 0;
      });
      return [...hosts, note];
    },
    check: async () => {
      world.verify();
      const probes = world.sent.filter(({ who }) => who !== 'before').length;
      const { failures, opens, tokens, probe_until: probeUntil } = await endpoint();
      if (probes === 0) {
        expect([isClaimed, failures, probeUntil]).toEqual([true, '3', String(base + 2 + claimFor)]);
      } else if (word === 'down') {
        expect([probes, isClaimed, failures, opens]).toEqual([1, false, '4', '2']);
      } else {
        // A success is followed by others, at the set rate.
        expect([failures, opens, probeUntil, tokens === undefined]).toEqual([undefined, undefined, undefined, false]);
        expect(probes).toBeLessThanOrEqual(2);
      }
    },
    crashes: false,
  });
});

test('after the host of a probe has died and its claim has expired, exactly one other probe is sent', async () => {
  await everySchedule({
    reset: () => failing(8, 3, -10_000),
    look: world.look,
    body: (command) => [world.host(command, 'a', 0, replies.down), world.host(command, 'b', 1, replies.down)],
    check: async (trace) => {
      world.verify();
      const isProbed = world.sent.some(({ who }) => who !== 'before');
      const isSettled = (await endpoint()).opens === '2';
      // A host that dies before it has claimed anything lets the other one probe.
      expect([isProbed, trace]).toEqual([true, trace]);
      const next = world.recordsOf(undefined, 'next', isSettled ? 5_000 : claimFor + 2);
      const [first, second] = [await next.claim(origin, 10), await next.claim(origin, 10)];
      expect([first.breaker, first.hooks.length, second.breaker, second.hooks.length]).toEqual([
        'probing',
        1,
        'open',
        0,
      ]);
    },
    crashes: true,
  });
});

test('a probe that had nothing to send lets the next probe begin at once', async () => {
  for (const why of ['confirmed', 'too old', 'gone']) {
    await failing(6, 3, -10_000);
    const [id] = (await redis.zrange(keys.dueHooks(origin), '0', '0')) as [string];
    if (why === 'confirmed') await world.goAck(undefined, 'Running', 100, id);
    if (why === 'too old') await redis.hset(keys.stats(id), { update_time: 100 });
    if (why === 'gone') await world.remove(undefined, id);
    await world.host(undefined, 'a', 0, replies.taken);
    expect(world.said.a).toContain(why === 'too old' ? 'parked parked' : 'dropped done');
    const { breaker, hooks } = await world.recordsOf(undefined, 'b', 1).claim(origin, 10);
    expect([why, breaker, hooks.length]).toEqual([why, 'probing', 1]);
  }
});
