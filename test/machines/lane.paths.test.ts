import { afterAll, expect, test } from 'vitest';
import { createActor, setup } from 'xstate';
import { type LaneFreed, laneMachine } from '../../src/machines/lane.ts';
import { jobFor, policy } from '../support/facts.ts';
import { createCoverage, createRemote, flush } from '../support/paths.ts';

const remote = createRemote();
const lane = laneMachine.provide({ actors: { job: remote.logic() } });
const coverage = createCoverage(lane);

/** A parent with one lane, which keeps what the lane says. */
const startLane = () => {
  const freed: LaneFreed[] = [];
  const parent = setup({
    types: { events: {} as LaneFreed },
    actors: { lane },
    actions: { keep: ({ event }) => void freed.push(event) },
  }).createMachine({
    invoke: { id: 'lane', src: 'lane', input: { id: 'lane-0' } },
    on: { 'lane.freed': { actions: 'keep' } },
  });
  const actor = createActor(parent, { inspect: coverage.inspect }).start();
  const child = actor.getSnapshot().children.lane as NonNullable<
    ReturnType<typeof actor.getSnapshot>['children']['lane']
  >;
  return { child, freed };
};
const input = { job: jobFor('fail'), policy, plan: false };

test('a lane takes one job at a time, and is free again with its outcome when it has ended', async () => {
  const { child, freed } = startLane();
  child.send({ type: 'take', input });
  expect(child.getSnapshot().value).toBe('working');
  child.send({ type: 'take', input }); // Not heard: it works.
  remote.resolve(child, 'job', { id: 'j1', outcome: 'done' });
  await flush();
  expect(child.getSnapshot().value).toBe('idle');
  expect(freed).toEqual([{ type: 'lane.freed', lane: 'lane-0', outcome: { id: 'j1', outcome: 'done' } }]);
  child.send({ type: 'take', input });
  expect(child.getSnapshot().value).toBe('working');
});

test('a job whose chart breaks is abandoned with its error, and the lane is free again', async () => {
  const { child, freed } = startLane();
  child.send({ type: 'take', input });
  remote.reject(child, 'job', new Error('a fault of the chart'));
  await flush();
  expect(child.getSnapshot().value).toBe('idle');
  expect(freed[0]?.outcome).toMatchObject({
    id: 'j1',
    verdict: 'fail',
    outcome: 'abandoned',
    error: 'a fault of the chart',
  });
});

afterAll(() => expect(coverage.missing()).toEqual([]));
