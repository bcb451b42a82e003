import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { ClaimedHook } from '../../src/io/hooks/claims.ts';
import { decodeAck } from '../../src/io/jobs/stats.ts';
import { type Ack, rank } from '../../src/machines/facts.ts';
import { elsewhere, keys, origin } from './hookValues.ts';

interface Held {
  readonly who: string;
  readonly claimed: ClaimedHook;
  isSettled: boolean;
}

const stateOf = ({ stats: { status, revision } }: ClaimedHook) => `${status}:${revision}`;

/** What must hold after every command, whatever the order, and what was found that does not. */
export class HookInvariants {
  readonly #redis: Redis;
  #held: Held[] = [];
  #faults: string[] = [];
  #jobs = new Set<string>();
  #removed = new Set<string>();
  /** `id state` of what was parked, by a host or a person. */
  #parkedStates = new Set<string>();
  #lastAcks = new Map<string, Ack>();

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  reset(): void {
    [this.#held, this.#faults, this.#jobs, this.#removed] = [[], [], new Set(), new Set()];
    [this.#parkedStates, this.#lastAcks] = [new Set(), new Map()];
  }

  jobAdded(id: string): void {
    this.#jobs.add(id);
  }

  jobRemoved(id: string): void {
    this.#removed.add(id);
  }

  claimed(who: string, hooks: readonly ClaimedHook[]): void {
    for (const claimed of hooks) {
      const other = this.#held.find(
        (one) => !one.isSettled && one.claimed.id === claimed.id && one.claimed.until > claimed.at,
      );
      if (other !== undefined) this.#faults.push(`${who} claims ${claimed.id} while ${other.who} holds it`);
      this.#held.push({ who, claimed, isSettled: false });
      const state = stateOf(claimed);
      if (this.#parkedStates.has(`${claimed.id} ${state}`)) {
        this.#faults.push(`${who} is given ${claimed.id} ${state}, which is parked and was not asked for`);
      }
    }
  }

  attempted(claimed: ClaimedHook, isParked: boolean): void {
    for (const one of this.#held) if (one.claimed === claimed) one.isSettled = true;
    if (isParked) this.#parkedStates.add(`${claimed.id} ${stateOf(claimed)}`);
  }

  /** A person has dropped a hook: no host may get this state again. */
  dropped(id: string, state: string): void {
    this.#parkedStates.add(`${id} ${state}`);
  }

  /** A person has asked for a hook. If the job has changed, its new state was not parked. */
  retried(id: string): void {
    for (const key of [...this.#parkedStates]) if (key.startsWith(`${id} `)) this.#parkedStates.delete(key);
  }

  /** What is forgotten is found again by the next sweep. */
  forgotten(): void {
    this.#parkedStates.clear();
  }

  async look(after: string, strictly = false): Promise<void> {
    const ids = [...this.#jobs].filter((id) => !this.#removed.has(id));
    const sight = await see(this.#redis, ids);
    for (const wrong of queueFaults(sight, strictly)) this.#faults.push(`after ${after}: ${wrong}`);
    for (const key of sight.lasting) this.#faults.push(`after ${after}: ${key} never expires`);
    ids.forEach((id, i) => {
      const [text, count] = sight.jobs[i] as [string | null, string | null];
      if (Number(count ?? 0) < 0) this.#faults.push(`after ${after}: ${id} is counted below 0`);
      this.#lookAtAck(after, id, text);
    });
  }

  /** Fails with what was found at any step. */
  verify(): void {
    expect(this.#faults).toEqual([]);
  }

  #lookAtAck(after: string, id: string, text: string | null): void {
    const ack = decodeAck(text ?? undefined);
    if (ack === undefined || ack === 'unreadable') {
      this.#lastAcks.delete(id);
      return;
    }
    const was = this.#lastAcks.get(id);
    // The Go side takes an ACK back to one without a report of progress (defect 30): no fault of ours.
    if (was !== undefined && distance(ack, was) < 0 && !after.startsWith('go'))
      this.#faults.push(`after ${after}: the ACK of ${id} goes back`);
    this.#lastAcks.set(id, ack);
  }
}

/** What is wrong with the queues; `strictly`: what the next claim would clean up is wrong as well. */
const queueFaults = ({ texts, parked, origins, queues }: Sight, strictly: boolean): string[] => {
  const wrong: string[] = [];
  for (const [id, text] of texts) {
    const [kind, , to] = text.split(' ') as [string, string, string];
    const isParked = kind === 'parked';
    if (parked.includes(id) !== isParked) wrong.push(`${id} is ${kind}, and ${isParked ? 'not ' : ''}among the parked`);
    if (!isParked && !queues.get(to)?.includes(id)) wrong.push(`${id} is ${kind}, and not in the queue of ${to}`);
  }
  for (const id of parked) if (!texts.has(id)) wrong.push(`${id} is among the parked without a record`);
  for (const [to, queue] of queues) {
    if (queue.length > 0 && !origins.includes(to)) wrong.push(`something is due for ${to}, which is not an origin`);
    if (!strictly) continue;
    for (const id of queue) {
      const [kind, , there] = texts.get(id)?.split(' ') ?? [];
      if (kind === undefined || kind === 'parked' || there !== to) wrong.push(`${id} is left in the queue of ${to}`);
    }
  }
  return wrong;
};

/** All that the invariants are about, at one moment. */
interface Sight {
  readonly texts: ReadonlyMap<string, string>;
  readonly parked: readonly string[];
  readonly origins: readonly string[];
  readonly queues: ReadonlyMap<string, readonly string[]>;
  /** Keys of the reaper without a time to live. */
  readonly lasting: readonly string[];
  /** ACK and count of each job that was asked for. */
  readonly jobs: readonly [string | null, string | null][];
}

const seeLua = `local jobs, lasting = {}, {}
for i, id in ipairs(ARGV) do
  jobs[i] = { redis.call('HGET', KEYS[8 + i], 'ack'), redis.call('HGET', KEYS[8], id) }
end
for i = 1, 7 do
  if redis.call('TTL', KEYS[i]) == -1 then lasting[#lasting + 1] = KEYS[i] end
end
return { redis.call('HGETALL', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1), redis.call('SMEMBERS', KEYS[3]),
  redis.call('ZRANGE', KEYS[4], 0, -1), redis.call('ZRANGE', KEYS[5], 0, -1), lasting, jobs }`;
const ourKeys = [
  keys.hooks,
  keys.parkedHooks,
  keys.hookEndpoints,
  keys.dueHooks(origin),
  keys.dueHooks(elsewhere),
  keys.hookEndpoint(origin),
  keys.hookEndpoint(elsewhere),
];

const see = async (redis: Redis, ids: readonly string[]): Promise<Sight> => {
  const [pairs, parked, origins, here, there, lasting, jobs] = (await redis.eval(
    seeLua,
    ourKeys.length + 1 + ids.length,
    ...ourKeys,
    keys.track,
    ...ids.map(keys.stats),
    ...ids,
  )) as [string[], string[], string[], string[], string[], string[], [string | null, string | null][]];
  const texts = new Map<string, string>();
  for (let i = 0; i < pairs.length; i += 2) texts.set(pairs[i] as string, pairs[i + 1] as string);
  const queues = new Map([
    [origin, here],
    [elsewhere, there],
  ]);
  return { texts, parked, origins, queues, lasting, jobs };
};

/** Above 0 where what is stands further than what was, below where it stands behind it. */
export const distance = (is: Ack, was: Ack) =>
  is.revision - was.revision || rank(is.status) - rank(was.status) || is.checkInAt - was.checkInAt;
