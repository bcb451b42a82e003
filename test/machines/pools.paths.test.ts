import { afterAll, expect, test } from 'vitest';
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
  theirs,
} from '../support/passes.ts';
import { createCoverage } from '../support/paths.ts';
import { answerPass, treeMachines, treeStarts } from '../support/tree.ts';

// The pools take suspects without end, so their paths cannot be enumerated. These sequences take every transition.
// How passes share pools is in `pools.sharing.test.ts`.

const coverage = createCoverage(treeMachines.pools);
const { start, startLeader, stopWhile } = treeStarts(coverage.inspect);
const grace = 15_000;
const renewal = 3_000;
const leaseLost = expect.stringContaining('lease lost');
const again = (pool: string) => ({
  outcome: 'again',
  input: { suspect: suspectOf(pool), plan: false, grace },
});
test('gives each suspected pool an actor in a free slot, and the pass ends with the last one', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found('p1', 'p2'));
  await it.answer('recount', {
    ...recounted,
    drift: [{ type: 'A', lockBefore: '3', lock: '1', fields: 0, size: { lock: 2, lockInfo: 0 } }],
  });
  await it.answer('requeueOrphans', requeued());
  expect(it.slots()).toEqual({});
  await it.tick(grace);
  expect(it.slots()).toEqual({ 'pool-0': 'p1' });
  await it.answer('pool-0', rescued('p1'));
  expect(it.slots()).toEqual({ 'pool-0': 'p2' });
  expect(it.of('rescue.ended')).toEqual([]);
  await it.answer('pool-0', rescued('p2'));
  expect(it.slots()).toEqual({});
  expect(it.of('rescue.ended')).toMatchObject([
    { result: { number: 1, suspects: 2, entries: 4, pools: { rescued: 2 }, drift: [{ type: 'A' }] } },
  ]);
});

test('fault 140: graces run side by side, regardless of slots, and pools with entries get the next slots', async () => {
  const it = start();
  await it.send(rescueNow(1));
  const many = found('stale-1', 'stale-2', 'holds');
  await it.answer('find', {
    ...many,
    suspects: many.suspects.map((one) => ({ ...one, holdsEntries: one.pool === 'holds' })),
  });
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  await it.tick(grace - 1);
  expect(it.slots()).toEqual({});
  await it.tick(1);
  expect([it.slots(), it.waiting()]).toEqual([{ 'pool-0': 'holds' }, []]);
  await it.answer('pool-0', rescued('holds'));
  expect(it.slots()).toEqual({ 'pool-0': 'stale-1' });
  // A pool with entries that is found later gets a slot before pools that wait without entries.
  await it.send(rescueNow(2, { grace: 0 }));
  await it.answer('find', { ...found(), suspects: [{ ...suspectOf('late'), holdsEntries: true }] });
  await it.answer('pool-0', { ...rescued('stale-1'), outcome: 'cleaned', moved: {}, entries: 0 });
  expect(it.slots()).toEqual({ 'pool-0': 'late' });
});

test('a pool that has to be confirmed again frees its slot and waits out its grace beside the others', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found('p1', 'p2'));
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  await it.tick(grace);
  const before = { moved: { A: 1 }, quarantined: [], failures: 1, error: 'READONLY' };
  await it.answer('pool-0', {
    outcome: 'again',
    input: { suspect: { ...suspectOf('p1'), at: 20_000 }, plan: false, grace, before },
  });
  expect([it.slots(), it.pools().graces]).toMatchObject([{ 'pool-0': 'p2' }, [{ dueAt: 35_000 }]]);
  await it.answer('pool-0', rescued('p2'));
  await it.tick(grace);
  expect(it.slots()).toEqual({ 'pool-0': 'p1' });
  await it.answer('pool-0', rescued('p1'));
  expect(it.of('rescue.ended')).toMatchObject([{ result: { pools: { rescued: 2 } } }]);

  const stopped = await stopWhile(async (driver) => {
    await driver.send(rescueNow(1));
    await driver.answer('find', found('p1', 'p2'));
    await driver.answer('recount', recounted);
    await driver.answer('requeueOrphans', requeued());
    await driver.tick(grace);
  });
  await stopped.answer('pool-0', { outcome: 'again', input: { suspect: suspectOf('p1'), plan: false, grace, before } });
  expect(stopped.of('pool').map(({ outcome: { pool, entries } }) => [pool, entries])).toEqual([
    ['p2', 0],
    ['p1', 1],
  ]);
  expect(stopped.of('rescue.ended')).toMatchObject([{ result: { entries: 1, pools: { abandoned: 2 } } }]);
});

test('a pool whose actor crashes is abandoned, and the pass continues', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found('p1'));
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  await it.tick(grace);
  await it.fail('pool-0');
  expect(it.of('pool')).toMatchObject([{ outcome: { pool: 'p1', outcome: 'abandoned', error: 'Redis is down' } }]);
  expect(it.of('rescue.ended')).toMatchObject([{ result: { pools: { abandoned: 1 } } }]);
});

test('pools of a scheduled pass are abandoned when the lease is lost, waiting ones at once', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  await it.answer('acquireLease', ours(1));
  const fenced = found('p1', 'p2', 'p3');
  await it.answer('find', {
    ...fenced,
    suspects: fenced.suspects.map((suspected, i) => ({ ...suspected, at: i < 2 ? 0 : 5_000, fence: fenceOf(1) })),
  });
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  for (let ms = 0; ms < grace; ms += renewal) {
    await it.tick(renewal);
    if (ms + renewal < grace) await it.answer('acquireLease', ours(1));
  }
  await it.answer('acquireLease', theirs);
  expect(it.of('pool')).toMatchObject(
    ['p3', 'p2'].map((pool) => ({ outcome: { pool, outcome: 'abandoned', error: leaseLost } })),
  );
  expect(it.slots()).toEqual({ 'pool-0': 'p1' });
  // A pool that would have to wait out another grace is abandoned too.
  await it.answer('pool-0', {
    outcome: 'again',
    input: {
      suspect: { ...suspectOf('p1'), fence: fenceOf(1) },
      plan: false,
      grace,
      before: { moved: { A: 1 }, quarantined: [], failures: 1, error: undefined },
    },
  });
  expect([it.slots(), it.waiting()]).toEqual([{}, []]);
  expect(it.of('rescue.ended').at(-1)).toMatchObject({ result: { entries: 1, pools: { abandoned: 3 } } });
});

test('a pool that is abandoned with the lease does not shorten the grace of a pool of a caller', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  await it.answer('acquireLease', ours(1));
  await it.answer('find', { ...found(), suspects: [{ ...suspectOf('p1'), fence: fenceOf(1) }] });
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  await it.send(rescueNow(1));
  await it.answer('find', { ...found(), suspects: [{ ...suspectOf('p2'), at: 5_000 }] });
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  await it.tick(renewal);
  await it.answer('acquireLease', theirs);
  expect(it.of('pool')).toMatchObject([{ outcome: { pool: 'p1', outcome: 'abandoned' } }]);
  // The end of the first grace, which was on its way already, does not end the other one.
  await it.sendTo(['rescue', 'pools'], { type: 'grace.over', dueAt: grace } as never);
  await it.tick(grace - 1);
  expect([it.slots(), it.pools().graces]).toMatchObject([{}, [{ dueAt: 20_000 }]]);
  await it.tick(1);
  expect(it.slots()).toEqual({ 'pool-0': 'p2' });
});

test('fault 150: a lost lease stops each pool of a scheduled pass, and no pool of a caller', async () => {
  const it = await startLeader({ poolSlots: 2 });
  await it.tick(10_000);
  await answerPass(
    it,
    found(
      suspectOf('p1', { fence: fenceOf(1) }),
      suspectOf('p2'),
      suspectOf('p3', { fence: fenceOf(1) }),
      suspectOf('p4'),
    ),
  );
  await it.tick(15_000);
  expect(it.startedPools().map(([id]) => id)).toEqual(['pool-0', 'pool-1']);
  await it.answer('find', found(suspectOf('p5', { fence: fenceOf(1), at: 1 }), suspectOf('p6', { at: 1 })));
  await it.answer('acquireLease', theirs);
  expect(it.stoppedPools()).toEqual(['pool-0 stop']);
  expect([it.ready(), it.waiting()]).toEqual([['p4'], ['p6']]);
  expect(it.of('pool').map(({ outcome }) => [outcome.pool, outcome.outcome])).toEqual([
    ['p5', 'abandoned'],
    ['p3', 'abandoned'],
  ]);
});

test('a grace ends at the same time for all pools that were found together', async () => {
  const it = start({ poolSlots: 9 });
  await it.send(rescueNow(1, { grace: 5_000 }));
  await answerPass(it, found(suspectOf('p1'), suspectOf('p2', { at: 1_000 }), suspectOf('p3')));
  expect(it.waiting()).toEqual(['p1', 'p3', 'p2']);
  await it.tick(4_999);
  expect(it.startedPools()).toEqual([]);
  await it.tick(1);
  expect([it.startedPools().length, it.waiting()]).toEqual([2, ['p2']]);
  await it.tick(5_000);
  expect([it.startedPools().length, it.waiting()]).toEqual([3, []]);
});

test('pools that hold entries are rescued before others', async () => {
  const it = start({ poolSlots: 1 });
  await it.send(rescueNow(1, { grace: 0 }));
  const holding = (pool: string) => ({ ...suspectOf(pool), holdsEntries: true });
  await answerPass(it, found(suspectOf('p1'), holding('p2'), suspectOf('p3'), holding('p4')));
  expect(it.slots()).toEqual({ 'pool-0': 'p2' });
  expect(it.ready()).toEqual(['p4', 'p1', 'p3']);
});

test('a pool that has to be confirmed again gets another grace, and its slot is free for others', async () => {
  const it = start({ poolSlots: 1 });
  await it.send(rescueNow(1, { grace: 5_000 }));
  await answerPass(it, found(suspectOf('p1'), suspectOf('p2')));
  await it.tick(5_000);
  const before = { moved: { A: 3 }, quarantined: [], failures: 1, error: 'Redis is down' };
  await it.answer('pool-0', {
    outcome: 'again',
    input: { suspect: suspectOf('p1', { at: 7_000 }), plan: false, grace: 5_000, before },
  });
  expect([it.slots(), it.waiting()]).toEqual([{ 'pool-0': 'p2' }, ['p1']]);
  await it.answer('pool-0', rescued('p2'));
  expect(it.of('rescue.ended')).toEqual([]);
  await it.send({ type: 'stop' });
  // Its outcome includes what was done before.
  expect(it.of('pool').at(-1)).toMatchObject({ outcome: { pool: 'p1', outcome: 'abandoned', entries: 3 }, since: 0 });
  expect(it.of('rescue.ended')).toMatchObject([{ result: { entries: 5, suspects: 2 } }]);
});

test('a pool whose actor crashes during a stop is abandoned, and the rescue stops', async () => {
  const it = await stopWhile(async (driver) => {
    await driver.send(rescueNow(1, { grace: 0 }));
    await answerPass(driver, found('p1'));
  });
  await it.fail('pool-0');
  expect(it.of('pool')).toMatchObject([{ outcome: { pool: 'p1', outcome: 'abandoned' } }]);
  expect([it.of('rescue.ended').length, it.status()]).toEqual([1, 'done']);
});

test('ten thousand suspects are data under one timer, and are abandoned in one step', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await answerPass(it, found(...Array.from({ length: 10_000 }, (_, i) => `p${i}`)));
  expect([it.waiting().length, it.pools().graces.length, Object.keys(it.children('rescue', 'pools'))]).toEqual([
    10_000,
    1,
    [],
  ]);
  await it.send({ type: 'stop' });
  expect(it.of('pool')).toHaveLength(10_000);
  expect(it.of('rescue.ended')).toMatchObject([{ result: { suspects: 10_000, pools: { abandoned: 10_000 } } }]);
});

test('a pass that is aborted gives up the pools that wait, and finishes those that are worked on', async () => {
  const it = start();
  await it.send(rescueNow(1, { grace: 0 }));
  await answerPass(it, found('p1', 'p2'));
  expect([it.slots(), it.ready()]).toEqual([{ 'pool-0': 'p1' }, ['p2']]);
  await it.send(cancelRescue(1));
  expect([it.ready(), it.stoppedPools(), it.of('rescue.ended')]).toEqual([[], ['pool-0 stop'], []]);
  expect(it.of('pool')).toMatchObject([
    { outcome: { pool: 'p2', outcome: 'abandoned', error: expect.stringContaining('aborted') } },
  ]);
  await it.answer('pool-0', rescued('p1'));
  expect(it.of('rescue.ended')).toMatchObject([
    { result: { number: 1, isAborted: true, suspects: 2, entries: 2, pools: { rescued: 1, abandoned: 1 } } },
  ]);
});

test('a pool of an aborted pass that would have to wait again is given up', async () => {
  const it = start();
  await it.send(rescueNow(1, { grace: 0 }));
  await answerPass(it, found('p1'));
  await it.send(cancelRescue(1));
  await it.answer('pool-0', again('p1'));
  expect([it.waiting(), it.slots()]).toEqual([[], {}]);
  expect(it.of('rescue.ended')).toMatchObject([{ result: { isAborted: true, pools: { abandoned: 1 } } }]);
});

test('a pool of a scheduled pass that is suspected again waits out another grace in the same term, and no longer', async () => {
  for (const isLost of [false, true]) {
    const it = await startLeader();
    await it.tick(10_000);
    await answerPass(it, found(suspectOf('p1', { fence: fenceOf(1) })));
    await it.tick(grace);
    expect(it.slots()).toEqual({ 'pool-0': 'p1' });
    if (isLost) {
      await it.tick(renewal);
      await it.answer('acquireLease', theirs);
    }
    await it.answer('pool-0', again('p1'));
    expect([it.slots(), it.waiting()]).toEqual([{}, isLost ? [] : ['p1']]);
    const abandoned = { outcome: 'abandoned', error: leaseLost };
    expect(it.of('pool').map(({ outcome }) => outcome)).toMatchObject(isLost ? [abandoned] : []);
  }
});

afterAll(() => expect(coverage.missing()).toEqual([]));
