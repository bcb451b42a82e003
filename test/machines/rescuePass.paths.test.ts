import { afterAll, expect, test } from 'vitest';
import { createActor } from 'xstate';
import { type RescuePassEvent, rescuePassMachine } from '../../src/machines/rescuePass.ts';
import type { RescueRequest } from '../../src/machines/types/rescue.ts';
import { found, recounted, requeued, rescued } from '../support/passes.ts';
import { createCoverage } from '../support/paths.ts';

// A pass hears of any number of pools, so its paths cannot be enumerated. These sequences take every transition.

const coverage = createCoverage(rescuePassMachine);

const runAs = (more: Partial<RescueRequest>, ...events: readonly RescuePassEvent[]) => {
  const request = { number: 3, plan: false, grace: undefined, thorough: true, ...more };
  const actor = createActor(rescuePassMachine, { input: { pass: 7, request }, inspect: coverage.inspect }).start();
  for (const event of events) actor.send(event);
  return actor.getSnapshot();
};
const run = (...events: readonly RescuePassEvent[]) => runAs({}, ...events);
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

test('counters of a type whose fields were rebuilt are a change', () => {
  const drift = { type: 'A', lockBefore: '1', lock: '1', fields: 2, size: { lock: 0, lockInfo: 3 } };
  const { output } = run({ type: 'recounted', recounted: { ...recounted, drift: [drift] } }, looked);
  expect(output?.result).toMatchObject({ drift: [drift], changes: [{ act: 'lock_info', type: 'A', fields: 2 }] });
});

const counters = { act: 'rebuild-counters', type: 'A', fingerprint: 'f' } as const;
const finish = { act: 'finish', id: 'j1', type: 'A', pool: 'q', entry: 'e', copies: 1, fingerprint: 'g' } as const;
const rescue = { pool: 'p1', heartbeat: '', entries: { A: 2 }, poison: [], marks: {} } as const;
/** Runs a pass whose steps and pools all have acts, or ends of acts. */
const runActs = (request: Partial<RescueRequest>) =>
  runAs(
    request,
    share(2),
    {
      type: 'recounted',
      recounted: { ...recounted, acts: [counters], applied: { done: [counters], left: [] } },
    },
    {
      type: 'requeued',
      requeued: requeued({
        acts: [finish],
        applied: { done: [], left: [{ act: finish, why: 'gone', isMoved: true }] },
      }),
    },
    { type: 'requeued', requeued: requeued() },
    { type: 'pools.ended', outcomes: [rescued('p1', { act: rescue }), rescued('p2')], count: 2 },
    looked,
  ).output?.result;

test('a plan lists the acts of all its steps and of its pools, in their order; no other pass does', () => {
  expect(runActs({ plan: true })?.acts).toEqual([counters, finish, rescue]);
  expect(runActs({ plan: true })).not.toHaveProperty('applied');
  expect(runActs({})).not.toHaveProperty('acts');
  expect(runAs({ plan: true }, looked).output?.result.acts).toEqual([]);
});

test('a pass that does the acts of a plan says which were done and which were left; no other pass does', () => {
  const acts = { pools: new Map(), entries: [finish], counters: [counters] };
  const scope = { pools: ['p1'], acts };
  expect(runActs({ scope })?.applied).toEqual({
    done: [counters],
    left: [{ act: finish, why: 'gone', isMoved: true }],
  });
  expect(runActs({})).not.toHaveProperty('applied');
  expect(runAs({ scope }, looked).output?.result.applied).toEqual({ done: [], left: [] });
});

test('keys that kept the entries of pools are in the result, each once; those of other pools are not invented', () => {
  const outcomes = [rescued('p1', { unreadable: ['a', 'b'] }), rescued('p2', { unreadable: ['b'] }), rescued('p3')];
  const { output } = run(share(3), { type: 'pools.ended', outcomes, count: 3 }, looked);
  expect(output?.result.unreadable).toEqual(['a', 'b']);
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
