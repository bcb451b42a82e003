import { afterAll, describe, expect, test } from 'vitest';
import { createActor } from 'xstate';
import { jobMachine } from '../../src/machines/job.ts';
import { FencedError } from '../../src/machines/lease.ts';
import { RefusedError } from '../../src/machines/refusal.ts';
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
  ...['done', 'queued', 'parked', 'deferred', 'overtaken'].map((reply) => done('act', reply)),
  failure('act'),
  failure('act', new FencedError()),
  failure('act', new RefusedError('Redis is a replica')),
  ...verdicts.map((verdict) => done('load', jobFor(verdict))),
  failure('load'),
];

/** How a final state is told in the output; `settled` tells what the act replied. */
const ends: Record<string, readonly string[]> = {
  kept: ['kept'],
  planned: ['planned'],
  settled: ['done', 'queued', 'parked', 'deferred'],
  parked: ['parked'],
  deferred: ['deferred'],
  overtaken: ['overtaken'],
  fenced: ['fenced'],
  abandoned: ['abandoned'],
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
          expect(ends[snapshot.value as string]).toContain(output.outcome);
          expect(output).toMatchObject({ id: 'j1', facts: snapshot.context.job.facts });
          expect('error' in output).toBe(output.outcome === 'abandoned');
          expect('isRefused' in output).toBe(output.error === 'Redis is a replica');
          if (output.outcome === 'kept') expect(output.verdict).toBe('kept');
        });
      }
    });
  }
}

test('a job with nothing to do ends in its first tick', () => {
  const actor = createActor(machine, { input: { job: jobFor('kept'), policy, plan: false } });
  expect(actor.start().getSnapshot().status).toBe('done');
});

test.each([
  ['queued', 'settled'],
  ['parked', 'parked'],
  ['deferred', 'deferred'],
] as const)(
  'a refire whose hook was %s with its page ends in its first tick; every other act goes on',
  async (hook, state) => {
    for (const verdict of verdicts) {
      const input = { job: jobFor(verdict), policy, plan: false, hook };
      const snapshot = (await walk(machine, { input, events: [] }, { remote, coverage })).getSnapshot();
      if (verdict !== 'refire') expect(snapshot.value).toBe(verdict);
      else expect([snapshot.value, snapshot.output]).toMatchObject([state, { verdict: 'refire', outcome: hook }]);
    }
  },
);

test('a hook that was noted for what the job was is noted anew for what it has become', async () => {
  const path = {
    input: { job: jobFor('fail'), policy, plan: false, hook: 'queued' as const },
    events: [done('act', 'overtaken'), done('load', jobFor('refire'))],
  };
  expect((await walk(machine, path, { remote, coverage })).getSnapshot().value).toBe('refire');
});

test('a job that is overtaken is judged by what it has become, not by what it was', async () => {
  const path = {
    input: { job: jobFor('fail'), policy, plan: false },
    events: [done('act', 'overtaken'), done('load', jobFor('kept'))],
  };
  const { output } = (await walk(machine, path, { remote, coverage })).getSnapshot();
  expect(output).toMatchObject({ verdict: 'kept', reason: 'ongoing', outcome: 'kept' });
});

test('a job that is read again is acted on behind the fence of its sweep, or not at all', async () => {
  const fence = { lease: 't:reaper:lease', number: '7' };
  const path = {
    input: { job: { ...jobFor('fail'), fence }, policy, plan: false },
    events: [done('act', 'overtaken'), done('load', jobFor('refire'))],
  };
  expect((await walk(machine, path, { remote, coverage })).getSnapshot().context.job.fence).toEqual(fence);
});

afterAll(() => expect(coverage.missing()).toEqual([]));
