import { expect, test } from 'vitest';
import { createActor, fromPromise, setup, waitFor } from 'xstate';
import { jobMachine } from '../../src/machines/job.ts';
import { laneMachine } from '../../src/machines/lane.ts';
import type { ActInput, ActReply } from '../../src/machines/types/job.ts';
import { jobFor, policy } from '../support/facts.ts';

test('a lane keeps no data of a job that has ended', async () => {
  const job = jobMachine.provide({
    actors: { untrack: fromPromise<ActReply, ActInput>(async () => ({ outcome: 'done' })) },
  });
  const lane = laneMachine.provide({ actors: { job } });
  const parent = createActor(
    setup({ actors: { lane } }).createMachine({ invoke: { id: 'l1', src: 'lane', input: { id: 'l1' } } }),
  ).start();
  const child = parent.getSnapshot().children.l1;
  if (child === undefined) throw new Error('there is no lane');
  child.send({ type: 'take', input: { job: jobFor('untrack'), policy, plan: false } });
  expect(child.getSnapshot()).toMatchObject({ value: 'working', context: { input: { plan: false } } });
  const { context } = await waitFor(child, ({ value }) => value === 'idle');
  expect(context).toEqual({ id: 'l1', input: undefined });
  parent.stop();
});
