import { type SuspensionReason, suspensionOf } from '../../machines/refusal.ts';
import type { Deps } from '../redis/deps.ts';
import { kindOfRedisError, refusalOf, UnusableRedisError } from '../redis/errors.ts';
import { createLagMeter, type LagMeter } from './eventLoopLag.ts';
import { changeBetween, maxDelay, type Reading, readRedis } from './redisReading.ts';

/**
 * `blocked`: why no pool may be judged now, and what to do. Otherwise the number of disruptions so far, and the last of them:
 * what was seen before it proves nothing.
 */
export type PreflightResult =
  | { readonly disruptions: number; readonly last: string }
  | { readonly blocked: SuspensionReason };

/**
 * Checks whether Redis and this process are fit to judge pools (defect 13). A live pool cannot write its heartbeat while Redis
 * refuses writes, is unreachable or fails over, and looks dead if the clock jumps or this process is late.
 */
export interface Preflight {
  /**
   * Proves that Redis takes writes and that nothing is late, and counts the disruptions since the last run. Takes one round trip.
   * A plan writes nothing, so it proves less. Rejects if Redis does not answer, which counts as a disruption.
   */
  run(isPlan: boolean): Promise<PreflightResult>;
  /** Proves that Redis takes writes. Rejects with its error otherwise, which counts as a disruption. */
  proveWrites(): Promise<void>;
  /** The number of disruptions so far. */
  count(): number;
  /** Runs a step, and counts its error as `countError` does. */
  watch<T>(step: () => Promise<T>): Promise<T>;
  /** Counts the error of a step as a disruption if Redis was unreachable or has refused writes. */
  countError(error: unknown): void;
  /** Stops the measurements. */
  close(): void;
}

/** How long the probe key lives, in ms. It only has to be written. */
const probeLife = 10;

/** Errors after which commands of pools may have failed too. */
export const isDisruption = (error: unknown): boolean => ['transient', 'refused'].includes(kindOfRedisError(error));

/** @param onDisruption called once after a disruption, when Redis is fit again, with what it was. */
export const createPreflight = ({
  connection,
  keys,
  monotonic = () => performance.now(),
  lag = createLagMeter(),
  onDisruption = () => {},
}: Pick<Deps, 'connection' | 'keys'> & {
  /** A clock in ms that never jumps. */
  monotonic?: () => number;
  lag?: LagMeter;
  onDisruption?: (reason: string) => void;
}): Preflight => {
  const { redis } = connection;
  let disruptions = 0;
  let reported = 0;
  let last = '';
  let before: Reading | undefined;

  const count = (reason: string) => {
    disruptions += 1;
    last = reason;
  };
  const countError = (error: unknown) => {
    if (isDisruption(error)) count((error as Error).message);
  };
  // Redis refuses this write like any other, even where NX then writes nothing. What the key holds already may not be ours.
  const probe = () => redis.set(keys.probe, 1, 'PX', probeLife, 'NX');
  const watch = async <T>(step: () => Promise<T>): Promise<T> => {
    try {
      return await step();
    } catch (error) {
      countError(error);
      throw error;
    }
  };

  /** Reads the state of Redis. Returns why no pool may be judged, if so. */
  const check = async (isPlan: boolean): Promise<SuspensionReason | undefined> => {
    const { refusal, reading } = await readRedis(connection, monotonic, isPlan ? undefined : probe);
    const isLate = lag.read() > maxDelay;
    const change = before === undefined ? undefined : changeBetween(before, reading);
    before = reading;
    if (change !== undefined) count(change);
    if (isLate)
      return { code: 'suspended', message: 'event loop blocked for more than 2 s; give this process more CPU' };
    if (reading.roundTrip > maxDelay) {
      return { code: 'suspended', message: 'Redis latency above 2 s; see its slow log and the load of its host' };
    }
    const reason = refusal === undefined ? undefined : refusalOf(refusal);
    if (refusal !== undefined && reason === undefined) throw refusal;
    return reason;
  };

  const runOnce = async (isPlan: boolean): Promise<PreflightResult> => {
    try {
      const blocked = await check(isPlan);
      if (blocked !== undefined) {
        count(blocked.message);
        return { blocked };
      }
    } catch (error) {
      count((error as Error).message);
      // Nothing is sent to a replica if the master was asked for. Like READONLY, this passes with the failover.
      if (error instanceof UnusableRedisError && error.code === 'redis-read-only')
        return { blocked: suspensionOf(error) };
      throw error;
    }
    if (disruptions > reported) onDisruption(last);
    reported = disruptions;
    return { disruptions, last };
  };

  return {
    run: shared(runOnce),
    async proveWrites() {
      await watch(probe);
    },
    watch,
    countError,
    count: () => disruptions,
    close: () => lag.close(),
  };
};

/** Lets concurrent callers share one run. A plan can share any run; others need one that writes. */
const shared = (runOnce: Preflight['run']): Preflight['run'] => {
  let current: { readonly isPlan: boolean; readonly result: Promise<PreflightResult> } | undefined;
  return (isPlan) => {
    if (current !== undefined && (isPlan || !current.isPlan)) return current.result;
    const mine = {
      isPlan,
      result: runOnce(isPlan).finally(() => {
        if (current === mine) current = undefined;
      }),
    };
    current = mine;
    return mine.result;
  };
};
