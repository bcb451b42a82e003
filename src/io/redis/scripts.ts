import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Redis } from 'ioredis';
import { StoppedError } from '../../errors.ts';
import { type Fence, FencedError } from '../../machines/lease.ts';
import { packageRoot } from '../../package.ts';
import type { AuditHead, AuditNote, Recorder } from './audit.ts';
import type { Keys } from './keys.ts';
import { decodeReply, type ReplyOf, type ScriptName } from './replies.ts';

const root = `${packageRoot}lua/`;
/** Folders of scripts; the others hold what scripts include. */
const folders = ['hooks', 'jobs', 'leader', 'pools', 'redis'];

interface Script {
  readonly source: string;
  readonly sha: string;
}
interface Forms {
  readonly open: Script;
  readonly fenced: Script;
}
interface Source {
  readonly act: Forms;
  /** Undefined for a script without a plan. */
  readonly plan: Forms | undefined;
  readonly isOnce: boolean;
  /** Whether its acts can be recorded in the audit stream. */
  readonly isRecorded: boolean;
}

const include = /^--- @include (\w+)$/gm;
const comment = /^\s*--(?!- @include ).*\n/gm;
/** A Lua text without its comments. */
const readLua = (path: string): string => readFileSync(`${root}${path}.lua`, 'utf8').replace(comment, '');
const includes = new Map(
  readdirSync(`${root}includes`).map((file) => {
    const name = basename(file, '.lua');
    return [name, readLua(`includes/${name}`)];
  }),
);
/** Replaces each `--- @include NAME` in a Lua text, also in the included texts. Each file is included once. */
const withIncludes = (text: string, included = new Set<string>()): string =>
  text.replace(include, (_, name: string) => {
    if (included.has(name)) return '';
    included.add(name);
    const found = includes.get(name);
    if (found === undefined) throw new Error(`lua/includes/${name}.lua is missing`);
    return withIncludes(found, included);
  });
const scriptOf = (source: string): Script => ({ source, sha: createHash('sha1').update(source).digest('hex') });
/** The plan of a script: the same text, in which `isPlan` is true. */
const planned = (source: string): string => source.replace('local isPlan = false', 'local isPlan = true');

/**
 * The scripts as they are sent to Redis: with their includes from `lua/includes/`, without comments. Each has two forms: open,
 * and behind a fence. Where it has a plan (`lua/includes/plan.lua`), that has the same two.
 */
const sources: ReadonlyMap<string, Source> = new Map(
  folders
    .flatMap((folder) => readdirSync(`${root}${folder}`).map((file) => `${folder}/${basename(file, '.lua')}`))
    .map((path) => {
      const text = readLua(path);
      // A reply that was kept is repeated before the fence: the lease may have expired by the time it is asked for.
      const isOnce = text.includes('--- @include once');
      const before = isOnce ? '--- @include once\n' : '';
      const fenced = withIncludes(`${before}--- @include fence\n${text}`);
      const open = withIncludes(text);
      const act = { open: scriptOf(open), fenced: scriptOf(fenced) };
      const hasPlan = text.includes('--- @include plan\n');
      const plan = hasPlan ? { open: scriptOf(planned(open)), fenced: scriptOf(planned(fenced)) } : undefined;
      return [basename(path), { act, plan, isOnce, isRecorded: open.includes('local auditing') }];
    }),
);

export { type AuditNote, type Fence, FencedError, type ReplyOf, type ScriptName };

/**
 * One change, however often it is sent: a script that includes `once` repeats its first reply to each call with the same
 * token, and changes nothing again.
 */
export interface ChangeOnce {
  /** The key that keeps the reply. */
  readonly key: string;
  readonly token: string;
}

export const newToken = (): string => {
  if (randomness.length < tokenBytes) randomness = randomBytes(512 * tokenBytes);
  const token = randomness.toString('base64url', 0, tokenBytes);
  randomness = randomness.subarray(tokenBytes);
  return token;
};
const tokenBytes = 9;
/** For tokens to come: one draw of random bytes takes as long as all else that is done for a claim. */
let randomness = Buffer.alloc(0);

/** A new change of a job. Make it once, and use it for all attempts. */
export const changeOnce = (keys: Keys, id: string): ChangeOnce => ({ key: keys.changes(id), token: newToken() });
/** A new step of a rescue or of the quarantine. Its key is used by this step only, so it never holds another type. */
export const callOnce = (keys: Keys): ChangeOnce => {
  const token = newToken();
  return { key: keys.answer(token), token };
};
/** A new claim of hooks. */
export const claimOnce = (keys: Keys): ChangeOnce => {
  const token = newToken();
  return { key: keys.hookClaim(token), token };
};
/** An argument; an entry is passed as bytes, for it may be invalid UTF-8. */
export type ScriptArgument = string | number | Buffer;
/** A key; as bytes where its name may be invalid UTF-8. */
export type ScriptKey = string | Buffer;

/** The scripts that have a plan (`lua/includes/plan.lua`). */
export const plannedScripts = [
  'drop_quarantined',
  'finish_entry',
  'observe_pool',
  'release_quarantined',
  'requeue_orphan',
  'undo_drop_hook',
  'undo_drop_quarantined',
  'undo_quarantine',
  'undo_status',
  'undo_untrack',
] as const satisfies readonly ScriptName[];
export type PlannedScript = (typeof plannedScripts)[number];

export interface Scripts {
  /**
   * Runs a script, and resolves to its decoded reply (`replies.ts`).
   *
   * @param fence the script changes nothing unless this lease is still valid.
   * @param change for scripts that include `once`: the script changes nothing if the change was done before.
   * @param note for scripts that include `audit`: the act is recorded in the same step.
   * @throws FencedError if the lease is no longer valid.
   * @throws Error of Redis, or of the script, which names the key that it cannot use.
   * @example
   * const reply = await scripts.run('set_status', [stats, track], ['Error', revision, id, fingerprint], fence, change);
   * if (reply.outcome === 'refused') return reply.status;
   */
  run<Name extends ScriptName>(
    name: Name,
    keys: readonly ScriptKey[],
    args?: readonly ScriptArgument[],
    fence?: Fence | undefined,
    change?: ChangeOnce | undefined,
    note?: AuditNote | undefined,
  ): Promise<ReplyOf<Name>>;

  /**
   * Runs the plan of a script: resolves to what the script would reply. It changes nothing, and needs no right to write.
   *
   * @throws FencedError if the lease is no longer valid.
   */
  plan<Name extends PlannedScript>(
    name: Name,
    keys: readonly ScriptKey[],
    args: readonly ScriptArgument[],
    fence?: Fence | undefined,
  ): Promise<ReplyOf<Name>>;

  /**
   * Asks for the reply of a change whose reply was lost. It runs nothing. A change that was not done is canceled: if its call
   * reaches Redis later, it does nothing. Then this resolves to `undefined`.
   */
  replyOrCancel<Name extends ScriptName>(name: Name, change: ChangeOnce): Promise<ReplyOf<Name> | undefined>;
}

/** The keys and arguments that `once` expects before those of the script. */
const headOf = (change: ChangeOnce | undefined, keys: readonly ScriptKey[], args: readonly ScriptArgument[]) => {
  if (change !== undefined) return [[change.key], [`once:${change.token}`]] as const;
  // A name from outside may look like a token. The key is one that the user may access.
  return String(args[0]).startsWith('once:') ? ([keys.slice(0, 1), ['once:']] as const) : ([[], []] as const);
};

/** Sent with their texts at once: a host that stops without a timeout has time for one command, not for a NOSCRIPT and a second one. */
const sentWhole: ReadonlySet<ScriptName> = new Set(['resign_lease']);
/** Their replies are decoded from bytes: they hold texts of others, and not a byte may be lost. */
const repliedInBytes: ReadonlySet<ScriptName> = new Set(['read_facts', 'scan_tracked', 'claim_hooks']);
/** Methods of every client that the types of ioredis leave out. */
type BufferReplies = Readonly<Record<'evalBuffer' | 'evalshaBuffer', Redis['evalsha']>>;

/**
 * Runs scripts by their SHA-1 digest. A Redis that does not know a script (after a restart, SCRIPT FLUSH or a failover) gets its
 * text, and keeps it.
 *
 * @param mayRun whether scripts may still run: a client of the caller outlives the reaper.
 * @param recorder left out if no act is to be recorded.
 */
export const createScripts = (redis: Redis, mayRun: () => boolean = () => true, recorder?: Recorder): Scripts => {
  const evaluate = async (
    name: ScriptName,
    script: Script,
    keys: readonly ScriptKey[],
    args: readonly ScriptArgument[],
  ) => {
    const suffix = repliedInBytes.has(name) ? 'Buffer' : '';
    const client = redis as Redis & BufferReplies;
    const byText = () => client[`eval${suffix}`](script.source, keys.length, ...keys, ...args);
    if (sentWhole.has(name)) return byText();
    try {
      return await client[`evalsha${suffix}`](script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!String((error as Error).message).startsWith('NOSCRIPT')) throw error;
      return byText();
    }
  };
  const call = async (
    name: ScriptName,
    keys: readonly ScriptKey[],
    args: readonly ScriptArgument[],
    fence: Fence | undefined,
    change: ChangeOnce | undefined,
    note: AuditNote | undefined,
    form: 'act' | 'plan' = 'act',
  ): Promise<unknown> => {
    if (!mayRun()) throw new StoppedError('the reaper is stopped: nothing more was changed');
    const { isOnce, isRecorded, ...forms } = sources.get(name) as Source;
    const { open, fenced } = forms[form] as Forms;
    const [auditKeys, auditArgs] = isRecorded ? auditHeadOf(recorder, note, keys, args) : none;
    const ownKeys = after(auditKeys, keys);
    const ownArgs = after(auditArgs, args);
    const [key, token] = isOnce ? headOf(change, ownKeys, ownArgs) : none;
    const reply =
      fence === undefined
        ? await evaluate(name, open, after(key, ownKeys), after(token, ownArgs))
        : await evaluate(name, fenced, [...key, fence.lease, ...ownKeys], [...token, fence.token, ...ownArgs]);
    if (outcomeOf(reply) === 'fenced') throw new FencedError();
    if (outcomeOf(reply) !== 'unaudited') return reply;
    const [, reason, own] = reply as readonly [string, string, unknown];
    recorder?.refused(reason);
    return own;
  };
  return {
    async run(name, keys, args = [], fence, change, note) {
      return decodeReply(name, await call(name, keys, args, fence, change, note));
    },
    async plan(name, keys, args, fence) {
      return decodeReply(name, await call(name, keys, args, fence, undefined, undefined, 'plan'));
    },
    async replyOrCancel(name, change) {
      const reply = await call('cancel_change', [], [], undefined, change, undefined);
      return outcomeOf(reply) === 'canceled' ? undefined : decodeReply(name, reply);
    },
  };
};

/** The keys and arguments that `audit` expects before those of the script. */
const auditHeadOf = (
  recorder: Recorder | undefined,
  note: AuditNote | undefined,
  keys: readonly ScriptKey[],
  args: readonly ScriptArgument[],
): AuditHead => {
  if (recorder !== undefined && note !== undefined) return recorder.headOf(note);
  // A name from outside may look like a context.
  return String(args[0]).startsWith('audit:') ? [keys.slice(0, 1), ['audit:']] : none;
};
const none = [[], []] as const;
/** Both lists, without a copy if the first is empty: a script may have a thousand keys. */
const after = <Item>(head: readonly Item[], rest: readonly Item[]): readonly Item[] =>
  head.length === 0 ? rest : [...head, ...rest];

const outcomeOf = (reply: unknown): unknown => (Array.isArray(reply) ? reply[0] : reply);

/** The commands in the text of a script, without those of the fence. */
export const commandsOf = (name: ScriptName): string[] => {
  const { source } = (sources.get(name) as Source).act.open;
  return [...new Set([...source.matchAll(/redis\.p?call\(\s*'(\w+)'/g)].map(([, command]) => command as string))];
};

/** The script with this digest, in any of its forms. Redis logs digests, not names. */
export const scriptOfDigest = (digest: string): ScriptName | undefined =>
  [...sources].find(([, { act, plan }]) =>
    [act, plan].some((forms) => forms?.open.sha === digest || forms?.fenced.sha === digest),
  )?.[0] as ScriptName | undefined;
