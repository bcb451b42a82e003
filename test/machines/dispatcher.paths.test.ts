import { afterAll, expect, test } from 'vitest';
import { type AnyActorRef, SimulatedClock } from 'xstate';
import { type DueHooks, dispatcherMachine } from '../../src/machines/dispatcher.ts';
import type { EndpointInput, EndpointOutcome } from '../../src/machines/endpoint.ts';
import type { Report } from '../../src/machines/types/reports.ts';
import { createCoverage, createRemote, flush, startChild } from '../support/paths.ts';

// The machine takes requests without end, so its paths cannot be enumerated. These sequences are written one by one, with the
// same gate: every transition is taken. `dispatcher.model.test.ts` tries random sequences.

const remote = createRemote();
const machine = dispatcherMachine.provide({ actors: { endpoint: remote.logic(), poll: remote.logic() } });
const coverage = createCoverage(machine);

const interval = 5_000;

const start = (slots = 2) => {
  const clock = new SimulatedClock();
  const reports: Report[] = [];
  /** Inputs of the delivery actors, and the events that they received, in order. */
  const started: { id: string; input: EndpointInput }[] = [];
  const received: string[] = [];
  const actor = startChild(machine, {
    clock,
    input: { slots, perEndpoint: 8, interval },
    onReport: (report) => void reports.push(report),
    inspect(event) {
      coverage.inspect(event);
      const { id } = event.actorRef as AnyActorRef;
      if (event.type !== '@xstate.event' || !id.startsWith('endpoint-')) return;
      const { type, input } = event.event as { type: string; input?: EndpointInput };
      if (type === 'xstate.init' && input !== undefined) started.push({ id, input });
      if (type === 'due' || type === 'stop') received.push(`${id} ${type}`);
    },
  });
  const then = async (act: () => unknown) => {
    await flush();
    act();
    await flush();
  };
  return {
    actor,
    started,
    received,
    /** Endpoints in the order in which they got an actor. */
    hookEndpoints: () => started.map(({ input }) => input.endpoint),
    faults: () => reports.filter(({ type }) => type === 'fault'),
    quiet: () => reports.filter(({ type }) => type === 'hooks.quiet').length,
    /** The state within its mode, where it has one. */
    value: () => {
      const { value } = actor.getSnapshot();
      return typeof value === 'string' ? value : Object.values(value)[0];
    },
    mode: () => Object.keys(Object(actor.getSnapshot().value))[0],
    status: () => actor.getSnapshot().status,
    context: () => actor.getSnapshot().context,
    output: () => actor.getSnapshot().output,
    send: (...events: Parameters<typeof actor.send>[0][]) => then(() => events.map((event) => actor.send(event))),
    due: (...origins: string[]) => then(() => origins.map((endpoint) => actor.send({ type: 'due', endpoint }))),
    polls: (due: string[] = [], wait?: number) =>
      then(() => remote.resolve(actor, 'poll', { due, wait } satisfies DueHooks)),
    pollFails: () => then(() => remote.reject(actor, 'poll', new Error('Redis is down'))),
    /** The delivery in a slot ends. */
    ends: (slot: number, more: Partial<EndpointOutcome> = {}) =>
      then(() =>
        remote.resolve(actor, `endpoint-${slot}`, {
          endpoint: actor.getSnapshot().context.inSlots[`endpoint-${slot}`],
          outcome: 'idle',
          wait: undefined,
          ...more,
        }),
      ),
    breaks: (slot: number) => then(() => remote.reject(actor, `endpoint-${slot}`, new Error('a fault of the chart'))),
    tick: (ms: number) => then(() => clock.increment(ms)),
  };
};

test('sleeps until this host enqueues a hook, and sends it without a poll', async () => {
  const it = start();
  await it.tick(3_600_000);
  expect(it.value()).toBe('asleep');
  await it.due('a');
  expect(it.value()).toBe('waiting');
  expect(it.started).toEqual([{ id: 'endpoint-0', input: { endpoint: 'a', slots: 8 } }]);
});

test('polls at once when it begins to watch, then at each interval, and never sleeps', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  for (let i = 0; i < 3; i++) {
    expect(it.value()).toBe('polling');
    await it.polls();
    expect(it.value()).toBe('waiting');
    await it.tick(interval - 1);
    expect(it.value()).toBe('waiting');
    await it.tick(1);
  }
});

test('polls at once when it begins to watch while it is awake, and never sleeps again', async () => {
  for (const before of ['polling', 'waiting']) {
    const it = start();
    await it.due('a');
    if (before === 'polling') await it.send({ type: 'poll' });
    expect([it.mode(), it.value()]).toEqual(['onDemand', before]);
    await it.send({ type: 'watch' });
    expect([it.mode(), it.value()]).toEqual(['watching', 'polling']);
    await it.polls();
    await it.ends(0);
    expect(it.value()).toBe('waiting');
  }
});

test('falls asleep when no hook waits and every slot is free', async () => {
  const it = start();
  await it.send({ type: 'poll' });
  await it.polls();
  expect(it.value()).toBe('asleep');
  await it.due('a');
  await it.ends(0);
  expect(it.value()).toBe('asleep');
});

test('stays awake while a hook waits, and polls when it is due', async () => {
  const it = start();
  await it.send({ type: 'poll' });
  await it.polls([], 800);
  await it.tick(799);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  expect(it.value()).toBe('polling');
});

test('pauses between two polls, but never for longer than the interval', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  await it.polls([], 1);
  await it.tick(49);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  await it.polls([], 3_600_000);
  await it.tick(interval);
  expect(it.value()).toBe('polling');
});

test('polls when a hook that a delivery left for later is due, not at the next interval', async () => {
  const it = start();
  await it.due('a', 'b');
  await it.ends(0, { wait: 2_000 });
  await it.tick(1_000);
  await it.ends(1, { wait: 3_000 });
  await it.tick(999);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  expect(it.value()).toBe('polling');
});

test('polls for each hook when it is due, whatever an endpoint that ends meanwhile leaves for later', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  await it.polls(['a'], 3_000);
  await it.tick(2_000);
  await it.ends(0, { wait: 2_500 });
  await it.tick(999);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  expect(it.value()).toBe('polling');
  await it.polls();
  await it.tick(1_499);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  expect(it.value()).toBe('polling');
});

test('pauses before the poll for a hook that an endpoint leaves for the next moment', async () => {
  const it = start();
  await it.due('a');
  await it.ends(0, { wait: 1 });
  await it.tick(49);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  expect(it.value()).toBe('polling');
});

test('does not postpone the next poll when deliveries leave nothing sooner', async () => {
  const it = start(3);
  await it.send({ type: 'watch' });
  await it.polls(['a', 'b', 'c'], 3_000);
  await it.tick(2_000);
  await it.ends(0, { wait: 4_000 });
  await it.ends(1, { wait: 3_000 });
  await it.ends(2);
  await it.tick(1_000);
  expect(it.value()).toBe('polling');
});

test('gives every due endpoint an actor, in the lowest free slot', async () => {
  const it = start(3);
  await it.send({ type: 'watch' });
  await it.polls(['a', 'b']);
  await it.ends(0);
  await it.tick(interval);
  await it.polls(['c', 'd']);
  expect(it.context().inSlots).toEqual({ 'endpoint-0': 'c', 'endpoint-1': 'b', 'endpoint-2': 'd' });
});

test('queues endpoints when all slots are taken, in the order in which they became due, each once', async () => {
  const it = start(2);
  await it.send({ type: 'watch' });
  await it.polls(['a', 'b', 'c']);
  await it.due('d', 'c', 'd');
  await it.tick(interval);
  await it.polls(['b', 'c', 'd', 'e']);
  expect(it.context().due).toEqual(['c', 'd', 'e']);
  for (const slot of [1, 0, 0]) await it.ends(slot);
  expect(it.hookEndpoints()).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(it.context()).toMatchObject({ due: [], inSlots: { 'endpoint-0': 'e', 'endpoint-1': 'c' } });
});

test('notifies the actor of an endpoint that has a slot, and starts no second one', async () => {
  const it = start();
  await it.due('a', 'b', 'a', 'a');
  expect(it.hookEndpoints()).toEqual(['a', 'b']);
  expect(it.received).toEqual(['endpoint-0 due', 'endpoint-0 due']);
});

test('starts one more actor for all hooks that became due while the actor of their endpoint ended', async () => {
  const it = start(1);
  await it.due('a', 'b', 'a', 'a');
  await it.ends(0);
  await it.ends(0);
  await it.ends(0);
  expect(it.hookEndpoints()).toEqual(['a', 'b', 'a']);
  expect(it.value()).toBe('asleep');
});

test('starts another actor for each endpoint whose hook became due while its actor ended', async () => {
  const it = start(2);
  await it.due('a', 'b', 'a', 'b');
  await it.ends(0);
  await it.ends(1);
  expect(it.hookEndpoints()).toEqual(['a', 'b', 'a', 'b']);
});

test('sends a hook that becomes due during a poll at once, and only once', async () => {
  const it = start();
  await it.send({ type: 'poll' });
  await it.due('a');
  expect(it.hookEndpoints()).toEqual(['a']);
  await it.polls(['a']);
  expect(it.hookEndpoints()).toEqual(['a']);
});

test('remembers a hook that a delivery left for later during a poll that has not seen it', async () => {
  const it = start();
  await it.send({ type: 'poll' });
  await it.due('a');
  await it.ends(0, { wait: 2_000 });
  await it.polls([], undefined);
  expect(it.value()).toBe('waiting');
  await it.tick(2_000);
  expect(it.value()).toBe('polling');
  // The next poll has seen it, so the earlier wait no longer counts.
  await it.polls([], undefined);
  expect(it.value()).toBe('asleep');
});

test.each([
  [1_000, 1_000],
  [4_000, 2_000],
])('polls for the first hook that is left: the poll found one that waits %i ms', async (found, first) => {
  const it = start();
  await it.due('a', 'b');
  await it.send({ type: 'poll' });
  await it.ends(0, { wait: 2_000 });
  await it.ends(1, { wait: 3_000 });
  await it.polls([], found);
  await it.tick(first - 1);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  expect(it.value()).toBe('polling');
});

test('reports quiet after a poll that finds nothing, and only then', async () => {
  const it = start();
  await it.send({ type: 'poll' });
  expect(it.quiet()).toBe(0);
  await it.polls(['a']);
  expect(it.quiet()).toBe(0);
  await it.send({ type: 'poll' });
  expect(it.value()).toBe('polling');
  await it.polls();
  expect(it.quiet()).toBe(0);
  await it.ends(0);
  expect(it.quiet()).toBe(1);
});

test('polls again for a caller that asks during a poll, which may not find what was recorded since', async () => {
  for (const mode of ['onDemand', 'watching'] as const) {
    for (const end of ['polls', 'pollFails'] as const) {
      const it = start();
      await it.send(mode === 'watching' ? { type: 'watch' } : { type: 'poll' });
      await it.send({ type: 'poll' }, { type: 'poll' });
      await it[end]();
      expect([mode, it.value(), it.quiet()]).toEqual([mode, 'polling', 0]);
      await it.polls(['a']);
      expect([it.hookEndpoints(), it.value(), it.quiet()]).toEqual([['a'], 'waiting', 0]);
      await it.ends(0);
      expect(it.quiet()).toBe(1);
    }
  }
});

test('reports quiet with the last delivery, if it was stopped during a poll that a caller asked for', async () => {
  const it = start();
  await it.due('a');
  await it.send({ type: 'poll' }, { type: 'poll' }, { type: 'stop' });
  await it.ends(0);
  expect([it.quiet(), it.status()]).toEqual([1, 'done']);
});

test('reports quiet when the last delivery has ended, including those that waited for a slot', async () => {
  const it = start(2);
  await it.due('a', 'b', 'c');
  await it.ends(0);
  await it.ends(0);
  expect(it.quiet()).toBe(0);
  await it.breaks(1);
  expect(it.quiet()).toBe(1);
});

test('leaves the report of quiet to a poll that is running when an endpoint ends', async () => {
  for (const end of ['ends', 'breaks'] as const) {
    for (const mode of ['onDemand', 'watching'] as const) {
      const it = start();
      await it.due('a');
      await it.send(mode === 'watching' ? { type: 'watch' } : { type: 'poll' });
      await it[end](0);
      expect([mode, it.quiet()]).toEqual([mode, 0]);
      await it.polls(['b']);
      expect(it.quiet()).toBe(0);
      await it.ends(0);
      expect(it.quiet()).toBe(1);
    }
  }
});

test('polls for a caller that waits, and for a hook that is due soon, while it watches', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  await it.polls(['a']);
  await it.send({ type: 'poll' });
  expect(it.value()).toBe('polling');
  await it.polls();
  await it.ends(0, { wait: 800 });
  await it.tick(800);
  expect(it.value()).toBe('polling');
});

test('answers callers after a failed poll, but does not report quiet while a delivery runs', async () => {
  const it = start();
  await it.send({ type: 'poll' });
  await it.pollFails();
  expect(it.quiet()).toBe(1);
  await it.due('a');
  await it.send({ type: 'poll' });
  await it.pollFails();
  expect(it.quiet()).toBe(1);
  await it.ends(0);
  expect(it.quiet()).toBe(2);
});

test('reports consecutive failed polls once', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  const again = async () => {
    await it.pollFails();
    await it.tick(interval);
  };
  await again();
  await again();
  const fault = { type: 'fault', where: 'looking for hooks to send', error: 'Redis is down', poll: 'due-hooks' };
  expect(it.faults()).toMatchObject([fault]);
  await it.polls();
  await it.tick(interval);
  await again();
  expect(it.faults()).toMatchObject([fault, fault]);
});

test('repeats a failed poll even if it does not watch, because a hook may wait', async () => {
  const it = start();
  await it.send({ type: 'poll' });
  await it.pollFails();
  expect(it.value()).toBe('waiting');
  await it.tick(interval);
  expect(it.value()).toBe('polling');
  await it.polls();
  expect(it.value()).toBe('asleep');
});

test('reports the error of an abandoned delivery, and polls again even if it does not watch', async () => {
  const it = start();
  await it.due('a');
  await it.ends(0, { outcome: 'abandoned', error: 'Redis is down' });
  expect(it.faults()).toEqual([{ type: 'fault', where: 'sending hooks to a', error: 'Redis is down' }]);
  expect(it.value()).toBe('waiting');
  await it.tick(interval);
  expect(it.value()).toBe('polling');
});

test('reports a crashed delivery, frees its slot, and reads its endpoint again', async () => {
  const it = start(1);
  await it.due('a', 'b');
  await it.breaks(0);
  expect(it.faults()).toMatchObject([
    { type: 'fault', where: 'sending hooks to a', error: 'a fault of the chart', isCrash: true },
  ]);
  expect(it.context().inSlots).toEqual({ 'endpoint-0': 'b' });
  await it.ends(0);
  await it.tick(interval);
  expect(it.value()).toBe('polling');
});

test('reports no fault when a delivery ends without an error', async () => {
  const it = start();
  await it.due('a');
  await it.ends(0, { outcome: 'open', wait: 4_000 });
  expect(it.faults()).toEqual([]);
});

test('ends at once if no delivery runs when it is stopped: asleep, watching or polling', async () => {
  const asleep = start();
  const polling = start();
  await polling.send({ type: 'watch' });
  const watching = start();
  await watching.send({ type: 'watch' });
  await watching.polls([], 10);
  for (const it of [asleep, polling, watching]) {
    await it.send({ type: 'stop' });
    expect([it.value(), it.status()]).toEqual(['stopped', 'done']);
    expect(it.output()).toEqual({ wait: it === watching ? 10 : undefined });
  }
});

test('stops every delivery, starts no other, and ends with the last of them', async () => {
  const it = start(2);
  await it.due('a', 'b', 'c', 'a');
  await it.send({ type: 'stop' }, { type: 'due', endpoint: 'd' }, { type: 'due', endpoint: 'b' }, { type: 'poll' });
  expect(it.received.filter((text) => text.endsWith('stop'))).toEqual(['endpoint-0 stop', 'endpoint-1 stop']);
  await it.tick(3_600_000);
  await it.ends(0);
  expect(it.value()).toBe('stopping');
  await it.breaks(1);
  expect(it.status()).toBe('done');
  expect(it.hookEndpoints()).toEqual(['a', 'b']);
});

test('reports quiet with the last delivery after a stop, even if endpoints wait for a slot', async () => {
  const it = start(1);
  await it.due('a', 'b', 'a');
  await it.send({ type: 'stop' });
  expect(it.quiet()).toBe(0);
  await it.ends(0);
  expect([it.quiet(), it.status()]).toEqual([1, 'done']);
});

test('uses a fixed set of actor ids for any number of endpoints', async () => {
  const it = start(2);
  await it.send({ type: 'watch' });
  await it.polls(Array.from({ length: 20 }, (_, i) => `endpoint ${i}`));
  for (let i = 0; i < 20; i++) await it.ends(i === 19 ? 1 : i % 2);
  expect(it.started).toHaveLength(20);
  expect(new Set(it.started.map(({ id }) => id))).toEqual(new Set(['endpoint-0', 'endpoint-1']));
  expect(Object.keys(it.actor.getSnapshot().children)).toEqual([]);
});

afterAll(() => expect(coverage.missing()).toEqual([]));
