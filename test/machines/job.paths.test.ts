import { afterAll, describe, expect, test } from 'vitest';
import { type AnyActorRef, createActor, type InspectionEvent } from 'xstate';
import type { TrackedJob } from '../../src/machines/facts.ts';
import { jobMachine } from '../../src/machines/job.ts';
import { FencedError } from '../../src/machines/lease.ts';
import { RefusedError } from '../../src/machines/refusal.ts';
import type { HookEnd, MovedJob } from '../../src/machines/types/job.ts';
import type { PlannedAct, SweepScope } from '../../src/machines/types/scope.ts';
import type { Verdict } from '../../src/machines/verdict.ts';
import { jobFor, policy } from '../support/facts.ts';
import { createCoverage, createRemote, done, failure, pathsOf, walk } from '../support/paths.ts';

const remote = createRemote();
const machine = jobMachine.provide({
  actors: {
    load: remote.logic(),
    fail: remote.logic(),
    refire: remote.logic(),
    reset: remote.logic(),
    untrack: remote.logic(),
  },
});
const coverage = createCoverage(machine);
const fingerprint = jobFor('fail').fingerprint();

const verdicts: readonly Verdict[] = ['keep', 'untrack', 'reset', 'fail', 'refire'];
const events = [
  ...['done', 'enqueued', 'already-pending', 'parked', 'deferred', 'overtaken'].map((outcome) =>
    done('act', { outcome }),
  ),
  failure('act'),
  failure('act', new FencedError()),
  failure('act', new RefusedError('redis-read-only', 'Redis is a replica')),
  ...verdicts.map((verdict) => done('load', jobFor(verdict))),
  failure('load'),
];

/** The outcomes of final states that are not called the same. */
const outcomes: Record<string, readonly string[]> = {
  keep: ['kept'],
  done: ['done', 'enqueued', 'already-pending', 'parked', 'deferred'],
  refused: ['abandoned'],
};

for (const verdict of verdicts) {
  for (const plan of [false, true]) {
    const name = `${verdict}${plan ? ', planned' : ''}`;
    describe(name, () => {
      for (const path of pathsOf(machine, { job: jobFor(verdict), policy, plan }, events, name)) {
        test(path.name, async () => {
          const snapshot = (await walk(machine, path, { remote, coverage })).getSnapshot();
          expect([snapshot.value, snapshot.status]).toEqual([path.value, path.status]);
          if (snapshot.status !== 'done') return;
          const { output } = snapshot;
          expect(outcomes[snapshot.value] ?? [snapshot.value]).toContain(output.outcome);
          expect(output).toMatchObject({ id: 'j1', facts: snapshot.context.job.facts });
          expect('error' in output).toBe(output.outcome === 'abandoned');
          expect(output.isRefused).toBe(snapshot.value === 'refused' ? true : undefined);
          const code = snapshot.value === 'refused' ? 'redis-read-only' : 'step-failed';
          expect(output.code).toBe(output.outcome === 'abandoned' ? code : undefined);
          if (output.outcome === 'kept') expect(output.verdict).toBe('keep');
        });
      }
    });
  }
}

test('a job with nothing to do ends in its first tick', () => {
  const actor = createActor(machine, { input: { job: jobFor('keep'), policy, plan: false } });
  expect(actor.start().getSnapshot().status).toBe('done');
});

const pageThatSays = (outcome: HookEnd | undefined) => ({
  replyTo: () => (outcome === undefined ? undefined : { outcome }),
  faultOf: () => undefined,
});

test.each(['enqueued', 'already-pending', 'parked', 'deferred'] as const)(
  'a refire whose hook was %s with its page ends in its first tick; every other act goes on',
  (end) => {
    for (const verdict of verdicts) {
      for (const plan of [false, true]) {
        const input = { job: jobFor(verdict), policy, plan, page: pageThatSays(end) };
        const snapshot = createActor(machine, { input, inspect: coverage.inspect }).start().getSnapshot();
        if (verdict === 'refire') expect(snapshot.output).toMatchObject({ verdict, outcome: end });
        else if (verdict === 'keep') expect(snapshot.value).toBe('keep');
        else expect(snapshot.value).toEqual(plan ? 'planned' : { acting: verdict });
      }
    }
  },
);

test('a planned act whose hook could not be recorded is abandoned; a sweep finds that out itself', () => {
  const page = { ...pageThatSays(undefined), faultOf: () => 't:reaper:hooks: holds a list' };
  for (const verdict of ['refire', 'fail'] as const) {
    const [plan, sweep] = [true, false].map((plan) =>
      createActor(machine, { input: { job: jobFor(verdict), policy, plan, page }, inspect: coverage.inspect })
        .start()
        .getSnapshot(),
    );
    expect(plan?.output).toMatchObject({
      ...{ verdict, outcome: 'abandoned', act: undefined },
      ...{ error: 't:reaper:hooks: holds a list', code: 'step-failed' },
    });
    expect(sweep?.value).toEqual({ acting: verdict });
  }
});

test('a refire without an answer of its page refires by itself; in a plan it is planned', () => {
  const stateOf = (plan: boolean) => {
    const input = { job: jobFor('refire'), policy, plan, page: pageThatSays(undefined) };
    return createActor(machine, { input, inspect: coverage.inspect }).start().getSnapshot().value;
  };
  expect([stateOf(false), stateOf(true)]).toEqual([{ acting: 'refire' }, 'planned']);
});

test('a hook that was enqueued for what the job was is enqueued again for what it has become', async () => {
  const job = jobFor('fail');
  const path = {
    input: {
      job,
      policy,
      plan: false,
      page: {
        ...pageThatSays(undefined),
        replyTo: (asked: TrackedJob) => (asked === job ? { outcome: 'enqueued' as const } : undefined),
      },
    },
    events: [done('act', { outcome: 'overtaken' }), done('load', jobFor('refire'))],
  };
  expect((await walk(machine, path, { remote, coverage })).getSnapshot().value).toEqual({ acting: 'refire' });
});

test('a job that is overtaken is read again by its id, and judged by what it has become', async () => {
  const asked: unknown[] = [];
  const inspect = (event: InspectionEvent) => {
    const { id } = event.actorRef as AnyActorRef;
    if (event.type === '@xstate.event' && id === 'load' && 'input' in event.event) asked.push(event.event.input);
  };
  const path = {
    input: { job: jobFor('fail'), policy, plan: false },
    events: [done('act', { outcome: 'overtaken' }), done('load', jobFor('keep'))],
  };
  const { output } = (await walk(machine, path, { remote, coverage, inspect })).getSnapshot();
  expect(asked).toEqual([{ id: 'j1' }]);
  expect(output).toMatchObject({ verdict: 'keep', reason: 'ongoing', rule: 5, outcome: 'kept' });
});

test('a planned act names the job, its verdict and reason, and the fingerprint of its facts; no other end has one', async () => {
  const input = { job: jobFor('fail'), policy, plan: true };
  const { act, detail } = createActor(machine, { input }).start().getSnapshot().output ?? {};
  expect(act).toEqual({ id: 'j1', verdict: 'fail', reason: 'hung', fingerprint });
  expect(detail).toContain('silent for');
  const path = { input: { ...input, plan: false }, events: [done('act', { outcome: 'done' })] };
  const { output } = (await walk(machine, path, { remote, coverage })).getSnapshot();
  expect(output.act).toBeUndefined();
});

const actOf = (more: object) =>
  new Map([['j1', { id: 'j1', verdict: 'fail', reason: 'hung', fingerprint, ...more } as PlannedAct]]);
test.each<[string, SweepScope, MovedJob | undefined]>([
  ['of another verdict', { verdicts: ['refire'] }, 'verdict'],
  ['of another type', { types: ['Z'] }, 'facts'],
  ['that no act of the plan is about', { acts: new Map() }, 'facts'],
  ['with other facts than those of the plan', { acts: actOf({ fingerprint: 'other' }) }, 'facts'],
  ['whose facts give another verdict now', { acts: actOf({ verdict: 'untrack' }) }, 'verdict'],
  ['whose facts give another reason now', { acts: actOf({ reason: 'behind' }) }, 'verdict'],
  ['as planned', { acts: actOf({}) }, undefined],
  ['that was asked for', { verdicts: ['fail'], types: [jobFor('fail').facts.name ?? ''] }, undefined],
])('a job %s is acted on only if the sweep may', (_, scope, moved) => {
  const input = { job: jobFor('fail'), policy, plan: false, scope };
  const snapshot = createActor(machine, { input, inspect: coverage.inspect }).start().getSnapshot();
  if (moved === undefined) expect(snapshot.value).toEqual({ acting: 'fail' });
  else expect(snapshot.output).toMatchObject({ outcome: 'overtaken', moved });
});

test('a job that is overtaken is not acted on with another verdict than the sweep was asked for', async () => {
  for (const verdict of ['refire', 'keep'] as const) {
    const path = {
      input: { job: jobFor('fail'), policy, plan: false, scope: { verdicts: ['fail'] } },
      events: [done('act', { outcome: 'overtaken' }), done('load', jobFor(verdict))],
    };
    const { output } = (await walk(machine, path, { remote, coverage })).getSnapshot();
    expect(output).toMatchObject({ verdict, outcome: 'overtaken', moved: 'verdict' });
  }
});

test('a job that is read again is acted on behind the fence of its sweep', async () => {
  const fence = { lease: 't:reaper:lease', token: '7' };
  const path = {
    input: { job: { ...jobFor('fail'), fence }, policy, plan: false },
    events: [done('act', { outcome: 'overtaken' }), done('load', jobFor('refire'))],
  };
  expect((await walk(machine, path, { remote, coverage })).getSnapshot().context.job.fence).toEqual(fence);
});

afterAll(() => expect(coverage.missing()).toEqual([]));
