import type { Clock } from '../clock.ts';
import type { CodedLogger } from '../log.ts';
import { createRecorder, type RecorderOptions } from './audit.ts';
import type { Connection } from './connection.ts';
import { type Keys, keysOf } from './keys.ts';
import { createScripts, type Scripts } from './scripts.ts';
import { timedScripts } from './timedScripts.ts';

/**
 * What everything that works on Redis is built from. `createReaper` makes it once. A factory names the members that it
 * uses, such as `Pick<Deps, 'keys' | 'scripts'>`, so a test only has to provide those.
 */
export interface Deps {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly scripts: Scripts;
  readonly clock: Clock;
  readonly log: CodedLogger;
}

/**
 * @param mayRun whether scripts may still run. A client that the caller owns outlives the reaper.
 * @param onScript called with the time that each script took, in ms.
 */
export const createDeps = ({
  connection,
  namespace,
  clock,
  log,
  mayRun,
  onScript,
  ...audit
}: Pick<Deps, 'connection' | 'clock' | 'log'> &
  Omit<RecorderOptions, 'keys'> & {
    namespace: string;
    mayRun: () => boolean;
    onScript: Parameters<typeof timedScripts>[2];
  }): Deps => {
  const keys = keysOf(namespace);
  return {
    connection,
    keys,
    scripts: timedScripts(createScripts(connection.redis, mayRun, createRecorder({ ...audit, keys })), clock, onScript),
    clock,
    log,
  };
};
