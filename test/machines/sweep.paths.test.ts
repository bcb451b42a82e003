import { afterAll, expect, test } from 'vitest';
import { FencedError } from '../../src/machines/lease.ts';
import { PermanentError } from '../../src/machines/permanent.ts';
import { RefusedError } from '../../src/machines/refusal.ts';
import { emptyTally } from '../../src/machines/tally.ts';
import { jobFor, policy } from '../support/facts.ts';
import { acting, fenceOf, freed, ours, outcome, page, sweepNow, theirs } from '../support/passes.ts';
import { createCoverage } from '../support/paths.ts';
import { type Tree, treeMachines, treeStarts } from '../support/tree.ts';

// A sweep takes requests without end, so its paths cannot be enumerated. These sequences take every transition.

const coverage = createCoverage(treeMachines.sweep);
const { start, startLeader, stopWhile } = treeStarts(coverage.inspect);
const hour = 3_600_000;
const renewal = 3_000;
const leaseLost = expect.stringContaining('lease lost; nothing more was changed');
/** Why Redis refuses writes, and the end of a job whose act it refused. */
const readOnly = { code: 'redis-read-only', message: 'Redis is a replica' } as const;
const refused = {
  ...freed,
  outcome: { ...outcome, outcome: 'abandoned', isRefused: true, error: readOnly.message, code: readOnly.code },
} as const;

test('the next page is read when every job of this page has a lane, and the sweep ends when every lane is idle', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', page(false, jobFor('fail'), jobFor('fail')));
  await it.answer('judgePage', acting(jobFor('fail'), jobFor('fail')));
  expect(it.value().sweep).toEqual({ scanning: 'assigning' });
  await it.sendToSweep(freed);
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  expect(it.value().sweep).toBe('draining');
  expect(it.of('sweep.ended')).toEqual([]);
  await it.sendToSweep(freed);
  expect(it.value().sweep).toBe('idle');
  expect(it.of('job')).toHaveLength(2);
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, tally: { scanned: 2, verdicts: { fail: 2 } } } }]);
});

test('a sweep with a limit reads no page after its last act, and names the ids that were not found', async () => {
  const it = start();
  await it.send(sweepNow(1, false, { limit: 2 }));
  await it.answer('readPage', { ...page(false, jobFor('fail')), notFound: ['a'] });
  await it.answer('judgePage', acting(jobFor('fail')));
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
  expect(it.sweep().pass).not.toHaveProperty('isLimited');
  await it.sendToSweep(freed);
  await it.answer('readPage', { ...page(false, jobFor('fail')), notFound: ['b'] });
  expect(it.sweep().actsLeft).toBe(1);
  await it.answer('judgePage', acting(jobFor('fail')));
  expect(it.value().sweep).toBe('draining');
  await it.sendToSweep(freed);
  const result = { number: 1, scope: { limit: 2 }, isLimited: true, notFound: ['a', 'b'] };
  expect(it.of('sweep.ended')).toMatchObject([{ result }]);
  await it.send(sweepNow(2));
  expect(it.sweep().actsLeft).toBeUndefined();
});

test('a page that cannot be read is read again after a pause, and the sweep is given up after seven failures', async () => {
  const it = start();
  await it.send(sweepNow(1));
  for (let i = 0; i < 6; i++) {
    await it.fail('readPage');
    expect(it.value().sweep).toEqual({ scanning: 'backingOff' });
    await it.tick(hour);
    expect(it.value().sweep).toEqual({ scanning: 'reading' });
  }
  await it.fail('readPage');
  expect(it.value().sweep).toBe('idle');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, error: 'Redis is down' } }]);
  expect(it.of('fault')).toHaveLength(6);
});

test('fault 119: a sweep that Redis refuses to begin is suspended, and the next one begins again', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.send(sweepNow(2));
  await it.fail('readPage', new RefusedError(readOnly.code, readOnly.message));
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, suspended: readOnly } }]);
  expect(it.of('sweep.ended')[0]?.result).not.toHaveProperty('error');
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  expect(it.of('sweep.ended')[1]?.result).not.toHaveProperty('suspended');
  expect(it.of('fault')).toEqual([]);
});

test('fault 119: a sweep with a refused act assigns no more jobs, and ends when its lanes are idle', async () => {
  const it = start({ lanes: 2 });
  await it.send(sweepNow(1));
  await it.answer('readPage', page(false, jobFor('fail'), jobFor('fail'), jobFor('fail')));
  await it.answer('judgePage', acting(jobFor('fail'), jobFor('fail'), jobFor('fail')));
  await it.sendToSweep(refused);
  expect([it.value().sweep, it.sweep().acting]).toEqual(['draining', []]);
  await it.sendToSweep({
    ...freed,
    lane: 'lane-1',
    outcome: { ...outcome, outcome: 'abandoned', isRefused: true, error: 'said later' },
  });
  expect(it.of('sweep.ended')).toMatchObject([
    {
      result: {
        suspended: readOnly,
        tally: { scanned: 2, outcomes: { abandoned: 2 } },
      },
    },
  ]);
});

test('fault 119: a sweep whose hooks cannot be enqueued keeps its counts and is suspended', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', page(false, jobFor('refire')));
  await it.answer('judgePage', {
    ...acting(),
    suspended: { code: 'redis-out-of-memory', message: 'Redis has no memory left' },
  });
  expect(it.of('sweep.ended')).toMatchObject([
    { result: { suspended: { code: 'redis-out-of-memory', message: 'Redis has no memory left' } } },
  ]);
});

test('a page that can never be read ends the sweep at once, with the error', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.fail('readPage', new PermanentError('redis-wrong-type', 'WRONGTYPE'));
  expect(it.of('sweep.ended')).toMatchObject([{ result: { error: 'WRONGTYPE' } }]);
});

test('a page that cannot be judged ends the sweep with the error, and the next one begins again', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.send(sweepNow(2));
  await it.answer('readPage', page(false));
  await it.fail('judgePage');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, error: 'Redis is down' } }]);
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
  expect(it.of('sweep.started').map(({ request }) => request.number)).toEqual([1, 2]);
});

test('lanes beyond 32 are spawned when they are needed, and those that have worked are used first', async () => {
  const it = start({ lanes: 34 });
  const lanes = () => Object.keys(it.actorAt('sweep').getSnapshot().children).filter((id) => id.startsWith('lane-'));
  for (const [jobs, spawned] of [
    [0, 32],
    [30, 32],
    [30, 32],
    [33, 33],
    [40, 34],
    [34, 34],
  ] as const) {
    await it.send(sweepNow(1));
    await it.answer('readPage', page(true));
    await it.answer('judgePage', acting(...Array.from({ length: jobs }, () => jobFor('fail'))));
    for (let i = 0; i < jobs; i++) await it.sendToSweep({ ...freed, lane: `lane-${i % 34}` });
    expect([it.value().sweep, lanes().length]).toEqual(['idle', spawned]);
  }
});

test('a lane that crashes is replaced, sixty-four times', async () => {
  const it = start();
  for (let i = 0; i < 64; i++) {
    await it.fail('lane-0');
    expect(it.sweep().idle).toEqual(['lane-0']);
  }
  expect(it.actorAt('sweep', 'lane-0').getSnapshot().status).toBe('active');
  await it.fail('lane-0');
  expect(it.sweep()).toMatchObject({ lanes: 0, idle: [] });
});

test('a lane that was replaced works, and a sweep does not wait for a lane that is not replaced', async () => {
  const it = start();
  for (let i = 0; i < 64; i++) {
    await it.fail('lane-0');
    expect(it.sweep()).toMatchObject({ lanes: 1, idle: ['lane-0'] });
  }
  await it.send(sweepNow(1));
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('judgePage', { acting: [jobFor('fail')], tally: emptyTally });
  expect(it.sweep().idle).toEqual([]);
  await it.fail('lane-0');
  expect(it.sweep()).toMatchObject({ lanes: 0, idle: [] });
  expect(it.of('sweep.ended')).toHaveLength(1);
});

test('a lane that crashes at a job is used again, and the sweep ends', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('judgePage', { acting: [jobFor('fail')], tally: emptyTally });
  expect([it.sweep().idle, it.of('sweep.ended')]).toEqual([[], []]);
  await it.fail('lane-0');
  expect([it.sweep().idle, it.of('sweep.ended').length]).toEqual([['lane-0'], 1]);
});

test('a scheduled sweep records its end for the other hosts, before the next one waits for its time', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  expect(it.value().sweep).toBe('completing');
  expect(it.of('sweep.ended')).toEqual([]);
  await it.answer('completePass', undefined);
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 0 } }]);
  expect(it.of('sweep.ended')[0]?.result.error).toBeUndefined();
  expect([it.value().sweep, it.sweep().failedIn]).toEqual(['waiting', undefined]);
});

test('a sweep whose end cannot be recorded did not complete', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  await it.fail('completePass');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { error: 'Redis is down' } }]);
  expect(it.sweep().failedIn).toEqual(fenceOf(1));
});

test('fault 119: a suspended scheduled sweep is tried again an interval later, at its begin and at its end', async () => {
  for (const isAtEnd of [false, true]) {
    const it = await startLeader();
    await it.tick(hour);
    if (isAtEnd) {
      await it.answer('readPage', page(true));
      await it.answer('judgePage', acting());
    }
    await it.fail(isAtEnd ? 'completePass' : 'readPage', new RefusedError(readOnly.code, readOnly.message));
    expect(it.of('sweep.ended')).toMatchObject([{ result: { suspended: readOnly } }]);
    expect([it.value().sweep, it.sweep().failedIn]).toEqual(['waiting', fenceOf(1)]);
  }
});

test('fault 119: a sweep that was suspended while it drained is not recorded as ended', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(true, jobFor('fail')));
  await it.answer('judgePage', acting(jobFor('fail')));
  await it.sendToSweep(refused);
  expect(it.value().sweep).toBe('waiting');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { suspended: readOnly } }]);
});

test('a page of a lost lease is not read again', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.fail('readPage', new FencedError());
  expect(it.of('sweep.ended')).toMatchObject([{ result: { error: leaseLost } }]);
});

test('a scheduled sweep ends when its term is over, as soon as its lanes are idle', async () => {
  for (const term of [theirs, ours(2)]) {
    const it = await startLeader();
    await it.tick(hour);
    await it.answer('acquireLease', ours(1));
    await it.answer('readPage', page(false, jobFor('fail'), jobFor('fail')));
    await it.answer('judgePage', acting(jobFor('fail'), jobFor('fail')));
    await it.tick(renewal);
    await it.answer('acquireLease', term);
    expect(it.value().sweep).toBe('draining');
    await it.sendToSweep(freed);
    expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 0, error: leaseLost, tally: { scanned: 1 } } }]);
    expect(it.value().sweep).toBe(term === theirs ? 'idle' : 'waiting');
  }
});

test.each([
  ['has failed', (it: Tree) => it.fail('judgePage')],
  [
    'is suspended',
    (it: Tree) =>
      it.answer('judgePage', {
        acting: [],
        tally: emptyTally,
        suspended: { code: 'redis-out-of-memory', message: 'no memory' },
      }),
  ],
] as const)('fault 150: a shared sweep that %s at its last page is not recorded as ended', async (_, end) => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', { jobs: [], isLast: true });
  await end(it);
  expect([it.value().sweep, it.asked('completePass')]).toEqual(['waiting', undefined]);
  // It is tried again an interval later, not at once.
  expect(it.sweep().failedIn).toEqual(fenceOf(1));
});

test('a shared sweep that was stopped before its end is not recorded as ended', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', { jobs: [], isLast: false });
  await it.answer('judgePage', { acting: [jobFor('fail')], tally: emptyTally });
  await it.send({ type: 'stop' });
  await it.sendToSweep({
    type: 'lane.freed',
    lane: 'lane-0',
    outcome: { id: 'j', verdict: 'fail', reason: 'hung', rule: 4, outcome: 'done', facts: jobFor('fail').facts },
  });
  expect([it.asked('completePass'), it.of('sweep.ended')[0]?.result.error]).toEqual([
    undefined,
    'stopped before its end',
  ]);
});

test.each([
  ['a page that can never be read', new PermanentError('redis-wrong-type', 'x')],
  ['a page of a lost lease', new FencedError()],
  ['a page that Redis refuses', new RefusedError('redis-read-only', 'x')],
])('after %s a shared sweep is tried again an interval later', async (_, error) => {
  const it = await startLeader();
  await it.tick(hour);
  await it.fail('readPage', error);
  expect([it.value().sweep, it.sweep().failedIn]).toEqual(['waiting', fenceOf(1)]);
});

test('a sweep of a caller has no fence, and its end is not recorded for the other hosts', async () => {
  const it = await startLeader();
  await it.send(sweepNow(1));
  expect(it.asked('readPage')).toEqual({ isFirst: true, plan: false, fence: undefined });
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('judgePage', { acting: [], tally: emptyTally });
  expect(it.asked('completePass')).toBeUndefined();
  await it.tick(hour);
  expect(it.asked('readPage')).toEqual({ isFirst: true, plan: false, fence: fenceOf(1) });
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('judgePage', { acting: [], tally: emptyTally });
  expect(it.asked('completePass')).toEqual({ fence: fenceOf(1) });
});

test('a sweep that is stopped when its last job has a lane ends without an error', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', { jobs: [], isLast: true });
  await it.answer('judgePage', { acting: [jobFor('fail')], tally: emptyTally });
  await it.send({ type: 'stop' });
  expect(it.of('sweep.ended')).toEqual([]);
  await it.sendToSweep({
    type: 'lane.freed',
    lane: 'lane-0',
    outcome: { id: 'j', verdict: 'fail', reason: 'hung', rule: 4, outcome: 'done', facts: jobFor('fail').facts },
  });
  expect(it.of('sweep.ended').map(({ result }) => result.error)).toEqual([undefined]);
});

test.each(['stopped', 'aborted and stopped'])(
  'a page that is judged when its sweep is %s is counted, and none of its jobs acts',
  async (how) => {
    for (const fails of [false, true]) {
      const it = await startLeader();
      await it.send(sweepNow(1));
      await it.answer('readPage', page(false, jobFor('fail')));
      if (how !== 'stopped') await it.send(cancel(1));
      await it.send({ type: 'stop' });
      await it.send(cancel(1));
      await it.sendToSweep({ type: 'mandate.changed', mandate: undefined });
      expect([it.value().sweep, it.of('sweep.ended')]).toEqual([{ scanning: { judging: 'thenStop' } }, []]);
      if (fails) await it.fail('judgePage');
      else await it.answer('judgePage', { ...acting(jobFor('fail')), tally: { ...emptyTally, scanned: 7 } });
      expect(it.value().sweep).toBeUndefined();
      const error = how === 'stopped' ? 'stopped before its end' : aborted.error;
      expect(it.of('sweep.ended')).toMatchObject([{ result: { error, tally: { scanned: fails ? 0 : 7 } } }]);
      expect(it.of('job')).toEqual([]);
    }
  },
);

test('a page that is judged when the lease is lost is counted, and none of its jobs acts', async () => {
  for (const stops of [false, true]) {
    const it = await startLeader();
    await it.tick(hour);
    await it.answer('acquireLease', ours(1));
    await it.answer('readPage', page(true, jobFor('fail')));
    if (stops) await it.send({ type: 'stop' });
    for (const mandate of [{ fence: fenceOf(2) }, undefined])
      await it.sendToSweep({ type: 'mandate.changed', mandate });
    expect([it.value().sweep, it.of('sweep.ended')]).toEqual([
      { scanning: { judging: stops ? 'thenStop' : 'thenDrain' } },
      [],
    ]);
    await it.answer('judgePage', { ...acting(jobFor('fail')), tally: { ...emptyTally, scanned: 7 } });
    const error = stops ? 'stopped before its end' : leaseLost;
    expect(it.of('sweep.ended')).toMatchObject([{ result: { error, tally: { scanned: 7 } } }]);
    expect([it.value().sweep, it.asked('completePass'), it.of('job')]).toEqual([
      stops ? undefined : 'idle',
      undefined,
      [],
    ]);
  }
});

test('stopped while it scans, a sweep reads no more pages, lets the lanes finish, and says that it was cut short', async () => {
  const it = await stopWhile(async (driver) => {
    await driver.send(sweepNow(1));
    await driver.send(sweepNow(2));
    await driver.answer('readPage', page(false));
    await driver.answer('judgePage', acting(jobFor('fail'), jobFor('fail')));
  });
  expect(it.value().sweep).toBe('stopping');
  await it.sendToSweep(freed);
  expect(it.actor.getSnapshot().status).toBe('done');
  expect(it.of('sweep.ended')).toMatchObject([
    { result: { number: 1, error: 'stopped before its end', tally: { scanned: 1 } } },
    { result: { number: 2, error: 'the reaper is stopped' } },
  ]);
});

test('a sweep that is stopped before the last job of its last page has a lane was cut short', async () => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(true, jobFor('fail'), jobFor('fail')));
  await it.answer('judgePage', acting(jobFor('fail'), jobFor('fail')));
  await it.send({ type: 'stop' });
  await it.sendToSweep(freed);
  expect([it.asked('completePass'), it.of('sweep.ended')[0]?.result.error]).toEqual([
    undefined,
    'stopped before its end',
  ]);
});

test.each([
  [
    'while it drains',
    async (it: Tree) => {
      await it.send({ type: 'stop' });
      await it.sendToSweep(freed);
    },
  ],
  [
    'while it records its end',
    async (it: Tree) => {
      await it.sendToSweep(freed);
      await it.send({ type: 'stop' });
    },
  ],
] as const)('a scheduled sweep that is stopped %s records its end once, and stops then', async (_, stop) => {
  for (const fails of [false, true]) {
    const it = await startLeader();
    await it.tick(hour);
    await it.answer('readPage', page(true, jobFor('fail')));
    await it.answer('judgePage', acting(jobFor('fail')));
    await stop(it);
    expect(it.value().sweep).toBe('completingLast');
    if (fails) await it.fail('completePass');
    else await it.answer('completePass', undefined);
    expect(it.value().sweep).toBeUndefined();
    expect(it.of('sweep.ended').map(({ result }) => result.error)).toEqual([fails ? 'Redis is down' : undefined]);
    expect(it.timesAsked('completePass')).toBe(1);
  }
});

test('a sweep that is idle or waits stops at once, and a scheduled one waits again when the mandate changes', async () => {
  const idle = start();
  await idle.sendToSweep({ type: 'stop' });
  const waiting = start();
  await waiting.sendToSweep({ type: 'mandate.changed', mandate: { fence: undefined } });
  expect(waiting.value().sweep).toBe('waiting');
  await waiting.sendToSweep({ type: 'mandate.changed', mandate: { fence: fenceOf(1) } });
  expect([waiting.value().sweep, waiting.sweep().mandate]).toEqual(['waiting', { fence: fenceOf(1) }]);
  await waiting.sendToSweep({ type: 'stop' });
  for (const it of [idle, waiting]) expect(it.value().sweep).toBeUndefined();
});

test('a sweep of a caller goes on when the mandate changes, and the next scheduled one has the new fence', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.sendToSweep({ type: 'mandate.changed', mandate: { fence: fenceOf(2) } });
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, tally: emptyTally } }]);
  await it.tick(hour);
  expect(it.asked('readPage')).toEqual({ isFirst: true, plan: false, fence: fenceOf(2) });
});

test.each([
  ['done', (it: Tree) => it.answer('completePass', undefined)],
  ['failed', (it: Tree) => it.fail('completePass')],
] as const)('the next sweep begins only when the record of the last one is %s', async (_, end) => {
  const it = await startLeader();
  await it.tick(hour);
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  await it.send(sweepNow(1));
  expect(it.of('sweep.started')).toHaveLength(1);
  await end(it);
  expect(it.value().sweep).toEqual({ scanning: 'reading' });
});

test('a sweep that is stopped answers the callers whose sweeps never began', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.send(sweepNow(2, true));
  await it.send({ type: 'stop' });
  expect(it.of('sweep.ended')).toMatchObject([
    { result: { number: 1, error: 'stopped before its end' } },
    { result: { number: 2, plan: true, tally: emptyTally, error: 'the reaper is stopped' } },
  ]);
});

const cancel = (number: number) => ({ type: 'sweep.cancel' as const, number });
const aborted = { error: 'aborted by the caller', isAborted: true };

test('a sweep that its caller aborts reads no further page, gives out no job, and ends when its lanes are idle', async () => {
  const it = start();
  await it.send(sweepNow(1));
  await it.answer('readPage', page(false, jobFor('fail'), jobFor('fail')));
  await it.answer('judgePage', acting(jobFor('fail'), jobFor('fail')));
  await it.send(cancel(2));
  expect(it.value().sweep).toEqual({ scanning: 'assigning' });
  await it.send(cancel(1));
  expect([it.value().sweep, it.sweep().acting]).toEqual(['draining', []]);
  expect(it.of('sweep.ended')).toEqual([]);
  await it.sendToSweep(freed);
  expect(it.value().sweep).toBe('idle');
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 1, tally: { scanned: 1 }, ...aborted } }]);
  expect(it.timesAsked('readPage')).toBe(1);
});

test('a page that is judged when its sweep is aborted is counted, and none of its jobs acts', async () => {
  for (const fails of [false, true]) {
    const it = start();
    await it.send(sweepNow(1));
    await it.answer('readPage', page(false, jobFor('fail')));
    await it.send(cancel(1));
    await it.send(cancel(1));
    expect([it.value().sweep, it.of('sweep.ended')]).toEqual([{ scanning: { judging: 'thenDrain' } }, []]);
    if (fails) await it.fail('judgePage');
    else await it.answer('judgePage', { ...acting(jobFor('fail')), tally: { ...emptyTally, scanned: 7 } });
    expect(it.value().sweep).toBe('idle');
    expect(it.of('sweep.ended')).toMatchObject([{ result: { tally: { scanned: fails ? 0 : 7 }, ...aborted } }]);
    expect(it.of('job')).toEqual([]);
  }
});

test('a sweep that is aborted before it begins never begins, and the others are not affected', async () => {
  const it = start();
  for (const number of [1, 2, 3]) await it.send(sweepNow(number));
  await it.send(cancel(2));
  expect(it.of('sweep.ended')).toMatchObject([{ result: { number: 2, ...aborted } }]);
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  await it.answer('readPage', page(true));
  await it.answer('judgePage', acting());
  await it.send(cancel(3));
  expect(it.of('sweep.ended').map(({ result }) => [result.number, result.isAborted])).toEqual([
    [2, true],
    [1, undefined],
    [3, undefined],
  ]);
  expect(it.of('sweep.started').map(({ request }) => request.number)).toEqual([1, 3]);
});

test('a sweep reads and judges each page as its caller asked: plan, scope and the acts that are left', async () => {
  for (const plan of [true, false]) {
    const it = start();
    const scope = { types: ['A'], limit: 2 };
    await it.send(sweepNow(1, plan, scope));
    const read = { plan, fence: undefined, scope };
    expect(it.asked('readPage')).toEqual({ isFirst: true, ...read });
    const first = { ...page(false, jobFor('fail')), screened: 3 };
    await it.answer('readPage', first);
    const judged = { policy, plan, scope };
    expect(it.asked('judgePage')).toEqual({ ...judged, jobs: first.jobs, screened: 3, actsLeft: 2 });
    await it.answer('judgePage', acting(jobFor('fail')));
    expect(it.asked('readPage')).toEqual({ isFirst: false, ...read });
    await it.answer('readPage', page(true));
    expect(it.asked('judgePage')).toEqual({ ...judged, jobs: [], screened: undefined, actsLeft: 1 });
  }
});

test('a sweep that has stopped says how many sweeps began', async () => {
  const it = start();
  for (const number of [1, 2]) {
    await it.send(sweepNow(number));
    await it.answer('readPage', page(true));
    await it.answer('judgePage', acting());
  }
  const sweep = it.actorAt('sweep');
  await it.sendToSweep({ type: 'stop' });
  expect(sweep.getSnapshot().output).toEqual({ begun: 2 });
});

afterAll(() => expect(coverage.missing()).toEqual([]));
