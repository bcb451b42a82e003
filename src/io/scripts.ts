import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { type Fence, FencedError } from '../machines/lease.ts';
import { packageRoot } from '../package.ts';

const folder = `${packageRoot}lua/`;

/** Every atomic operation that this project does in Redis: one file of `lua/` each. */
export type ScriptName =
  | 'acknowledge'
  | 'begin_sweep'
  | 'check_in'
  | 'claim_hooks'
  | 'end_pass'
  | 'enqueue_hooks'
  | 'forget_parked'
  | 'leave_lease'
  | 'leave_quarantine'
  | 'move_hook'
  | 'note_page'
  | 'put_back'
  | 'quarantine'
  | 'read_facts'
  | 'read_quarantine'
  | 'rebuild_counters'
  | 'requeue'
  | 'reset_job'
  | 'restore_ack'
  | 'save_job'
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
const sources: ReadonlyMap<string, { readonly open: Script; readonly fenced: Script }> = new Map(
  readdirSync(folder)
    .filter((file) => file.endsWith('.lua'))
    .map((file) => {
      const text = readFileSync(`${folder}${file}`, 'utf8');
      return [file.slice(0, -4), { open: scriptOf(text), fenced: scriptOf(`--- @include fence\n${text}`) }];
    }),
);

export { type Fence, FencedError };

export interface Scripts {
  /**
   * Runs a script; `Reply` is what its header says that it returns. With a fence it does nothing unless the lease still
   * stands. Rejects with Redis's own error.
   * @throws FencedError
   */
  run<Reply>(
    name: ScriptName,
    keys: readonly string[],
    args?: readonly (string | number)[],
    fence?: Fence | undefined,
  ): Promise<Reply>;
}

/**
 * Runs scripts by their digest. A Redis that does not know one (a restart, SCRIPT FLUSH, a failover) is given its text,
 * which it keeps from then on.
 *
 * @param mayRun whether scripts are still run: a client of the caller's outlives the reaper.
 */
export const createScripts = (redis: Redis, mayRun: () => boolean = () => true): Scripts => {
  const evaluate = async (script: Script, keys: readonly string[], args: readonly (string | number)[]) => {
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
      keys: readonly string[],
      args: readonly (string | number)[] = [],
      fence?: Fence | undefined,
    ) {
      if (!mayRun()) throw new Error('the reaper is stopped: nothing was changed');
      const { open, fenced } = sources.get(name) as { open: Script; fenced: Script };
      if (fence === undefined) return (await evaluate(open, keys, args)) as Reply;
      const reply = await evaluate(fenced, [fence.lease, ...keys], [fence.number, ...args]);
      if (reply === 'fenced') throw new FencedError();
      return reply as Reply;
    },
  };
};
