import { isFinal, isStatus } from '../../machines/facts.ts';
import type { Quarantining, Suspect } from '../../machines/pool.ts';
import type { Hooks } from '../hooks/hooks.ts';
import type { HookRecords } from '../hooks/records.ts';
import { retry } from '../hooks/retry.ts';
import type { TrackedJobs } from '../jobs/trackedJobs.ts';
import { createRunAnswered } from '../redis/answered.ts';
import type { Deps } from '../redis/deps.ts';
import { callOnce } from '../redis/scripts.ts';
import type { Expected } from '../redis/wrongTypes.ts';
import type { RecoveryLimit } from './rescue.ts';

/** One time that a job's entry was taken from a worker that died, or lost it. */
export interface Recovery {
  /** Unix s. */
  readonly at: number;
  readonly pool: string;
}

/** A job that was taken out of circulation just now. */
export interface Quarantined {
  /** Id of the job, `<policy>@<epoch>` for a periodic execution. */
  readonly id: string;
  readonly type: string;
  /** All of them within the window, the last one included, the oldest first. */
  readonly recoveries: readonly Recovery[];
}

/** A job in quarantine, as a person sees it. */
export interface QuarantineRecord {
  readonly id: string;
  /** Of the entry; several only where the job had several entries. */
  readonly types: readonly string[];
  /** Since when, unix s. */
  readonly at: number;
  readonly recoveries: readonly Recovery[];
  /** Whether its entry stands in gocraft's `dead` still. If not, gocraft's own tools have taken it. */
  readonly isInDead: boolean;
  /** Types of those entries that stand in `dead` still. */
  readonly typesInDead: readonly string[];
  /** Digest of what stands in Redis: what a change to it is checked against. */
  readonly digest: string;
}

export interface Quarantine {
  /**
   * Takes an entry out of circulation, if it is that job's: of a dead pool the one that is next to be put back; with
   * `place` the one there (`lua/includes/entry_at.lua`), whether or not the pool lives.
   */
  take(
    pool: Pick<Suspect, 'pool' | 'heartbeat' | 'fence' | 'pass'>,
    type: string,
    id: string,
    place?: string,
  ): Promise<Quarantining>;
  /** The keys that `take` would write for a job as it stands now. */
  usesOf(id: string): Promise<readonly Expected[]>;
  find(id: string): Promise<QuarantineRecord | undefined>;
  /** All records, a bounded number at a time, in no order. */
  all(): AsyncIterable<readonly QuarantineRecord[]>;
  /**
   * With a type only its entries are meant. With `plan` nothing is changed.
   * @returns `gone`: nothing that is meant is in `dead` any more.
   */
  end(
    record: QuarantineRecord,
    verb: 'release' | 'drop' | 'prune',
    type?: string,
    plan?: boolean,
  ): Promise<'ok' | 'gone' | 'overtaken'>;
}

/** Records that one step reads: each is decoded, and looked for in `dead`. */
const stride = 50;
/** How often the stats are read again where they have changed before the script. */
const patience = 5;

type RecoveryReply = readonly [at: number, pool: string, heartbeat: string];
type RecordReply = readonly [
  id: string,
  digest: string,
  at: number,
  isInDead: boolean,
  types: readonly string[],
  recoveries: readonly RecoveryReply[],
  areInDead: readonly boolean[],
];

/** Poison jobs: those whose workers die. Every change is one script. */
export const createQuarantine = ({
  keys,
  scripts,
  tracked,
  hooks,
  records,
  heartbeatAge,
  recovery,
  clock,
  onQuarantined,
  onLostReply = () => {},
}: Pick<Deps, 'keys' | 'scripts' | 'clock'> & {
  tracked: TrackedJobs;
  hooks: Hooks;
  records: HookRecords;
  /** Age in ms below which a heartbeat is alive. */
  heartbeatAge: number;
  recovery: RecoveryLimit;
  onQuarantined: (quarantined: Quarantined) => void;
  /** Called with the error of a step that was done though its reply was lost. */
  onLostReply?: (error: unknown) => void;
}): Quarantine => {
  const runAnswered = createRunAnswered({ keys, scripts, clock, onLostReply });
  const read = async (cursor: string, what: string | number): Promise<[string, QuarantineRecord[]]> => {
    const answer = await scripts.run('read_quarantine', [keys.quarantine, keys.dead], [cursor, what]);
    const [next, ...found]: [string, ...RecordReply[]] = JSON.parse(answer);
    return [
      next,
      found.map(([id, digest, at, isInDead, types, recoveries, areInDead]) => ({
        id,
        types,
        at,
        recoveries: recoveries.map(recoveryOf),
        isInDead,
        typesInDead: types.filter((_, i) => areInDead[i]),
        digest,
      })),
    ];
  };

  return {
    async take({ pool, heartbeat, fence, pass = '' }, type, id, place) {
      // The execution of a policy is marked as done, as by any final status.
      const policy = policyOf(id);
      for (let tries = 0; tries < patience; tries++) {
        const job = await tracked.load(id);
        const origin = hooks.originFor(job.hookUrl);
        const hook = records.partOf(origin);
        // Not sent again here: in between Redis may have been such that no pool may be judged.
        const reply = await runAnswered(
          'quarantine_entry',
          [
            keys.pools,
            keys.heartbeat(pool),
            keys.inProgress(type, pool),
            keys.lock(type),
            keys.lockInfo(type),
            keys.dead,
            keys.recoveries,
            keys.quarantine,
            keys.stats(id),
            keys.track,
            ...hook.keys,
            keys.beforeQuarantine(id),
            ...(policy === undefined ? [] : [keys.executions(policy)]),
          ],
          [
            pool,
            heartbeatAge,
            heartbeat,
            place === undefined ? 'dead' : 'any',
            recovery.most,
            recovery.windowS,
            type,
            id,
            place ?? '',
            job.fingerprint,
            ...hook.args,
            pass,
          ],
          fence,
        );
        if (reply === 'alive') return reply;
        if (reply === 'gone' || reply === 'fewer') return 'again';
        if (reply === 'overtaken') continue;
        if (origin !== undefined) hooks.due(origin);
        onQuarantined({ id, type, recoveries: (JSON.parse(reply) as RecoveryReply[]).map(recoveryOf) });
        return 'quarantined';
      }
      throw new Error(`the stats of ${id} change all the time: it could not be quarantined`);
    },

    async usesOf(id) {
      const { facts, hookUrl } = await tracked.load(id);
      const uses: Expected[] = [
        [keys.recoveries, 'hash'],
        [keys.quarantine, 'hash'],
        [keys.dead, 'zset'],
      ];
      if (facts.stats !== 'found' || (isStatus(facts.status) && isFinal(facts.status))) return uses;
      const policy = policyOf(id);
      uses.push([keys.track, 'hash'], [keys.beforeQuarantine(id), 'string']);
      if (policy !== undefined) uses.push([keys.executions(policy), 'zset']);
      const origin = hooks.originFor(hookUrl);
      if (origin === undefined) return uses;
      const [hookRecords, parked, origins, due] = records.partOf(origin).keys as [string, string, string, string];
      uses.push([hookRecords, 'hash'], [parked, 'zset'], [origins, 'set'], [due, 'zset']);
      return uses;
    },

    async find(id) {
      const [, [record]] = await read('', id);
      return record;
    },

    async *all() {
      let cursor = '0';
      do {
        const [next, found] = await read(cursor, stride);
        yield found;
        cursor = next;
      } while (cursor !== '0');
    },

    end({ id, types, digest }, verb, type = '', plan = false) {
      const change = plan ? undefined : callOnce(keys);
      return retry(clock, () =>
        scripts.run(
          'release_quarantined',
          [keys.quarantine, keys.dead, keys.recoveries, ...types.map(keys.queue)],
          [id, digest, verb, type, plan ? 'plan' : 'act'],
          undefined,
          change,
        ),
      );
    },
  };
};

const policyOf = (id: string): string | undefined => /^(.+)@[^@]*$/.exec(id)?.[1];

const recoveryOf = ([at, pool]: RecoveryReply): Recovery => ({ at, pool });
