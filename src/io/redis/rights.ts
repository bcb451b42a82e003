import { escapeGlob, keysOf } from './keys.ts';
import { commandsOf, type ScriptName } from './scripts.ts';

/**
 * The rights that the reaper's Redis user needs. `doctor`, docs/rights.md and the tests use this list. The commands of a script
 * are read from its text. Commands that TypeScript sends are listed here, by the feature that sends them.
 */

/** Feature → what stops without one of its commands, for messages. */
const features = {
  connection: 'the connection',
  database: 'work in any database but 0',
  scripts: 'all changes',
  schedule: 'scheduled passes',
  sweep: 'sweeps',
  rescue: 'rescues of dead pools',
  orphans: 'requeueing of orphaned entries',
  counters: 'rebuilding of lock counters',
  quarantine: 'the quarantine',
  audit: 'the audit stream',
  hooks: 'hooks',
  lifecycle: 'the lifecycle of worker hosts',
  queries: 'status, explain and doctor',
  metrics: 'metrics',
} as const;
type Feature = keyof typeof features;

const scriptFeatures: Readonly<Record<ScriptName, Feature>> = {
  acknowledge: 'hooks',
  begin_sweep: 'schedule',
  cancel_change: 'rescue',
  check_in: 'lifecycle',
  claim_hooks: 'hooks',
  complete_rescue: 'schedule',
  complete_sweep: 'schedule',
  enqueue_hooks: 'hooks',
  finish_entry: 'orphans',
  forget_parked: 'hooks',
  resign_lease: 'schedule',
  drop_quarantined: 'quarantine',
  find_quarantined: 'quarantine',
  forget_quarantined: 'quarantine',
  release_quarantined: 'quarantine',
  observe_pool: 'orphans',
  checkpoint_sweep: 'schedule',
  plan_requeue: 'rescue',
  requeue_orphan: 'orphans',
  quarantine_entry: 'quarantine',
  quarantine_orphan: 'quarantine',
  read_drift: 'counters',
  read_facts: 'sweep',
  read_held: 'orphans',
  read_entries: 'sweep',
  read_queue: 'queries',
  read_observations: 'sweep',
  read_quarantine: 'quarantine',
  rebuild_counters: 'counters',
  open_recount: 'counters',
  close_recount: 'counters',
  recount_pools: 'counters',
  requeue: 'rescue',
  reset_job: 'lifecycle',
  restore_ack: 'sweep',
  save_job: 'lifecycle',
  scan_entries: 'sweep',
  scan_tracked: 'sweep',
  begin_attempt: 'lifecycle',
  fail_job: 'sweep',
  set_status: 'lifecycle',
  drop_hook: 'hooks',
  remove_hook: 'hooks',
  retry_hook: 'hooks',
  park_hook: 'hooks',
  record_delivered: 'hooks',
  record_failed: 'hooks',
  record_unsent: 'hooks',
  clear_counts: 'rescue',
  deregister_pool: 'rescue',
  acquire_lease: 'schedule',
  untrack: 'sweep',
  undo_drop_hook: 'audit',
  undo_drop_quarantined: 'audit',
  undo_quarantine: 'audit',
  undo_status: 'audit',
  undo_untrack: 'audit',
};

/** Commands that TypeScript sends; `container|subcommand` for a subcommand. */
const sentCommands: Readonly<Record<Feature, readonly string[]>> = {
  database: ['SELECT'],
  connection: ['PING', 'CLIENT|SETNAME', 'CLIENT|SETINFO', 'CLIENT|INFO', 'INFO'],
  scripts: ['EVAL', 'EVALSHA'],
  // Commands of the fence, which runs before every script of a scheduled pass.
  schedule: ['HMGET', 'TIME', 'HGETALL'],
  sweep: ['HSCAN', 'HLEN', 'SSCAN', 'EXISTS', 'HMGET', 'SCAN', 'TYPE', 'SET'],
  rescue: [
    ...['SSCAN', 'SISMEMBER', 'SCAN', 'TYPE', 'HMGET', 'HSCAN', 'LLEN', 'TIME', 'SET'],
    // Records of suspects; lists whose names fit several pools.
    ...['HSET', 'HDEL', 'EXPIRE', 'EXISTS'],
  ],
  orphans: ['HSCAN', 'HDEL', 'HMGET', 'ZADD', 'ZRANGEBYSCORE', 'ZREM', 'EXPIRE', 'ZSCORE', 'TIME'],
  counters: ['SSCAN', 'HSCAN', 'EXISTS', 'TYPE'],
  quarantine: [],
  audit: ['XREVRANGE', 'HGET'],
  hooks: ['ZRANGE', 'ZRANGEBYSCORE', 'ZCARD', 'SSCAN', 'HMGET', 'HGET', 'HGETALL', 'HSCAN'],
  lifecycle: ['HGETALL'],
  queries: [
    ...['EXISTS', 'LLEN', 'GET', 'HSCAN', 'SSCAN', 'ZCARD', 'HLEN', 'HEXISTS', 'LRANGE', 'ZSCAN'],
    ...['HGETALL', 'HMGET', 'TYPE', 'TIME', 'SCAN', 'INFO', 'ZSCORE', 'ZRANGEBYSCORE'],
    // Sent in a form that changes nothing: whether Redis takes writes.
    'SET',
  ],
  metrics: [
    ...['TIME', 'SSCAN', 'SCARD', 'LLEN', 'GET', 'EXISTS', 'HLEN', 'ZCARD', 'ZRANGE', 'ZRANGEBYSCORE', 'HMGET'],
    // False deaths.
    ...['ZADD', 'ZREMRANGEBYRANK', 'EXPIRE', 'ZMSCORE', 'HGET', 'ZREM'],
  ],
};

/** Features without which passes, hooks and worker hosts work all the same. */
const dispensable: ReadonlySet<Feature> = new Set(['queries', 'metrics']);

/** Commands that the reaper can work without, and what is lost then. */
const optionalCommands: Readonly<Record<string, string>> = {
  PING: 'no effect: a refusal also proves that Redis replies',
  XADD: 'acts are done, and not recorded in the audit stream',
  XREVRANGE: 'reaper audit and reaper undo do not work',
  'CLIENT|SETNAME': 'CLIENT LIST does not show whose connection it is',
  'CLIENT|SETINFO': 'CLIENT LIST does not show the version of the client library',
  'CLIENT|INFO': 'the database of the connection cannot be confirmed',
  INFO:
    'restarts and failovers between two checks go unnoticed, orphaned entries are not requeued, doctor cannot see eviction ' +
    'and other databases, sweeps only guess what they cost Redis, and the client library prints a warning at each connection',
};

/** The first version of Redis with a command that 6.2 lacks. An older Redis refuses an ACL rule with that command. */
const since: Readonly<Record<string, readonly [number, number]>> = { 'CLIENT|SETINFO': [7, 2] };

export interface Right {
  /** In upper case; `CLIENT|SETNAME` for a subcommand. */
  readonly command: string;
  /** Whether scheduled passes, hooks or worker hosts fail without it. */
  readonly isNeeded: boolean;
  /** What happens without it. */
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

/** The texts of features, in the order of `features`. */
const listOf = (users: ReadonlySet<Feature>): string =>
  Object.entries(features)
    .flatMap(([feature, text]) => (users.has(feature as Feature) ? [text] : []))
    .join(', ');

/** All rights for a version of Redis, sorted by name. */
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
      isNeeded: optionalCommands[command] === undefined && [...users].some((feature) => !dispensable.has(feature)),
      without:
        optionalCommands[command] ??
        (users.has('scripts') ? `${features.scripts} fail` : `these stop: ${listOf(users)}`),
    }));
};

/** A command for people: `CLIENT SETNAME`. */
export const nameOf = (command: string): string => command.replace('|', ' ');

/** The ACL SETUSER rule that gives a right. */
export const ruleOf = (command: string): string => `+${command.toLowerCase()}`;

/** The ACL SETUSER rule for the keys of a namespace. */
export const keyRule = (namespace: string): string => `~${escapeGlob(keysOf(namespace).prefix)}*`;

/** The arguments of ACL SETUSER after the user's name and password: exactly what the reaper uses. */
export const aclRules = (namespace: string, version: string): string[] => [
  keyRule(namespace),
  ...rightsFor(version).map(({ command }) => ruleOf(command)),
];
