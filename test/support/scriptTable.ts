import type { ScriptName } from '../../src/io/redis/scripts.ts';
import { hookSetUps } from './scriptSetUps/hooks.ts';
import { jobSetUps } from './scriptSetUps/jobs.ts';
import { leaderSetUps } from './scriptSetUps/leader.ts';
import { poolSetUps } from './scriptSetUps/pools.ts';
import { quarantineSetUps } from './scriptSetUps/quarantine.ts';
import { recoverySetUps } from './scriptSetUps/recoveries.ts';
import { undoSetUps } from './scriptSetUps/undo.ts';
import type { SetUp } from './scriptSetUps/values.ts';

/** The set-ups of every script. */
export const scriptTable: Readonly<Record<ScriptName, readonly SetUp[]>> = {
  ...jobSetUps,
  ...hookSetUps,
  ...leaderSetUps,
  ...recoverySetUps,
  ...quarantineSetUps,
  ...poolSetUps,
  ...undoSetUps,
};
