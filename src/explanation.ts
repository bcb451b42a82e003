import type { Connection } from './io/connection.ts';
import { jobOf } from './io/entries.ts';
import type { HookRecord, HookRecords } from './io/hookRecords.ts';
import type { Keys } from './io/keys.ts';
import { readObservations } from './io/observations.ts';
import type { Pools } from './io/pools.ts';
import type { TrackedJobs } from './io/trackedJobs.ts';
import { type Evidence, evidencePlaces, type Facts } from './machines/facts.ts';
import { explain, needsEvidence, type Policy, type Reason, type Verdict } from './machines/verdict.ts';

/** A place where a job's entry stands. */
export interface Place {
  readonly kind: 'queue' | 'in progress' | 'retry' | 'scheduled' | 'dead' | 'observed';
  readonly type?: string;
  readonly pool?: string;
  readonly isPoolAlive?: boolean;
  /** How many entries are taken before it, for a queue. */
  readonly ahead?: number;
  /** Unix s: when it is due, for `retry` and `scheduled`; when it died, for `dead`; when it began, for `observed`. */
  readonly at?: number;
}

/** A rule that was asked about a job, and what it said. */
export interface AskedRule {
  readonly rule: number;
  readonly question: string;
  readonly answer: string;
}

/** Each rule that is asked about a job with these facts, in order; the last one decides. */
export const askedRules = (facts: Facts, policy: Policy): AskedRule[] => explain(facts, policy).map(inWords);

const inWords = ({ rule, judgement }: ReturnType<typeof explain>[number]): AskedRule => ({
  rule: rule.number,
  question: rule.question,
  answer:
    judgement === undefined
      ? 'does not decide'
      : `${judgement.verdict}: ${judgement.reason}${judgement.detail === undefined ? '' : ` (${judgement.detail})`}`,
});

/** Why a job is treated as it is. */
export interface Explanation {
  readonly id: string;
  readonly isTracked: boolean;
  readonly facts: Facts;
  /** Each rule that was asked, in order; the last one decided. */
  readonly rules: readonly AskedRule[];
  readonly verdict: Verdict;
  readonly reason: Reason;
  readonly detail: string | undefined;
  /** What a sweep would do now. */
  readonly action: string;
  readonly places: readonly Place[];
  /** What is known of its undelivered hook. */
  readonly hook: HookRecord | undefined;
}

/** Entries that one step of a search reads. */
const stride = 500;

export const createExplain = ({
  connection,
  keys,
  tracked,
  pools,
  policy,
  records,
}: {
  connection: Connection;
  keys: Keys;
  tracked: TrackedJobs;
  pools: Pools;
  policy: Policy;
  records: HookRecords;
}) => {
  const { redis } = connection;

  /** Streams a list, from the end that is fetched first, and gives how many entries stand before the job's. */
  const findInList = async (key: string, id: string): Promise<number | undefined> => {
    for (let from = 0; ; from += stride) {
      const entries = (await redis.lrange(key, -from - stride, -from - 1)).reverse();
      const at = entries.findIndex((entry) => jobOf(entry) === id);
      if (at >= 0) return from + at;
      if (entries.length < stride) return undefined;
    }
  };

  const findInSet = async (key: string, id: string): Promise<number | undefined> => {
    let cursor = '0';
    do {
      const [next, pairs] = await redis.zscan(key, cursor, 'COUNT', stride);
      for (let i = 0; i < pairs.length; i += 2) if (jobOf(pairs[i] as string) === id) return Number(pairs[i + 1]);
      cursor = next;
    } while (cursor !== '0');
    return undefined;
  };

  const findPlaces = async (id: string, type: string | undefined): Promise<Place[]> => {
    const { pools: states, types: known, lists } = await pools.survey(true);
    // Its own type may have no other trace than its queue.
    const types = new Set(type ? [...known, type] : known);
    const places: Place[] = [];
    for (const type of types) {
      const ahead = await findInList(keys.queue(type), id);
      if (ahead !== undefined) places.push({ kind: 'queue', type, ahead });
    }
    for (const [type, pool] of lists) {
      if ((await findInList(keys.inProgress(type, pool), id)) === undefined) continue;
      const isPoolAlive = states.some((state) => state.pool === pool && state.isAlive);
      places.push({ kind: 'in progress', type, pool, isPoolAlive });
    }
    for (const kind of ['retry', 'scheduled', 'dead'] as const) {
      const at = await findInSet(keys[kind], id);
      if (at !== undefined) places.push({ kind, at });
    }
    // A killed worker's observation stays for a day: only those of live pools' workers are signs of life.
    const live = states.filter(({ isAlive }) => isAlive);
    for (const { pool, job, type, startedAt } of await readObservations(connection, keys, live)) {
      if (job !== id) continue;
      places.push({ kind: 'observed', pool, isPoolAlive: true, ...(type ? { type } : {}), at: startedAt ?? 0 });
    }
    return places;
  };

  return async (id: string): Promise<Explanation> => {
    const loaded = await tracked.load(id);
    const [isTracked, places, hook] = await Promise.all([
      redis.hexists(keys.track, id),
      findPlaces(id, loaded.facts.name),
      records.find(id),
    ]);
    const facts = needsEvidence(loaded.facts, policy)
      ? { ...loaded.facts, evidence: evidenceIn(places) }
      : loaded.facts;
    const asked = explain(facts, policy);
    const decided = asked.at(-1)?.judgement;
    const verdict = decided?.verdict ?? 'kept';
    return {
      id,
      isTracked: isTracked === 1,
      facts,
      rules: asked.map(inWords),
      verdict,
      reason: decided?.reason ?? 'ongoing',
      detail: decided?.detail,
      action: isTracked === 1 ? actions[verdict] : 'nothing: the job is not tracked, so no sweep comes to it',
      places,
      hook,
    };
  };
};

const actions: Readonly<Record<Verdict, string>> = {
  kept: 'nothing',
  untrack: 'take it out of the tracking hash',
  reset: 'set it to the status that its receiver has confirmed',
  fail: 'set it to Error and tell its receiver',
  refire: 'tell its receiver again',
};

/** What a sweep would find of a job that looks hung. */
const evidenceIn = (places: readonly Place[]): Evidence => {
  const at = <Kind extends Place['kind']>(...kinds: Kind[]) =>
    places.find((place): place is Place & { kind: Kind } => kinds.includes(place.kind as Kind));
  const observed = at('observed');
  if (observed !== undefined) {
    return { found: 'observed', lookedIn: evidencePlaces, pool: observed.pool, startedAt: observed.at || undefined };
  }
  const held = places.filter(({ kind }) => kind === 'in progress');
  const found =
    at('queue', 'scheduled', 'retry')?.kind ??
    (held.some(({ isPoolAlive }) => isPoolAlive) ? 'held' : held.length > 0 ? 'left' : at('dead')?.kind);
  return { found: found ?? 'nowhere', lookedIn: evidencePlaces };
};
