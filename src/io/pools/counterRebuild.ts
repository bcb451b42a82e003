import { countIn } from '../../machines/counts.ts';
import type { Drift } from '../../machines/types/rescue.ts';
import type { Deps } from '../redis/deps.ts';
import { inChunks, partsOf, readFieldNames, readHash } from '../redis/paged.ts';
import { retry } from '../redis/retry.ts';
import {
  type AuditNote,
  type ChangeOnce,
  callOnce,
  type Fence,
  newToken,
  type ReplyOf,
  type ScriptName,
} from '../redis/scripts.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';
import type { CountedLists, NameReader } from './countedLists.ts';

/** Rebuilds the counters of one type from its in-progress lists, or plans that. */
export type TypeRebuild = (
  type: string,
  /** Pools that may have a list of the type. */
  pools: readonly string[],
  names: NameReader,
  options: {
    readonly fence: Fence | undefined;
    readonly plan: boolean;
    /** The pass that acts, for the audit stream. */
    readonly pass: string;
    /** Fingerprint of the act of a plan: only if the counters are wrong in this way. */
    readonly planned?: string;
  },
) => Promise<Rebuilt>;

export type Rebuilt =
  | {
      /** By how much they were wrong. */
      readonly drift: Drift;
      /** Only in a plan, and only of counters that one step can rebuild. */
      readonly fingerprint?: string | undefined;
    }
  /** Nothing was changed: they are not as planned, or one step cannot tell. */
  | { readonly moved: 'drift' | 'many' };

type RunRetried = <Name extends ScriptName>(
  name: Name,
  keys: readonly string[],
  args: readonly (string | number)[],
  fence: Fence | undefined,
  change: ChangeOnce | undefined,
  note: AuditNote | undefined,
) => Promise<ReplyOf<Name>>;

type RebuildOptions = Parameters<TypeRebuild>[3];
type Options = Pick<RebuildOptions, 'fence' | 'pass'>;

/** How often a lock is counted again if other clients write it meanwhile. After that, the next pass tries again. */
const maxRounds = 3;

export const createTypeRebuild = ({
  connection,
  keys,
  scripts,
  clock,
  lists,
  maxListsPerStep,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  lists: CountedLists;
  maxListsPerStep: number;
}): TypeRebuild => {
  const keysOf = (type: string, pools: readonly string[]) => pools.map((pool) => keys.inProgress(type, pool));

  const run: RunRetried = (...call) => retry(clock, () => scripts.run(...call));

  /** In one script. With too many lists, returns all pools that are known by then. */
  const rebuildAtOnce = async (
    type: string,
    named: readonly string[],
    names: NameReader,
    { fence, plan, pass, planned }: RebuildOptions,
  ): Promise<Rebuilt | { readonly pools: readonly string[] }> => {
    const asked = plan ? [''] : planned === undefined ? [] : [planned];
    let pools = await lists.ownPools(type, named, names.ofPass);
    while (pools.length <= maxListsPerStep) {
      const reply = await run(
        plan ? 'read_drift' : 'rebuild_counters',
        [keys.lock(type), keys.lockInfo(type), ...keysOf(type, pools)],
        [...pools, ...asked],
        fence,
        plan ? undefined : callOnce(keys),
        plan ? undefined : noteOf(type, pass),
      );
      if (reply.outcome === 'many') break;
      if (reply.outcome === 'moved') return { moved: 'drift' };
      if (reply.outcome === 'rebuilt') {
        const { lockBefore, lock, fields, off, fingerprint } = reply;
        return { drift: driftOf(type, lockBefore, lock, fields, off), fingerprint };
      }
      pools = [...new Set([...pools, ...(await lists.countedPools(type, reply.pools, names))])];
    }
    return { pools };
  };

  const rebuildInSteps = createStepwiseRebuild({ connection, keys, clock, lists, maxListsPerStep, keysOf, run });

  return async (type, pools, names, options) => {
    const atOnce = await rebuildAtOnce(type, pools, names, options);
    if (!('pools' in atOnce)) return atOnce;
    // What several steps count cannot be compared with a plan.
    if (options.planned !== undefined) return { moved: 'many' };
    const drift = options.plan
      ? await planInSteps({ connection, keys, lists }, type, atOnce.pools, names)
      : await rebuildInSteps(type, atOnce.pools, names, options);
    return { drift };
  };
};

interface StepwiseDeps extends Pick<Deps, 'connection' | 'keys' | 'clock'> {
  readonly lists: CountedLists;
  readonly maxListsPerStep: number;
  readonly keysOf: (type: string, pools: readonly string[]) => readonly string[];
  readonly run: RunRetried;
}

/**
 * Lists that one step of a recount compares. All may be wrong, and while lock_info has at most 512 fields, Redis reads half of it to find one:
 * 500 would take it 4 ms.
 */
const maxWrongPerStep = 200;

/** The steps for a type with more lists than one script may count. */
const createStepwiseRebuild = ({ connection, keys, clock, lists, maxListsPerStep, keysOf, run }: StepwiseDeps) => {
  const open = (type: string, token: string, { fence }: Options) =>
    run('open_recount', [keys.lock(type), keys.recount(type)], [token], fence, undefined, undefined);
  const close = (type: string, token: string, entries: number, { fence, pass }: Options) =>
    run(
      'close_recount',
      [keys.lock(type), keys.recount(type)],
      [token, entries],
      fence,
      callOnce(keys),
      noteOf(type, pass),
    );

  const overtaken = async (type: string) => ({
    outcome: 'overtaken' as const,
    lock: (await retry(clock, () => connection.redis.get(keys.lock(type)))) ?? noLock,
  });

  /**
   * In steps. Each field is right from its step on. The lock is set if no client has written it while the lists were counted;
   * otherwise it stays as it is until the next pass. If a step fails, the steps before it remain valid.
   */
  return async (type: string, named: readonly string[], names: NameReader, options: Options): Promise<Drift> => {
    let [fields, off] = [0, 0];
    let wasEmpty = false;
    for (let round = 1; ; round++) {
      const epoch = connection.epoch();
      const token = newToken();
      // The first round makes it 0.
      wasEmpty ||= (await open(type, token, options)).lock === '';
      const counted = await readFieldNames(connection, keys.lockInfo(type));
      const pools = [...new Set([...named, ...(await lists.countedPools(type, counted, names))])];
      let entries = 0;
      for (const some of partsOf(pools, Math.min(maxListsPerStep, maxWrongPerStep))) {
        const stepKeys = [keys.lockInfo(type), ...keysOf(type, some)];
        const step = await run(
          'recount_pools',
          stepKeys,
          some,
          options.fence,
          callOnce(keys),
          noteOf(type, options.pass),
        );
        entries += step.entries;
        fields += step.fields;
        off += step.off;
      }
      // After a reconnect, another process of Redis may have lost the last writes.
      const isSame = connection.epoch() === epoch;
      const reply = isSame ? await close(type, token, entries, options) : await overtaken(type);
      if (reply.outcome === 'overtaken' && round < maxRounds) continue;
      const { lock } = reply;
      const before = wasEmpty ? '' : reply.outcome === 'set' ? reply.before : lock;
      return driftOf(type, before, lock, fields, { lock: countIn(before) - countIn(lock), lockInfo: off });
    }
  };
};

/** Plans a rebuild in steps, as far as that is possible while others change the counters. */
const planInSteps = async (
  { connection, keys, lists }: Pick<StepwiseDeps, 'connection' | 'keys' | 'lists'>,
  type: string,
  named: readonly string[],
  names: NameReader,
): Promise<Drift> => {
  const { redis } = connection;
  const [lock, counts] = await Promise.all([redis.get(keys.lock(type)), readHash(connection, keys.lockInfo(type))]);
  const before = lock ?? noLock;
  const pools = [...new Set([...named, ...(await lists.countedPools(type, [...counts.keys()], names))])];
  const lengths = await inChunks(pools, (pool) => unlessWrongType(redis.llen(keys.inProgress(type, pool)), 0));
  const offs = pools.flatMap((pool, i) => {
    const [count, length] = [counts.get(pool) ?? '0', lengths[i] as number];
    return count === `${length}` ? [] : [Math.abs(countIn(count) - length)];
  });
  const sum = lengths.reduce((all, length) => all + length, 0);
  const off = offs.reduce((all, by) => all + by, 0);
  return driftOf(type, before, `${sum}`, offs.length, { lock: countIn(before) - sum, lockInfo: off });
};

const noteOf = (type: string, pass: string): AuditNote => ({ pass, why: 'drift', type });

/** What a missing lock says. An empty one is no number: gocraft cannot count with it. */
const noLock = '0';

const driftOf = (type: string, lockBefore: string, lock: string, fields: number, size: Drift['size']): Drift => ({
  ...{ type, lockBefore, lock, fields, size },
});
