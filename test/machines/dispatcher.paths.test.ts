import { afterAll, expect, test } from 'vitest';
import { type AnyActorRef, SimulatedClock } from 'xstate';
import { dispatcherMachine, type Looked } from '../../src/machines/dispatcher.ts';
import type { EndpointInput, EndpointOutcome } from '../../src/machines/endpoint.ts';
import type { Report } from '../../src/machines/types/reports.ts';
import { createCoverage, createRemote, flush, startChild } from '../support/paths.ts';

// The chart takes requests without end: its paths have no number. These are sequences by hand, held to the same gate:
// every transition is taken. What no sequence by hand would try is in `deliverer.model.test.ts`.

const remote = createRemote();
const machine = dispatcherMachine.provide({ actors: { endpoint: remote.logic(), look: remote.logic() } });
const coverage = createCoverage(machine);

const interval = 5_000;

const start = (slots = 2) => {
  const clock = new SimulatedClock();
  const reports: Report[] = [];
  /** What delivery actors were started with, and what they were told, in order. */
  const started: { id: string; input: EndpointInput }[] = [];
  const told: string[] = [];
  const actor = startChild(machine, {
    clock,
    input: { slots, perReceiver: 8, interval },
    onReport: (report) => void reports.push(report),
    inspect(event) {
      coverage.inspect(event);
      const { id } = event.actorRef as AnyActorRef;
      if (event.type !== '@xstate.event' || !id.startsWith('endpoint-')) return;
      const { type, input } = event.event as { type: string; input?: EndpointInput };
      if (type === 'xstate.init' && input !== undefined) started.push({ id, input });
      if (type === 'due' || type === 'stop') told.push(`${id} ${type}`);
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
    told,
    /** Receivers in the order in which they got an actor. */
    receivers: () => started.map(({ input }) => input.origin),
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
    send: (...events: Parameters<typeof actor.send>[0][]) => then(() => events.map((event) => actor.send(event))),
    due: (...origins: string[]) => then(() => origins.map((origin) => actor.send({ type: 'due', origin }))),
    looks: (due: string[] = [], wait?: number) =>
      then(() => remote.resolve(actor, 'look', { due, wait } satisfies Looked)),
    lookFails: () => then(() => remote.reject(actor, 'look', new Error('Redis is down'))),
    /** The delivery in a slot ends. */
    ends: (slot: number, more: Partial<EndpointOutcome> = {}) =>
      then(() =>
        remote.resolve(actor, `endpoint-${slot}`, {
          origin: actor.getSnapshot().context.inSlots[`endpoint-${slot}`],
          outcome: 'rested',
          wait: undefined,
          ...more,
        }),
      ),
    breaks: (slot: number) => then(() => remote.reject(actor, `endpoint-${slot}`, new Error('a fault of the chart'))),
    tick: (ms: number) => then(() => clock.increment(ms)),
  };
};

test('it sleeps until something is enqueued here, and sends that without a look', async () => {
  const it = start();
  await it.tick(3_600_000);
  expect(it.value()).toBe('asleep');
  await it.due('a');
  expect(it.value()).toBe('waiting');
  expect(it.started).toEqual([{ id: 'endpoint-0', input: { origin: 'a', slots: 8 } }]);
});

test('told to watch, it looks at once, then from interval to interval, and never falls asleep', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  for (let i = 0; i < 3; i++) {
    expect(it.value()).toBe('looking');
    await it.looks();
    expect(it.value()).toBe('waiting');
    await it.tick(interval - 1);
    expect(it.value()).toBe('waiting');
    await it.tick(1);
  }
});

test('told to watch while it is awake, it looks at once, and does not fall asleep any more', async () => {
  for (const before of ['looking', 'waiting']) {
    const it = start();
    await it.due('a');
    if (before === 'looking') await it.send({ type: 'look' });
    expect([it.mode(), it.value()]).toEqual(['onDemand', before]);
    await it.send({ type: 'watch' });
    expect([it.mode(), it.value()]).toEqual(['watching', 'looking']);
    await it.looks();
    await it.ends(0);
    expect(it.value()).toBe('waiting');
  }
});

test('with nothing waiting and nobody in a slot it falls asleep again', async () => {
  const it = start();
  await it.send({ type: 'look' });
  await it.looks();
  expect(it.value()).toBe('asleep');
  await it.due('a');
  await it.ends(0);
  expect(it.value()).toBe('asleep');
});

test('it stays awake for what waits, and looks when that is due', async () => {
  const it = start();
  await it.send({ type: 'look' });
  await it.looks([], 800);
  await it.tick(799);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  expect(it.value()).toBe('looking');
});

test('between two looks there is a pause, however soon the next is due, and never more than the interval', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  await it.looks([], 1);
  await it.tick(49);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  await it.looks([], 3_600_000);
  await it.tick(interval);
  expect(it.value()).toBe('looking');
});

test('what a delivery leaves for later is looked for when it is due, not at the next interval', async () => {
  const it = start();
  await it.due('a', 'b');
  await it.ends(0, { wait: 2_000 });
  await it.tick(1_000);
  await it.ends(1, { wait: 3_000 });
  await it.tick(999);
  expect(it.value()).toBe('waiting');
  await it.tick(1);
  expect(it.value()).toBe('looking');
});

test('deliveries that leave nothing sooner do not put the next look off', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  await it.looks(['a', 'b'], 3_000);
  await it.tick(2_000);
  await it.ends(0, { wait: 4_000 });
  await it.ends(1);
  await it.tick(1_000);
  expect(it.value()).toBe('looking');
});

test('every receiver that a look finds due gets an actor, the lowest free slots first', async () => {
  const it = start(3);
  await it.send({ type: 'watch' });
  await it.looks(['a', 'b']);
  await it.ends(0);
  await it.tick(interval);
  await it.looks(['c', 'd']);
  expect(it.context().inSlots).toEqual({ 'endpoint-0': 'c', 'endpoint-1': 'b', 'endpoint-2': 'd' });
});

test('more receivers than slots wait their turn, in the order in which they became due, none of them twice', async () => {
  const it = start(2);
  await it.send({ type: 'watch' });
  await it.looks(['a', 'b', 'c']);
  await it.due('d', 'c', 'd');
  await it.tick(interval);
  await it.looks(['b', 'c', 'd', 'e']);
  expect(it.context().due).toEqual(['c', 'd', 'e']);
  for (const slot of [1, 0, 0]) await it.ends(slot);
  expect(it.receivers()).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(it.context()).toMatchObject({ due: [], inSlots: { 'endpoint-0': 'e', 'endpoint-1': 'c' } });
});

test('a receiver in a slot gets no second actor: the one that it has is told', async () => {
  const it = start();
  await it.due('a', 'b', 'a', 'a');
  expect(it.receivers()).toEqual(['a', 'b']);
  expect(it.told).toEqual(['endpoint-0 due', 'endpoint-0 due']);
});

test('what becomes due while its actor ends is not left lying, and costs one more actor, not one each', async () => {
  const it = start(1);
  await it.due('a', 'b', 'a', 'a');
  await it.ends(0);
  await it.ends(0);
  await it.ends(0);
  expect(it.receivers()).toEqual(['a', 'b', 'a']);
  expect(it.value()).toBe('asleep');
});

test('what becomes due while it looks is sent without waiting for the look, which does not send it twice', async () => {
  const it = start();
  await it.send({ type: 'look' });
  await it.due('a');
  expect(it.receivers()).toEqual(['a']);
  await it.looks(['a']);
  expect(it.receivers()).toEqual(['a']);
});

test('what a delivery left for later while a look was under way is not forgotten for a look that has not seen it', async () => {
  const it = start();
  await it.send({ type: 'look' });
  await it.due('a');
  await it.ends(0, { wait: 2_000 });
  await it.looks([], undefined);
  expect(it.value()).toBe('waiting');
  await it.tick(2_000);
  expect(it.value()).toBe('looking');
  // The next look has seen it: what was told before no longer counts.
  await it.looks([], undefined);
  expect(it.value()).toBe('asleep');
});

test('quiet is told after a look that finds nothing, and not while it finds something', async () => {
  const it = start();
  await it.send({ type: 'look' });
  expect(it.quiet()).toBe(0);
  await it.looks(['a']);
  expect(it.quiet()).toBe(0);
  await it.send({ type: 'look' });
  expect(it.value()).toBe('looking');
  await it.looks();
  expect(it.quiet()).toBe(0);
  await it.ends(0);
  expect(it.quiet()).toBe(1);
});

test('quiet is told with the last delivery to end, those that waited for a slot included', async () => {
  const it = start(2);
  await it.due('a', 'b', 'c');
  await it.ends(0);
  await it.ends(0);
  expect(it.quiet()).toBe(0);
  await it.breaks(1);
  expect(it.quiet()).toBe(1);
});

test('quiet is not reported by an endpoint that ends during a look: the look knows', async () => {
  for (const end of ['ends', 'breaks'] as const) {
    for (const mode of ['onDemand', 'watching'] as const) {
      const it = start();
      await it.due('a');
      await it.send(mode === 'watching' ? { type: 'watch' } : { type: 'look' });
      await it[end](0);
      expect([mode, it.quiet()]).toEqual([mode, 0]);
      await it.looks(['b']);
      expect(it.quiet()).toBe(0);
      await it.ends(0);
      expect(it.quiet()).toBe(1);
    }
  }
});

test('a caller who waits, and a hook that is due soon, make a watching dispatcher look', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  await it.looks(['a']);
  await it.send({ type: 'look' });
  expect(it.value()).toBe('looking');
  await it.looks();
  await it.ends(0, { wait: 800 });
  await it.tick(800);
  expect(it.value()).toBe('looking');
});

test('a look that fails leaves nobody waiting, yet is not told as quiet while something is under way', async () => {
  const it = start();
  await it.send({ type: 'look' });
  await it.lookFails();
  expect(it.quiet()).toBe(1);
  await it.due('a');
  await it.send({ type: 'look' });
  await it.lookFails();
  expect(it.quiet()).toBe(1);
  await it.ends(0);
  expect(it.quiet()).toBe(2);
});

test('a look that fails is told once in a row', async () => {
  const it = start();
  await it.send({ type: 'watch' });
  const again = async () => {
    await it.lookFails();
    await it.tick(interval);
  };
  await again();
  await again();
  const fault = { type: 'fault', where: 'looking for hooks to send', error: 'Redis is down' };
  expect(it.faults()).toMatchObject([fault]);
  await it.looks();
  await it.tick(interval);
  await again();
  expect(it.faults()).toMatchObject([fault, fault]);
});

test('a look that fails is made again, though it was not told to watch: something may wait', async () => {
  const it = start();
  await it.send({ type: 'look' });
  await it.lookFails();
  expect(it.value()).toBe('waiting');
  await it.tick(interval);
  expect(it.value()).toBe('looking');
  await it.looks();
  expect(it.value()).toBe('asleep');
});

test('a delivery that was given up is told with its error, and looked for again, though it was not told to watch', async () => {
  const it = start();
  await it.due('a');
  await it.ends(0, { outcome: 'abandoned', error: 'Redis is down' });
  expect(it.faults()).toEqual([{ type: 'fault', where: 'sending hooks to a', error: 'Redis is down' }]);
  expect(it.value()).toBe('waiting');
  await it.tick(interval);
  expect(it.value()).toBe('looking');
});

test('a delivery whose chart breaks is told, its slot is free, and its receiver is looked for again', async () => {
  const it = start(1);
  await it.due('a', 'b');
  await it.breaks(0);
  expect(it.faults()).toMatchObject([
    { type: 'fault', where: 'sending hooks to a', error: 'a fault of the chart', isCrash: true },
  ]);
  expect(it.context().inSlots).toEqual({ 'endpoint-0': 'b' });
  await it.ends(0);
  await it.tick(interval);
  expect(it.value()).toBe('looking');
});

test('an end that went well is no fault', async () => {
  const it = start();
  await it.due('a');
  await it.ends(0, { outcome: 'open', wait: 4_000 });
  expect(it.faults()).toEqual([]);
});

test('stopped with nothing under way, it is over at once, asleep, watching or looking', async () => {
  const asleep = start();
  const looking = start();
  await looking.send({ type: 'watch' });
  const watching = start();
  await watching.send({ type: 'watch' });
  await watching.looks([], 10);
  for (const it of [asleep, looking, watching]) {
    await it.send({ type: 'stop' });
    expect([it.value(), it.status()]).toEqual(['stopped', 'done']);
  }
});

test('told to stop, it tells every delivery, starts no other, and is over with the last of them', async () => {
  const it = start(2);
  await it.due('a', 'b', 'c', 'a');
  await it.send({ type: 'stop' }, { type: 'due', origin: 'd' }, { type: 'due', origin: 'b' }, { type: 'look' });
  expect(it.told.filter((text) => text.endsWith('stop'))).toEqual(['endpoint-0 stop', 'endpoint-1 stop']);
  await it.tick(3_600_000);
  await it.ends(0);
  expect(it.value()).toBe('stopping');
  await it.breaks(1);
  expect(it.status()).toBe('done');
  expect(it.receivers()).toEqual(['a', 'b']);
});

test('told to stop, it tells that all is quiet with the last delivery, whatever waited for a slot', async () => {
  const it = start(1);
  await it.due('a', 'b', 'a');
  await it.send({ type: 'stop' });
  expect(it.quiet()).toBe(0);
  await it.ends(0);
  expect([it.quiet(), it.status()]).toEqual([1, 'done']);
});

test('its actors are named from a fixed set, however many receivers there are', async () => {
  const it = start(2);
  await it.send({ type: 'watch' });
  await it.looks(Array.from({ length: 20 }, (_, i) => `receiver ${i}`));
  for (let i = 0; i < 20; i++) await it.ends(i === 19 ? 1 : i % 2);
  expect(it.started).toHaveLength(20);
  expect(new Set(it.started.map(({ id }) => id))).toEqual(new Set(['endpoint-0', 'endpoint-1']));
  expect(Object.keys(it.actor.getSnapshot().children)).toEqual([]);
});

afterAll(() => expect(coverage.missing()).toEqual([]));
