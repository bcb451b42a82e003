import { ReaperError } from '../../errors.ts';
import { isFinal, isStatus } from '../../machines/facts.ts';
import type { Quarantining, Suspect } from '../../machines/types/pool.ts';
import type { HookTail } from '../hooks/enqueue.ts';
import type { Hooks } from '../hooks/hooks.ts';
import type { HookRecords } from '../hooks/records.ts';
import type { TrackedJobs } from '../jobs/trackedJobs.ts';
import { createRunAnswered } from '../redis/answered.ts';
import type { Deps } from '../redis/deps.ts';
import { retry } from '../redis/retry.ts';
import { type AuditNote, callOnce, newToken, type ReplyOf } from '../redis/scripts.ts';
import type { Expected } from '../redis/wrongTypes.ts';
import {
  createQuarantineRecords,
  type QuarantineRecord,
  type QuarantineRecords,
  type Recovery,
  recoveryOf,
} from './quarantineRecords.ts';
import type { RecoveryLimit } from './requeue.ts';

/** A job that was quarantined just now. */
export interface Quarantined {
  /** Id of the job, `<policy>@<epoch>` for a periodic execution. */
  readonly id: string;
  readonly type: string;
  /** All recoveries within the window including the last one, oldest first. */
  readonly recoveries: readonly Recovery[];
}

/** Takes poison jobs out of circulation: jobs whose workers die again and again. Each change is one script. */
export interface Quarantine extends QuarantineRecords {
  /**
   * Moves the next entry to requeue of a dead pool to gocraft's `dead`, if it is an entry of that job.
   * @param mark of a planned rescue: only an entry with this mark.
   */
  add(
    pool: Pick<Suspect, 'pool' | 'heartbeat' | 'fence' | 'pass'>,
    type: string,
    id: string,
    mark?: string,
  ): Promise<Quarantining>;
  /**
   * Moves an orphaned entry of a live pool to gocraft's `dead`, if it is proven again that it is orphaned; `place` as in
   * `lua/includes/entry_at.lua`.
   */
  addOrphan(
    pool: Pick<Suspect, 'pool' | 'fence' | 'pass'>,
    type: string,
    id: string,
    place: string,
    proof: OrphanProof,
  ): Promise<Quarantining>;
  /** The keys that a quarantine would write for a job in its present state. */
  keysFor(id: string): Promise<readonly Expected[]>;
  /** Requeues the entries of a record, and removes it. */
  release(record: QuarantineRecord, which?: WhichEntries): Promise<Leaving>;
  /** Deletes the entries of a record from `dead`, and removes it. */
  drop(record: QuarantineRecord, which?: WhichEntries): Promise<Leaving>;
  /** Removes a record whose entries are not in `dead` any more. `overtaken`: it has changed, or an entry is there. */
  forget(record: QuarantineRecord): Promise<{ readonly outcome: 'done' | 'overtaken' }>;
}

/** What `lua/includes/orphan_proof.lua` reads of a live pool, and its arguments. */
export interface OrphanProof {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

export interface WhichEntries {
  /** Only the entries of this type; all if it is left out. */
  readonly type?: string | undefined;
  /** Nothing changes. */
  readonly plan?: boolean;
}

/** `gone`: none of the entries is in `dead` any more. `overtaken`: the record has changed since it was read. */
export interface Leaving {
  readonly outcome: 'done' | 'gone' | 'overtaken';
}

/** How often the stats are read again after they have changed. */
const maxAttempts = 5;

export interface QuarantineOptions extends Pick<Deps, 'keys' | 'scripts' | 'clock'> {
  readonly tracked: Pick<TrackedJobs, 'load'>;
  readonly hooks: Pick<Hooks, 'endpointFor' | 'announce'>;
  readonly records: Pick<HookRecords, 'hookTail'>;
  /** Age in ms below which a heartbeat is alive. */
  readonly heartbeatAge: number;
  readonly recovery: RecoveryLimit;
  readonly onQuarantined: (quarantined: Quarantined) => void;
  /** Called with the error of a step that was done although its reply was lost. */
  readonly onLostReply?: (error: unknown) => void;
}

export const createQuarantine = (options: QuarantineOptions): Quarantine => {
  const { keys, scripts, clock } = options;
  return {
    ...createQuarantineRecords({ keys, scripts }),
    ...createAdds(options),
    keysFor: createKeysFor(options),
    ...createLeaves({ keys, scripts, clock }),
  };
};

/** The ways in which a record leaves the quarantine. */
const createLeaves = ({
  keys,
  scripts,
  clock,
}: Pick<Deps, 'keys' | 'scripts' | 'clock'>): Pick<Quarantine, 'release' | 'drop' | 'forget'> => {
  const recordKeys = [keys.quarantine, keys.dead, keys.recoveries];
  const leave = (
    name: 'release_quarantined' | 'drop_quarantined',
    scriptKeys: readonly string[],
    { id, digest }: QuarantineRecord,
    { type = '', plan = false }: WhichEntries,
    kept: Pick<AuditNote, 'kept'>,
  ): Promise<Leaving> => {
    const args = [id, digest, type];
    if (plan) return retry(clock, () => scripts.plan(name, scriptKeys, args));
    const change = callOnce(keys);
    const note: AuditNote = { pass: 'command', why: 'asked', type, ...kept };
    return retry(clock, () => scripts.run(name, scriptKeys, args, undefined, change, note));
  };
  return {
    release: (record, which = {}) =>
      leave('release_quarantined', [...recordKeys, ...record.types.map(keys.queue)], record, which, {}),
    drop: (record, which = {}) =>
      leave('drop_quarantined', recordKeys, record, which, { kept: keys.auditKept(newToken()) }),
    forget({ id, digest }) {
      const change = callOnce(keys);
      return retry(clock, () => scripts.run('forget_quarantined', recordKeys, [id, digest], undefined, change));
    },
  };
};

type AddReply = ReplyOf<'quarantine_entry'> | ReplyOf<'quarantine_orphan'>;

const createAdds = (options: QuarantineOptions): Pick<Quarantine, 'add' | 'addOrphan'> => {
  const { keys, scripts, clock, heartbeatAge, onLostReply = () => {} } = options;
  const quarantine = createAdd(options);
  const runAnswered = createRunAnswered({ keys, scripts, clock, onLostReply });

  // `runAnswered`, because Redis may have been in a state meanwhile in which no pool may be judged.
  return {
    add: ({ pool, heartbeat, fence, pass = '' }, type, id, mark) =>
      quarantine(type, id, (job) =>
        runAnswered(
          'quarantine_entry',
          [
            ...[keys.pools, keys.heartbeat(pool), keys.inProgress(type, pool), keys.rescueNote(pool)],
            ...[...job.keys, ...job.hook.keys, ...job.keysAfterHook],
          ],
          [pool, heartbeatAge, heartbeat, ...job.args, ...job.hook.args, pass, ...(mark === undefined ? [] : [mark])],
          fence,
          { pass: `rescue/${pass}`, why: 'poison', type },
        ),
      ),
    addOrphan: ({ pool, fence, pass = '' }, type, id, place, proof) =>
      quarantine(type, id, (job) =>
        runAnswered(
          'quarantine_orphan',
          [keys.inProgress(type, pool), ...job.keys, ...job.hook.keys, ...job.keysAfterHook, ...proof.keys],
          [pool, place, ...job.args, ...job.hook.args, pass, ...proof.args],
          fence,
          { pass: `rescue/${pass}`, why: 'poison', type },
        ),
      ),
  };
};

/** What both scripts need of the job. */
interface JobPart {
  readonly keys: readonly string[];
  readonly keysAfterHook: readonly string[];
  readonly args: readonly (string | number)[];
  readonly hook: HookTail;
}

/** Reads the stats of the job and runs the script, again if the job has changed in between. */
const createAdd =
  ({ keys, tracked, hooks, records, recovery: { maxRecoveries, windowS }, onQuarantined }: QuarantineOptions) =>
  async (type: string, id: string, run: (job: JobPart) => Promise<AddReply>): Promise<Quarantining> => {
    // The execution of a policy is marked as done, as by any final status.
    const policy = policyOf(id);
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const job = await tracked.load(id);
      const endpoint = hooks.endpointFor(job.hookUrl);
      const reply = await run({
        keys: [
          keys.lock(type),
          keys.lockInfo(type),
          keys.dead,
          keys.recoveries,
          keys.quarantine,
          keys.stats(id),
          keys.track,
        ],
        keysAfterHook: [keys.beforeQuarantine(id), ...(policy === undefined ? [] : [keys.executions(policy)])],
        args: [maxRecoveries, windowS, type, id, job.fingerprint()],
        hook: records.hookTail(endpoint),
      });
      if (reply.outcome === 'alive') return reply;
      if (reply.outcome === 'gone' || reply.outcome === 'below-limit') return { outcome: 'again' };
      if (reply.outcome === 'overtaken') continue;
      if (endpoint !== undefined) hooks.announce(endpoint, id);
      onQuarantined({ id, type, recoveries: reply.recoveries.map(recoveryOf) });
      return { outcome: 'quarantined' };
    }
    throw new ReaperError('step-failed', `the stats of ${id} kept changing; not quarantined`);
  };

const createKeysFor =
  ({ keys, tracked, hooks, records }: QuarantineOptions): Quarantine['keysFor'] =>
  async (id) => {
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
    const endpoint = hooks.endpointFor(hookUrl);
    if (endpoint === undefined) return uses;
    const [hookRecords, parked, endpoints, due] = records.hookTail(endpoint).keys as [string, string, string, string];
    uses.push([hookRecords, 'hash'], [parked, 'zset'], [endpoints, 'set'], [due, 'zset']);
    return uses;
  };

const policyOf = (id: string): string | undefined => /^(.+)@[^@]*$/.exec(id)?.[1];
