import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Clock } from '../../src/io/clock.ts';
import type { AttemptRecord } from '../../src/io/hooks/attempts.ts';
import type { ClaimedHook } from '../../src/io/hooks/claims.ts';
import { createHookRecords } from '../../src/io/hooks/records.ts';
import { redisFixture } from '../support/fixture.ts';
import { base, claimFor, deadline, keys, origin, settings } from './hookValues.ts';

// The scripts of the durable hooks against small models: random sequences of what hosts, workers, sweeps and people do, and
// after each step Redis must hold what the model says.

const { redis, connection, scripts } = await redisFixture();

/** A clock of which only the time is set. */
const clockAt = (now: () => number): Clock => ({
  now,
  setTimeout,
  clearTimeout: (timer) => clearTimeout(timer as number),
});

const ids = ['x', 'y'] as const;
type Id = (typeof ids)[number];

/** A record as the model has it; `due`: when it is due, or its claim is over, in ms after `base`. */
interface Modelled {
  kind: 'pending' | 'asked' | 'sending' | 'resending' | 'parked';
  state: string;
  attempts: number;
  first: number;
  last: number;
  answer: string;
  due: number;
}

type Step =
  | { readonly op: 'wait'; readonly ms: number }
  | { readonly op: 'claim' | 'retry' | 'drop' | 'delete' | 'reset'; readonly id: Id }
  | { readonly op: 'status' | 'go' | 'sweep'; readonly id: Id; readonly status: 'Pending' | 'Running' | 'Success' }
  | { readonly op: 'settle'; readonly verb: AttemptRecord['verb']; readonly nth: number };

const id = fc.constantFrom(...ids);
const status = fc.constantFrom('Pending' as const, 'Running' as const, 'Success' as const);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ op: fc.constant('wait' as const), ms: fc.constantFrom(1, 2_000, claimFor - 1, claimFor, deadline) }),
  fc.record({ op: fc.constantFrom('claim' as const, 'claim' as const, 'retry' as const, 'drop' as const), id }),
  fc.record({ op: fc.constantFrom('status' as const, 'sweep' as const, 'go' as const), id, status }),
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('settle' as const),
      verb: fc.constantFrom(
        'delivered' as const,
        'failed' as const,
        'parked' as const,
        'dropped' as const,
        'unsent' as const,
      ),
      nth: fc.nat({ max: 3 }),
    }),
  },
  fc.record({ op: fc.constantFrom('delete' as const, 'reset' as const), id }),
);

const ranks: Readonly<Record<string, number>> = { Pending: 0, Running: 2, Success: 3 };
const delay = 2_000;

test('random sequences of claims, answers, changes, sweeps and requests leave the records of a small model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      await redis.flushall();
      let time = 0;
      const clock = clockAt(() => base + time);
      // No breaker here: it has a model of its own.
      const loose = { ...settings, breakAfter: 1_000_000 };
      const records = createHookRecords({ connection, keys, scripts, settings: loose, clock });
      const model = new Map<Id, Modelled>();
      const stats = new Map<Id, { status: string; revision: number; ack?: string }>();
      /** What the tracking hash counts: one for a final status, one for its ACK. */
      const counts = new Map<Id, number>();
      const countDown = (one: Id) => counts.set(one, Math.max(0, (counts.get(one) ?? 0) - 1));
      const held: { claimed: ClaimedHook; id: Id; state: string }[] = [];
      for (const one of ids) {
        stats.set(one, { status: 'Pending', revision: 100 });
        counts.set(one, 2);
        await redis.hset(keys.track, one, 2);
        await redis.hset(keys.stats(one), { id: one, status: 'Pending', revision: 100, web_hook_url: origin });
      }
      const second = () => Math.floor((base + time) / 1_000);
      const stateOf = (one: Id) => {
        const now = stats.get(one);
        return now === undefined ? 'none:0' : `${now.status}:${now.revision}`;
      };
      const fresh = (state: string): Modelled => ({
        kind: 'pending',
        state,
        attempts: 0,
        first: 0,
        last: 0,
        answer: '-',
        due: time,
      });
      const note = (one: Id, state: string): string => {
        const record = model.get(one);
        if (record?.kind === 'parked' && record.state === state) return 'parked';
        const isHeld = record?.kind === 'sending' || record?.kind === 'resending';
        if (record?.state === state || isHeld) return 'already-pending';
        model.set(one, fresh(state));
        return 'enqueued';
      };
      const isClaimed = (record: Modelled | undefined) => record?.kind === 'sending' || record?.kind === 'resending';

      const take = async (one: Id) => {
        const due = [...model].filter(([, { kind, due }]) => kind !== 'parked' && due <= time).map(([name]) => name);
        const { hooks } = await records.claim(origin, 2);
        expect(hooks.map((hook) => hook.id).sort()).toEqual(due.sort());
        for (const claimed of hooks) {
          const record = model.get(claimed.id as Id) as Modelled;
          const isAsked = record.kind === 'asked' || record.kind === 'resending';
          expect(claimed.isRequested).toBe(isAsked);
          const state = stateOf(claimed.id as Id);
          if (record.state !== state) Object.assign(record, { state, attempts: 0, first: 0 });
          record.kind = isAsked ? 'resending' : 'sending';
          record.attempts += 1;
          record.last = second();
          record.first ||= record.last;
          record.due = time + claimFor;
          held.unshift({ claimed, id: claimed.id as Id, state });
        }
        return one;
      };

      const settle = async (verb: AttemptRecord['verb'], nth: number) => {
        const one = held[nth];
        if (one === undefined) return;
        held.splice(nth, 1);
        const { claimed, state } = one;
        const record = model.get(one.id);
        const isMine = isClaimed(record) && record?.due === claimed.until - base;
        const current = stateOf(one.id);
        const hasMoved = current !== 'none:0' && current !== state;
        const [confirmed, revision] = state.split(':') as [string, string];
        const attemptRecord: AttemptRecord =
          verb === 'delivered'
            ? { verb, status: confirmed, revision: Number(revision), checkInAt: 0, unreadableAck: undefined }
            : verb === 'failed'
              ? { verb, answer: '503', delay, deadline, reason: 'deadline', isEndpointAlive: false, openFor: 2_000 }
              : verb === 'parked'
                ? { verb, reason: '400', isEndpointAlive: true }
                : { verb };
        const reply = await records.recordAttempt(claimed, attemptRecord);
        const now = stats.get(one.id);
        if (verb === 'delivered' && now !== undefined) {
          // The ACK is stored whichever host holds the claim, and never goes backwards.
          const [was, of] = (now.ack ?? `Pending:${now.revision}`).split(':') as [string, string];
          const isBack =
            Number(of) > Number(revision) || (of === revision && (ranks[was] ?? 0) > (ranks[confirmed] ?? 0));
          if (!isBack && confirmed === 'Success' && now.ack !== state) countDown(one.id);
          if (!isBack) now.ack = state;
        }
        if (!isMine || record === undefined) return expect(reply).toBe('expired');
        const isOver = base + time - record.first * 1_000 >= deadline;
        if (verb === 'failed' && !isOver) {
          record.kind = record.kind === 'resending' ? 'asked' : 'pending';
          record.answer = '503';
          record.due = time + delay;
          return expect(reply).toBe('pending');
        }
        if (verb === 'unsent') {
          const now = second();
          const used = record.attempts - 1;
          Object.assign(record, {
            kind: record.kind === 'resending' ? 'asked' : 'pending',
            attempts: used,
            first: used === 0 ? 0 : now,
            last: used === 0 ? 0 : record.last,
            due: time,
          });
          return expect(reply).toBe('pending');
        }
        if (hasMoved) {
          model.set(one.id, fresh(current));
          return expect(reply).toBe('changed');
        }
        if (verb === 'delivered' || verb === 'dropped') {
          model.delete(one.id);
          return expect(reply).toBe('done');
        }
        Object.assign(record, { kind: 'parked', answer: verb === 'failed' ? 'deadline' : '400' });
        return expect(reply).toBe('parked');
      };

      const move = async (one: Id, verb: 'retry' | 'drop') => {
        const found = await records.find(one);
        const record = model.get(one);
        expect(found === undefined).toBe(record === undefined);
        if (found === undefined || record === undefined) return;
        const { outcome } = await records[verb](found);
        if (isClaimed(record) && record.due > time) return expect(outcome).toBe('overtaken');
        expect(outcome).toBe('done');
        if (verb === 'retry') Object.assign(record, { kind: 'asked', attempts: 0, first: 0, last: 0, due: time });
        else Object.assign(record, { kind: 'parked', answer: 'dropped' });
      };

      const change = async (one: Id, to: string, isOurs: boolean) => {
        const now = stats.get(one);
        const isAllowed = now !== undefined && ((ranks[now.status] ?? 0) < (ranks[to] ?? 0) || now.status === to);
        if (!isOurs) {
          // Written as the Go side leaves it: it notes nothing.
          if (isAllowed) await redis.hset(keys.stats(one), 'status', to);
        } else {
          const hook = records.hookTail(origin);
          const reply = await scripts.run(
            'set_status',
            [keys.stats(one), keys.track, ...hook.keys],
            [to, now?.revision ?? 0, one, ...hook.args],
          );
          const refused = { outcome: 'refused', status: now?.status };
          expect(reply).toEqual(now === undefined ? { outcome: 'missing' } : isAllowed ? { outcome: 'done' } : refused);
        }
        if (!isAllowed || now === undefined) return;
        if (isOurs && to === 'Success' && now.status !== to) countDown(one);
        now.status = to;
        if (isOurs) note(one, stateOf(one));
      };

      for (const what of steps) {
        switch (what.op) {
          case 'wait':
            time += what.ms;
            break;
          case 'claim':
            await take(what.id);
            break;
          case 'settle':
            await settle(what.verb, what.nth);
            break;
          case 'status':
            await change(what.id, what.status, true);
            break;
          case 'go':
            await change(what.id, what.status, false);
            break;
          case 'sweep': {
            // What the sweep has read may be older than what stands.
            const read = `${what.status}:${stats.get(what.id)?.revision ?? 100}`;
            const record = model.get(what.id);
            const isKnown = record?.kind === 'parked' && record.state === stateOf(what.id);
            const [reply] = await records.enqueue([{ id: what.id, state: read, endpoint: origin }]);
            expect(reply?.outcome).toBe(note(what.id, isKnown ? record.state : read));
            break;
          }
          case 'delete':
            stats.delete(what.id);
            await redis.del(keys.stats(what.id));
            break;
          case 'reset': {
            const now = stats.get(what.id);
            if (now === undefined) break;
            Object.assign(now, { status: 'Pending', revision: now.revision + 1, ack: undefined });
            counts.set(what.id, 2);
            await redis.hset(keys.track, what.id, 2);
            await redis.hset(keys.stats(what.id), { status: 'Pending', revision: now.revision });
            await redis.hdel(keys.stats(what.id), 'ack');
            break;
          }
          default:
            await move(what.id, what.op);
        }
        const texts = Object.fromEntries(
          [...model].map(([name, { kind, state, attempts, first, last, answer }]) => [
            name,
            `${kind} ${state} ${origin} ${attempts} ${first} ${last} ${answer}`,
          ]),
        );
        expect(await redis.hgetall(keys.hooks)).toEqual(texts);
        for (const one of ids) {
          const record = model.get(one);
          const score = await redis.zscore(keys.dueHooks(origin), one);
          const due = record === undefined || record.kind === 'parked' ? null : base + record.due;
          expect(score === null ? null : Number(score)).toBe(due);
          expect((await redis.zscore(keys.parkedHooks, one)) !== null).toBe(record?.kind === 'parked');
          const [ack, count] = [await redis.hget(keys.stats(one), 'ack'), await redis.hget(keys.track, one)];
          const { status: confirmed, revision: of } = JSON.parse(ack ?? '{}');
          expect(ack === null ? undefined : `${confirmed}:${of}`).toBe(stats.get(one)?.ack);
          expect(Number(count ?? 0)).toBe(counts.get(one));
        }
      }
    }),
    { seed: 5, numRuns: 500 },
  );
});

type Turn =
  | { readonly op: 'wait'; readonly ms: number }
  | { readonly op: 'claim'; readonly most: number }
  | { readonly op: 'answer'; readonly word: 'down' | 'taken' | 'nothing to tell'; readonly nth: number };
const turn: fc.Arbitrary<Turn> = fc.oneof(
  fc.record({ op: fc.constant('wait' as const), ms: fc.constantFrom(1, 100, 1_000, 2_000, 8_000, claimFor) }),
  fc.record({ op: fc.constant('claim' as const), most: fc.constantFrom(1, 3) }),
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('answer' as const),
      word: fc.constantFrom('down' as const, 'down' as const, 'taken' as const, 'nothing to tell' as const),
      nth: fc.nat({ max: 2 }),
    }),
  },
);

test('random sequences of claims and answers open and close the circuit as a small model does', async () => {
  const openFor = 2_000;
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 10, maxLength: 40 }), async (turns) => {
      await redis.flushall();
      let time = 0;
      const clock = clockAt(() => base + time);
      const records = createHookRecords({ connection, keys, scripts, settings, clock });
      const jobs = Array.from({ length: 300 }, (_, i) => `j${i}`);
      for (const one of jobs) await redis.hset(keys.stats(one), { id: one, status: 'Running', revision: 1 });
      await records.enqueue(jobs.map((one) => ({ id: one, state: 'Running:1', endpoint: origin })));
      const held: ClaimedHook[] = [];
      let [failures, opens, openUntil, probeUntil] = [0, 0, 0, 0];
      let drained: { readonly since: number; taken: number } | undefined;
      for (const what of turns) {
        if (what.op === 'wait') time += what.ms;
        else if (what.op === 'claim') {
          const { breaker, hooks } = await records.claim(origin, what.most);
          const isOpen = failures >= settings.breakerThreshold;
          const isShut = isOpen && Math.max(openUntil, probeUntil) > time;
          if (isShut) expect([breaker, hooks.length]).toEqual(['open', 0]);
          else if (isOpen) {
            expect([breaker, hooks.length]).toEqual(['probing', 1]);
            probeUntil = time + claimFor;
          } else {
            expect(breaker).toBe(drained === undefined ? 'closed' : 'draining');
            if (drained !== undefined) {
              drained.taken += hooks.length;
              // Never more than the set rate and a tenth of a second's worth at once.
              const most = (settings.drainRate * (time - drained.since)) / 1_000 + settings.drainRate / 10;
              expect(drained.taken).toBeLessThanOrEqual(most);
            } else expect(hooks.length).toBe(what.most);
          }
          held.push(...hooks);
        } else {
          const [claimed] = held.splice(what.nth, 1);
          if (claimed === undefined) continue;
          if (what.word === 'down') {
            // Its answer counts even where its claim is over.
            const reason = { answer: '503', reason: 'deadline', isEndpointAlive: false, openFor };
            await records.recordAttempt(claimed, { verb: 'failed', delay: 2_000, deadline, ...reason });
            failures += 1;
            if (failures < settings.breakerThreshold || openUntil > time) continue;
            opens += 1;
            openUntil = time + Math.min(600_000, openFor * 2 ** (opens - 1));
            probeUntil = 0;
            drained = undefined;
          } else if (what.word === 'taken') {
            const confirmed = { status: 'Running', revision: 1, checkInAt: 0, unreadableAck: undefined };
            await records.recordAttempt(claimed, { verb: 'delivered', ...confirmed });
            if (opens > 0) drained = { since: time, taken: 0 };
            [failures, opens, openUntil, probeUntil] = [0, 0, 0, 0];
          } else {
            const reply = await records.recordAttempt(claimed, { verb: 'dropped' });
            if (reply === 'done' && claimed.until - base === probeUntil) probeUntil = 0;
          }
        }
      }
    }),
    { seed: 7, numRuns: 150 },
  );
});
