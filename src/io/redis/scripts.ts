import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Redis } from 'ioredis';
import { type Fence, FencedError } from '../../machines/lease.ts';
import { packageRoot } from '../../package.ts';
import type { Keys } from './keys.ts';
import { decodeReply, type ReplyOf, type ScriptName } from './replies.ts';

const root = `${packageRoot}lua/`;
/** Folders of scripts; the others hold what scripts include. */
const folders = ['hooks', 'jobs', 'leader', 'pools', 'redis'];

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
    return withIncludes(readFileSync(`${root}includes/${name}.lua`, 'utf8'), included);
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
    folders
      .flatMap((folder) => readdirSync(`${root}${folder}`).map((file) => `${folder}/${file}`))
      .map((file) => {
        const text = readFileSync(`${root}${file}`, 'utf8');
        // The answer that was given before comes before the fence: by the time that it is asked for, the lease may be over.
        const isOnce = text.includes('--- @include once');
        const before = isOnce ? '--- @include once\n' : '';
        return [
          basename(file, '.lua'),
          { open: scriptOf(text), fenced: scriptOf(`${before}--- @include fence\n${text}`), isOnce },
        ];
      }),
  );

export { type Fence, FencedError, type ReplyOf, type ScriptName };

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
   * Runs a script; resolves to its reply, decoded (`replies.ts`). With a fence it does nothing unless the lease still
   * stands. With a change, which only a script that includes `once` takes, it does nothing where that was done before.
   * Rejects with Redis's own error, or with one that names the key which the script can't use.
   * @throws FencedError
   */
  run<Name extends ScriptName>(
    name: Name,
    keys: readonly ScriptKey[],
    args?: readonly ScriptArgument[],
    fence?: Fence | undefined,
    change?: ChangeOnce | undefined,
  ): Promise<ReplyOf<Name>>;

  /**
   * Asks for the reply of a change whose reply was lost, and runs nothing. A change that was not done is canceled: if its call
   * still reaches Redis later, nothing happens. Resolves to `undefined` then.
   */
  replyOrCancel<Name extends ScriptName>(name: Name, change: ChangeOnce): Promise<ReplyOf<Name> | undefined>;
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
  const call = async (
    name: ScriptName,
    keys: readonly ScriptKey[],
    args: readonly ScriptArgument[],
    fence: Fence | undefined,
    change: ChangeOnce | undefined,
  ): Promise<unknown> => {
    if (!mayRun()) throw new Error('the reaper is stopped: nothing was changed');
    const { open, fenced, isOnce } = sources.get(name) as { open: Script; fenced: Script; isOnce: boolean };
    const [key, token] = isOnce ? headOf(change, keys, args) : [[], []];
    if (fence === undefined) return evaluate(open, [...key, ...keys], [...token, ...args]);
    const reply = await evaluate(fenced, [...key, fence.lease, ...keys], [...token, fence.number, ...args]);
    if (outcomeOf(reply) === 'fenced') throw new FencedError();
    return reply;
  };
  return {
    async run(name, keys, args = [], fence, change) {
      return decodeReply(name, await call(name, keys, args, fence, change));
    },
    async replyOrCancel(name, change) {
      const reply = await call('cancel_change', [], [], undefined, change);
      return outcomeOf(reply) === 'canceled' ? undefined : decodeReply(name, reply);
    },
  };
};

const outcomeOf = (reply: unknown): unknown => (Array.isArray(reply) ? reply[0] : reply);

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
