import { escapeGlob, keysOf } from './keys.ts';
import { commandsOf, type ScriptName } from './scripts.ts';

/**
 * What the reaper's Redis user needs: the one list that `doctor`, the docs and the tests read. A script's commands are read
 * from its text; a command that TypeScript sends itself is named here, with the feature that sends it.
 */

/** Feature → what stops without one of its commands. */
const features = {
  connection: 'the connection',
  database: 'work in any database but 0',
  scripts: 'every change',
  schedule: 'scheduled passes',
  sweep: 'sweeps',
  rescue: 'rescues of dead pools',
  orphans: 'requeueing of orphaned entries',
  counters: 'rebuilding of lock counters',
  quarantine: 'the quarantine',
  hooks: 'hooks',
  lifecycle: 'the lifecycle of worker hosts',
  queries: 'status, explain and doctor',
} as const;
type Feature = keyof typeof features;

const scriptFeatures: Readonly<Record<ScriptName, Feature>> = {
  acknowledge: 'hooks',
  begin_sweep: 'schedule',
  cancel_change: 'rescue',
  check_in: 'lifecycle',
  claim_hooks: 'hooks',
  complete_pass: 'schedule',
  enqueue_hooks: 'hooks',
  finish_entry: 'orphans',
  forget_parked: 'hooks',
  resign_lease: 'schedule',
  release_quarantined: 'quarantine',
  observe_pool: 'orphans',
  move_hook: 'hooks',
  checkpoint_sweep: 'schedule',
  plan_requeue: 'rescue',
  requeue_orphan: 'orphans',
  quarantine_entry: 'quarantine',
  read_drift: 'counters',
  read_facts: 'sweep',
  read_held: 'orphans',
  read_entries: 'sweep',
  read_observations: 'sweep',
  read_quarantine: 'quarantine',
  rebuild_counters: 'counters',
  recount_lock: 'counters',
  recount_pools: 'counters',
  requeue: 'rescue',
  reset_job: 'lifecycle',
  restore_ack: 'sweep',
  save_job: 'lifecycle',
  scan_entries: 'sweep',
  scan_tracked: 'sweep',
  set_status: 'sweep',
  settle_hook: 'hooks',
  deregister_pool: 'rescue',
  acquire_lease: 'schedule',
  untrack: 'sweep',
};

/** Commands that TypeScript sends, `container|subcommand` where there are subcommands. */
const sentCommands: Readonly<Record<Feature, readonly string[]>> = {
  database: ['SELECT'],
  connection: ['PING', 'CLIENT|SETNAME', 'CLIENT|SETINFO', 'CLIENT|INFO', 'INFO'],
  scripts: ['EVAL', 'EVALSHA'],
  // Those of the fence, which stands before every script of a scheduled pass.
  schedule: ['HMGET', 'TIME', 'HGETALL'],
  sweep: ['HSCAN', 'HLEN', 'SSCAN', 'EXISTS', 'HMGET', 'SCAN', 'TYPE', 'SET'],
  rescue: [
    ...['SSCAN', 'SISMEMBER', 'SCAN', 'TYPE', 'HMGET', 'HSCAN', 'LLEN', 'TIME', 'SET'],
    // Notes of suspects; lists whose names may be several pools'.
    ...['HSET', 'HDEL', 'EXPIRE', 'EXISTS'],
  ],
  orphans: ['HSCAN', 'HDEL', 'HMGET', 'ZADD', 'ZRANGEBYSCORE', 'ZREM', 'EXPIRE', 'ZSCORE', 'TIME'],
  counters: ['SSCAN', 'HSCAN', 'EXISTS', 'TYPE'],
  quarantine: [],
  hooks: ['ZRANGE', 'ZCARD', 'SSCAN', 'HMGET', 'HGET', 'HGETALL', 'HSCAN'],
  lifecycle: ['HGETALL'],
  queries: [
    'EXISTS',
    'LLEN',
    'GET',
    'HSCAN',
    'SSCAN',
    'ZCARD',
    'HLEN',
    'HEXISTS',
    'LRANGE',
    'ZSCAN',
    'ZMSCORE',
    'HGETALL',
    'TYPE',
  ],
};

/** Commands that the reaper works without, and what is lost then. */
const optionalCommands: Readonly<Record<string, string>> = {
  PING: 'nothing is lost: a refusal proves as well that Redis answers',
  'CLIENT|SETNAME': 'CLIENT LIST does not show whose connection it is',
  'CLIENT|SETINFO': 'CLIENT LIST does not show the version of the client library',
  'CLIENT|INFO': 'the database of the connection can not be confirmed',
  INFO:
    'restarts and failovers between two checks go unnoticed, orphaned entries are not requeued, doctor can not see eviction ' +
    'and other databases, and the client library prints a warning at each connection',
};

/** The first version of Redis that knows a command, where 6.2 does not: an older one refuses a rule that names it. */
const since: Readonly<Record<string, readonly [number, number]>> = { 'CLIENT|SETINFO': [7, 2] };

export interface Right {
  /** In upper case, `CLIENT|SETNAME` for a subcommand. */
  readonly command: string;
  /** Scheduled passes, hooks or worker hosts can not work without it. */
  readonly isNeeded: boolean;
  /** What is so without it. */
  readonly without: string;
}

const versionOf = (text: string): readonly [number, number] => {
  const [major = 0, minor = 0] = text.split('.').map(Number);
  return [major, minor];
};

const isKnownTo = (command: string, version: string): boolean => {
  const [major, minor] = since[command] ?? [0, 0];
  const [thisMajor, thisMinor] = versionOf(version);
  return thisMajor > major || (thisMajor === major && thisMinor >= minor);
};

/** The features, in their own order. */
const listOf = (users: ReadonlySet<Feature>): string =>
  Object.entries(features)
    .flatMap(([feature, text]) => (users.has(feature as Feature) ? [text] : []))
    .join(', ');

/** All rights, in the order of their names. */
export const rightsFor = (version: string): Right[] => {
  const stops = new Map<string, Set<Feature>>();
  const use = (feature: Feature, commands: readonly string[]) => {
    for (const command of commands) stops.set(command, (stops.get(command) ?? new Set()).add(feature));
  };
  for (const [feature, commands] of Object.entries(sentCommands)) use(feature as Feature, commands);
  for (const [script, feature] of Object.entries(scriptFeatures)) use(feature, commandsOf(script as ScriptName));
  return [...stops]
    .filter(([command]) => isKnownTo(command, version))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([command, users]) => ({
      command,
      isNeeded: optionalCommands[command] === undefined && [...users].some((feature) => feature !== 'queries'),
      without: optionalCommands[command] ?? `these stop: ${listOf(users)}`,
    }));
};

/** A command as a person reads it. */
export const nameOf = (command: string): string => command.replace('|', ' ');

/** The rule of ACL SETUSER that gives a right. */
export const ruleOf = (command: string): string => `+${command.toLowerCase()}`;

/** The pattern of the namespace's keys. */
export const keyRule = (namespace: string): string => `~${escapeGlob(keysOf(namespace).prefix)}*`;

/** What ACL SETUSER needs after the user's name and password: no more than what is used. */
export const aclRules = (namespace: string, version: string): string[] => [
  keyRule(namespace),
  ...rightsFor(version).map(({ command }) => ruleOf(command)),
];
