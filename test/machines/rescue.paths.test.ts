import { afterAll, describe, expect, test } from 'vitest';
import { FencedError } from '../../src/machines/lease.ts';
import { PermanentError } from '../../src/machines/permanent.ts';
import { faultOf } from '../../src/machines/types/reports.ts';
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
import { answerPass, rescueTree, type Tree, treeStarts } from '../support/tree.ts';

// A rescue takes requests without end, so its paths cannot be enumerated. These sequences take every transition.

const coverage = createCoverage(rescueTree);
const { start, startLeader, stopWhile } = treeStarts(coverage.inspect);
const hour = 3_600_000;
const grace = 15_000;
const renewal = 3_000;
const leaseLost = expect.stringContaining('lease lost');

const lost = (id: string, plan = false) => ({ id, type: 'A', pool: 'p', unobservedS: 30, plan });

test('fault 108: the pass names each unreadable key once, whichever step found it', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', { ...found('p1'), unreadable: ['a', 'b'], clockAhead: 2 });
  await it.answer('recount', { ...recounted, unreadable: ['b', 'c'] });
  await it.answer('requeueOrphans', requeued());
  await it.tick(grace);
  await it.answer('pool-0', { ...rescued('p1'), outcome: 'abandoned', unreadable: ['c', 'd'] });
  expect(it.of('rescue.ended')).toMatchObject([{ result: { unreadable: ['a', 'b', 'c', 'd'], clockAhead: 2 } }]);
});

test('fault 137: a heartbeat that grows old begins the next pass; an error of that watch is reported', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  await it.answer('watch', undefined);
  expect(it.value().rescue).toEqual({ finding: { reading: 'thenRecount' } });
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  await it.fail('watch');
  expect(it.value().rescue).toBe('waiting');
  expect(it.of('fault')).toEqual([faultOf('watching heartbeats', new Error('Redis is down'), { poll: 'heartbeats' })]);
  await it.tick(10_000);
  expect(it.value().rescue).toEqual({ finding: { reading: 'thenRecount' } });
});

test('a plan of a rescue reports orphaned entries as planned', async () => {
  const it = start();
  await it.send(rescueNow(1, { plan: true }));
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued({ orphaned: [lost('j1', true)] }));
  expect(it.value().rescue).toBe('idle');
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, plan: true, orphaned: 1 } }]);
});

test('a scheduled pass looks for orphaned entries once, whatever is due later', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  await it.tick(10_000);
  await it.answer('find', found());
  expect(it.value().rescue).toEqual({ recounting: 'thenRequeue' });
  await it.answer('recount', recounted);
  await it.answer(
    'requeueOrphans',
    requeued({
      orphaned: [lost('j1')],
      unobserved: ['silent'],
      undecided: 2,
      poison: [{ id: 'j2', type: 'A', pool: 'p' }],
      dueInMs: 20_000,
    }),
  );
  expect(it.of('orphan')).toMatchObject([{ entry: { id: 'j1' } }]);
  expect(it.of('rescue.ended')).toMatchObject([
    { result: { orphaned: 1, unobserved: ['silent'], undecided: 2, quarantined: 1 } },
  ]);
});

test('a pass of a caller looks for orphaned entries twice, and never a third time', async () => {
  for (const plan of [false, true]) {
    const it = start();
    await it.send(rescueNow(1, { plan }));
    await it.answer('find', found());
    await it.answer('recount', recounted);
    await it.answer('requeueOrphans', requeued({ orphaned: [lost('j1', plan)], dueInMs: 30_000 }));
    expect(it.value().rescue).toEqual({ requeuingOrphans: 'awaitingSecondTry' });
    await it.tick(29_999);
    expect(it.value().rescue).toEqual({ requeuingOrphans: 'awaitingSecondTry' });
    await it.tick(1);
    // A plan has moved nothing, and finds again what it found.
    const found2 = plan ? [lost('j1', plan), lost('j2', plan)] : [lost('j2')];
    await it.answer('requeueOrphans', requeued({ orphaned: found2, dueInMs: 5_000 }));
    expect(it.of('orphan').map(({ entry }) => entry.id)).toEqual(['j1', 'j2']);
    expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, orphaned: 2 } }]);
  }
});

test('entries of ended jobs are counted and reported; a plan, which leaves them, counts them once', async () => {
  const ended = (plan: boolean) => ({ id: 'j', type: 'A', pool: 'p', endedS: 90, plan });
  for (const plan of [false, true]) {
    const it = start();
    await it.send(rescueNow(1, { plan }));
    await it.answer('find', found());
    await it.answer('recount', recounted);
    await it.answer(
      'requeueOrphans',
      requeued({ finished: [ended(plan)], oldestUndecidedS: 40, undecided: 1, dueInMs: 9 }),
    );
    await it.tick(9);
    const again = plan ? [ended(plan)] : [];
    await it.answer('requeueOrphans', requeued({ finished: again, undecided: 1, oldestUndecidedS: 70 }));
    expect(it.of('finished')).toMatchObject([{ entry: { id: 'j', plan } }]);
    expect(it.of('rescue.ended')).toMatchObject([{ result: { finished: 1, undecided: 1, oldestUndecidedS: 70 } }]);
  }
});

test('orphaned entries that cannot be looked for, or not all be requeued, are reported; the pass completes', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.send(rescueNow(2));
  await it.answer('find', found());
  expect(it.value().rescue).toEqual({ recounting: 'thenRequeue' });
  await it.answer('recount', recounted);
  await it.fail('requeueOrphans');
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued({ orphaned: [lost('j1')], error: 'OOM' }));
  expect(it.of('fault').map(({ where, error }) => [where, error])).toEqual([
    ['looking for orphaned entries', 'Redis is down'],
    ['requeuing orphaned entries', 'OOM'],
  ]);
  expect(it.of('rescue.ended').map(({ result }) => [result.orphaned, result.error])).toEqual([
    [0, undefined],
    [1, undefined],
  ]);
});

test('pools that cannot be read are read again after a pause, and the pass is given up after seven failures', async () => {
  const it = start();
  await it.send(rescueNow(1));
  for (let i = 0; i < 6; i++) {
    await it.fail('find');
    expect(it.value().rescue).toEqual({ finding: 'backingOff' });
    await it.tick(hour);
  }
  await it.fail('find');
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, error: 'Redis is down' } }]);
  expect(it.value().rescue).toBe('idle');
});

test('a suspended pass judges no pool, rebuilds no counters and says why', async () => {
  const it = start();
  await it.send(rescueNow(1, { grace: 0 }));
  await it.answer('find', {
    alive: 0,
    suspects: [],
    types: [],
    suspended: { code: 'suspended', message: 'Redis is ill' },
  });
  expect(it.value().rescue).toBe('idle');
  expect(it.of('rescue.ended')).toMatchObject([
    { result: { number: 1, suspects: 0, suspended: { code: 'suspended', message: 'Redis is ill' } } },
  ]);
  expect(it.of('rescue.ended')[0]?.result).not.toHaveProperty('error');
});

test('counters that cannot be rebuilt fail their pass', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found());
  await it.fail('recount');
  await it.answer('requeueOrphans', requeued());
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, error: 'Redis is down' } }]);
});

test('a caller without a grace does not wait for the second try', async () => {
  const it = start();
  await it.send(rescueNow(1, { grace: 0 }));
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued({ dueInMs: 30_000 }));
  expect(it.value().rescue).toBe('idle');
});

test('a scheduled pass ends when the lease is lost, while it reads pools and while it rebuilds counters', async () => {
  for (const counts of [false, true]) {
    const it = await startLeader();
    await it.tick(10_000);
    await it.answer('acquireLease', ours(1));
    if (counts) await it.answer('find', found());
    await it.tick(renewal);
    await it.answer('acquireLease', theirs);
    if (counts) {
      await it.fail('recount', new FencedError());
      await it.fail('requeueOrphans', new FencedError());
    } else await it.answer('find', found('p1'));
    expect(it.slots()).toEqual({});
    expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 0, error: leaseLost } }]);
    expect(it.value().rescue).toBe('idle');
    expect(it.rescue().failedIn).toEqual(fenceOf(1));
  }
});

test('stopped while it looks for pools or works on some, it answers every caller', async () => {
  const looking = await stopWhile(async (it) => {
    await it.send(rescueNow(1));
    await it.send(rescueNow(2));
  });
  expect(looking.actor.getSnapshot().status).toBe('done');
  expect(
    looking
      .of('rescue.ended')
      .map(({ result }) => [result.number, result.error])
      .sort(),
  ).toEqual([
    [1, 'the reaper is stopped'],
    [2, 'the reaper is stopped'],
  ]);

  const awaitingSecondTry = await stopWhile(async (it) => {
    await it.send(rescueNow(1));
    await it.answer('find', found());
    await it.answer('recount', recounted);
    await it.answer('requeueOrphans', requeued({ dueInMs: 30_000 }));
  });
  expect(awaitingSecondTry.actor.getSnapshot().status).toBe('done');
  expect(awaitingSecondTry.of('rescue.ended')).toMatchObject([
    { result: { number: 1, error: 'the reaper is stopped' } },
  ]);

  const inHand = await stopWhile(async (it) => {
    await it.send(rescueNow(1));
    await it.answer('find', found('p1', 'p2'));
    await it.answer('recount', recounted);
    await it.answer('requeueOrphans', requeued());
    await it.tick(grace);
  });
  expect(inHand.value().rescue).toBe('stopping');
  await inHand.answer('pool-0', rescued('p1'));
  expect(inHand.actor.getSnapshot().status).toBe('done');
  expect(inHand.of('rescue.ended')).toMatchObject([
    { result: { number: 1, error: 'the reaper is stopped', entries: 2 } },
  ]);
});

const aborted = { error: 'aborted by the caller', isAborted: true };

describe('stopped while it changes Redis, it counts what that step has done', () => {
  const orphan = lost('j1');
  const drift = { type: 'A', lockBefore: '1', lock: '0', fields: 0, size: { lock: 1, lockInfo: 0 } };
  const upTo = {
    recount: async (it: Tree) => {
      await it.send(rescueNow(1));
      await it.answer('find', found());
    },
    trying: async (it: Tree) => {
      await upTo.recount(it);
      await it.answer('recount', recounted);
    },
    tryingAgain: async (it: Tree) => {
      await upTo.trying(it);
      await it.answer('requeueOrphans', requeued({ dueInMs: 30_000 }));
      await it.tick(30_000);
    },
  };
  const steps = ['recount', 'trying', 'tryingAgain'] as const;

  test.each(steps.flatMap((step) => [true, false].map((isAborted) => [step, isAborted] as const)))(
    '%s, aborted by the caller before: %s',
    async (step, isAborted) => {
      const it = await stopWhile(async (it) => {
        await upTo[step](it);
        if (isAborted) await it.send(cancelRescue(1));
      });
      expect(it.actor.getSnapshot().status).toBe('active');
      expect(it.of('rescue.ended')).toEqual([]);
      if (step === 'recount') await it.answer('recount', { ...recounted, drift: [drift] });
      else await it.answer('requeueOrphans', requeued({ orphaned: [orphan], dueInMs: 30_000 }));
      expect(it.actor.getSnapshot().status).toBe('done');
      expect(it.of('rescue.ended')).toMatchObject([
        { result: step === 'recount' ? { number: 1, drift: [drift] } : { number: 1, orphaned: 1 } },
      ]);
      expect(it.of('rescue.ended')[0]?.result.error).toBe(isAborted ? aborted.error : 'the reaper is stopped');
    },
  );

  test('a pass that waits for its turn does not begin', async () => {
    const it = await stopWhile(async (it) => {
      await it.send({ type: 'schedule' });
      await upTo.recount(it);
      await it.send(rescueNow(2));
    });
    await it.answer('recount', recounted);
    expect(it.actor.getSnapshot().status).toBe('done');
    expect([it.of('rescue.started').length, it.of('rescue.ended').map(({ result }) => result.error)]).toEqual([
      1,
      ['the reaper is stopped', 'the reaper is stopped'],
    ]);
  });

  test.each(steps)('%s fails', async (step) => {
    const it = await stopWhile(upTo[step]);
    await it.fail(step === 'recount' ? 'recount' : 'requeueOrphans');
    expect(it.actor.getSnapshot().status).toBe('done');
    expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, error: 'the reaper is stopped' } }]);
    expect(it.of('fault')).toHaveLength(step === 'recount' ? 0 : 1);
  });
});

test('fault 150: a suspended shared pass is tried again an interval later', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  await it.answer('find', {
    ...found(suspectOf('p1')),
    suspended: { code: 'redis-busy', message: 'Redis is loading' },
  });
  expect([it.startedPools(), it.rescue().failedIn]).toEqual([[], fenceOf(1)]);
  expect(it.of('rescue.ended')).toMatchObject([
    { result: { suspended: { code: 'redis-busy', message: 'Redis is loading' } } },
  ]);
});

test('a shared pass that could not read the pools is tried again an interval later', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  await it.fail('find', new PermanentError('redis-wrong-type', 'x'));
  expect([it.value().rescue, it.rescue().failedIn]).toEqual(['waiting', fenceOf(1)]);
  expect(it.of('fault')).toEqual([]);
});

test('the first pass scans the names of all keys, later ones do not', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  await it.tick(10_000);
  expect(it.asked('find')).toEqual({ thorough: true, plan: false, fence: undefined });
  await answerPass(it, found());
  await it.tick(10_000);
  expect(it.asked('find')).toEqual({ thorough: false, plan: false, fence: undefined });
});

test('a pass adds up what its steps and its pools did, and ends once', async () => {
  const it = start({ poolSlots: 2 });
  await it.send(rescueNow(1));
  await it.answer('find', found(suspectOf('p1'), suspectOf('p2')));
  await it.answer('recount', recounted);
  const entry = (id: string) => ({ id, type: 'A', pool: 'q', unobservedS: 30, endedS: 30, plan: false });
  const look = (orphaned: string, finished: string, poison: string) =>
    requeued({ orphaned: [entry(orphaned)], finished: [entry(finished)], poison: [entry(poison)], dueInMs: 5 });
  await it.answer('requeueOrphans', look('a', 'b', 'c'));
  await it.tick(5);
  await it.answer('requeueOrphans', look('d', 'e', 'f'));
  expect(it.of('rescue.ended')).toEqual([]);
  await it.tick(15_000);
  await it.answer('pool-0', rescued('p1', { quarantined: 1 }));
  await it.answer('pool-1', rescued('p2', { quarantined: 1 }));
  expect(it.of('rescue.ended')).toMatchObject([{ result: { orphaned: 2, finished: 2, entries: 4, quarantined: 4 } }]);
  expect(it.of('orphan').map(({ entry: { id } }) => id)).toEqual(['a', 'd']);
  expect(it.of('finished').map(({ entry: { id } }) => id)).toEqual(['b', 'e']);
  // The next one has its second look too.
  await it.send(rescueNow(2));
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued({ dueInMs: 5 }));
  expect(it.value().rescue).toEqual({ requeuingOrphans: 'awaitingSecondTry' });
});

test('a pass that finds nothing ends once, after the counters were rebuilt and the live pools looked at', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found());
  expect(it.of('rescue.ended')).toEqual([]);
  await it.answer('recount', recounted);
  expect(it.of('rescue.ended')).toEqual([]);
  await it.answer('requeueOrphans', requeued());
  expect(it.of('rescue.ended')).toHaveLength(1);
});

test('a rescue that waits begins for a caller, and waits again when the mandate changes', async () => {
  const it = start();
  await it.sendTo(['rescue'], { type: 'mandate.changed', mandate: { fence: undefined } } as never);
  await it.sendTo(['rescue'], { type: 'mandate.changed', mandate: { fence: fenceOf(1) } } as never);
  expect([it.value().rescue, it.rescue().mandate]).toEqual(['waiting', { fence: fenceOf(1) }]);
  await it.send(rescueNow(1));
  expect(it.value().rescue).toEqual({ finding: { reading: 'thenRecount' } });
});

test('pools that end while the next pass reads are reported by their own pass', async () => {
  const it = start();
  await it.send(rescueNow(1, { grace: 0 }));
  await answerPass(it, found('p1', 'p2'));
  await it.send(rescueNow(2));
  await it.answer('pool-0', rescued('p1'));
  await it.answer('pool-0', rescued('p2', { outcome: 'abandoned' }));
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, pools: { rescued: 1, abandoned: 1 } } }]);
  // The abandoned pool is still there, and is found again.
  await it.answer('find', found('p1', 'p2'));
  expect(it.waiting()).toEqual(['p2']);
});

test('a failed second try for orphaned entries is reported, and the pass completes', async () => {
  const it = start();
  await it.send(rescueNow(1));
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued({ orphaned: [lost('j1')], dueInMs: 5 }));
  await it.tick(5);
  await it.fail('requeueOrphans');
  expect(it.of('fault')).toMatchObject([{ where: 'looking for orphaned entries' }]);
  expect(it.of('rescue.ended')).toMatchObject([{ result: { orphaned: 1 } }]);
});

test('actors of passes get the ids of those that are complete, however many passes there are', async () => {
  const it = start({ poolSlots: 2 });
  const ids = new Set<string>();
  for (let number = 1; number <= 20; number++) {
    await it.send(rescueNow(number, { grace: 0 }));
    for (const id of it.rescue().passes) ids.add(id);
    await answerPass(it, found(`p${number}`));
    if (number > 1) await it.answer(`pool-${number % 2}`, rescued(`p${number - 1}`));
  }
  expect([...ids].sort()).toEqual(['pass-0', 'pass-1']);
  expect(it.rescue().passes).toHaveLength(1);
});

describe('a pass that its caller aborts', () => {
  const orphan = lost('j1');
  const steps: Record<string, (it: Tree) => Promise<void>> = {
    'while it looks for pools': async (it) => {
      await it.send(cancelRescue(1));
      expect(it.value().rescue).toEqual({ finding: { reading: 'thenEnd' } });
      await it.answer('find', found('p1'));
    },
    'while a look fails': async (it) => {
      await it.send(cancelRescue(1));
      await it.fail('find');
    },
    'while it waits for the next look': async (it) => {
      await it.fail('find');
      await it.send(cancelRescue(2));
      expect(it.value().rescue).toEqual({ finding: 'backingOff' });
      await it.send(cancelRescue(1));
    },
    'while it rebuilds counters': async (it) => {
      await it.answer('find', found('p1'));
      await it.send(cancelRescue(1));
      expect([it.waiting(), it.value().rescue]).toEqual([[], { recounting: 'thenEnd' }]);
      await it.answer('recount', recounted);
    },
    'while the rebuild of counters fails': async (it) => {
      await it.answer('find', found('p1'));
      await it.send(cancelRescue(1));
      await it.fail('recount');
    },
    'while it requeues orphaned entries': async (it) => {
      await it.answer('find', found('p1'));
      await it.answer('recount', recounted);
      await it.send(cancelRescue(1));
      await it.answer('requeueOrphans', requeued({ orphaned: [orphan], dueInMs: 30_000 }));
      expect(it.of('orphan')).toMatchObject([{ entry: { id: 'j1' } }]);
    },
    'while it waits for the second look': async (it) => {
      await it.answer('find', found('p1'));
      await it.answer('recount', recounted);
      await it.answer('requeueOrphans', requeued({ dueInMs: 30_000 }));
      await it.send(cancelRescue(2));
      expect(it.value().rescue).toEqual({ requeuingOrphans: 'awaitingSecondTry' });
      await it.send(cancelRescue(1));
    },
    'while it awaits its pools': async (it) => {
      await answerPass(it, found('p1'));
      expect(it.of('rescue.ended')).toEqual([]);
      await it.send(cancelRescue(1));
    },
  };

  test.each(Object.entries(steps))('%s begins nothing more, and the next pass begins', async (_, step) => {
    const it = start();
    await it.send(rescueNow(1));
    await step(it);
    expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 1, ...aborted } }]);
    expect([it.waiting(), it.slots(), it.value().rescue]).toEqual([[], {}, 'idle']);
    await it.send(rescueNow(2));
    await answerPass(it, found());
    expect(it.of('rescue.ended')[1]?.result).not.toHaveProperty('isAborted');
  });

  test('before it begins is answered at once, and never begins', async () => {
    const it = start();
    await it.send(rescueNow(1));
    await it.send(rescueNow(2));
    await it.send(cancelRescue(2));
    expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 2, ...aborted } }]);
    await answerPass(it, found());
    expect([it.value().rescue, it.of('rescue.started').length]).toEqual(['idle', 1]);
  });
});

test('each step of a pass is asked for what the caller asked for, and works on what was found', async () => {
  for (const plan of [true, false]) {
    const it = start();
    const scope = { pools: ['p1'] };
    await it.send({ type: 'rescue.now', request: { number: 3, plan, grace: undefined, thorough: false, scope } });
    const asked = { plan, fence: undefined, scope };
    expect(it.asked('find')).toEqual({ ...asked, thorough: false });
    const live = [{ pool: 'q', workerIds: ['w'], types: ['A'] }];
    const lists = [['A', 'q']] as const;
    await it.answer('find', { ...found(), types: ['A', 'B'], lists, live });
    expect(it.asked('recount')).toEqual({ ...asked, number: 3, types: ['A', 'B'], lists });
    await it.answer('recount', recounted);
    expect(it.asked('requeueOrphans')).toEqual({ ...asked, number: 3, live });
    await it.answer('requeueOrphans', requeued({ dueInMs: 5 }));
    await it.tick(5);
    expect([it.timesAsked('requeueOrphans'), it.asked('requeueOrphans')]).toEqual([2, { ...asked, number: 3, live }]);
  }
});

test('each step of a scheduled pass has its number and the fence of its leader', async () => {
  const it = await startLeader();
  await it.tick(10_000);
  const fence = fenceOf(1);
  expect(it.asked('find')).toEqual({ thorough: true, plan: false, fence });
  await it.answer('find', found());
  expect(it.asked('recount')).toEqual({ number: 0, types: ['A'], lists: [], plan: false, fence });
  await it.answer('recount', recounted);
  expect(it.asked('requeueOrphans')).toEqual({ number: 0, live: [], plan: false, fence });
});

test('a rescue that has stopped says how many passes began, and its pools that none waits', async () => {
  const it = start();
  for (const number of [1, 2]) {
    await it.send(rescueNow(number));
    await answerPass(it, found());
  }
  const [rescue, pools] = [it.actorAt('rescue'), it.actorAt('rescue', 'pools')];
  await it.send({ type: 'stop' });
  expect([rescue, pools].map((actor) => actor.getSnapshot().output)).toEqual([{ begun: 2 }, { waiting: 0 }]);
});

afterAll(() => expect(coverage.missing()).toEqual([]));
