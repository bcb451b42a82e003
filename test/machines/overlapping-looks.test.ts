import { expect, test } from 'vitest';
import { createActor, fromPromise, SimulatedClock } from 'xstate';
import { type Confirmation, poolMachine, type Settled, type Suspect } from '../../src/machines/pool.ts';
import {
  type Found,
  type Recounted,
  type Restored,
  type SupervisorEmitted,
  supervisorMachine,
} from '../../src/machines/supervisor.ts';
import { policy } from '../support/facts.ts';
import { flush } from '../support/paths.ts';

const never = new Promise<never>(() => undefined);
const suspect = (pool: string): Suspect => {
  return { pool, heartbeat: '', types: [], evidence: 'no heartbeat', disruptions: 0, at: 0 };
};
const found = (...pools: string[]): Found => ({
  ...{ alive: 0, clockAhead: 0, types: [], lists: [], unreadable: [], live: [] },
  suspects: pools.map(suspect),
});

/** A supervisor whose looks are answered by the test, and whose pools are confirmed as the test says. */
const start = (confirm: () => Promise<Confirmation>) => {
  const clock = new SimulatedClock();
  const looks: ((answer: Found) => void)[] = [];
  const pool = poolMachine.provide({
    actors: {
      confirm: fromPromise<Confirmation>(confirm),
      review: fromPromise<Suspect, { suspect: Suspect; plan: boolean }>(async ({ input }) => input.suspect),
      settle: fromPromise<Settled>(async () => 'settled'),
    } as never,
  });
  const machine = supervisorMachine.provide({
    actors: {
      pool,
      watch: fromPromise(() => never),
      find: fromPromise<Found>(() => new Promise((resolve) => looks.push(resolve))),
      recount: fromPromise<Recounted>(async () => ({ drift: [], unreadable: [], locks: new Map() })),
      restore: fromPromise<Restored>(async () => ({
        lost: [],
        unobserved: [],
        undecided: 0,
        oldestUndecidedS: 0,
        finished: [],
        poison: [],
        dueInMs: undefined,
      })),
    } as never,
  });
  const actor = createActor(machine, {
    clock,
    input: { policy, lanes: 1, poolSlots: 2, poolGrace: 15_000, plan: false, needsLease: false },
  });
  const ends: string[] = [];
  const passes: Extract<SupervisorEmitted, { type: 'rescue.ended' }>['result'][] = [];
  actor.on('pool', ({ outcome }) => void ends.push(`${outcome.pool} ${outcome.outcome}`));
  actor.on('rescue.ended', ({ result }) => void passes.push(result));
  actor.start();
  const ask = async (number: number) => {
    actor.send({ type: 'rescue.now', request: { number, plan: false, grace: undefined, thorough: true } });
    await flush();
  };
  const answerWith = async (answered: Found) => {
    looks.shift()?.(answered);
    await flush();
  };
  const answer = (...pools: string[]) => answerWith(found(...pools));
  const tick = async (ms: number) => {
    clock.increment(ms);
    await flush();
  };
  const schedule = () => actor.send({ type: 'schedule' });
  return { ask, answer, answerWith, schedule, tick, ends, passes, context: () => actor.getSnapshot().context };
};

test.each([
  ['removed', [], 'dead rescued'],
  ['seen to live', 'alive', 'dead alive'],
] as const)(
  'fault 115: a pool that was %s during a look is not found by that look again',
  async (_, confirmed, end) => {
    const it = start(async () => confirmed);
    await it.ask(1);
    await it.answer('dead');
    await it.ask(2); // This look sees the pool as it stands now, and is answered late.
    await it.tick(15_000);
    expect(it.ends).toEqual([end]);
    await it.answer('dead', 'other');
    expect(it.passes.map(({ suspects }) => suspects)).toEqual([1]);
    expect(it.context().graces.flatMap(({ pools }) => pools.map(({ input }) => input.suspect.pool))).toEqual(['other']);
    await it.tick(15_000);
    expect(it.passes.map(({ suspects }) => suspects)).toEqual([1, 1]);
    // A look that begins after its end may find it anew.
    await it.ask(3);
    await it.answer('dead');
    await it.tick(15_000);
    expect(it.ends.filter((each) => each === end)).toHaveLength(2);
  },
);

test('fault 115: a pool that a caller has asked for meanwhile is the caller’s, whatever becomes of the lease', async () => {
  let failStep = (_: Error) => {};
  const it = start(() => new Promise((_, reject) => (failStep = reject)));
  it.schedule();
  await it.tick(10_000);
  await it.answerWith({
    ...found(),
    suspects: [{ ...suspect('dead'), fence: { lease: 't:reaper:lease', number: '1' } }],
  });
  await it.tick(15_000);
  await it.answer('dead'); // Of the next scheduled pass.
  await it.ask(1);
  await it.answer('dead');
  // There is no lease here, as where it was lost; what is repeated is repeated for the caller.
  failStep(new Error('Redis is away'));
  await flush();
  await it.tick(1_000);
  expect(it.ends).toEqual([]);
  const [again] = it.context().graces.flatMap(({ pools }) => pools);
  expect(again?.input.suspect).toMatchObject({ pool: 'dead', fence: undefined });
});
