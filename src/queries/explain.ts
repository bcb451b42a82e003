import { type HookRecord, hookRecordOf } from '../admin/hookRecords.ts';
import type { EntryPlace } from '../io/evidence/lists.ts';
import type { PlaceVisitor } from '../io/evidence/places.ts';
import type { Search } from '../io/evidence/search.ts';
import type { Hooks } from '../io/hooks/hooks.ts';
import type { HookRecords } from '../io/hooks/records.ts';
import type { TrackedJobs } from '../io/jobs/trackedJobs.ts';
import type { Pools } from '../io/pools/rescue.ts';
import type { Deps } from '../io/redis/deps.ts';
import { redisTime } from '../io/redis/time.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';
import { isoOfSecond, isoTimeOrNone } from '../isoTime.ts';
import type { Evidence, Facts, TrackedJob } from '../machines/facts.ts';
import type { UnqueuedHook } from '../machines/types/job.ts';
import { explain, needsEvidence, type Policy, type Reason, type Verdict } from '../machines/verdict.ts';
import { type Blocker, blockersOf } from './blockers.ts';
import type { createElsewhere, Elsewhere } from './elsewhere.ts';
import { countHeld } from './held.ts';
import type { Place } from './place.ts';
import { createQueueReader, type QueueStatus } from './queues.ts';

/** A rule that was applied to a job, and its answer. */
export interface AskedRule {
  readonly rule: number;
  readonly question: string;
  readonly answer: string;
}

/** Each rule that is applied to a job with these facts, in order; the last one decides. */
export const askedRules = (facts: Facts, policy: Policy): AskedRule[] => explain(facts, policy).map(inWords);

const inWords = ({ rule, judgement }: ReturnType<typeof explain>[number]): AskedRule => ({
  rule: rule.number,
  question: rule.question,
  answer:
    judgement === undefined
      ? 'does not decide'
      : `${judgement.verdict}: ${judgement.reason}${judgement.detail === undefined ? '' : ` (${judgement.detail})`}`,
});

/** The undelivered hook of a job. */
export interface ExplainedHook extends HookRecord {
  /**
   * ISO time before which it is not attempted again: when it is due, its claim expires, or the circuit of its endpoint lets a
   * probe through. In the past if a sender only has to get to it; undefined for a parked hook.
   */
  readonly nextAttemptAt: string | undefined;
}

/** The verdict on a job, and the reasons for it. */
export interface Explanation {
  readonly id: string;
  readonly isTracked: boolean;
  readonly facts: Facts;
  /** Each rule that was applied, in order; the last one decided. */
  readonly rules: readonly AskedRule[];
  readonly verdict: Verdict;
  readonly reason: Reason;
  readonly detail: string | undefined;
  /** What a sweep would do now. */
  readonly action: string;
  readonly places: readonly Place[];
  /** What keeps it from running, the nearest reason first; or that it runs, or has ended. Never empty. */
  readonly blockers: readonly Blocker[];
  /** Its undelivered hook, if there is one. */
  readonly hook: ExplainedHook | undefined;
  /** If nothing here is about the job: other namespaces that are in use, in this database and in others. */
  readonly elsewhere: readonly Elsewhere[];
}

export const createExplain = (
  deps: Pick<Deps, 'connection' | 'keys' | 'scripts'> & {
    namespace: string;
    tracked: TrackedJobs;
    pools: Pools;
    policy: Policy;
    records: HookRecords;
    hooks: Pick<Hooks, 'plan' | 'faults'>;
    createSearch: (visitor: PlaceVisitor) => Search;
    findElsewhere: ReturnType<typeof createElsewhere>;
  },
) => {
  const { connection, keys, namespace, tracked, pools, policy, records, hooks, createSearch, findElsewhere } = deps;
  const { redis } = connection;
  const readQueues = createQueueReader(deps);

  /** Searches for a job exactly as a sweep does, even if its verdict needs no search: people want to know where it is. */
  const lookFor = async (facts: Facts): Promise<{ places: Place[]; evidence: Evidence }> => {
    const found = collectPlaces(facts.id);
    const search = createSearch(found.visitor);
    search.add([facts]);
    await search.run();
    const observed = search
      .observations()
      .filter(({ job }) => job === facts.id)
      .map(
        ({ pool, type, startedAt, standing }): Place => ({
          kind: 'observed',
          pool,
          isPoolAlive: standing === 'alive',
          ...(type ? { type } : {}),
          ...(startedAt ? { at: isoOfSecond(startedAt) } : {}),
        }),
      );
    return { places: [...found.places(), ...observed], evidence: search.evidenceOf(facts) };
  };

  /** The queues of these types, as `status` shows them. */
  const queuesOf = async (types: readonly string[]): Promise<QueueStatus[]> => {
    if (types.length === 0) return [];
    const survey = await pools.readRegistry(false);
    const lists = types.flatMap((type) => survey.pools.map(({ pool }) => [type, pool] as const));
    const held = await countHeld(deps, { ...survey, lists });
    return readQueues(types, { ...survey, lists }, held, await redisTime(redis));
  };

  return async (id: string): Promise<Explanation> => {
    const loaded = await tracked.find(id);
    const [tracks, { places, evidence }, hook, quarantined] = await Promise.all([
      loaded.facts.hasBrokenId ? 1 : unlessWrongType(redis.hexists(keys.track, id), 0),
      lookFor(loaded.facts),
      findHook(records, id),
      unlessWrongType(redis.hexists(keys.quarantine, id), 0),
    ]);
    const isTracked = tracks === 1;
    const facts = needsEvidence(loaded.facts, policy) ? { ...loaded.facts, evidence } : loaded.facts;
    const asked = explain(facts, policy);
    const decided = asked.at(-1)?.judgement;
    const verdict = decided?.verdict ?? 'keep';
    const types = places.flatMap(({ kind, type }) => (kind === 'queue' && type !== undefined ? [type] : []));
    const blockers = blockersOf({
      ...{ id, facts, isTracked, places, namespace, redis: connection.description },
      isQuarantined: quarantined === 1,
      isBehind: decided?.reason === 'behind',
      isAnyUnreadable: evidence.found === 'unreadable',
      queues: await queuesOf(types),
    });
    return {
      ...{ id, isTracked, facts },
      rules: asked.map(inWords),
      verdict,
      reason: decided?.reason ?? 'ongoing',
      detail: decided?.detail,
      action: isTracked ? await actionOn(loaded, verdict, hooks) : untrackedAction,
      ...{ places, blockers, hook },
      elsewhere: blockers[0]?.code === 'unknown' ? await findElsewhere(true) : [],
    };
  };
};

const actions: Readonly<Record<Verdict, string>> = {
  keep: 'nothing',
  untrack: 'remove it from the tracking hash',
  reset: 'set it to the status that its endpoint has confirmed',
  fail: 'set it to Error and send the hook',
  refire: 'send the hook again',
};

/** What a sweep would do with a tracked job: a hook that is there already is not enqueued again. */
const actionOn = async (job: TrackedJob, verdict: Verdict, hooks: Pick<Hooks, 'plan' | 'faults'>): Promise<string> => {
  const [fault] = verdict === 'refire' || verdict === 'fail' ? await hooks.faults([job]) : [];
  if (fault !== undefined) return `abandoned: ${fault}`;
  const [unqueued] = verdict === 'refire' ? await hooks.plan([job]) : [];
  if (unqueued?.outcome === 'refused') return `abandoned: ${unqueued.error}`;
  return unqueued === undefined ? actions[verdict] : `nothing: ${unqueuedHooks[unqueued.outcome]}`;
};

const untrackedAction = 'nothing: the job is not tracked, so no sweep judges it';

const unqueuedHooks: Readonly<Record<UnqueuedHook['outcome'], string>> = {
  'already-pending': 'its hook is pending already',
  parked: 'its hook is parked, until the job changes or a person retries it',
  deferred: 'too many hooks wait, and the next sweep tries again',
};

const findHook = async (records: HookRecords, id: string): Promise<ExplainedHook | undefined> => {
  const hook = await unlessWrongType(records.find(id), undefined);
  if (hook === undefined) return undefined;
  return { ...hookRecordOf(hook), nextAttemptAt: isoTimeOrNone(await records.nextAttempt(hook)) };
};

/** Collects the places of one job's entries from a search. Each place once, however often it was read. */
const collectPlaces = (id: string): { visitor: PlaceVisitor; places(): Place[] } => {
  const found = new Map<string, Place>();
  /** In the list that is being read: entries before the job's, from the head. */
  const positions = new Map<string, number>();
  const keyOf = (place: EntryPlace) =>
    JSON.stringify(place.kind === 'held' ? [place.kind, place.type, place.pool] : Object.values(place));
  return {
    visitor: {
      entries(place, ids, from, scores) {
        for (const [i, of] of ids.entries()) {
          if (of !== id) continue;
          const key = keyOf(place);
          // The entry nearest to the tail is taken first.
          positions.set(key, from + i);
          if (place.kind === 'held') {
            const isPoolAlive = place.standing === 'alive';
            found.set(key, { kind: 'in-progress', type: place.type, pool: place.pool, isPoolAlive });
          } else if (place.kind !== 'queue') found.set(key, { kind: place.kind, ...timeOf(scores[i]) });
        }
      },
      listEnd(place, length) {
        const key = keyOf(place);
        const at = positions.get(key);
        if (at === undefined || place.kind !== 'queue') return;
        found.set(key, { kind: 'queue', type: place.type, ahead: Math.max(0, length - 1 - at) });
      },
    },
    places: () => [...found.values()].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind)),
  };
};

const timeOf = (second: number | undefined) => (second === undefined ? {} : { at: isoOfSecond(second) });

const order: readonly Place['kind'][] = ['queue', 'in-progress', 'retry', 'scheduled', 'dead', 'observed'];
