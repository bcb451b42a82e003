import type { Confirmation, Suspect } from '../../machines/types/pool.ts';
import { monotonicOf } from '../clock.ts';
import { createRunAnswered } from '../redis/answered.ts';
import type { Deps } from '../redis/deps.ts';
import { standing, walkAllKeys, walkKeysUntil } from '../redis/keyWalk.ts';
import { existingOf } from '../redis/paged.ts';
import { type Expected, refusalBehind } from '../redis/wrongTypes.ts';
import { createSuspectReview, type SuspectReview } from './confirm.ts';
import { type CounterRebuild, createCounters, type LockReader, type PlannedRebuild } from './counters.ts';
import { createDeregister, type Deregister } from './deregister.ts';
import { createPoolFinder, type PoolFinder } from './find.ts';
import { createHeartbeatWatch } from './heartbeatWatch.ts';
import { createNextMarks, type NextMarksReader } from './nextMarks.ts';
import { keysOfSuspect } from './poolLists.ts';
import type { PoolState } from './poolState.ts';
import { createRegistryReader, type Registry, type RegistryReader } from './registry.ts';
import { createRequeue, type RecoveryLimit, type Requeue } from './requeue.ts';
import { createRequeuePlan } from './requeuePlan.ts';
import { createSuspects } from './suspects.ts';
import { inTurns } from './turns.ts';

/** The steps of a rescue in Redis, in order: find → confirm → requeue → deregister, and recount. */
export interface Pools extends PoolFinder, SuspectReview {
  /** As `confirm`, for a plan: also says what `requeue` and the quarantine would do with the entries of each type. */
  plan(suspect: Suspect, keysFor: (id: string) => Promise<readonly Expected[]>): Promise<Confirmation>;
  readonly requeue: Requeue;
  readonly nextMarks: NextMarksReader;
  readonly deregister: Deregister;
  readonly recount: CounterRebuild;
  readonly rebuildPlanned: PlannedRebuild;
  readonly readLocks: LockReader;
  /**
   * The reason why the quarantine of a job cannot succeed for the entries of a type; undefined for an error that may pass.
   * @param keysOfJob the keys that it uses.
   */
  refusalBehind(
    error: unknown,
    suspect: Suspect,
    type: string,
    keysOfJob: readonly Expected[],
  ): Promise<string | undefined>;
  /**
   * Resolves when a pool that was alive in the last rescue pass has stopped writing heartbeats. After an abort it stays pending.
   */
  untilStale(signal: AbortSignal): Promise<void>;
  /**
   * Reads all pools, outside of rescue passes. `thorough` scans the names of all keys; otherwise it knows no lists, and only the
   * pools and types that sets, heartbeats and counters name.
   */
  readRegistry(thorough: boolean): Promise<Registry>;
  /**
   * As `readRegistry(true)`, but scans for `ms` at most. If that was too short, it looks up the lists of all known pools and
   * types by their names.
   */
  readRegistryWithin(ms: number): Promise<Registry & { readonly isComplete: boolean }>;
  /** Records how pools look, so that a later pass can confirm a death. Plans must not call it. */
  recordStates(states: readonly PoolState[]): Promise<void>;
}

export interface PoolsOptions extends Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> {
  /** Types that are looked at although nothing in Redis may name them. */
  jobTypes: readonly string[];
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  /** How long a suspect may prove that it is alive, in ms. After it, `readRegistry` reports it as dead. */
  grace?: number;
  /** How many entries one `requeue` moves. */
  batch: number;
  recovery: RecoveryLimit;
  /** Called with the reason if entries were requeued but their recoveries could not be recorded. */
  onUncounted?: (reason: string) => void;
  /** How many disruptions this process has seen so far (`Preflight`). */
  disruptions?: () => number;
  /** Called with each error of a script with which its step does not fail: it was done although its reply was lost, or another one was. */
  onLostReply?: (error: unknown) => void;
  /** Called once for each pool whose heartbeat is ahead of Redis, with the seconds. */
  onClockAhead?: (pool: string, seconds: number) => void;
}

export const createPools = ({
  grace = 15_000,
  onUncounted = () => {},
  disruptions = () => 0,
  onLostReply = () => {},
  onClockAhead = () => {},
  ...options
}: PoolsOptions): Pools => {
  const { connection, keys, scripts, clock } = options;
  const { redis } = connection;
  const runAnswered = inTurns(createRunAnswered({ keys, scripts, clock, onLostReply }), connection);
  const suspects = createSuspects({ connection, keys, grace, disruptions });
  const registry = createRegistryReader({ ...options, suspects });
  const watch = createHeartbeatWatch({ ...options, redis });
  const review = createSuspectReview({ ...options, registry });
  const planRequeue = createRequeuePlan(options);
  const nextMarks = createNextMarks(options);
  return {
    ...createPoolFinder({ ...options, registry, suspects, watch, onClockAhead }),
    ...review,
    ...registryReads({ connection, keys, clock, registry }),
    requeue: createRequeue({ ...options, runAnswered, registry, nextMarks, onUncounted, onError: onLostReply }),
    nextMarks,
    deregister: createDeregister({ ...options, runAnswered, registry }),
    ...createCounters({ ...options, readNames: (types) => registry.read([], types) }),
    recordStates: (states) => suspects.record(states, 'known'),
    refusalBehind: (error, ...asked) => refusalBehind(redis, error, keysOfSuspect(keys, ...asked)),
    untilStale: watch.untilStale,
    async plan(suspect, keysFor) {
      const found = await review.confirm(suspect);
      return found.outcome === 'alive' ? found : planRequeue(suspect, found.held, keysFor);
    },
  };
};

/** Names of lists that are looked up if the scan was too short. */
const maxNamed = 1_000_000;

const registryReads = ({
  connection,
  keys,
  clock,
  registry,
}: Pick<Deps, 'connection' | 'keys' | 'clock'> & { registry: RegistryReader }): Pick<
  Pools,
  'readRegistry' | 'readRegistryWithin'
> => ({
  readRegistry: async (thorough) => registry.read(thorough ? await walkAllKeys(connection, keys) : []),

  async readRegistryWithin(ms) {
    const began = monotonicOf(clock);
    const { found, isComplete } = await walkKeysUntil(connection, keys, () => monotonicOf(clock) - began >= ms);
    const read = await registry.read(found);
    if (isComplete) return { ...read, isComplete };
    const perType = Math.floor(maxNamed / Math.max(1, read.types.length));
    const named = read.types.flatMap((type) =>
      read.pools.slice(0, perType).map(({ pool }) => keys.inProgress(type, pool)),
    );
    const known = new Set(found.map(({ key }) => key));
    const more = (await existingOf(connection.redis, named)).filter((key) => !known.has(key));
    return { ...(await registry.read([...found, ...(await standing(connection, keys, more))])), isComplete };
  },
});
