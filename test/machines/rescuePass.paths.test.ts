import { afterAll, expect, test } from 'vitest';
import { createActor } from 'xstate';
import { type RescuePassEvent, rescuePassMachine } from '../../src/machines/rescuePass.ts';
import { found, recounted, requeued, rescued } from '../support/passes.ts';
import { createCoverage } from '../support/paths.ts';

// A pass hears of any number of pools, so its paths cannot be enumerated. These sequences take every transition.

const coverage = createCoverage(rescuePassMachine);

const run = (...events: readonly RescuePassEvent[]) => {
  const request = { number: 3, plan: false, grace: undefined, thorough: true };
  const actor = createActor(rescuePassMachine, { input: { pass: 7, request }, inspect: coverage.inspect }).start();
  for (const event of events) actor.send(event);
  return actor.getSnapshot();
};
const looked = { type: 'steps.ended' } as const;
const share = (reports: number, awaits = reports) => ({ type: 'adopted', share: { reports, awaits } }) as const;
const ended = (...pools: readonly string[]) => {
  const outcomes = pools.map((pool) => rescued(pool));
  return { type: 'pools.ended', outcomes, count: pools.length } as const;
};

test('a pass without pools is complete when everything was looked at', () => {
  expect(run({ type: 'found', found: found() })).toMatchObject({ value: 'collecting', status: 'active' });
  expect(run({ type: 'found', found: found() }, looked).output).toMatchObject({
    pass: 7,
    result: { number: 3, plan: false, alive: 1, suspects: 0, changes: [] },
  });
});

test('a pass awaits each of its pools, whether the last of them ends before or after it has looked', () => {
  expect(run(share(2), ended('p1'), looked)).toMatchObject({ value: 'awaitingPools' });
  const { output } = run(share(2), ended('p1'), looked, ended('p2'));
  expect(output?.result).toMatchObject({ suspects: 2, entries: 4, pools: { rescued: 2 } });
  expect(run(share(1), ended('p1'), looked).status).toBe('done');
});

test('a pass awaits the pools that another pass reports, and does not count them', () => {
  const awaited = { type: 'pools.ended', outcomes: [], count: 1 } as const;
  expect(run(share(0, 1), looked).value).toBe('awaitingPools');
  expect(run(share(0, 1), looked, awaited).output?.result).toMatchObject({ suspects: 0, entries: 0 });
});

test('a pass whose pools are taken over by a caller no longer awaits or reports them', () => {
  const { output } = run(share(2), looked, { type: 'released', share: { reports: 1, awaits: 1 } }, ended('p1'));
  expect(output?.result).toMatchObject({ suspects: 1, pools: { rescued: 1 } });
});

test('the changes of all steps are in the result, with what becomes of the locks', () => {
  const locks = new Map([['A', ['5', '3'] as const]]);
  const orphan = { id: 'j1', type: 'A', pool: 'q', unobservedS: 30, plan: false };
  const { output } = run(
    share(1),
    { type: 'recounted', recounted: { ...recounted, locks } },
    { type: 'requeued', requeued: requeued({ orphaned: [orphan] }) },
    ended('p1'),
    looked,
  );
  expect(output?.result.changes).toEqual([
    { act: 'lock', type: 'A', before: '5', after: '0' },
    { act: 'requeue', pool: 'p1', type: 'A', entries: 2 },
    { act: 'requeue-orphan', id: 'j1', type: 'A', pool: 'q' },
  ]);
});

test('a type of which nothing was requeued is not among the changes', () => {
  const outcomes = [{ ...rescued('p1'), moved: { A: 0, B: 2 } }];
  const { output } = run(share(1), { type: 'pools.ended', outcomes, count: 1 }, looked);
  expect(output?.result.changes).toEqual([{ act: 'requeue', pool: 'p1', type: 'B', entries: 2 }]);
});

test('a failed or suspended step is in the result', () => {
  expect(run({ type: 'failed', error: new Error('Redis is down') }, looked).output?.result.error).toBe('Redis is down');
  expect(
    run({ type: 'suspended', reason: { code: 'redis-busy', message: 'Redis is loading' } as const }, looked).output
      ?.result,
  ).toMatchObject({
    suspended: { code: 'redis-busy', message: 'Redis is loading' },
  });
});

test('a pass that is cut short says so, unless it has an error already', () => {
  const error = 'the reaper is stopped';
  expect(run(share(1), looked, { type: 'stop' }).output?.result).toMatchObject({ suspects: 1, error });
  expect(run({ type: 'stop' }).output?.result.error).toBe(error);
  expect(run(share(1), { type: 'cutShort' }, ended('p1'), looked).output?.result.error).toBe(error);
  const failed = { type: 'failed', error: new Error('Redis is down') } as const;
  expect(run(failed, { type: 'stop' }).output?.result.error).toBe('Redis is down');
});

test('a pass that its caller has aborted says so, and still awaits its pools', () => {
  const aborted = run(share(1), { type: 'aborted' }, looked);
  expect(aborted.value).toBe('awaitingPools');
  const { output } = run(share(1), { type: 'aborted' }, looked, ended('p1'));
  expect(output?.result).toMatchObject({ error: 'aborted by the caller', isAborted: true, entries: 2 });
});

afterAll(() => expect(coverage.missing()).toEqual([]));
