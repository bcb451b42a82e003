import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromPromise, SimulatedClock } from 'xstate';
import { type DispatcherEvent, type DueHooks, dispatcherMachine } from '../../src/machines/dispatcher.ts';
import type { EndpointInput, EndpointOutcome } from '../../src/machines/endpoint.ts';
import { flush, startChild } from '../support/paths.ts';

// The dispatcher against a small model of what it serves: endpoints with hooks that are due now or later, polls that read
// this and answer some time later, deliveries that claim hooks and end some time later. In any order of events, no endpoint
// has two deliveries at the same time, and no endpoint with hooks of this host is forgotten.

const slots = 2;
const interval = 5_000;
const origins = ['a', 'b', 'c'] as const;
type Origin = (typeof origins)[number];

interface Answer<Output> {
  resolve(output: Output): void;
  reject(error: unknown): void;
}
interface Delivery extends Answer<EndpointOutcome> {
  readonly endpoint: Origin;
  /** The wait that its last claim returned; undefined: it has claimed nothing yet. */
  wait: { readonly ms: number | undefined } | undefined;
}
interface Poll extends Answer<DueHooks> {
  /** What it has read; undefined: nothing yet. */
  read: DueHooks | undefined;
}

const startWorld = () => {
  const clock = new SimulatedClock();
  const world = {
    /** Endpoint → when its next hook is due, in ms. */
    dueAt: new Map<Origin, number>(),
    /** Endpoints whose hooks were enqueued here, or have failed here, and are not delivered yet. */
    owed: new Set<Origin>(),
    deliveries: [] as Delivery[],
    poll: undefined as Poll | undefined,
    isWatching: false,
    /** The largest number of deliveries at the same time, in all and to one endpoint. */
    most: { ever: 0, toOne: 0 },
    /** Deliveries that were running when the dispatcher reported quiet. */
    underWayWhenQuiet: 0,
  };
  const actor = startChild(
    dispatcherMachine.provide({
      actors: {
        endpoint: fromPromise<EndpointOutcome, EndpointInput>(
          ({ input }) =>
            new Promise((resolve, reject) => {
              world.deliveries.push({ endpoint: input.endpoint as Origin, wait: undefined, resolve, reject });
              const toOne = world.deliveries.filter(({ endpoint }) => endpoint === input.endpoint).length;
              world.most.ever = Math.max(world.most.ever, world.deliveries.length);
              world.most.toOne = Math.max(world.most.toOne, toOne);
            }),
          // biome-ignore lint/suspicious/noExplicitAny: replaces the logic of a machine, but has other snapshots
        ) as any,
        poll: fromPromise<DueHooks>(
          () =>
            new Promise((resolve, reject) => {
              world.poll = { read: undefined, resolve, reject };
            }),
        ),
      },
    }),
    {
      clock,
      input: { slots, perEndpoint: 8, interval },
      onReport: ({ type }) => {
        if (type === 'hooks.quiet') world.underWayWhenQuiet += world.deliveries.length;
      },
    },
  );

  const waits = () => [...world.dueAt].map(([endpoint, at]) => [endpoint, at - clock.now()] as const);
  const read = (): DueHooks => {
    const later = waits().flatMap(([, ms]) => (ms > 0 ? [ms] : []));
    return {
      due: waits().flatMap(([endpoint, ms]) => (ms <= 0 ? [endpoint] : [])),
      wait: later.length === 0 ? undefined : Math.min(...later),
    };
  };
  const isDue = (endpoint: Origin) => (world.dueAt.get(endpoint) ?? Number.POSITIVE_INFINITY) <= clock.now();
  const removed = (i: number): Delivery => world.deliveries.splice(i, 1)[0] as Delivery;

  return {
    world,
    actor,
    send(event: DispatcherEvent) {
      if (actor.getSnapshot().status === 'active') actor.send(event);
    },
    tick: (ms: number) => clock.increment(ms),
    enqueue: (endpoint: Origin) => void world.dueAt.set(endpoint, clock.now()),
    /** A delivery takes what is due; it is delivered, or fails and is due again after `pause` ms. */
    claim(i: number, pause: number | undefined) {
      const delivery = world.deliveries[i] as Delivery;
      const { endpoint } = delivery;
      if (isDue(endpoint)) {
        if (pause === undefined) {
          world.dueAt.delete(endpoint);
          world.owed.delete(endpoint);
        } else {
          world.dueAt.set(endpoint, clock.now() + pause);
          world.owed.add(endpoint);
        }
      }
      const at = world.dueAt.get(endpoint);
      delivery.wait = { ms: at === undefined ? undefined : at - clock.now() };
    },
    end(i: number) {
      const { endpoint, wait, resolve } = removed(i);
      resolve({ endpoint, outcome: 'idle', wait: wait?.ms });
    },
    abandon(i: number) {
      const { endpoint, resolve } = removed(i);
      resolve({ endpoint, outcome: 'abandoned', wait: undefined, error: 'Redis is down' });
    },
    break: (i: number) => removed(i).reject(new Error('a fault of the chart')),
    poll() {
      if (world.poll !== undefined) world.poll.read = read();
    },
    answer() {
      const { poll } = world;
      if (poll?.read === undefined) return;
      world.poll = undefined;
      poll.resolve(poll.read);
    },
    failPoll() {
      const { poll } = world;
      world.poll = undefined;
      poll?.reject(new Error('Redis is down'));
    },
  };
};
type World = ReturnType<typeof startWorld>;

/** What may happen. An event that is impossible in a state is left out. `which` picks one of the running deliveries. */
type Step =
  | readonly ['enqueued here' | 'enqueued elsewhere', Origin]
  | readonly ['delivers' | 'ends' | 'is given up' | 'breaks', which: number]
  | readonly ['fails', which: number, pause: number]
  | readonly ['time', ms: number]
  | readonly ['watch' | 'poll' | 'poll reads' | 'poll answers' | 'poll fails'];

const anOrigin = fc.constantFrom(...origins);
const which = fc.nat({ max: slots - 1 });
/** Causes of a poll (a request, a failure, time) are rare here, because each poll finds again what was forgotten. */
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constant('enqueued here' as const), anOrigin) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('enqueued elsewhere' as const), anOrigin) },
  { weight: 8, arbitrary: fc.tuple(fc.constant('delivers' as const), which) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('fails' as const), which, fc.constantFrom(40, 2_000, 7_000)) },
  { weight: 10, arbitrary: fc.tuple(fc.constant('ends' as const), which) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('is given up' as const, 'breaks' as const), which) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('time' as const), fc.constantFrom(50, 1_000, interval)) },
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom('poll reads' as const, 'poll answers' as const)) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom('poll' as const, 'poll fails' as const)) },
  { weight: 1, arbitrary: fc.constant(['watch'] as const) },
);

const take = async (it: World, taken: Step): Promise<void> => {
  const [what] = taken;
  const delivery = typeof taken[1] === 'number' ? it.world.deliveries[taken[1]] : undefined;
  if (what === 'enqueued here') {
    it.enqueue(taken[1]);
    it.world.owed.add(taken[1]);
    it.send({ type: 'due', endpoint: taken[1] });
  } else if (what === 'enqueued elsewhere') it.enqueue(taken[1]);
  else if (what === 'time') it.tick(taken[1]);
  else if (what === 'poll reads') it.poll();
  else if (what === 'poll answers') it.answer();
  else if (what === 'poll fails') it.failPoll();
  else if (what === 'watch' || what === 'poll') {
    it.world.isWatching ||= what === 'watch';
    it.send({ type: what });
  } else if (delivery !== undefined) {
    if (what === 'delivers') it.claim(taken[1], undefined);
    else if (what === 'fails') it.claim(taken[1], taken[2]);
    else if (what === 'is given up') it.abandon(taken[1]);
    else if (what === 'breaks') it.break(taken[1]);
    else if (what === 'ends' && delivery.wait !== undefined) it.end(taken[1]);
  }
  await flush();
};

/** From now on nothing fails: polls are answered, deliveries deliver what is due and end, time passes. */
const goWell = async (it: World): Promise<void> => {
  for (let round = 0; round < 8; round++) {
    await take(it, ['poll reads']);
    await take(it, ['poll answers']);
    while (it.world.deliveries.length > 0) {
      await take(it, ['delivers', 0]);
      await take(it, ['ends', 0]);
    }
    await take(it, ['time', interval]);
  }
};

/** One comparison, because it is made after each of many thousand steps. */
const checkBounds = ({ world, actor }: World) => {
  const { children, context } = actor.getSnapshot();
  const { most, underWayWhenQuiet, deliveries } = world;
  expect({
    most: [Math.max(most.toOne, 1), Math.max(most.ever, slots)],
    underWayWhenQuiet,
    children: Object.keys(children)
      .filter((id) => id !== 'poll')
      .sort(),
    inSlots: Object.values(context.inSlots).sort(),
  }).toEqual({
    most: [1, slots],
    underWayWhenQuiet: 0,
    children: Object.keys(context.inSlots).sort(),
    inSlots: deliveries.map(({ endpoint }) => endpoint).sort(),
  });
};

const steps = fc.array(step, { maxLength: 40, size: 'max' });
const runs = 1_000;

test('in any order of events, no endpoint has two deliveries at the same time, and none is forgotten', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const it = startWorld();
      try {
        for (const one of taken) {
          await take(it, one);
          checkBounds(it);
        }
        await goWell(it);
        checkBounds(it);
        expect([...it.world.owed]).toEqual([]);
        if (it.world.isWatching) expect([...it.world.dueAt]).toEqual([]);
        else expect(it.actor.getSnapshot().value).toEqual({ onDemand: 'asleep' });
      } finally {
        it.send({ type: 'stop' });
      }
    }),
    { numRuns: runs },
  );
});

test('stopped in any state, it starts no delivery, and ends after the running ones', async () => {
  await fc.assert(
    fc.asyncProperty(steps, steps, async (before, after) => {
      const it = startWorld();
      for (const one of before) await take(it, one);
      it.send({ type: 'stop' });
      let left = it.world.deliveries.length;
      for (const one of after) {
        await take(it, one);
        expect(it.world.deliveries.length).toBeLessThanOrEqual(left);
        left = it.world.deliveries.length;
        checkBounds(it);
      }
      while (it.world.deliveries.length > 0) await take(it, ['breaks', 0]);
      expect(it.actor.getSnapshot().status).toBe('done');
    }),
    { numRuns: runs },
  );
});
