import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HttpReply } from '../../src/io/hooks/http/reply.ts';
import { type Command, everySchedule } from '../support/everySchedule.ts';
import { redisFixture } from '../support/fixture.ts';
import { base, claimFor, deadline, elsewhere, keys, origin, replies } from './hookValues.ts';
import { createWorld, loadScripts } from './hookWorld.ts';

// The scripts of the durable hooks, by the real code on a real Redis, one command at a time: every order that Redis can
// see, and each actor dying before each of its commands. `hookWorld.ts` looks at the invariants after every command.

const { redis } = await redisFixture();
const world = createWorld(redis);
beforeAll(() => loadScripts(redis));

/** Later than any back-off, claim or probe of these tests, in ms after `base`. */
const later = 7_200_000;

/** How a job's record stands when the actors begin. */
const beginnings: Readonly<Record<string, () => Promise<void>>> = {
  async pending() {
    await world.seed('j');
    await world.sweep(undefined, 'Running:100', -1);
  },
  async 'held by a host that has died'() {
    await world.seed('j');
    await world.sweep(undefined, 'Running:100', -claimFor - 2);
    await world.recordsOf(undefined, 'dead', -claimFor - 1).claim(origin, 1);
  },
  async parked() {
    await world.seed('j');
    await world.sweep(undefined, 'Running:100', -1);
    await world.host(undefined, 'before', -1, replies.refused);
    expect(world.said.before).toContain('parked');
  },
  async 'tried for a day'() {
    await world.seed('j');
    await world.sweep(undefined, 'Running:100', -deadline - 5_000);
    await world.host(undefined, 'before', -deadline - 5_000, replies.down);
    expect(world.said.before).toContain('failed pending');
  },
  async none() {
    await world.seed('j');
  },
  async 'two pending'() {
    for (const id of ['j', 'k']) {
      await world.seed(id);
      await world.sweep(undefined, 'Running:100', -1, origin, id);
    }
  },
};

/** Those in which a host finds something to claim at once. */
const claimable = ['pending', 'held by a host that has died'];

/**
 * What must be so at the end: a change that a host has noted goes out, or is parked just as it stands, without a sweep;
 * any other with the next sweep. Nothing is left over in the queues.
 *
 * @param noted states that were noted as they were made
 */
const checkEnd = async (noted: (state: string) => boolean, id = 'j') => {
  world.verify();
  await world.deliverAll(later);
  const isParked = async (state: string) => {
    const record = await world.record(id);
    return record?.state === 'parked' && record.about === state;
  };
  const owed = await world.owed(id);
  if (owed !== undefined && !(await isParked(owed))) {
    if (noted(owed)) expect(await world.record(id)).toMatchObject({ state: 'parked', about: owed });
    await world.sweep(undefined, owed, later, origin, id);
    expect(world.said.sweep?.at(-1)).toBe('enqueued');
    await world.deliverAll(later);
    expect(await world.owed(id)).toBeUndefined();
  }
  world.verify();
  if ((await redis.exists(keys.stats(id))) === 0) return;
  const [status, count] = [await redis.hget(keys.stats(id), 'status'), await redis.hget(keys.track, id)];
  const isFinal = status === 'Success' || status === 'Error';
  expect(count).toBe(!isFinal ? '2' : (await world.owed(id)) === undefined ? null : '1');
};

/** Every order of some actors, from each beginning. */
const inEveryOrder = async ({
  from = Object.keys(beginnings).filter((beginning) => beginning !== 'two pending'),
  actors,
  noted = () => false,
  crashes = true,
  also = async () => undefined,
}: {
  from?: readonly string[];
  actors: (command: Command) => Promise<unknown>[];
  noted?: (state: string, trace: readonly string[]) => boolean;
  crashes?: boolean;
  also?: (trace: readonly string[]) => Promise<unknown>;
}) => {
  let runs = 0;
  for (const beginning of from) {
    runs += await everySchedule({
      reset: async () => {
        await world.reset();
        await beginnings[beginning]?.();
      },
      body: actors,
      look: world.look,
      check: async (trace) => {
        try {
          await also(trace);
          await checkEnd((state) => noted(state, trace));
        } catch (error) {
          throw new Error(`${(error as Error).message}\nbegun ${beginning}`);
        }
      },
      crashes,
    });
  }
  return runs;
};

// The scripts treat a 404 like a 503, except that it opens no circuit and has a shorter deadline.
const all: readonly (readonly [string, HttpReply])[] = Object.entries(replies);
const outcomes = all.filter(([, { kind }]) => kind !== 'unknown');
/** Where the first step of an actor is that begins like this; -1 for none. */
const placeOf = (trace: readonly string[], step: string) => trace.findIndex((label) => label.startsWith(step));
const did = (trace: readonly string[], step: string) => placeOf(trace, step) >= 0;

test.each(all)(
  'two hosts at once, one of which gets the answer "%s": only one host at a time has claimed the job',
  async (_, reply) => {
    const runs = await inEveryOrder({
      from: claimable,
      actors: (command) => [world.host(command, 'a', 0, reply), world.host(command, 'b', 1, replies.taken)],
      also: async (trace) => {
        const taken = world.sent.filter(({ isTaken }) => isTaken).length;
        if (!trace.some((step) => step.includes('dies'))) expect(taken).toBeLessThanOrEqual(1);
      },
    });
    expect(runs).toBeGreaterThan(40);
  },
);

test.each(outcomes)(
  'a host that gets the answer "%s" after its claim has expired and another host has claimed the hook',
  async (_, reply) => {
    await inEveryOrder({
      from: claimable,
      actors: (command) => [
        world.host(command, 'a', 0, reply, { settledAt: claimFor + 3 }),
        world.host(command, 'b', claimFor + 2, replies.down),
      ],
      crashes: false,
    });
  },
);

test('a final status that two hosts deliver, one of them after its claim has expired, is counted down once', async () => {
  await everySchedule({
    reset: async () => {
      await world.reset();
      // Its status has taken nothing from the count of 2, so that a second ACK would be seen.
      await world.seed('j', { status: 'Success' });
      await world.sweep(undefined, 'Success:100', -1);
    },
    look: world.look,
    body: (command) => [
      world.host(command, 'a', 0, replies.taken, { settledAt: claimFor + 3 }),
      world.host(command, 'b', claimFor + 2, replies.taken),
    ],
    check: async () => {
      await world.deliverAll(later);
      world.verify();
      expect(await redis.hget(keys.track, 'j')).toBe('1');
    },
    crashes: true,
  });
});

describe('two hooks that one call records, in every order with', () => {
  let isShared = false;
  beforeEach(() => {
    isShared = false;
  });
  const late = { settledAt: claimFor + 3 };
  const changesOfK = (state: string, trace: readonly string[]) => state === 'Success:100' && did(trace, 'w: evalsha');

  test.each<[string, typeof late | undefined, (command: Command) => Promise<unknown>]>([
    ['a worker that changes one of the jobs', undefined, (command) => world.status(command, 'w', 'Success', 100, 'k')],
    ['a worker that reports progress of one', undefined, (command) => world.checkIn(command, 'w', 'k')],
    ['the deletion of the stats of one', undefined, (command) => world.remove(command, 'k')],
    [
      'a Go jobservice that changes one, and ACKs it',
      undefined,
      async (command) => {
        await world.goStatus(command, 'Success', 100, 'k');
        await world.goAck(command, 'Success', 100, 'k');
      },
    ],
    ['a user who drops one', undefined, (command) => world.person(command, 'drop', 1, 'k')],
    [
      'a sweep that has read an older state of one',
      undefined,
      (command) => world.sweep(command, 'Pending:100', 1, origin, 'k'),
    ],
    [
      'a host that claims both after the claims have expired',
      late,
      (command) => world.host(command, 'b', claimFor + 2, replies.taken),
    ],
    [
      'a host that claims one after the claims have expired',
      late,
      (command) => world.host(command, 'b', claimFor + 2, replies.taken, { most: 1 }),
    ],
  ])('%s', async (_, options, other) => {
    const runs = await inEveryOrder({
      from: ['two pending'],
      actors: (command) => [world.host(command, 'a', 0, replies.taken, options), other(command)],
      noted: changesOfK,
      also: async (trace) => {
        // In some orders the host claims only one of them, or dies.
        const recorded = (world.said.a ?? []).filter((said) => said.startsWith('delivered ')).length;
        const calls = trace.filter((step) => step.startsWith('a: evalsha ')).length;
        if (recorded === 2) expect(calls).toBe(1);
        isShared ||= recorded === 2;
        await checkEnd((state) => changesOfK(state, trace), 'k');
      },
    });
    expect([runs > 5, isShared]).toEqual([true, true]);
  });
});

test('three hosts, one of them with an expired claim, in every order', async () => {
  const runs = await inEveryOrder({
    from: ['pending'],
    actors: (command) => [
      world.host(command, 'a', 0, replies.down, { settledAt: claimFor + 3 }),
      world.host(command, 'b', 1, replies.taken),
      world.host(command, 'c', claimFor + 2, replies.refused),
    ],
    crashes: false,
  });
  expect(runs).toBeGreaterThan(100);
});

test.each(outcomes)(
  'a worker records a change while a host gets the answer "%s" to the one before: it is sent without a sweep',
  async (_, reply) => {
    await inEveryOrder({
      actors: (command) => [world.host(command, 'a', 0, reply), world.status(command, 'w', 'Success', 100)],
      noted: (state, trace) => state === 'Success:100' && did(trace, 'w: evalsha'),
    });
  },
);

test('a worker changes a job twice while a host has an expired claim of its hook and another host claims it', async () => {
  await inEveryOrder({
    from: ['pending'],
    actors: (command) => [
      world.host(command, 'a', 0, replies.taken, { settledAt: claimFor + 3 }),
      world.host(command, 'b', claimFor + 2, replies.taken),
      world.status(command, 'w', 'Success', 100),
    ],
    noted: (state, trace) => state === 'Success:100' && did(trace, 'w: evalsha'),
    crashes: false,
  });
});

test.each(outcomes)('a Go jobservice changes a job and ACKs it while a host gets the answer "%s"', async (_, reply) => {
  await inEveryOrder({
    actors: (command) => [
      world.host(command, 'a', 0, reply),
      (async () => {
        await world.goStatus(command, 'Success', 100);
        await world.goAck(command, 'Success', 100);
      })(),
    ],
  });
});

test('a change that a Go jobservice makes has a deadline of its own', async () => {
  await inEveryOrder({
    from: ['tried for a day'],
    actors: (command) => [world.host(command, 'a', 0, replies.down), world.goStatus(command, 'Success', 100)],
    also: async (trace) => {
      const record = await world.record();
      const isGivenUp = record?.state === 'parked' && record.about === 'Success:100';
      expect([isGivenUp, trace]).toEqual([false, trace]);
    },
  });
});

test.each(outcomes)(
  'a job starts again while a host gets the answer "%s": its new attempt is sent',
  async (_, reply) => {
    await inEveryOrder({
      actors: (command) => [world.host(command, 'a', 0, reply), world.resetJob(command, 'w')],
    });
  },
);

test.each(outcomes)(
  'the stats are deleted while a host gets the answer "%s": the job is in no queue of hooks any more',
  async (_, reply) => {
    await inEveryOrder({
      actors: (command) => [
        world.host(command, 'a', 0, reply),
        world.remove(command),
        world.status(command, 'w', 'Success', 100),
      ],
      crashes: false,
    });
  },
);

test.each(outcomes)(
  'a sweep that has read an older state enqueues it while a host gets the answer "%s"',
  async (_, reply) => {
    await inEveryOrder({
      from: ['pending', 'parked'],
      actors: (command) => [
        world.host(command, 'a', 0, reply),
        world.sweep(command, 'Pending:100', 1),
        world.host(command, 'b', 2, replies.taken),
      ],
      crashes: false,
    });
  },
);

test('a sweep by a host that rewrites the endpoint to another address', async () => {
  await inEveryOrder({
    actors: (command) => [
      world.host(command, 'a', 0, replies.down),
      (async () => {
        await world.goStatus(command, 'Success', 100);
        await world.sweep(command, 'Success:100', 1, elsewhere);
      })(),
    ],
    // Of a parked job the sweep looks at the stats in a second script; one that dies before it leaves it to the next sweep.
    noted: (state, trace) =>
      state === 'Success:100' &&
      did(trace, 'sweep: evalsha') &&
      !trace.some((step) => step.startsWith('sweep dies before evalsha')),
  });
});

test.each(['retry', 'drop'] as const)(
  'a user asks for a %s at the same time as a host, a host with an expired claim, and a sweep',
  async (verb) => {
    for (const reply of [replies.taken, replies.down, replies.refused]) {
      await inEveryOrder({
        from: ['pending', 'parked'],
        actors: (command) => [
          world.host(command, 'a', 0, reply),
          world.person(command, verb, 1),
          world.sweep(command, 'Running:100', 2),
        ],
        crashes: false,
      });
      await inEveryOrder({
        from: claimable,
        actors: (command) => [
          world.host(command, 'a', 0, reply, { settledAt: claimFor + 3 }),
          world.person(command, verb, claimFor + 2),
        ],
      });
    }
  },
);

test('a hook that a user retries while a host deletes old parked hooks is sent, or was deleted before', async () => {
  await inEveryOrder({
    from: ['parked'],
    actors: (command) => [
      world.recordsOf(command, 'a', 10_000).forgetParked(5_000),
      world.person(command, 'retry', 10_000),
    ],
    noted: () => world.said.person?.includes('retry done') === true,
  });
});

test('a hook that a user asked for stays so at its second attempt, on any host', async () => {
  const eightDays = 8 * 86_400;
  await everySchedule({
    reset: async () => {
      await world.reset();
      await world.seed('j', { revision: base / 1_000 - eightDays, update_time: base / 1_000 - eightDays });
      await world.sweep(undefined, await world.stateOf(), -3);
      await world.host(undefined, 'before', -2, replies.taken);
      expect(world.said.before).toEqual(['parked parked', 'parked']);
      await world.person(undefined, 'retry', -1);
    },
    look: world.look,
    body: (command) => [world.host(command, 'a', 0, replies.down)],
    check: async () => {
      await world.deliverAll(later);
      world.verify();
      expect(await world.owed()).toBeUndefined();
    },
    crashes: true,
  });
});

test.each(outcomes)(
  'a worker reports progress while a host gets the answer "%s" and a Go jobservice ACKs',
  async (_, reply) => {
    await inEveryOrder({
      from: ['pending', 'held by a host that has died', 'none'],
      actors: (command) => [
        world.host(command, 'a', 0, reply),
        world.checkIn(command, 'w'),
        world.goAck(command, 'Running', 100),
      ],
      // Of a state that is parked no report is sent; and the Go side's ACK takes ours of the report back (defect 30), which
      // only a sweep finds.
      noted: (_state, trace) =>
        reply !== replies.refused && placeOf(trace, 'w: evalsha') > placeOf(trace, 'go: ACK Running'),
      crashes: false,
    });
  },
);

test.each(['1.5', '1e3', '99999999999999999999', '-'])(
  'a job with the odd revision %s is sent once, not again and again',
  async (revision) => {
    await world.reset();
    await world.seed('j', { revision, check_in_at: revision });
    await world.checkIn(undefined, 'w');
    await redis.hset(keys.stats('j'), { check_in_at: revision });
    await world.deliverAll(0);
    world.verify();
    expect(world.sent).toHaveLength(1);
  },
);
