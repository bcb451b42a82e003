import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { packageRoot } from '../package.ts';

const folder = `${packageRoot}lua/`;

/** Every atomic operation that this project does in Redis: one file of `lua/` each. */
export type ScriptName =
  | 'acknowledge'
  | 'check_in'
  | 'claim_hooks'
  | 'enqueue_hooks'
  | 'forget_parked'
  | 'move_hook'
  | 'read_facts'
  | 'rebuild_counters'
  | 'requeue'
  | 'reset_job'
  | 'restore_ack'
  | 'save_job'
  | 'set_status'
  | 'settle_hook'
  | 'settle_pool'
  | 'untrack';

interface Script {
  readonly source: string;
  readonly sha: string;
}

/** The scripts as Redis gets them: `--- @include NAME` replaced by `lua/includes/NAME.lua`, comments left out. */
const sources: ReadonlyMap<string, Script> = new Map(
  readdirSync(folder)
    .filter((file) => file.endsWith('.lua'))
    .map((file) => {
      const text = readFileSync(`${folder}${file}`, 'utf8')
        .replace(/^--- @include (\w+)$/gm, (_, name) => readFileSync(`${folder}includes/${name}.lua`, 'utf8'))
        .replace(/^\s*--.*\n/gm, '');
      return [file.slice(0, -4), { source: text, sha: createHash('sha1').update(text).digest('hex') }];
    }),
);

export interface Scripts {
  /** Runs a script; `Reply` is what its header says that it returns. Rejects with Redis's own error. */
  run<Reply>(name: ScriptName, keys: readonly string[], args?: readonly (string | number)[]): Promise<Reply>;
}

/**
 * Runs scripts by their digest. A Redis that does not know one (a restart, SCRIPT FLUSH, a failover) is given its text,
 * which it keeps from then on.
 */
export const createScripts = (redis: Redis): Scripts => ({
  async run<Reply>(name: ScriptName, keys: readonly string[], args: readonly (string | number)[] = []) {
    const script = sources.get(name) as Script;
    try {
      return (await redis.evalsha(script.sha, keys.length, ...keys, ...args)) as Reply;
    } catch (error) {
      if (!String((error as Error).message).startsWith('NOSCRIPT')) throw error;
      return (await redis.eval(script.source, keys.length, ...keys, ...args)) as Reply;
    }
  },
});
