import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { type Fence, FencedError } from '../../machines/lease.ts';
import { packageRoot } from '../../package.ts';
import type { Keys } from './keys.ts';

const folder = `${packageRoot}lua/`;

/** Every atomic operation that this project does in Redis: one file of `lua/` each. */
export type ScriptName =
  | 'acknowledge'
  | 'begin_sweep'
  | 'cancel_change'
  | 'check_in'
  | 'claim_hooks'
  | 'end_pass'
  | 'enqueue_hooks'
  | 'finish_stale'
  | 'forget_parked'
  | 'leave_lease'
  | 'leave_quarantine'
  | 'look_at_pool'
  | 'move_hook'
  | 'note_page'
  | 'plan_requeue'
  | 'put_back'
  | 'quarantine'
  | 'read_drift'
  | 'read_facts'
  | 'read_held'
  | 'read_list'
  | 'read_observations'
  | 'read_quarantine'
  | 'rebuild_counters'
  | 'recount_lock'
  | 'recount_pools'
  | 'requeue'
  | 'reset_job'
  | 'restore_ack'
  | 'save_job'
  | 'scan_entries'
  | 'scan_tracked'
  | 'set_status'
  | 'settle_hook'
  | 'settle_pool'
  | 'take_lease'
  | 'untrack';

interface Script {
  readonly source: string;
  readonly sha: string;
}

const include = /^--- @include (\w+)$/gm;
/** A text of Lua with what it includes, and what that includes, each once. */
const withIncludes = (text: string, included = new Set<string>()): string =>
  text.replace(include, (_, name: string) => {
    if (included.has(name)) return '';
    included.add(name);
    return withIncludes(readFileSync(`${folder}includes/${name}.lua`, 'utf8'), included);
  });
const scriptOf = (text: string): Script => {
  const source = withIncludes(text).replace(/^\s*--.*\n/gm, '');
  return { source, sha: createHash('sha1').update(source).digest('hex') };
};

/**
 * The scripts as Redis gets them: `--- @include NAME` replaced by `lua/includes/NAME.lua`, comments left out. Each stands
 * there twice: as it is, and behind a fence.
 */
const sources: ReadonlyMap<string, { readonly open: Script; readonly fenced: Script; readonly isOnce: boolean }> =
  new Map(
    readdirSync(folder)
      .filter((file) => file.endsWith('.lua'))
      .map((file) => {
        const text = readFileSync(`${folder}${file}`, 'utf8');
        // The answer that was given before comes before the fence: by the time that it is asked for, the lease may be over.
        const isOnce = text.includes('--- @include once');
        const before = isOnce ? '--- @include once\n' : '';
        return [
          file.slice(0, -4),
          { open: scriptOf(text), fenced: scriptOf(`${before}--- @include fence\n${text}`), isOnce },
        ];
      }),
  );

export { type Fence, FencedError };

/**
 * One change, however often it is sent: a script that includes `once` gives its first answer to each call with the
 * same token, and changes nothing again.
 */
export interface ChangeOnce {
  /** Where the answer is kept. */
  readonly key: string;
  readonly token: string;
}

export const newToken = () => randomBytes(9).toString('base64url');
/** A new change of a job: made once for all tries. */
export const changeOnce = (keys: Keys, id: string): ChangeOnce => ({ key: keys.changes(id), token: newToken() });
/** A new call of a rescue or of the quarantine, likewise: a key that only this call uses is never of another type. */
export const callOnce = (keys: Keys): ChangeOnce => {
  const token = newToken();
  return { key: keys.answer(token), token };
};
/** A new claim of hooks, likewise. */
export const claimOnce = (keys: Keys): ChangeOnce => {
  const token = newToken();
  return { key: keys.hookClaim(token), token };
};
/** An entry is given as the bytes that it is: it may be no UTF-8. */
export type ScriptArgument = string | number | Buffer;
/** A name of a key; bytes where it may be no UTF-8. */
export type ScriptKey = string | Buffer;

export interface Scripts {
  /**
   * Runs a script; `Reply` is what its header says that it returns. With a fence it does nothing unless the lease still
   * stands. With a change, which only a script that includes `once` takes, it does nothing where that was done before.
   * Rejects with Redis's own error, or with one that names the key which the script can't use.
   * @throws FencedError
   */
  run<Reply>(
    name: ScriptName,
    keys: readonly ScriptKey[],
    args?: readonly ScriptArgument[],
    fence?: Fence | undefined,
    change?: ChangeOnce | undefined,
  ): Promise<Reply>;
}

/** What comes before the keys and arguments of a script that includes `once`. */
const headOf = (change: ChangeOnce | undefined, keys: readonly ScriptKey[], args: readonly ScriptArgument[]) => {
  if (change !== undefined) return [[change.key], [`once:${change.token}`]] as const;
  // A name from outside could be taken for a token. The key is one that the user may use.
  return String(args[0]).startsWith('once:') ? ([keys.slice(0, 1), ['once:']] as const) : ([[], []] as const);
};

/**
 * Runs scripts by their digest. A Redis that does not know one (a restart, SCRIPT FLUSH, a failover) is given its text,
 * which it keeps from then on.
 *
 * @param mayRun whether scripts are still run: a client of the caller's outlives the reaper.
 */
export const createScripts = (redis: Redis, mayRun: () => boolean = () => true): Scripts => {
  const evaluate = async (script: Script, keys: readonly ScriptKey[], args: readonly ScriptArgument[]) => {
    try {
      return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!String((error as Error).message).startsWith('NOSCRIPT')) throw error;
      return redis.eval(script.source, keys.length, ...keys, ...args);
    }
  };
  return {
    async run<Reply>(
      name: ScriptName,
      keys: readonly ScriptKey[],
      args: readonly ScriptArgument[] = [],
      fence?: Fence | undefined,
      change?: ChangeOnce | undefined,
    ) {
      if (!mayRun()) throw new Error('the reaper is stopped: nothing was changed');
      const { open, fenced, isOnce } = sources.get(name) as { open: Script; fenced: Script; isOnce: boolean };
      const [key, token] = isOnce ? headOf(change, keys, args) : [[], []];
      if (fence === undefined) return (await evaluate(open, [...key, ...keys], [...token, ...args])) as Reply;
      const reply = await evaluate(fenced, [...key, fence.lease, ...keys], [...token, fence.number, ...args]);
      if (reply === 'fenced') throw new FencedError();
      return reply as Reply;
    },
  };
};

/** The commands that a script calls, by its text; those of the fence are not among them. */
export const commandsOf = (name: ScriptName): string[] => {
  const { source } = (sources.get(name) as { open: Script }).open;
  return [...new Set([...source.matchAll(/redis\.p?call\(\s*'(\w+)'/g)].map(([, command]) => command as string))];
};

/** Which script has this digest, behind a fence or not: how Redis's own records name it. */
export const scriptOfDigest = (digest: string): ScriptName | undefined =>
  [...sources].find(([, { open, fenced }]) => open.sha === digest || fenced.sha === digest)?.[0] as
    | ScriptName
    | undefined;
