import { afterAll, describe, expect, test } from 'vitest';
import { createActor } from 'xstate';
import { jobMachine } from '../../src/machines/job.ts';
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

const verdicts: readonly Verdict[] = ['kept', 'untrack', 'reset', 'fail', 'refire'];
const events = [
  ...['done', 'queued', 'deferred', 'overtaken'].map((reply) => done('act', reply)),
  failure('act'),
  ...verdicts.map((verdict) => done('load', jobFor(verdict))),
  failure('load'),
];

/** How a final state is told in the output; `settled` tells what the act replied. */
const ends: Record<string, readonly string[]> = {
  kept: ['kept'],
  planned: ['planned'],
  settled: ['done', 'queued', 'deferred'],
  overtaken: ['overtaken'],
  abandoned: ['abandoned'],
};

for (const verdict of verdicts) {
  for (const plan of [false, true]) {
    const name = `${verdict}${plan ? ', planned' : ''}`;
    describe(name, () => {
      for (const path of pathsOf(machine, { job: jobFor(verdict), policy, plan, hasRoom: true }, events, name)) {
        test(path.name, async () => {
          const snapshot = (await walk(machine, path, { remote, coverage })).getSnapshot();
          expect([snapshot.value, snapshot.status]).toEqual([path.value, path.status]);
          if (snapshot.status !== 'done') return;
          const { output } = snapshot;
          expect(ends[snapshot.value as string]).toContain(output.outcome);
          expect(output).toMatchObject({ id: 'j1', facts: snapshot.context.job.facts });
          expect('error' in output).toBe(output.outcome === 'abandoned');
          if (output.outcome === 'kept') expect(output.verdict).toBe('kept');
        });
      }
    });
  }
}

test('a job with nothing to do ends in its first tick', () => {
  const actor = createActor(machine, { input: { job: jobFor('kept'), policy, plan: false, hasRoom: true } });
  expect(actor.start().getSnapshot().status).toBe('done');
});

test('a refire for whose hook there is no room is deferred in its first tick; every other act goes on', async () => {
  for (const verdict of verdicts) {
    const input = { job: jobFor(verdict), policy, plan: false, hasRoom: false };
    const snapshot = (await walk(machine, { input, events: [] }, { remote, coverage })).getSnapshot();
    if (verdict === 'refire') expect(snapshot.output).toMatchObject({ verdict: 'refire', outcome: 'deferred' });
    else expect(snapshot.value).toBe(verdict);
  }
});

test('a job that is overtaken is judged by what it has become, not by what it was', async () => {
  const path = {
    input: { job: jobFor('fail'), policy, plan: false, hasRoom: true },
    events: [done('act', 'overtaken'), done('load', jobFor('kept'))],
  };
  const { output } = (await walk(machine, path, { remote, coverage })).getSnapshot();
  expect(output).toMatchObject({ verdict: 'kept', reason: 'ongoing', outcome: 'kept' });
});

afterAll(() => expect(coverage.missing()).toEqual([]));
