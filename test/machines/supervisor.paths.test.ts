import { afterAll, expect, test } from 'vitest';
import { faultOf } from '../../src/machines/types/reports.ts';
import { jobFor } from '../support/facts.ts';
import {
  acting,
  found,
  freed,
  ours,
  page,
  recounted,
  requeued,
  rescued,
  rescueNow,
  sweepNow,
  theirs,
} from '../support/passes.ts';
import { createCoverage } from '../support/paths.ts';
import { answerPass, supervisorTree, type Tree, treeStarts } from '../support/tree.ts';

// The supervisor takes requests without end, so its paths cannot be enumerated. These sequences take every transition.
// Crashes of its children are in `supervisor-restarts.test.ts`.

const coverage = createCoverage(supervisorTree);

const { start, startLeader, stopWhile } = treeStarts(coverage.inspect);
const hour = 3_600_000;
const grace = 15_000;
const renewal = 3_000;

test('it rests until it is scheduled, then waits for its times, again and again', async () => {
  const it = start();
  expect(it.value()).toEqual({ sweep: 'idle', rescue: 'idle', leader: undefined });
  await it.send({ type: 'schedule' });
  expect(it.value()).toEqual({ sweep: 'waiting', rescue: 'waiting', leader: 'off' });
  await it.tick(10_000);
  expect(it.value().rescue).toEqual({ finding: { reading: 'thenRecount' } });
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  expect(it.value().rescue).toBe('waiting');
  await it.tick(hour);
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  expect(it.value().sweep).toBe('waiting');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 0, plan: false } }]);
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 0, suspects: 0, alive: 1 } }]);
});

test('with the option plan, scheduled passes and those of all callers are plans', async () => {
  const it = start({ plan: true });
  await it.send({ type: 'schedule' });
  await it.tick(10_000);
  await it.answer('find', found());
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  await it.tick(hour);
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  await it.send(sweepNow(1));
  await it.send(rescueNow(2));
  expect(it.of('sweep.started').map(({ request }) => request.plan)).toEqual([true, true]);
  expect(it.of('rescue.started').every(({ request }) => request.plan)).toBe(true);
});

test('a request cuts the waiting short', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  await it.send(sweepNow(1));
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
  await it.send(rescueNow(2));
  expect(it.value().rescue).toEqual({ finding: { reading: 'thenRecount' } });
});

test('where hosts share the schedule, a follower waits for no pass, and does those of its callers', async () => {
  const it = start({ sharesSchedule: true });
  await it.send({ type: 'schedule' });
  expect(it.value()).toEqual({ sweep: 'idle', rescue: 'idle', leader: 'asking' });
  await it.answer('acquireLease', theirs);
  await it.tick(renewal);
  await it.answer('acquireLease', theirs);
  expect(it.value()).toEqual({ sweep: 'idle', rescue: 'idle', leader: 'following' });
  expect(it.of('leader')).toEqual([{ type: 'leader', holds: false, host: 'there:2' }]);
  await it.send(sweepNow(1));
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1 } }]);
  await it.tick(renewal);
  await it.answer('acquireLease', ours(1));
  expect(it.value()).toEqual({ sweep: 'waiting', rescue: 'waiting', leader: 'leading' });
  expect(it.of('leader').at(-1)).toEqual({ type: 'leader', holds: true, host: 'here:1' });
});

test('a renewal keeps the passes that wait; a failed one is reported once, and changes nothing', async () => {
  const it = await startLeader();
  await it.tick(renewal);
  await it.answer('acquireLease', ours(1));
  for (let i = 0; i < 2; i++) {
    await it.tick(renewal);
    await it.fail('acquireLease');
  }
  expect(it.value()).toMatchObject({ sweep: 'waiting', leader: 'leading' });
  expect(it.of('fault')).toEqual([faultOf('asking for the lease', new Error('Redis is down'), { poll: 'lease' })]);
  expect(it.of('leader')).toHaveLength(1);
});

test('a sweep and a rescue of callers go on when the lease is lost', async () => {
  const it = await startLeader();
  await it.send(sweepNow(1));
  await it.send(rescueNow(2));
  expect([it.sweep().fence, it.rescue().fence]).toEqual([undefined, undefined]);
  await it.tick(renewal);
  await it.answer('acquireLease', theirs);
  expect(it.value()).toMatchObject({ sweep: { scanning: 'reading' }, rescue: { finding: { reading: 'thenRecount' } } });
  await it.answer('find', found('p1'));
  await it.answer('recount', recounted);
  await it.answer('requeueOrphans', requeued());
  await it.tick(grace);
  await it.answer('pool-0', rescued('p1'));
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  expect(it.of('rescue.ended')).toMatchObject([{ result: { number: 2, pools: { rescued: 1 } } }]);
  expect(it.of('sweep.ended')[0]?.result.error).toBeUndefined();
});

test('the lease is renewed until the passes have ended', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(false));
  await it.answer('judgePage', acting(jobFor('fail')));
  await it.send({ type: 'stop' });
  await it.answer('acquireLease', ours(1));
  expect(it.value()).toMatchObject({ sweep: 'stopping', leader: 'leading' });
  await it.tick(renewal);
  expect(it.value().leader).toEqual('asking');
  await it.sendToSweep(freed);
  expect(it.value().leader).toBe('resigning');
  await it.answer('resign', undefined);
  expect(it.status()).toBe('done');
});

test('stopped while it leads or follows, with no pass begun, it ends', async () => {
  const leading = await startLeader();
  await leading.send({ type: 'stop' });
  expect(leading.status()).toBe('active');
  await leading.answer('resign', undefined);
  const following = start({ sharesSchedule: true });
  await following.send({ type: 'schedule' });
  await following.answer('acquireLease', theirs);
  await following.send({ type: 'stop' });
  for (const it of [leading, following]) expect(it.status()).toBe('done');
});

test('stopped at rest or while it waits, it ends at once', async () => {
  const idle = await stopWhile(async () => undefined);
  const waiting = await stopWhile((it) => it.send({ type: 'schedule' }));
  for (const it of [idle, waiting]) expect(it.status()).toBe('done');
});

test('pauses between retries of a page and of a poll grow', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.send(rescueNow(1));
  for (const [step, pause] of [500, 1_000, 2_000].entries()) {
    await it.fail('readPage');
    await it.fail('find');
    await it.tick(pause - 1);
    expect([step, it.value()]).toMatchObject([
      step,
      { sweep: { scanning: 'backingOff' }, rescue: { finding: 'backingOff' } },
    ]);
    await it.tick(1);
    expect([step, it.value()]).toMatchObject([
      step,
      { sweep: { scanning: 'reading' }, rescue: { finding: { reading: 'thenRecount' } } },
    ]);
  }
});

test('a change of the leader is reported; so is the first of several failed requests for the lease', async () => {
  const it = await startLeader();
  const ask = async (answer: () => Promise<void>) => {
    await it.tick(3_000);
    await answer();
  };
  await ask(() => it.answer('acquireLease', ours(1)));
  await ask(() => it.answer('acquireLease', theirs));
  await ask(() => it.answer('acquireLease', { ...theirs, host: 'elsewhere' }));
  await ask(() => it.answer('acquireLease', { ...theirs, host: 'elsewhere' }));
  expect(it.of('leader').map(({ holds, host }) => [holds, host])).toEqual([
    [true, 'here:1'],
    [false, 'there:2'],
    [false, 'elsewhere'],
  ]);
  for (let i = 0; i < 3; i++) await ask(() => it.fail('acquireLease'));
  expect(it.of('fault')).toHaveLength(1);
  await ask(() => it.answer('acquireLease', theirs));
  await ask(() => it.fail('acquireLease'));
  expect(it.of('fault')).toHaveLength(2);
});

test('a host that shares no schedule asks for no lease', async () => {
  const it = start();
  await it.send({ type: 'schedule' });
  expect([it.value().leader, it.asked('acquireLease')]).toEqual(['off', undefined]);
});

test('due hooks are passed on to the dispatcher, and callers who wait learn that no hook is left', async () => {
  const it = start();
  await it.send({ type: 'hooks.due', endpoint: 'a' });
  expect(it.asked('endpoint-0')).toEqual({ endpoint: 'a', slots: 8 });
  await it.answer('endpoint-0', { endpoint: 'a', outcome: 'idle', wait: undefined });
  expect(it.of('hooks.quiet')).toHaveLength(1);
  await it.send({ type: 'hooks.poll' });
  await it.answer('poll', { due: [], wait: undefined });
  expect(it.of('hooks.quiet')).toHaveLength(2);
  await it.send({ type: 'hooks.watch' });
  expect(it.actorAt('dispatcher').getSnapshot().value).toEqual({ watching: 'polling' });
});

const crashSweep = (it: Tree) =>
  it.sendTo(['sweep'], { type: 'xstate.error.actor.x', actorId: 'x', error: new Error('a fault') } as never);

test('a child that crashes too often is down; scheduled passes may still be started, and the rest can be stopped', async () => {
  const it = start();
  await crashSweep(it);
  await it.tick(60_000);
  for (let i = 0; i < 6; i++) await crashSweep(it);
  expect(it.actor.getSnapshot().value).toBe('degraded');
  await it.send({ type: 'schedule' });
  expect(it.value()).toEqual({ sweep: undefined, rescue: 'waiting', leader: 'off' });
  await it.send({ type: 'stop' });
  expect(it.status()).toBe('done');
});

test('stopped in the middle of a sweep, it waits for the lanes, whether the sweep crashes or its time is over', async () => {
  for (const end of [crashSweep, (it: Tree) => it.send({ type: 'giveUp' })]) {
    const it = await stopWhile(async (driver) => {
      await driver.send(sweepNow(1));
      await driver.answer('readPage', page(false));
      await driver.answer('judgePage', acting(jobFor('fail')));
    });
    expect(it.actor.getSnapshot().value).toEqual({ stopping: 'finishingPasses' });
    await end(it);
    expect(it.status()).toBe('done');
  }
});

test('hooks that are still in flight when the time for stopping is over are given up', async () => {
  const it = await stopWhile((driver) => driver.send({ type: 'hooks.due', endpoint: 'a' }));
  expect(it.actor.getSnapshot().value).toEqual({ stopping: 'resigning' });
  await it.send({ type: 'giveUp' });
  expect(it.status()).toBe('done');
});

test('a pass is aborted where it runs; what has ended already needs no abort', async () => {
  for (const pass of ['sweep', 'rescue'] as const) {
    const it = start();
    await it.send(pass === 'sweep' ? sweepNow(1) : rescueNow(1));
    await it.send({ type: `${pass}.cancel`, number: 1 });
    if (pass === 'rescue') await it.answer('find', found());
    expect(it.of(`${pass}.ended`)).toMatchObject([{ result: { number: 1, isAborted: true } }]);
  }
  const it = await stopWhile(async (it) => {
    await it.send(sweepNow(1));
    await it.answer('readPage', page(true));
    await it.answer('judgePage', acting(jobFor('fail')));
  });
  await it.send({ type: 'rescue.cancel', number: 1 });
  expect([it.status(), it.of('rescue.ended')]).toEqual(['active', []]);
  const other = await stopWhile(async (it) => {
    await it.send(rescueNow(1, { grace: 0 }));
    await answerPass(it, found('p1'));
  });
  await other.send({ type: 'sweep.cancel', number: 1 });
  expect([other.status(), other.of('sweep.ended')]).toEqual(['active', []]);
});

afterAll(() => expect(coverage.missing()).toEqual([]));
