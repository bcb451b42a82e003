import { afterAll, describe, expect, test } from 'vitest';
import { type AnyActorRef, createActor, fromCallback, SimulatedClock } from 'xstate';
import { type Claimed, endpointMachine, type OutgoingHook } from '../../src/machines/endpoint.ts';
import { createCoverage, createRemote, done, failure, flush, pathsOf, walk } from '../support/paths.ts';

const remote = createRemote();
/** The hooks that each actor's sender received: one list for each call. */
const sent = new WeakMap<AnyActorRef, (readonly OutgoingHook[])[]>();
const sentBy = (actor: AnyActorRef) => sent.get(actor) ?? [];
const machine = endpointMachine.provide({
  actors: {
    claim: remote.logic(),
    sender: fromCallback<{ type: 'send'; hooks: readonly OutgoingHook[] }>(({ receive, self }) => {
      const parent = self._parent as AnyActorRef;
      receive(({ type, hooks }) => {
        if (type === 'send') sent.set(parent, [...sentBy(parent), hooks]);
      });
    }),
  },
});
const coverage = createCoverage(machine);
const endpoint = 'http://core';

const claimed = (max: number, more: Partial<Claimed> = {}): Claimed => ({
  hooks: Array.from({ length: max }, (_, i) => `hook ${i}`),
  breaker: 'closed',
  wait: undefined,
  ...more,
});
const after = (delay: string, state: string) => ({ type: `xstate.after.${delay}.endpoint.${state}` });
const ended = { type: 'ended', count: 1 };
const due = { type: 'due' };
const stop = { type: 'stop' };
const sending = ['delivering', 'probing', 'draining'] as const;

// One set of events for each concern, so that the number of paths stays small. With all events in one set it would be too
// large to run.
const concerns = {
  'sending, idle and stopping': {
    slots: 1,
    events: [due, ended, stop, done('claim', claimed(1)), done('claim', claimed(0)), after('next', 'delivering')],
  },
  'the breaker': {
    slots: 2,
    events: [
      ended,
      ...(['open', 'probing', 'draining'] as const).map((breaker) =>
        done('claim', claimed(breaker === 'open' ? 0 : 1, { breaker, wait: 5_000 })),
      ),
      ...sending.map((state) => after('next', state)),
    ],
  },
  'pausing for what is due soon': {
    slots: 1,
    events: [
      due,
      stop,
      done('claim', claimed(0, { wait: 50 })),
      done('claim', claimed(0, { wait: 51 })),
      after('next', 'pausing'),
    ],
  },
  'claims that fail': {
    slots: 1,
    events: [ended, stop, done('claim', claimed(1)), failure('claim'), after('backoff', 'retrying')],
  },
};
for (const [name, { slots, events }] of Object.entries(concerns)) {
  describe(name, () => {
    for (const path of pathsOf(machine, { endpoint, slots }, events, name, {
      // An attempt ends only if one is in flight.
      isPossible: ({ context }, { type }) => type !== 'ended' || context.inFlight > 0,
    })) {
      test(path.name, async () => {
        const actor = await walk(machine, path, { remote, coverage });
        const snapshot = actor.getSnapshot();
        expect([snapshot.value, snapshot.status]).toEqual([path.value, path.status]);
        const { inFlight } = snapshot.context;
        expect(inFlight).toBeGreaterThanOrEqual(0);
        expect(inFlight).toBeLessThanOrEqual(slots);
        const endings = path.events.filter(({ type }) => type === 'ended').length;
        expect(sentBy(actor).flat()).toHaveLength(inFlight + endings);
        if (snapshot.status !== 'done') return;
        expect(inFlight).toBe(0);
        expect(snapshot.output).toMatchObject({ endpoint, outcome: snapshot.value });
        expect('error' in snapshot.output).toBe(snapshot.value === 'abandoned');
      });
    }
  });
}

/** The size that each claim asked for, in order. */
const start = (slots = 4) => {
  const clock = new SimulatedClock();
  const asked: { endpoint: string; max: number }[] = [];
  const actor = createActor(machine, {
    input: { endpoint, slots },
    clock,
    inspect(event) {
      coverage.inspect(event);
      if (event.type !== '@xstate.event' || event.event.type !== 'xstate.init') return;
      const { input } = event.event as unknown as { input?: { endpoint: string; max: number } };
      if ((event.actorRef as AnyActorRef).id === 'claim' && input !== undefined) asked.push(input);
    },
  });
  actor.start();
  const then = async (act: () => unknown) => {
    await flush();
    act();
    await flush();
  };
  return {
    actor,
    asked,
    sent: () => sentBy(actor),
    /** The outermost state. */
    value: () => {
      const { value } = actor.getSnapshot();
      return typeof value === 'string' ? value : Object.keys(value)[0];
    },
    context: () => actor.getSnapshot().context,
    output: () => actor.getSnapshot().output,
    send: (...events: ('due' | 'ended' | 'stop')[]) =>
      then(() => {
        for (const type of events) actor.send(type === 'ended' ? { type, count: 1 } : { type });
      }),
    claims: (max: number, more: Partial<Claimed> = {}) =>
      then(() => remote.resolve(actor, 'claim', claimed(max, more))),
    fails: () => then(() => remote.reject(actor, 'claim', new Error('Redis is down'))),
    tick: (ms: number) => then(() => clock.increment(ms)),
  };
};

test('claims as many hooks as it has slots, and again when half of the slots are free', async () => {
  const it = start(4);
  await it.claims(4);
  await it.send('ended');
  expect(it.value()).toBe('delivering');
  await it.send('ended');
  expect(it.value()).toBe('claiming');
  expect(it.asked).toEqual([
    { endpoint, max: 4 },
    { endpoint, max: 2 },
  ]);
});

test('passes claimed hooks to the sender at once and unchanged, and nothing of a claim without any', async () => {
  const it = start(4);
  await it.claims(2);
  await it.send('ended', 'ended');
  await it.claims(1);
  await it.send('due');
  await it.claims(0);
  expect(it.sent()).toEqual([['hook 0', 'hook 1'], ['hook 0']]);
});

test('does not claim while every slot is taken, even if time passes or a hook becomes due', async () => {
  const it = start(2);
  await it.claims(2, { wait: 0 });
  await it.tick(60_000);
  await it.send('due');
  expect(it.value()).toBe('delivering');
  expect(it.asked).toHaveLength(1);
});

test('counts an attempt that ends during a claim', async () => {
  const it = start(4);
  await it.claims(3);
  await it.send('ended');
  expect(it.value()).toBe('claiming');
  await it.send('ended', 'ended');
  await it.claims(1);
  expect(it.context().inFlight).toBe(1);
  await it.send('ended');
  await it.claims(0);
  expect(it.output()).toMatchObject({ outcome: 'idle' });
});

test('counts an attempt that ends before a repeated claim, and claims for its slot', async () => {
  const it = start(2);
  await it.claims(1, { wait: 0 });
  await it.tick(0);
  await it.fails();
  await it.send('ended');
  await it.tick(60_000);
  expect(it.asked.at(-1)).toEqual({ endpoint, max: 2 });
});

test('claims again after an empty claim if a hook became due meanwhile', async () => {
  const it = start();
  await it.send('due', 'due');
  await it.claims(0, { wait: 600_000 });
  expect(it.value()).toBe('claiming');
  await it.claims(0);
  expect(it.value()).toBe('idle');
  expect(it.asked).toHaveLength(2);
});

test('claims a hook that became due during a claim before the claimed hooks have ended', async () => {
  const it = start();
  await it.send('due');
  await it.claims(1, { wait: 70_000 });
  await it.tick(0);
  expect(it.value()).toBe('claiming');
  expect(it.asked.at(-1)).toEqual({ endpoint, max: 3 });
  await it.claims(0, { wait: 70_000 });
  await it.tick(60_000);
  expect(it.value()).toBe('delivering');
});

test('does not claim again from an open breaker for a hook that became due meanwhile', async () => {
  const it = start();
  await it.send('due');
  await it.claims(0, { breaker: 'open', wait: 4_000 });
  expect(it.output()).toEqual({ endpoint, outcome: 'open', wait: 4_000 });
});

for (const state of sending) {
  const breaker = state === 'delivering' ? 'closed' : state;
  test(`${state}: claims when a hook becomes due, after the wait, and when half of the slots are free`, async () => {
    const it = start(4);
    for (const claimAgain of [() => it.send('due'), () => it.tick(5_000), () => it.send('ended', 'ended')]) {
      await it.claims(2, { breaker, wait: 5_000 });
      expect(it.value()).toBe(state);
      expect(it.context()).toMatchObject({ inFlight: 2 });
      await claimAgain();
      expect(it.value()).toBe('claiming');
      await it.send(...Array.from({ length: it.context().inFlight }, () => 'ended' as const));
    }
  });

  test(`${state}: only counts an attempt that ends while most slots are taken`, async () => {
    const it = start(4);
    await it.claims(4, { breaker });
    await it.send('ended');
    expect([it.value(), it.context().inFlight]).toEqual([state, 3]);
  });

  test(`${state}: when stopped, claims nothing more and waits for the hooks in flight`, async () => {
    const it = start(4);
    await it.claims(2, { breaker });
    await it.send('stop', 'due');
    expect(it.value()).toBe('finishing');
    await it.tick(60_000);
    await it.send('ended');
    expect(it.value()).toBe('finishing');
    await it.send('ended');
    expect(it.output()).toMatchObject({ outcome: 'idle' });
    expect(it.asked).toHaveLength(1);
  });
}

test('sends the hooks of a claim during which it was stopped, and claims nothing more', async () => {
  const it = start(4);
  await it.send('due', 'stop');
  await it.claims(2, { wait: 0 });
  expect(it.sent()).toEqual([['hook 0', 'hook 1']]);
  expect(it.value()).toBe('finishing');
  await it.send('ended', 'ended');
  expect(it.value()).toBe('idle');
  expect(it.asked).toHaveLength(1);
});

test('ends when a claim during which it was stopped is empty or fails, even if a hook is due', async () => {
  for (const answer of ['nothing', 'soon', 'failure'] as const) {
    const it = start(4);
    await it.send('due', 'stop');
    await (answer === 'failure' ? it.fails() : it.claims(0, answer === 'soon' ? { wait: 10 } : {}));
    expect(it.output()).toMatchObject({ outcome: 'idle' });
    expect(it.asked).toHaveLength(1);
  }
});

test('learns the breaker state from each claim, and ends if the circuit is open and no hook is in flight', async () => {
  const it = start(4);
  const walked: unknown[] = [];
  for (const breaker of ['probing', 'draining', 'closed'] as const) {
    await it.claims(1, { breaker });
    walked.push(it.value());
    await it.send('ended');
  }
  await it.claims(0, { breaker: 'open', wait: 3_000 });
  expect(walked).toEqual(['probing', 'draining', 'delivering']);
  expect(it.output()).toEqual({ endpoint, outcome: 'open', wait: 3_000 });
});

test('continues to drain when a claim is empty because it came too early', async () => {
  const it = start(4);
  await it.claims(1, { breaker: 'draining', wait: 0 });
  await it.tick(0);
  await it.claims(0, { breaker: 'draining', wait: 20 });
  expect(it.value()).toBe('draining');
  await it.tick(20);
  expect(it.value()).toBe('claiming');
});

test('does not end while hooks are in flight, even if the circuit has opened', async () => {
  // With two, the second hook becomes due during the claim: it has to wait all the same.
  for (const events of [['due'], ['due', 'due']] as const) {
    const it = start(4);
    await it.claims(2);
    await it.send(...events);
    await it.claims(0, { breaker: 'open', wait: 5_000 });
    expect(it.context()).toMatchObject({ inFlight: 2 });
    await it.tick(4_999);
    expect(it.value()).toBe('delivering');
    await it.tick(1);
    expect(it.value()).toBe('claiming');
  }
});

test('returns the wait of its last claim when it ends', async () => {
  const ends = async (more: Partial<Claimed>) => {
    const it = start();
    await it.claims(1, { wait: 7 });
    await it.send('ended');
    await it.claims(0, more);
    return it.output();
  };
  expect(await ends({})).toEqual({ endpoint, outcome: 'idle', wait: undefined });
  expect(await ends({ wait: 1_001 })).toEqual({ endpoint, outcome: 'idle', wait: 1_001 });
  expect(await ends({ breaker: 'open', wait: 9 })).toEqual({ endpoint, outcome: 'open', wait: 9 });
});

test.each([
  ['closed', 50],
  ['draining', 1_000],
] as const)('with the breaker %s, waits for the next hook if it is due within %i ms', async (breaker, wait) => {
  const it = start();
  await it.claims(0, { breaker, wait });
  expect(it.value()).toBe('pausing');
  await it.tick(wait - 1);
  expect(it.value()).toBe('pausing');
  await it.tick(1);
  expect(it.value()).toBe('claiming');
  await it.claims(0, { breaker, wait });
  await it.send('due');
  expect(it.value()).toBe('claiming');
  await it.claims(0, { breaker, wait: wait + 1 });
  expect(it.output()).toEqual({ endpoint, outcome: 'idle', wait: wait + 1 });
});

test('returns the wait when it is stopped while it waits for the next hook', async () => {
  const it = start();
  await it.claims(0, { wait: 30 });
  await it.send('stop');
  expect(it.output()).toEqual({ endpoint, outcome: 'idle', wait: 30 });
});

test('repeats a failed claim after a pause that doubles, and ends with the error after six in a row', async () => {
  const it = start();
  for (const pause of [500, 1_000, 2_000, 4_000, 8_000]) {
    await it.fails();
    await it.tick(pause - 1);
    expect(it.value()).toBe('retrying');
    await it.tick(1);
    expect(it.value()).toBe('claiming');
  }
  await it.fails();
  expect(it.output()).toMatchObject({ endpoint, outcome: 'abandoned', error: 'Redis is down' });
});

test('claims nothing more if it is stopped while it waits to repeat a failed claim', async () => {
  const it = start(4);
  await it.claims(1, { wait: 0 });
  await it.tick(0);
  await it.fails();
  await it.send('stop');
  await it.tick(60_000);
  expect([it.value(), it.asked.length]).toEqual(['finishing', 2]);
  await it.send('ended');
  expect(it.output()).toMatchObject({ outcome: 'idle' });
});

test('starts counting failures again after any successful claim, and reports no error', async () => {
  for (const answer of ['some', 'none, with more due meanwhile'] as const) {
    const it = start();
    await it.fails();
    await it.tick(60_000);
    if (answer === 'some') await it.claims(1);
    else {
      await it.send('due');
      await it.claims(0);
    }
    expect(it.context().failures).toBe(0);
    await it.send(...(answer === 'some' ? ['ended' as const] : []));
    await it.claims(0);
    expect(it.output()).toEqual({ endpoint, outcome: 'idle', wait: undefined });
  }
});

test('waits for the hooks in flight after it has given up', async () => {
  const it = start(4);
  await it.claims(1, { wait: 0 });
  await it.tick(0);
  for (let i = 0; i < 6; i++) {
    await it.fails();
    await it.tick(60_000);
  }
  expect(it.value()).toBe('givingUp');
  await it.send('due');
  expect(it.value()).toBe('givingUp');
  await it.send('ended');
  expect(it.output()).toMatchObject({ outcome: 'abandoned', error: 'Redis is down' });
});

test.each(['probing', 'draining'] as const)(
  'with the breaker %s, claims a hook that became due during a claim as soon as a slot is free',
  async (breaker) => {
    const it = start(2);
    await it.send('due');
    await it.claims(1, { breaker, wait: 5_000 });
    expect([it.value(), it.context().wait]).toEqual([breaker, 0]);
    await it.tick(0);
    expect(it.value()).toBe('claiming');
  },
);

test('ends with the state of its circuit if it was stopped during a claim that is empty', async () => {
  for (const breaker of ['open', 'closed'] as const) {
    const it = start(2);
    await it.send('due', 'stop');
    await it.claims(0, { breaker });
    expect(it.output()).toMatchObject({ outcome: breaker === 'open' ? 'open' : 'idle' });
  }
});

afterAll(() => expect(coverage.missing()).toEqual([]));
