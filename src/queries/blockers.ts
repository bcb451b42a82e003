import { countText, timeWithAge } from '../ages.ts';
import { evidencePlaces, type Facts, isFinal, isStatus } from '../machines/facts.ts';
import { shellQuoted } from '../shell.ts';
import type { Place } from './place.ts';
import { isAtCap, isBlockedByLock, type QueueStatus, unpauseCommand } from './queues.ts';

/** What keeps a job from running, or that nothing does. */
export interface Blocker {
  readonly code:
    | 'ended'
    | 'running'
    | 'blocked-by-lock'
    | 'type-paused'
    | 'no-live-pool'
    | 'at-cap'
    | 'queued'
    | 'held-by-dead-pool'
    | 'held'
    | 'retry'
    | 'scheduled'
    | 'quarantined'
    | 'dead'
    | 'periodic'
    | 'nowhere'
    | 'unknown';
  /** The predicate of a sentence about the job: `waits at position 5 in queue X, which is paused`. */
  readonly message: string;
  /** The command that helps, without the options for Redis and namespace; undefined if none is needed, or none does. */
  readonly command: string | undefined;
}

/** What is known of a job. */
export interface Known {
  readonly id: string;
  readonly facts: Facts;
  readonly isTracked: boolean;
  readonly isQuarantined: boolean;
  readonly places: readonly Place[];
  /** Whether its endpoint has confirmed more than its stats say. */
  readonly isBehind: boolean;
  /** Whether a place in which it may be cannot be read. */
  readonly isAnyUnreadable: boolean;
  /** The queues in which it is. */
  readonly queues: readonly QueueStatus[];
  /** Where these queues are. */
  readonly redis: string;
  readonly namespace: string;
}

/** What keeps a job from running, the nearest reason first. Never empty. Pure. */
export const blockersOf = (known: Known): Blocker[] => {
  const { status } = known.facts;
  const ended = isStatus(status) && isFinal(status) ? [blocker('ended', `has ended: ${status}`)] : [];
  const running = known.places.some(({ kind, isPoolAlive }) => kind === 'observed' && isPoolAlive === true);
  const places = known.places.filter(
    (place) => !(running && place.kind === 'in-progress' && place.isPoolAlive === true),
  );
  const reasons = places.toSorted((a, b) => rank(a) - rank(b)).flatMap((place) => ofPlace(place, known));
  // A job in Error that is in one of these places runs again: what keeps it from that comes first.
  const runsAgain = status === 'Error' && places.some(({ kind }) => kind !== 'dead');
  const found = runsAgain ? [...reasons, ...ended] : [...ended, ...reasons];
  return found.length > 0 ? found : [nowhere(known)];
};

const blocker = (code: Blocker['code'], message: string, command?: string): Blocker => ({ code, message, command });

/** Places from which it runs soonest first. */
const order: readonly Place['kind'][] = ['observed', 'queue', 'in-progress', 'retry', 'scheduled', 'dead'];
const rank = ({ kind }: Place): number => order.indexOf(kind);

const ofPlace = (place: Place, known: Known): Blocker[] => {
  const { kind, pool, isPoolAlive, at } = place;
  switch (kind) {
    case 'observed': {
      if (isPoolAlive !== true) return [];
      return [
        blocker(
          'running',
          `runs: a worker of pool ${pool} runs it${at === undefined ? '' : ` since ${when(at, known)}`}`,
        ),
      ];
    }
    case 'queue':
      return ofQueue(place, known);
    case 'in-progress':
      return isPoolAlive === true
        ? [blocker('held', `is held by live pool ${pool}, and no worker is observed to run it`, 'reaper rescue')]
        : [blocker('held-by-dead-pool', `is held by dead pool ${pool}: a rescue requeues it`, 'reaper rescue')];
    case 'retry':
      return [blocker('retry', `waits in retry until ${when(at, known)}`)];
    case 'scheduled':
      return [blocker('scheduled', `is scheduled for ${when(at, known)}`)];
    case 'dead':
      return known.isQuarantined
        ? [
            blocker(
              'quarantined',
              `is in quarantine since ${when(at, known)}`,
              `reaper quarantine release --id ${shellQuoted(known.id)}`,
            ),
          ]
        : [blocker('dead', `is among the dead jobs since ${when(at, known)}: nothing runs it again`)];
  }
};

const ofQueue = ({ type = '', ahead = 0 }: Place, { queues, ...where }: Known): Blocker[] => {
  const waits = `waits at position ${countText(ahead + 1)} in queue ${type}`;
  const queue = queues.find((one) => one.type === type);
  if (queue === undefined) return [blocker('queued', waits)];
  const { lock, maxConcurrency: cap, running, isPaused, livePools } = queue;
  const isBlocked = isBlockedByLock(queue);
  const reasons = [
    ...(isBlocked
      ? [
          blocker(
            'blocked-by-lock',
            `${waits}, which is blocked: lock ${countText(lock)} ≥ cap ${countText(cap)}, ${countText(running)} running`,
            'reaper rescue',
          ),
        ]
      : []),
    ...(isPaused ? [blocker('type-paused', `${waits}, which is paused`, unpauseCommand(where, type))] : []),
    ...(livePools === 0 ? [blocker('no-live-pool', `${waits}, which no live pool takes`)] : []),
    ...(isAtCap(queue)
      ? [blocker('at-cap', `${waits}, which runs as many jobs as its cap allows (${countText(cap)})`)]
      : []),
  ];
  return reasons.length > 0 ? reasons : [blocker('queued', waits)];
};

const nowhere = ({ facts, isTracked, isBehind, isAnyUnreadable, namespace, redis }: Known): Blocker => {
  if (!isTracked && facts.stats === 'nothing') {
    return blocker('unknown', `is unknown: nothing in namespace ${namespace} on ${redis} is about it`);
  }
  const { ack } = facts;
  if (isBehind && typeof ack === 'object' && isStatus(ack.status) && isFinal(ack.status)) {
    return blocker(
      'ended',
      `has ended: its endpoint has confirmed ${ack.status}`,
      isTracked ? 'reaper sweep --plan' : undefined,
    );
  }
  if (isAnyUnreadable) {
    return blocker('nowhere', 'was not found, and a place in which it may be cannot be read', 'reaper doctor');
  }
  if (facts.kind === 'Periodic')
    return blocker('periodic', 'is a policy: its executions run, each as a job of its own');
  const message = `is lost: its entry is in none of ${evidencePlaces.join(', ')}`;
  return blocker('nowhere', message, isTracked ? 'reaper sweep --plan' : undefined);
};

const when = (at: string | undefined, { facts }: Pick<Known, 'facts'>): string =>
  at === undefined ? 'an unknown time' : timeWithAge(at, 1_000 * facts.readAt);
