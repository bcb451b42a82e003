import { afterAll, expect, test } from 'vitest';
import { faultOf } from '../../src/machines/types/reports.ts';
import { fenceOf, ours, theirs } from '../support/passes.ts';
import { createCoverage } from '../support/paths.ts';
import { startTree, treeMachines } from '../support/tree.ts';

// A leader asks without end, so its paths cannot be enumerated. These sequences take every transition.

const coverage = createCoverage(treeMachines.leader);
const renewal = 3_000;

const start = async (sharesSchedule = true) => {
  const it = startTree({ sharesSchedule, inspect: coverage.inspect });
  await it.send({ type: 'schedule' });
  return {
    ...it,
    leader: () => it.value().leader,
    /** The mandate that the sweep has received. */
    mandate: () => it.sweep().mandate,
    stop: () => it.sendTo(['leader'], { type: 'stop' }),
    /** Lets the time of a renewal pass, and answers it. */
    renew: async (term: unknown) => {
      await it.tick(renewal);
      await it.answer('acquireLease', term);
    },
  };
};

test('a host that shares no schedule has a mandate without a fence, and asks for no lease', async () => {
  const it = await start(false);
  expect([it.leader(), it.mandate(), it.asked('acquireLease')]).toEqual(['off', { fence: undefined }, undefined]);
  await it.stop();
  expect(it.leader()).toBeUndefined();
});

test('the host with the lease leads behind its fence, and renews its term', async () => {
  const it = await start();
  expect([it.leader(), it.mandate()]).toEqual(['asking', undefined]);
  await it.answer('acquireLease', ours(1));
  expect([it.leader(), it.mandate()]).toEqual(['leading', { fence: fenceOf(1) }]);
  await it.renew(ours(1));
  expect(it.asked('acquireLease')).toEqual({ fence: fenceOf(1) });
  expect(it.of('leader')).toEqual([{ type: 'leader', holds: true, host: 'here:1' }]);
});

test('a host without the lease follows, and leads when it gets the lease', async () => {
  const it = await start();
  await it.answer('acquireLease', theirs);
  expect([it.leader(), it.mandate()]).toEqual(['following', undefined]);
  await it.renew(ours(2));
  expect([it.leader(), it.mandate()]).toEqual(['leading', { fence: fenceOf(2) }]);
});

test('a follower reports each other leader, and that its own lease is held by another run of this host', async () => {
  const it = await start();
  const other = { fence: undefined, host: 'there:3' };
  const own = { fence: undefined, host: 'here:1' };
  for (const term of [theirs, theirs, other, ours(1), own]) {
    await it.answer('acquireLease', term);
    await it.tick(renewal);
  }
  expect(it.of('leader').map(({ holds, host }) => [holds, host])).toEqual([
    [false, 'there:2'],
    [false, 'there:3'],
    [true, 'here:1'],
    [false, 'here:1'],
  ]);
});

test('a lost lease ends the mandate, and another term has another one', async () => {
  const it = await start();
  await it.answer('acquireLease', ours(1));
  await it.renew(theirs);
  expect([it.leader(), it.mandate()]).toEqual(['following', undefined]);
  await it.renew(ours(3));
  await it.renew(ours(4));
  expect(it.mandate()).toEqual({ fence: fenceOf(4) });
});

test('a renewal of the same term leaves the wait for the next pass as it is', async () => {
  const it = await start();
  await it.answer('acquireLease', ours(1));
  for (let i = 0; i < 3; i++) await it.renew(ours(1));
  expect(it.value().rescue).toBe('waiting');
  await it.tick(1_000);
  expect(it.of('rescue.started')).toHaveLength(1);
});

test('a request that fails changes nothing, and is repeated: the acts check the fence', async () => {
  const it = await start();
  await it.fail('acquireLease');
  expect([it.leader(), it.mandate()]).toEqual(['following', undefined]);
  await it.renew(ours(1));
  await it.tick(renewal);
  await it.fail('acquireLease');
  expect([it.leader(), it.mandate()]).toEqual(['leading', { fence: fenceOf(1) }]);
  const fault = faultOf('asking for the lease', new Error('Redis is down'), { poll: 'lease' });
  expect(it.of('fault')).toEqual([fault, fault]);
});

test('a leader resigns when it is stopped, whatever becomes of the request; a follower has nothing to give up', async () => {
  const leading = await start();
  await leading.answer('acquireLease', ours(1));
  const leader = leading.actorAt('leader');
  await leading.stop();
  expect(leading.leader()).toBe('resigning');
  await leading.answer('resign', undefined);
  expect(leader.getSnapshot().output).toEqual({ term: ours(1) });
  const asking = await start();
  await asking.stop();
  expect(asking.leader()).toBe('resigning');
  await asking.fail('resign');
  const following = await start();
  await following.answer('acquireLease', theirs);
  await following.stop();
  for (const it of [leading, asking, following]) expect(it.leader()).toBeUndefined();
});

afterAll(() => expect(coverage.missing()).toEqual([]));
