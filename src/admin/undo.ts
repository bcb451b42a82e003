import { clockOverride } from '../io/clock.ts';
import { recordOf } from '../io/hooks/record.ts';
import type { Deps } from '../io/redis/deps.ts';
import { isWrongType } from '../io/redis/errors.ts';
import type { Moved, UndoneHook } from '../io/redis/replies/undo.ts';
import { retry } from '../io/redis/retry.ts';
import { type AuditNote, callOnce, type ReplyOf } from '../io/redis/scripts.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';
import type { AuditEntry, AuditedAct, StoredEntry } from './auditEntries.ts';

/** What an undo has done, or in a plan would do. */
export interface UndoOutcome {
  /** The entry of the audit stream. */
  readonly entry: string;
  /** What was done then; undefined if there is no such entry. */
  readonly what: string | undefined;
  readonly job: string | undefined;
  /**
   * `done`; `planned`: it would be done; `already-undone`: an earlier undo did it; `moved`: something has changed since the act;
   * `refused`: this act cannot be undone; `not-found`: there is no such entry.
   */
  readonly outcome: 'done' | 'planned' | 'already-undone' | 'moved' | 'refused' | 'not-found';
  /** For `already-undone`: the entry of that undo, its ISO time, and who did it. */
  readonly undone?: { readonly entry: string; readonly at: string; readonly who: string };
  /** For `moved`: what has changed. */
  readonly moved?: readonly Moved[];
  /** For `refused`: why. */
  readonly reason?: string;
  /** What a person has to know before the undo, in words. */
  readonly notes: readonly string[];
}

/**
 * Undoes an entry, by one script that compares and changes.
 * @param undone the entries that this call has undone, or in a plan would undo, by job.
 */
export type Undo = (entry: StoredEntry, plan: boolean, undone: ReadonlyMap<string, string>) => Promise<UndoOutcome>;

/** Why an act cannot be undone. */
const reasons: Readonly<Partial<Record<AuditedAct, string>>> = {
  refire: 'its endpoint may have got the hook',
  requeue: 'the entries are in the queue, and a worker may have taken them',
  'requeue-orphan': 'the entry is in the queue, and a worker may have taken it',
  'remove-stale': 'its job had succeeded, so nothing is left to run',
  deregister: 'the pool was dead; a pool that lives registers itself again',
  'rebuild-counters': 'counters follow the in-progress lists: the next rescue would rebuild them',
  'release-quarantined': 'the entry is in the queue, and a worker may have taken it',
  'retry-hook': 'its endpoint may have got the hook',
  undo: 'the next sweep judges the job again',
};

/** Acts that have changed the status of a job, and so have found one. */
const statusActs: ReadonlySet<string> = new Set<AuditedAct>(['fail', 'reset']);

type Reply =
  | ReplyOf<'undo_status'>
  | ReplyOf<'undo_untrack'>
  | ReplyOf<'undo_drop_hook'>
  | ReplyOf<'undo_drop_quarantined'>;

/** @param findUndo finds the entry of an undo of the entry with this id, if it is among the latest. */
export const createUndo = (deps: UndoDeps, findUndo: (id: string) => Promise<AuditEntry | undefined>): Undo => {
  const steps = createSteps(deps);
  return async (entry, plan, undone) => {
    const { id, what, job, isCut } = entry;
    const of = { entry: id, what, job };
    const refused = (reason: string): UndoOutcome => ({ ...of, outcome: 'refused', reason, notes: [] });
    const step = Object.hasOwn(steps, what) ? steps[what as keyof typeof steps] : undefined;
    // Another version, or another program, may have written any text.
    const reason = Object.hasOwn(reasons, what) ? reasons[what as AuditedAct] : undefined;
    if (step === undefined) return refused(reason ?? `it is not known how to undo ${what}`);
    const changesStatus = statusActs.has(what) || entry.is.status !== undefined;
    const isPartial = changesStatus && entry.was.status === undefined;
    if (isCut || isPartial || job === undefined || job.endsWith('…'))
      return refused('the entry could not hold all facts of the act');
    // An undo moves facts of its job, and a plan cannot tell whether the older act still stands after it.
    const newer = undone.get(job);
    if (newer !== undefined) return refused(`one act of a job is undone at a time: try again once ${newer} is undone`);
    let reply: Reply;
    try {
      reply = await step({ ...entry, job }, plan);
    } catch (error) {
      // The script names the key. Other entries can be undone all the same.
      if (isWrongType(error)) return refused((error as Error).message);
      throw error;
    }
    // An undo changes what the act has left, and removes what it needs itself.
    const earlier = reply.outcome === 'moved' || reply.outcome === 'expired' ? await findUndo(id) : undefined;
    if (earlier !== undefined) {
      const { at, who } = earlier;
      return { ...of, outcome: 'already-undone', undone: { entry: earlier.id, at, who }, notes: [] };
    }
    switch (reply.outcome) {
      case 'moved':
        return { ...of, outcome: 'moved', moved: reply.moved, notes: [] };
      case 'sending':
        return refused('a host sends the hook of that state now: try again in a minute');
      case 'expired':
        return refused('what it needs was kept for 30 days, and is gone');
      default:
        return {
          ...of,
          outcome: plan ? 'planned' : 'done',
          notes: notesOf(what, 'hook' in reply ? reply.hook : 'none'),
        };
    }
  };
};

/** What a person has to know. */
const notesOf = (what: string, hook: UndoneHook): string[] => [
  ...{
    none: [],
    unsent: ['the hook of that state is pending, and is removed unsent'],
    tried: ['the hook of that state was tried and is removed; its endpoint may have got it'],
    sent: ['the endpoint has confirmed that state, and keeps it until the job changes'],
  }[hook],
  ...(what === 'reset' ? ['the next sweep resets it again while its acknowledgement is ahead'] : []),
  ...(what === 'untrack' ? ['the next sweep judges it again, by the same rules'] : []),
  ...(what === 'quarantine' ? ['its entry goes to the queue, and its recoveries are forgotten'] : []),
];

type Undoable = StoredEntry & { readonly job: string };
type UndoScript = 'undo_status' | 'undo_quarantine' | 'undo_untrack' | 'undo_drop_hook' | 'undo_drop_quarantined';
type UndoDeps = Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'>;

const note: AuditNote = { pass: 'command', why: 'asked' };

/** Runs one script that undoes, or its plan. It changes nothing again if its reply is lost. */
const createRun =
  ({ keys, scripts, clock }: UndoDeps) =>
  <Name extends UndoScript>(
    name: Name,
    plan: boolean,
    scriptKeys: readonly string[],
    args: readonly (string | number)[],
    type = '',
  ): Promise<ReplyOf<Name>> => {
    if (plan) return retry(clock, () => scripts.plan(name, scriptKeys, args));
    const change = callOnce(keys);
    return retry(clock, () => scripts.run(name, scriptKeys, args, undefined, change, { ...note, type }));
  };

/** The script of each act that can be undone. */
const createSteps = (deps: UndoDeps) => {
  const { keys, clock } = deps;
  const run = createRun(deps);
  const undoStatus = async (entry: Undoable, plan: boolean): Promise<Reply> => {
    const call = await statusCall(deps, entry);
    return run('undo_status', plan, call.keys, call.args);
  };
  return {
    fail: undoStatus,
    reset: undoStatus,
    async quarantine(entry: Undoable, plan: boolean): Promise<Reply> {
      const { job, type = '' } = entry;
      const call = await statusCall(deps, entry);
      const policy = /^(.+)@[^@]*$/.exec(job)?.[1];
      const more = [keys.quarantine, keys.dead, keys.queue(type), keys.recoveries];
      const executions = policy === undefined ? [] : [keys.executions(policy)];
      return run('undo_quarantine', plan, [...call.keys, ...more, ...executions], [...call.args, type], type);
    },
    untrack: ({ id, job, was }: Undoable, plan: boolean): Promise<Reply> =>
      run('undo_untrack', plan, [keys.stats(job), keys.track], [job, JSON.stringify(was), id]),
    'drop-hook'({ id, job, was, is }: Undoable, plan: boolean): Promise<Reply> {
      const due = keys.dueHooks(recordOf(job, was.hook ?? '')?.endpoint ?? '');
      const facts = [was.hook ?? '', is.hook ?? '', was.parked ?? ''];
      return run(
        'undo_drop_hook',
        plan,
        [keys.hooks, keys.parkedHooks, keys.hookEndpoints, due],
        [clockOverride(clock), job, ...facts, id],
      );
    },
    async 'drop-quarantined'({ id, job, is, kept }: Undoable, plan: boolean): Promise<Reply> {
      // A key of another kind must not be read, whatever the stream says.
      if (kept === undefined || !kept.startsWith(keys.auditKept(''))) return { outcome: 'expired' };
      const args = [job, is.record ?? '', id];
      const scriptKeys = [keys.quarantine, keys.dead, kept, keys.recoveries, keys.recovered];
      return run('undo_drop_quarantined', plan, scriptKeys, args);
    },
  };
};

/** The keys and arguments of an undo that gives a job its facts from before. */
const statusCall = async ({ connection: { redis }, keys }: UndoDeps, { id, job, was, is }: Undoable) => {
  const record = (await unlessWrongType(redis.hget(keys.hooks, job), null)) ?? '';
  const origin = recordOf(job, record)?.endpoint ?? '';
  return {
    keys: [keys.stats(job), keys.track, keys.hooks, keys.parkedHooks, keys.dueHooks(origin)],
    args: [job, JSON.stringify(was), JSON.stringify(is), record, id],
  };
};
