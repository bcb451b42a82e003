import { expect, test } from 'vitest';
import {
  cancelRescue,
  fenceOf,
  found,
  ours,
  recounted,
  requeued,
  rescued,
  rescueNow,
  suspectOf,
} from '../support/passes.ts';
import { answerPass, treeStarts } from '../support/tree.ts';

// Passes overlap, and find the same pools: which of them gives a pool its actor, waits for its end, and reports it.

const { start, startLeader } = treeStarts();
const grace = 15_000;
const again = (pool: string) => ({
  outcome: 'again',
  input: { suspect: suspectOf(pool), plan: false, grace },
});

test('a pool in a slot gets no second actor: both callers wait for it, and the first one reports it', async () => {
  const it = start({ poolSlots: 2 });
  await it.send(rescueNow(1));
  await it.answer('find', found('p1'));
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  await it.send(rescueNow(2, { grace: 0 }));
  await it.answer('find', found('p1'));
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  expect(it.slots()).toEqual({ 'pool-0': 'p1' });
  expect(it.of('rescue.ended')).toEqual([]);
  await it.answer('pool-0', rescued('p1'));
  expect(it.of('rescue.ended').map(({ result }) => [result.number, result.pools.rescued, result.entries])).toEqual([
    [1, 1, 2],
    [2, 0, 0],
  ]);
});

test.each([
  [true, false],
  [false, true],
])(
  'fault 142: a pool that is looked at for a plan (%s) gets another actor for a rescue (plan: %s), each its own pass',
  async (first, second) => {
    const it = start({ poolSlots: 2 });
    const begin = async (number: number, plan: boolean) => {
      await it.send(rescueNow(number, { plan }));
      await it.answer('find', found('p1'));
      await it.answer('recount', recounted);
      await it.answer('requeueOrphans', requeued());
    };
    await begin(1, first);
    await begin(2, second);
    await it.tick(grace);
    expect(it.slots()).toEqual({ 'pool-0': 'p1', 'pool-1': 'p1' });
    const outcomeOf = (plan: boolean) => ({ ...rescued('p1'), outcome: plan ? 'planned' : 'rescued' });
    await it.answer('pool-1', outcomeOf(second));
    await it.answer('pool-0', outcomeOf(first));
    const ends = it.of('rescue.ended').map(({ result }) => [result.number, result.plan, result.pools, result.entries]);
    const pools = (plan: boolean) => ({
      alive: 0,
      abandoned: 0,
      cleaned: 0,
      rescued: plan ? 0 : 1,
      planned: plan ? 1 : 0,
    });
    expect(ends).toEqual([
      [2, second, pools(second), 2],
      [1, first, pools(first), 2],
    ]);
    expect(it.slots()).toEqual({});
  },
);

test('fault 135: a pool is reported by the pass that found it, and by no later one that finds it again', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  for (const pass of [1, 2]) {
    await it.tick(10_000);
    await it.answer('find', found('p1'));
    await it.answer('recount', recounted);
    await it.answer('requeueOrphans', requeued());
    expect(it.of('rescue.started').at(-1)).toMatchObject({ pass, request: { number: 0 } });
  }
  expect(it.of('rescue.ended')).toMatchObject([{ pass: 2, result: { suspects: 0, entries: 0 } }]);
  await it.tick(5_000);
  await it.answer('pool-0', rescued('p1'));
  expect(it.of('rescue.ended').slice(1)).toMatchObject([
    { pass: 1, result: { suspects: 1, entries: 2, pools: { rescued: 1 } } },
  ]);
  expect(it.of('pool')).toMatchObject([{ since: 0, outcome: { pool: 'p1' } }]);
});

test.each([undefined, 0])(
  'fault 115: a pool of a scheduled pass is reported by a later pass that a caller asked for (grace %s)',
  async (asked) => {
    const it = start({ poolSlots: 2 });
    await it.send({ type: 'schedule' });
    await it.tick(10_000);
    await it.answer('find', found('p1', 'p2'));
    await it.answer('recount', recounted);
    await it.answer('requeueOrphans', requeued());
    await it.send(rescueNow(1, asked === undefined ? {} : { grace: asked }));
    await it.answer('find', found('p1'));
    await it.answer('recount', recounted);
    await it.answer('requeueOrphans', requeued());
    if (asked === undefined) await it.tick(grace);
    // Without a grace, waiting pools are included, whether this pass found them or not.
    expect(it.slots()).toEqual({ 'pool-0': 'p1', 'pool-1': 'p2' });
    await it.answer('pool-0', rescued('p1'));
    await it.answer('pool-1', rescued('p2'));
    expect(it.of('rescue.ended').map(({ result }) => [result.number, result.suspects, result.entries])).toEqual([
      [1, 1, 2],
      [0, 1, 2],
    ]);
  },
);

test('each requested plan reports everything that it finds', async () => {
  const it = start();
  for (const number of [1, 2]) {
    await it.send(rescueNow(number, { plan: true }));
    await it.answer('find', found('p1'));
    await it.answer('recount', recounted);
    await it.answer('requeueOrphans', requeued());
  }
  await it.tick(grace);
  await it.answer('pool-0', { ...rescued('p1'), outcome: 'planned' });
  expect(it.of('rescue.ended').map(({ result }) => [result.number, result.entries])).toEqual([
    [1, 2],
    [2, 2],
  ]);
});

test('fault 150: a caller without a grace ends the grace of waiting pools, a shorter grace shortens it, and a plan does neither', async () => {
  const it = start({ poolSlots: 2 });
  await it.send(rescueNow(1));
  await answerPass(it, found(suspectOf('p1')));
  await it.send(rescueNow(2, { grace: 5_000 }));
  await answerPass(it, found(suspectOf('p1'), suspectOf('p2')));
  await it.send(rescueNow(3, { plan: true, grace: 0 }));
  await answerPass(it, found());
  expect([it.startedPools(), it.waiting()]).toEqual([[], ['p1', 'p2']]);
  await it.send(rescueNow(4, { grace: 0 }));
  await it.answer('find', found(suspectOf('p1')));
  expect(it.startedPools()).toEqual([]);
  await it.answer('recount', recounted);
  expect([it.startedPools(), it.waiting()]).toEqual([
    [
      ['pool-0', 5_000, false],
      ['pool-1', 5_000, false],
    ],
    [],
  ]);
});

test('a pool that waits for a slot and is found again is rescued once', async () => {
  const it = start({ poolSlots: 1 });
  await it.send(rescueNow(1, { grace: 0 }));
  await answerPass(it, found(suspectOf('p1'), suspectOf('p2')));
  await it.send(rescueNow(2, { grace: 0 }));
  await answerPass(it, found(suspectOf('p1'), suspectOf('p2')));
  expect([it.slots(), it.ready()]).toEqual([{ 'pool-0': 'p1' }, ['p2']]);
});

test('no more pools than slots have an actor, each for the plan or the rescue that found it', async () => {
  const it = start({ poolSlots: 2 });
  await it.send(rescueNow(1, { plan: true, grace: 0 }));
  await answerPass(it, found(suspectOf('p1'), suspectOf('p2'), suspectOf('p3')));
  await it.send(rescueNow(2, { grace: 0 }));
  await answerPass(it, found(suspectOf('p1'), suspectOf('p3')));
  expect(it.startedPools().map(([id, , plan]) => [id, plan])).toEqual([
    ['pool-0', true],
    ['pool-1', true],
  ]);
  expect(it.pools().suspects.map(({ input: { suspect, plan } }) => [suspect.pool, plan])).toEqual([
    ['p3', true],
    ['p1', false],
    ['p3', false],
  ]);
  await it.send({ type: 'stop' });
  expect(it.stoppedPools()).toEqual(['pool-0 stop', 'pool-1 stop']);
  await it.answer('pool-0', rescued('p1', { outcome: 'abandoned' }));
  expect(it.startedPools()).toHaveLength(2);
});

test('the end of a pool is reported by one rescue: the scheduled one that found it, or a later caller', async () => {
  const it = start({ poolSlots: 2 });
  const endsOf = (number: number) => it.of('rescue.ended').filter(({ result }) => result.number === number);
  await it.send({ type: 'schedule' });
  await it.tick(10_000);
  await answerPass(it, found(suspectOf('p1'), suspectOf('p2')));
  await it.send(rescueNow(1));
  await answerPass(it, found(suspectOf('p1')));
  await it.send(rescueNow(2));
  await answerPass(it, found(suspectOf('p1')));
  await it.tick(15_000);
  await it.answer('pool-0', rescued('p1'));
  expect(endsOf(1)).toMatchObject([{ result: { suspects: 1, pools: { rescued: 1 }, entries: 2 } }]);
  expect(endsOf(2)).toMatchObject([{ result: { suspects: 0, pools: { rescued: 0 }, entries: 0 } }]);
  expect(endsOf(0)).toEqual([]);
  await it.answer('pool-1', rescued('p2'));
  expect(endsOf(0)).toMatchObject([{ result: { suspects: 1, pools: { rescued: 1 }, entries: 2 } }]);
});

test.each([
  ['removed', 'rescued'],
  ['seen to be alive', 'alive'],
] as const)(
  'fault 115: a pool that was %s while pools were read is not found again by that pass',
  async (_, outcome) => {
    const it = start();
    const suspects = () => it.of('rescue.ended').map(({ result }) => result.suspects);
    await it.send(rescueNow(1));
    await answerPass(it, found('dead'));
    await it.send(rescueNow(2)); // This look sees the pool as it stands now, and is answered late.
    await it.tick(grace);
    await it.answer('pool-0', rescued('dead', { outcome }));
    expect(it.of('pool').map(({ outcome }) => [outcome.pool, outcome.outcome])).toEqual([['dead', outcome]]);
    await answerPass(it, found('dead', 'other'));
    expect([suspects(), it.waiting()]).toEqual([[1], ['other']]);
    await it.tick(grace);
    await it.answer('pool-0', rescued('other'));
    expect(suspects()).toEqual([1, 1]);
    // A pass that begins after its end may find it again.
    await it.send(rescueNow(3));
    await answerPass(it, found('dead'));
    expect(it.waiting()).toEqual(['dead']);
  },
);

test('fault 115: a pool that a caller has requested stays with the caller when the lease is lost', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  await it.answer('acquireLease', ours(1));
  await answerPass(it, found(suspectOf('dead', { fence: fenceOf(1) })));
  await it.send(rescueNow(1, { grace: 1_000 }));
  await answerPass(it, found('dead'));
  await it.tick(1_000);
  expect(it.slots()).toEqual({ 'pool-0': 'dead' });
  await it.send({ type: 'mandate.changed', mandate: undefined });
  // What is repeated belongs to the caller.
  const before = { moved: {}, quarantined: [], failures: 1, error: 'Redis is away' };
  const input = { suspect: suspectOf('dead', { fence: fenceOf(1), at: 12_000 }), plan: false, grace, before };
  await it.answer('pool-0', { outcome: 'again', input });
  expect(it.of('pool')).toEqual([]);
  const [waiting] = it.pools().graces.flatMap(({ pools }) => pools);
  expect(waiting?.input).toMatchObject({ grace: 1_000, suspect: { pool: 'dead', fence: undefined } });
});

test('a pool that a caller has taken over with its plan is confirmed again by that plan', async () => {
  const planned = { pool: 'dead', heartbeat: '', entries: { A: 2 }, poison: [], marks: {} };
  const it = start();
  await it.send(rescueNow(1, { grace: 0 }));
  await answerPass(it, found('dead'));
  await it.send(rescueNow(2, { grace: 1_000 }));
  await answerPass(it, found(suspectOf('dead', { planned })));
  await it.answer('pool-0', again('dead'));
  expect(it.pools().graces[0]?.pools[0]?.input.suspect).toMatchObject({ pool: 'dead', planned });
});

test('a pool of an aborted pass that a scheduled pass finds again is still given up, and one of a caller goes on', async () => {
  for (const isAsked of [false, true]) {
    const it = start();
    await it.send(rescueNow(1, { grace: 0 }));
    await answerPass(it, found('p1'));
    await it.send(cancelRescue(1));
    if (isAsked) await it.send(rescueNow(2));
    else {
      await it.send({ type: 'schedule' });
      await it.tick(10_000);
    }
    await answerPass(it, found('p1'));
    await it.answer('pool-0', again('p1'));
    expect(it.waiting()).toEqual(isAsked ? ['p1'] : []);
  }
});

test('a pool that two callers wait for goes on for the one that did not abort, which reports it', async () => {
  for (const [abort, stay] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const it = start();
    for (const number of [1, 2]) {
      await it.send(rescueNow(number));
      await answerPass(it, found('p1', 'p2'));
    }
    await it.send(cancelRescue(abort));
    expect(it.of('rescue.ended')).toMatchObject([{ result: { number: abort, isAborted: true, suspects: 0 } }]);
    expect([it.waiting(), it.of('pool')]).toEqual([['p1', 'p2'], []]);
    await it.tick(grace);
    await it.answer('pool-0', rescued('p1'));
    await it.answer('pool-0', rescued('p2'));
    expect(it.of('rescue.ended')[1]?.result).toMatchObject({ number: stay, suspects: 2, pools: { rescued: 2 } });
  }
});

test('a pool that is worked on for three callers goes on for the two others, and only one of them reports it', async () => {
  const it = start({ poolSlots: 1 });
  for (const number of [1, 2, 3]) {
    await it.send(rescueNow(number, { grace: 0 }));
    await answerPass(it, found('p1'));
  }
  await it.send(cancelRescue(1));
  expect([it.slots(), it.stoppedPools()]).toEqual([{ 'pool-0': 'p1' }, []]);
  await it.answer('pool-0', rescued('p1'));
  expect(it.of('rescue.ended').map(({ result }) => [result.number, result.suspects, result.entries])).toEqual([
    [1, 0, 0],
    [2, 1, 2],
    [3, 0, 0],
  ]);
});

test('a plan that is aborted leaves its pools to the other plans that found them', async () => {
  const it = start();
  for (const number of [1, 2]) {
    await it.send(rescueNow(number, { plan: true }));
    await answerPass(it, found('p1'));
  }
  await it.send(cancelRescue(1));
  expect([it.waiting(), it.of('rescue.ended').length]).toEqual([['p1'], 1]);
  await it.tick(grace);
  await it.answer('pool-0', { ...rescued('p1'), outcome: 'planned' });
  expect(it.of('rescue.ended')[1]?.result).toMatchObject({ number: 2, suspects: 1, pools: { planned: 1 } });
});
