import { type Clock, monotonicOf } from '../../io/clock.ts';
import type { SharedView } from '../../io/leader/lease.ts';
import type { ReaperSettings } from '../../options.ts';
import { version } from '../../package.ts';
import type { Readings } from '../../queries/readings.ts';
import { visible } from '../../visible.ts';
import type { Health } from '../health.ts';
import type { PassReports } from '../passReports.ts';
import type { Instruments } from './instruments.ts';
import type { Labels } from './labels.ts';
import { other } from './labels.ts';

/** What this process knows of itself at a scrape. */
export interface State {
  readonly health: Health;
  readonly passes: ReturnType<PassReports['state']>;
  /** Undefined if the hosts share no schedule. */
  readonly shared: SharedView | undefined;
  readonly isShared: boolean;
  readonly isConnected: boolean;
  readonly hooksInFlight: number;
  readonly poolsWaiting: number;
  /** By the monotonic clock in ms; undefined before the start. */
  readonly startedAt: number | undefined;
}

type PassSettings = Pick<ReaperSettings, 'sweep' | 'rescue' | 'namespace'>;

/** Shows the state of this process. */
export const showState = (
  metrics: Instruments,
  clock: Clock,
  { sweep, rescue, namespace }: PassSettings,
  state: State,
) => {
  const { health, passes, shared, isShared } = state;
  const now = monotonicOf(clock);
  metrics.info.set({ version, namespace: visible(namespace) }, 1);
  metrics.live.set(Number(health.isLive));
  metrics.ready.set(Number(health.isReady));
  metrics.redisUp.set(Number(state.isConnected));
  metrics.hooksInFlight.set(state.hooksInFlight);
  metrics.poolsWaiting.set(state.poolsWaiting);

  metrics.passInterval.set({ pass: 'sweep' }, sweep.interval / 1_000);
  metrics.passInterval.set({ pass: 'rescue' }, (rescue.interval + rescue.grace) / 1_000);
  const age = (at: string | undefined) =>
    at === undefined ? now - (state.startedAt ?? now) : Math.max(0, clock.now() - Date.parse(at));
  metrics.passAge.set({ pass: 'sweep' }, age(health.lastSweepAt) / 1_000);
  metrics.passAge.set({ pass: 'rescue' }, age(health.lastRescueAt) / 1_000);
  metrics.suspended.reset();
  for (const [pass, { code }] of Object.entries(passes.suspended)) metrics.suspended.set({ pass, code }, 1);

  if (!isShared) {
    metrics.leader.remove();
    metrics.leaseRemaining.remove();
    return;
  }
  const leader = shared?.leader;
  const left = leader === undefined ? 0 : Math.max(0, leader.until - (shared?.clockOffset ?? 0) - now);
  metrics.leader.set(leader?.isThisOne === true && left > 0 ? 1 : 0);
  metrics.leaseRemaining.set(left / 1_000);
};

/** Shows what was read from Redis. */
export const showReadings = (
  metrics: Instruments,
  readings: Readings,
  { typeOf, endpointOf }: { typeOf: Labels; endpointOf: Labels },
): void => {
  metrics.roundTrip.set(readings.roundTrip / 1_000);
  metrics.tracked.set(readings.tracked);
  metrics.typesUnread.set(readings.typesUnread);
  metrics.retry.set(readings.retry);
  metrics.scheduled.set(readings.scheduled);
  metrics.dead.set(readings.dead);
  metrics.quarantined.set(readings.quarantined);
  metrics.hooksParked.set(readings.hooksParked);
  showQueues(metrics, readings, typeOf);
  showEndpoints(metrics, readings, endpointOf);
};

/** Types that share the label `other` are added up; of their ages the highest counts. */
const showQueues = (metrics: Instruments, { queues, time }: Readings, typeOf: Labels): void => {
  const { queueDepth, queueOldest, queueRunning, queueLock, queueCap, queuePaused } = metrics;
  for (const each of [queueDepth, queueOldest, queueRunning, queueLock, queueCap, queuePaused]) each.reset();
  let oldestOther = 0;
  for (const { type: name, depth, oldestAt, running, lock, cap, isPaused } of queues) {
    const type = typeOf(name);
    const age = oldestAt === undefined ? 0 : Math.max(0, time / 1_000 - oldestAt);
    queueDepth.inc({ type }, depth);
    if (type === other) oldestOther = Math.max(oldestOther, age);
    queueOldest.set({ type }, type === other ? oldestOther : age);
    if (running !== undefined) queueRunning.inc({ type }, running);
    queueLock.inc({ type }, lock);
    // The caps and pauses of several types cannot be added up.
    if (type === other) continue;
    queueCap.set({ type }, cap);
    queuePaused.set({ type }, Number(isPaused));
  }
};

const circuitStates = ['closed', 'open', 'probing', 'draining'] as const;

const showEndpoints = (metrics: Instruments, { endpoints, time, hooksPending }: Readings, endpointOf: Labels): void => {
  const { hooksPending: pending, hooksOverdue, endpointFailing, circuit } = metrics;
  for (const each of [pending, hooksOverdue, endpointFailing, circuit]) each.reset();
  let rest = hooksPending;
  for (const { endpoint: origin, pending: count, overdue, failingSince, breaker } of endpoints) {
    const endpoint = endpointOf(origin);
    if (endpoint === other) continue;
    rest -= count;
    pending.set({ endpoint }, count);
    hooksOverdue.set({ endpoint }, overdue / 1_000);
    endpointFailing.set({ endpoint }, failingSince === undefined ? 0 : Math.max(0, time - failingSince) / 1_000);
    for (const state of circuitStates) circuit.set({ endpoint, state }, Number(state === breaker));
  }
  if (rest > 0) pending.set({ endpoint: other }, rest);
};
