import { randomBytes } from 'node:crypto';
import type { Confirmation, Held, Requeued, Settled, Suspect } from '../../machines/pool.ts';
import type { Found, Recounted } from '../../machines/supervisor.ts';
import { monotonicOf } from '../clock.ts';
import { createRunAnswered } from '../redis/answered.ts';
import type { Deps } from '../redis/deps.ts';
import { splitsOf, unreadableName } from '../redis/keyNames.ts';
import { createStepwiseWalk, standing, walkAllKeys, walkKeysUntil } from '../redis/keyWalk.ts';
import { existingOf, inChunks, partsOf } from '../redis/paged.ts';
import type { Fence } from '../redis/scripts.ts';
import {
  type Expected,
  findWrongTyped,
  keysOfType,
  refusalBehind,
  singleKeysOf,
  unlessWrongType,
} from '../redis/wrongTypes.ts';
import { createCounters } from './counters.ts';
import { createHeartbeatWatch } from './heartbeatWatch.ts';
import { aheadTolerance, createSurveyor, evidenceOf, type PoolState, type PoolSurvey } from './registry.ts';
import { createRequeuePlan } from './requeuePlan.ts';
import { createSuspects } from './suspects.ts';

export type { PoolState, PoolSurvey };
export { unlessWrongType };

export interface Pools {
  /**
   * Looks for pools that are not seen to live, for a rescue. `thorough` goes through the names of all keys at once; otherwise
   * each call goes on for a bounded number of them, so that a Redis with millions of keys is not walked every few seconds.
   * What it sees is noted for later looks, unless it is a plan.
   * @param trouble how many troubles there were by now (`Preflight`); the suspects carry it.
   */
  find(thorough: boolean, disruptions: number, plan?: boolean): Promise<Found>;
  /**
   * How all pools look now. It disturbs no rescue, and no rescue disturbs it. `thorough` goes through the names of all keys;
   * without it, pools and types are those that sets, heartbeats and counters name, and no lists are looked for.
   */
  survey(thorough: boolean): Promise<PoolSurvey>;
  /**
   * The same for a person who waits: the names of all keys are gone through for so many ms. Where that was too short, further
   * in-progress lists are looked for by the names of pools and types that are known.
   */
  surveyWithin(ms: number): Promise<PoolSurvey & { readonly isComplete: boolean }>;
  /** Notes how pools look, so that a later look can confirm a death. What changes nothing must not call it. */
  note(states: readonly PoolState[]): Promise<void>;
  /**
   * Resolves when the heartbeat of a pool that was alive at the last look for a rescue has grown old since. After an abort it
   * is pending for ever.
   */
  untilOld(signal: AbortSignal): Promise<void>;
  confirm(suspect: Suspect): Promise<Confirmation>;
  /**
   * The same for a plan: of each type what `requeue` and the quarantine would do with its entries.
   * @param usesOf the keys that the quarantine of a job writes.
   */
  plan(suspect: Suspect, usesOf: (id: string) => Promise<readonly Expected[]>): Promise<Confirmation>;
  /** Suspects a pool anew, as it stands now, if it does not live. */
  review(suspect: Suspect, disruptions: number): Promise<'alive' | Suspect>;
  requeue(suspect: Suspect, type: string): Promise<Requeued>;
  settle(suspect: Suspect, types: readonly string[]): Promise<Settled>;
  /** What keeps a step for a type's entries from ever being done; undefined for an error that may pass. */
  refusalBehind(error: unknown, suspect: Suspect, type: string): Promise<string | undefined>;
  /**
   * Rebuilds the counters of the types from their in-progress lists; with `plan` it only says what it would do.
   * @param lists those that a look has found by their names, as [type, pool].
   */
  recount(
    types: readonly string[],
    fence?: Fence | undefined,
    lists?: readonly (readonly [string, string])[],
    plan?: boolean,
  ): Promise<Recounted>;
}

/** How often a job's entry may be taken from dead workers (`lua/includes/recovery.lua`). */
export interface RecoveryLimit {
  readonly most: number;
  readonly windowS: number;
}

/** Names of lists that are asked for where the walk was too short. */
const maxNamed = 1_000_000;
/** Job types that one step looks at when a pool is removed. */
const typesAtOnce = 100;
/** Job types whose keys each pass looks at before it meets them; of the others a fault is named when it is met. */
const maxChecked = 1_000;
/** Lists of suspected pools that are asked for. */
const maxListsAsked = 500_000;

export const createPools = ({
  connection,
  keys,
  scripts,
  jobTypes,
  heartbeatAge,
  grace = 15_000,
  batch,
  recovery,
  clock,
  onUncounted = () => {},
  disruptions = () => 0,
  onLostReply = () => {},
  onClockAhead = () => {},
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  /** Types to look at beside those that are found. */
  jobTypes: readonly string[];
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  /** How long a suspected pool may prove that it lives, in ms: after it a survey says that it is dead. */
  grace?: number;
  /** How many entries one requeue moves at the most. */
  batch: number;
  recovery: RecoveryLimit;
  /** Called with the reason where entries were requeued, but their recoveries could not be recorded. */
  onUncounted?: (reason: string) => void;
  /** How many disruptions this process has met by now (`Preflight`). */
  disruptions?: () => number;
  /** Called with the error of a step that was done though its reply was lost. */
  onLostReply?: (error: unknown) => void;
  /** Called once for each pool whose heartbeat is ahead of Redis, for as long as it stays so; with the seconds. */
  onClockAhead?: (pool: string, seconds: number) => void;
}): Pools => {
  const { redis } = connection;
  const runAnswered = createRunAnswered({ keys, scripts, clock, onLostReply });
  const suspects = createSuspects({ connection, keys, grace, disruptions });
  const surveyor = createSurveyor({ connection, keys, jobTypes, heartbeatAge, suspects });
  const counters = createCounters({
    connection,
    keys,
    scripts,
    clock,
    readNames: (types) => surveyor.survey([], types),
  });
  /** The rescue's own: a survey for anything else walks by itself. */
  const walk = createStepwiseWalk(connection, keys);
  const watch = createHeartbeatWatch({ redis, keys, heartbeatAge, clock });
  let aheadBefore: ReadonlySet<string> = new Set();

  const reportClocks = (states: readonly PoolState[]): number => {
    const ahead = new Map<string, number>();
    for (const { pool, age } of states) if (age !== undefined && age < -aheadTolerance) ahead.set(pool, -age / 1_000);
    for (const [pool, seconds] of ahead) if (!aheadBefore.has(pool)) onClockAhead(pool, Math.round(seconds));
    aheadBefore = new Set(ahead.keys());
    return ahead.size;
  };

  const findKeys = async (thorough: boolean) => {
    if (!thorough) return walk.step();
    const found = await walkAllKeys(connection, keys);
    walk.keep(found);
    return found;
  };

  /** How a suspect stands now; undefined where it lives, or has been beaten since. */
  const stillDead = async ({ pool, heartbeat: seen }: Suspect) => {
    const state = await surveyor.look(pool);
    if (!state.isReadable) throw new Error(`${keys.heartbeat(pool)} or ${keys.pools} can not be read`);
    return state.isAlive || (state.heartbeat !== '' && state.heartbeat !== seen) ? undefined : state;
  };

  /**
   * The types of which a pool may hold entries. Where names hold colons, a list that has the name of the pool's may be
   * another's: such a type is left out, or named as unreadable where the list is there and nothing says whose it is.
   */
  const ownTypes = async (
    { pool, types: known }: Suspect,
    types: readonly string[],
  ): Promise<{ own: string[]; unreadable: Held[] }> => {
    const nameOf = (type: string) => keys.inProgress(type, pool).slice(keys.jobsPrefix.length);
    const isPlain = (type: string) => splitsOf(nameOf(type)).length === 1;
    const own = types.filter(isPlain);
    const doubtful = types.filter((type) => !isPlain(type));
    const unreadable: Held[] = [];
    if (doubtful.length === 0) return { own, unreadable };
    const { readList } = await surveyor.survey([], known);
    for (const type of doubtful) {
      const reading = readList(type, pool);
      const key = keys.inProgress(type, pool);
      if (typeof reading === 'object') {
        if (reading.type === type && reading.pool === pool) own.push(type);
      } else if ((await redis.exists(key)) === 1) {
        unreadable.push({ type, entries: 0, unreadable: unreadableName(key, nameOf(type), reading) });
      } else own.push(type);
    }
    return { own, unreadable };
  };

  /** Of many types, those of which one of the keys is there. */
  const inUse = async (types: readonly string[], namesOf: (type: string) => readonly string[]) => {
    if (types.length <= typesAtOnce) return types;
    const there = new Set(await existingOf(redis, types.flatMap(namesOf)));
    return types.filter((type) => namesOf(type).some((key) => there.has(key)));
  };

  const holdings = async (pool: string, types: readonly string[]): Promise<Held[]> => {
    const held = await inUse(types, (type) => [keys.inProgress(type, pool)]);
    return inChunks(held, async (type): Promise<Held> => {
      const key = keys.inProgress(type, pool);
      const entries = await unlessWrongType<number | undefined>(redis.llen(key), undefined);
      if (entries !== undefined) return { type, entries };
      const [unreadable] = await findWrongTyped(redis, [[key, 'list']]);
      return { type, entries: 0, ...(unreadable === undefined ? {} : { unreadable }) };
    });
  };

  /** Which of the pools hold entries, as far as a bounded number of questions tells. It decides who is rescued first. */
  const holdingOf = async (pools: readonly PoolState[], { types, lists }: PoolSurvey): Promise<ReadonlySet<string>> => {
    const holding = new Set(lists.map(([, pool]) => pool));
    const asked = pools
      .filter(({ pool }) => !holding.has(pool))
      .slice(0, Math.floor(maxListsAsked / (types.length || 1)));
    const poolOf = new Map(
      asked.flatMap(({ pool }) => types.map((type) => [keys.inProgress(type, pool), pool] as const)),
    );
    for (const key of await existingOf(redis, [...poolOf.keys()])) holding.add(poolOf.get(key) as string);
    return holding;
  };

  const expectedOf = ({ pool }: Suspect, type: string): Expected[] => [
    ...keysOfType(keys, type),
    [keys.inProgress(type, pool), 'list'],
    [keys.heartbeat(pool), 'hash'],
    ...singleKeysOf(keys),
  ];

  const confirm = async (suspect: Suspect): Promise<Confirmation> => {
    const { own, unreadable } = await ownTypes(suspect, suspect.types);
    const [state, held] = await Promise.all([stillDead(suspect), holdings(suspect.pool, own)]);
    return state === undefined ? 'alive' : [...held, ...unreadable];
  };
  const planOf = createRequeuePlan({ connection, keys, scripts, heartbeatAge, batch, recovery, expectedOf });

  return {
    survey: async (thorough) => surveyor.survey(thorough ? await walkAllKeys(connection, keys) : []),

    async surveyWithin(ms) {
      const began = monotonicOf(clock);
      const { found, isComplete } = await walkKeysUntil(connection, keys, () => monotonicOf(clock) - began >= ms);
      const survey = await surveyor.survey(found);
      if (isComplete) return { ...survey, isComplete };
      const perType = Math.floor(maxNamed / Math.max(1, survey.types.length));
      const named = survey.types.flatMap((type) =>
        survey.pools.slice(0, perType).map(({ pool }) => keys.inProgress(type, pool)),
      );
      const known = new Set(found.map(({ key }) => key));
      const more = (await existingOf(redis, named)).filter((key) => !known.has(key));
      return { ...(await surveyor.survey([...found, ...(await standing(connection, keys, more))])), isComplete };
    },

    note: (states) => suspects.note(states, false),
    refusalBehind: (error, suspect, type) => refusalBehind(redis, error, expectedOf(suspect, type)),

    untilOld: watch.untilOld,

    async find(thorough, disruptions, plan = false) {
      const survey = await surveyor.survey(await findKeys(thorough));
      const at = monotonicOf(clock);
      const { pools, types, lists, readList, countedIn } = survey;
      watch.keep(pools, at);
      if (!plan) await suspects.note(pools, thorough);
      const unreadable = await findWrongTyped(redis, [
        ...singleKeysOf(keys),
        ...types.slice(0, maxChecked).flatMap((type) => keysOfType(keys, type)),
      ]);
      const dead = pools.filter(({ isAlive, isReadable }) => !isAlive && isReadable);
      const holding = await holdingOf(dead, survey);
      const live = pools.filter(({ isAlive }) => isAlive);
      const pass = randomBytes(6).toString('base64url');
      const typesOf = new Map<string, string[]>();
      for (const [type, pool] of lists) {
        const held = typesOf.get(pool);
        if (held === undefined) typesOf.set(pool, [type]);
        else held.push(type);
      }
      // Where names hold colons, a list that has the name of a live pool's may be another live pool's.
      const isOwn = (type: string, pool: string) => {
        if (!type.includes(':') && !pool.includes(':')) return true;
        const reading = readList(type, pool);
        return typeof reading === 'object' && reading.type === type && reading.pool === pool;
      };
      return {
        alive: live.length,
        clockAhead: reportClocks(pools),
        types,
        lists,
        unreadable: [...new Set([...survey.unreadable, ...unreadable])],
        suspects: dead.map((state) => ({
          pool: state.pool,
          heartbeat: state.heartbeat,
          // One list for all of them; what its heartbeat names is among them.
          types,
          evidence: evidenceOf(state),
          disruptions: disruptions,
          traces: {
            isRegistered: state.isRegistered,
            hasHeartbeat: state.hasHeartbeat,
            lockInfo: (countedIn.get(state.pool) ?? []).toSorted(),
          },
          at,
          pass,
          holdsEntries: holding.has(state.pool),
        })),
        live: live.map(({ pool, workerIds, jobNames, isFresh, heartbeat }) => ({
          pool,
          workerIds,
          types: [...new Set([...jobNames, ...(typesOf.get(pool) ?? [])])].filter((type) => isOwn(type, pool)),
          pass,
          ...(isFresh ? {} : { moving: heartbeat }),
        })),
      };
    },

    confirm,

    async plan(suspect, usesOf) {
      const held = await confirm(suspect);
      return held === 'alive' ? held : planOf(suspect, held, usesOf);
    },

    async review(suspect, disruptions) {
      const state = await stillDead(suspect);
      if (state === undefined) return 'alive';
      return {
        ...suspect,
        heartbeat: state.heartbeat,
        evidence: evidenceOf(state),
        disruptions: disruptions,
        at: monotonicOf(clock),
      };
    },

    async requeue(suspect, type) {
      const { pool, heartbeat, fence, pass = '' } = suspect;
      // Since it was confirmed, a pool may have come up whose list has the same name.
      const { own, unreadable } = await ownTypes(suspect, [type]);
      if (own.length === 0) {
        const refused = unreadable[0]?.unreadable ?? `${keys.inProgress(type, pool)}: is read as another type's list`;
        return { moved: 0, left: 0, refused };
      }
      try {
        const reply = await runAnswered(
          'requeue',
          [
            keys.pools,
            keys.heartbeat(pool),
            keys.inProgress(type, pool),
            keys.queue(type),
            keys.lock(type),
            keys.lockInfo(type),
            keys.recoveries,
            keys.recovered,
            keys.quarantine,
            keys.dead,
          ],
          [pool, heartbeatAge, heartbeat, batch, recovery.most, recovery.windowS, pass],
          fence,
        );
        if (reply === 'alive') return reply;
        const [moved, left, poison, uncounted] = reply;
        if (uncounted !== undefined) onUncounted(uncounted);
        return { moved, left, poison: poison || undefined };
      } catch (error) {
        const refused = await refusalBehind(redis, error, expectedOf(suspect, type));
        if (refused === undefined) throw error;
        return { moved: 0, left: 0, refused };
      }
    },

    async settle(suspect, types) {
      const { pool, heartbeat, fence } = suspect;
      const { own, unreadable } = await ownTypes(suspect, types);
      if (unreadable.length > 0) return 'entries';
      const namesOf = (type: string) => [keys.inProgress(type, pool), keys.lockInfo(type)];
      const steps = partsOf(await inUse(own, namesOf), typesAtOnce);
      const settleSome = (some: readonly string[], more: readonly string[]) =>
        runAnswered(
          'deregister_pool',
          [keys.pools, keys.heartbeat(pool), ...some.flatMap(namesOf)],
          [pool, heartbeatAge, heartbeat, ...more],
          fence,
        );
      // Where this is cut off the pool is still registered, and the next pass begins again.
      let hasDied = false;
      for (const some of steps.slice(0, -1)) {
        const reply = await settleSome(some, ['more']);
        if (reply !== 'settled' && reply !== 'traces') return reply;
        hasDied ||= reply === 'settled';
      }
      const reply = await settleSome(steps.at(-1) ?? [], []);
      return reply === 'traces' && hasDied ? 'settled' : reply;
    },

    recount: (types, fence, lists = [], plan = false) => counters.recount(types, lists, fence, plan),
  };
};
