import PQueue from 'p-queue';
import type { Facts, TrackedJob } from '../../machines/facts.ts';
import type { HookEnd } from '../../machines/job.ts';
import { type Clock, monotonicOf } from '../clock.ts';
import type { CheckIn } from './hookEvent.ts';
import { originOf } from './http/post.ts';
import type { Change, Claimed, HookRecords } from './records.ts';
import type { Sender } from './sender.ts';

/** Receivers that are remembered. */
const maxKnown = 1_000;
/**
 * A page of a sweep tells of a receiver once in so many ms. That wakes what sends to it, and that goes on while there is
 * something to send; whether a receiver is let alone need not be asked with every page.
 */
const tellEvery = 1_000;

/** What stands for the receiver where a hook URL is none: it is refused when it is to be sent, and parked with the reason. */
const nowhere = 'nowhere';

/** What the rest of the reaper knows of hooks: that a change is noted durably, and told in time. */
export interface Hooks {
  /**
   * Notes that receivers are to be told again, one round trip for all of them, which are of one sweep. An error stands for
   * a job whose receiver's queue can't be written.
   */
  enqueue(jobs: readonly TrackedJob[]): Promise<(HookEnd | Error)[]>;
  /** What `enqueue` would say of those whose receivers would not be told; undefined for the others. Changes nothing. */
  plan(jobs: readonly TrackedJob[]): Promise<(HookEnd | undefined)[]>;
  /** Where the receiver of a job is, for a script that notes its hook in the same step; undefined for none. */
  originFor(hookUrl: string | undefined): string | undefined;
  /** Something was noted for a receiver: it is sent soon. */
  due(origin: string): void;
  /** The text of a report of progress, which only this host knows. */
  hold(id: string, checkIn: CheckIn): void;
}

/**
 * The bound on what is under way to all receivers together. A claim is for no more than there is room for, so that none
 * runs out while it waits its turn.
 */
export interface InFlightLimiter {
  /** Keeps room for hooks of a receiver that are to be claimed, `most` at the most; gives for how many. */
  reserve(origin: string, most: number): number;
  /** Ends a reservation, and gives back what was not claimed of it. */
  release(origin: string, count: number): void;
  /** Sends what was claimed, in the room that was kept for it; calls back at the end of each. */
  send(hooks: readonly Claimed[], ended: () => void): void;
  readonly inFlight: number;
  idle(): Promise<void>;
}

/**
 * Bytes of stats that may be in flight before another claim is made. An event is several times as large on its way: what is
 * read, the parameters decoded, and the body.
 */
const maxBytes = 8_000_000;
/** What a claim counts as that has not been answered yet: no more than so many claims run at once. */
const bytesOfClaim = 250_000;

export const createInFlightLimiter = (sender: Sender, concurrency: number): InFlightLimiter => {
  const queue = new PQueue({ concurrency });
  /** By receiver: reserved, or under way. Room that is only looked at before a claim is seen by several claims at once. */
  const held = new Map<string, number>();
  let inAll = 0;
  let claims = 0;
  let bytes = 0;
  const hold = (origin: string, count: number) => {
    inAll += count;
    const rest = (held.get(origin) ?? 0) + count;
    if (rest > 0) held.set(origin, rest);
    else held.delete(origin);
  };
  return {
    reserve(origin, most) {
      if (bytes + claims * bytesOfClaim >= maxBytes) return 0;
      const free = Math.max(0, concurrency - inAll);
      // One that has some under way leaves a quarter for others, so that slow receivers don't hold all of the room.
      const room = held.has(origin) ? free - Math.floor(concurrency / 4) : Math.ceil(free / 2);
      const count = Math.max(0, Math.min(most, room));
      hold(origin, count);
      if (count > 0) claims += 1;
      return count;
    },
    release(origin, count) {
      claims -= 1;
      hold(origin, -count);
    },
    send(hooks, ended) {
      for (const hook of hooks) {
        const size = Object.values(hook.stats).reduce((sum, { length }) => sum + length, 0);
        bytes += size;
        void queue
          .add(() => sender.deliver(hook))
          .finally(() => {
            bytes -= size;
            hold(hook.origin, -1);
            ended();
          });
      }
    },
    get inFlight() {
      return queue.pending;
    },
    idle: () => queue.onIdle(),
  };
};

export const createHooks = ({
  records,
  sender,
  moved,
  clock,
  tellDue,
}: {
  records: HookRecords;
  sender: Sender;
  /** Receivers that have moved: origin → where they are now. */
  moved: Readonly<Record<string, string>>;
  clock: Clock;
  tellDue: (origin: string) => void;
}): Hooks => {
  const originFor = createOriginFor(moved);
  /** When a page of a sweep has last told that something is due for a receiver. */
  const toldAt = new Map<string, number>();
  const changesOf = (jobs: readonly TrackedJob[]) =>
    jobs.map(
      ({ facts, hookUrl }): Change => ({
        id: facts.id,
        state: stateOf(facts),
        origin: originFor(hookUrl) ?? nowhere,
      }),
    );
  return {
    originFor,
    plan: (jobs) => records.plan(changesOf(jobs)),
    async enqueue(jobs) {
      const changes = changesOf(jobs);
      const replies = await records.enqueue(changes, jobs[0]?.fence);
      const enqueued = new Set(changes.filter((_, i) => replies[i] === 'enqueued').map(({ origin }) => origin));
      if (toldAt.size > maxKnown) toldAt.clear();
      for (const origin of enqueued) {
        if (monotonicOf(clock) - (toldAt.get(origin) ?? Number.NEGATIVE_INFINITY) < tellEvery) continue;
        toldAt.set(origin, monotonicOf(clock));
        tellDue(origin);
      }
      return replies;
    },
    due: tellDue,
    hold: sender.hold,
  };
};

const stateOf = ({ status, revision }: Facts): string => `${status}:${revision || 0}`;

/** Origins by the beginning of their URLs: thousands of jobs have the same few receivers. */
const createOriginFor = (moved: Readonly<Record<string, string>>) => {
  const known = new Map<string, string>();
  return (url: string | undefined): string | undefined => {
    if (url === undefined || url.trim() === '') return undefined;
    const beginning = /^[^/?#]*\/\/[^/?#]*/.exec(url)?.[0] ?? url;
    const before = known.get(beginning);
    if (before !== undefined) return before;
    const origin = originOf(url, moved) ?? nowhere;
    if (known.size >= maxKnown) known.clear();
    known.set(beginning, origin);
    return origin;
  };
};
