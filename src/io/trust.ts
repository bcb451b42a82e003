import type { Connection } from './connection.ts';
import { type Condition, readCondition } from './disruption.ts';
import type { Keys } from './keys.ts';
import { kindOfRedisError, UnusableRedisError, withoutAdvice, withoutUser } from './redisErrors.ts';
import { redisTime } from './redisTime.ts';

/**
 * `unfit`: no pool may be judged now, and why; it says what to do. Else how many troubles there were by now, and what the
 * last one was: what was seen under another number proves nothing any more.
 */
export type Fitness = { readonly trouble: number; readonly last: string } | { readonly unfit: string };

/**
 * Whether Redis, and we ourselves, are fit to judge pools. A pool that lives can't write its heartbeat while Redis refuses
 * writes, is away or takes over from another, and looks dead when the clock jumps or when we come late (defect 13).
 */
export interface Trust {
  /**
   * Proves that Redis takes writes and that nobody is late, and counts what has happened since the last check. One round
   * trip. A plan writes nothing, and so proves the less. Rejects where Redis does not answer, which is a trouble too.
   */
  check(isPlan: boolean): Promise<Fitness>;
  /** Proves that Redis takes writes. Rejects with its error where it does not, which counts as a trouble. */
  proveWrites(): Promise<void>;
  /** How many troubles there were by now, as the last check or step has found. */
  count(): number;
  /** Does something in Redis; where that fails as things fail on a sick Redis, it counts as a trouble. */
  watch<T>(step: () => Promise<T>): Promise<T>;
  /** Counts the error of a step as a disruption, if it is one of a sick Redis. `watch` does so by itself. */
  countError(error: unknown): void;
  /** Measures no more. */
  close(): void;
}

/** How late the event loop has been at the most since the last reading, in ms. */
export interface LagMeter {
  read(): number;
  close(): void;
}

/** In ms: what is later than this is too late to judge, and clocks that move apart by more have jumped. */
const tooMuch = 2_000;
/** How long the probe is there, in ms: it only has to be written. */
const probeLife = 10;

/** Refusals of writes that pass when somebody does something about them, and what that is. */
const refusals: readonly (readonly [RegExp, string])[] = [
  [
    /^READONLY/,
    'Redis is a read-only replica (READONLY): let the failover end, or give the reaper the address of the master',
  ],
  [/^OOM/, 'Redis has no memory left (OOM): raise its maxmemory, or free some'],
  [/^MISCONF/, 'Redis refuses writes since it can not save to disk (MISCONF): see its log, and free space on its disk'],
  [/^NOREPLICAS/, 'Redis refuses writes since it has too few replicas (NOREPLICAS): see its min-replicas-to-write'],
];
/** Why Redis refuses what somebody writes, and what to do; undefined where that is not what an error says. */
export const refusalOf = (error: unknown): string | undefined => {
  // Older versions of Redis put words of their own before the error of a command that a script ran.
  const message = withoutAdvice(error).replace(/^ERR Error running script.*?-(?=[A-Z]+ )/, '');
  const known = refusals.find(([refused]) => refused.test(message))?.[1];
  if (known !== undefined) return known;
  // With what Redis, or the script, says: which command, on which key.
  if (/^NOPERM|user executing the script can't|ACL failure in script/.test(message)) {
    const what = message.replace(/^(NOPERM|ERR ACL failure in script:|ERR)\s+/, '').replace(/\s*script: .*$/, '');
    return `the Redis user of the reaper lacks a right (NOPERM: ${withoutUser(what)}): allow it the commands and keys that \`reaper doctor\` asks for`;
  }
  return /unknown (sub)?command/i.test(message)
    ? `Redis does not know a command of the reaper (${message}): Redis 6.2 or newer is needed, without renamed commands`
    : undefined;
};

/** Errors of a command after which others may have been refused too. */
const isSign = (error: unknown): boolean => ['transient', 'refused'].includes(kindOfRedisError(error));

/** What is compared with the check before. */
interface Reading extends Condition {
  readonly epoch: number;
  /** Redis TIME less our monotonic time, in ms. */
  readonly apart: number;
  readonly roundTrip: number;
}

/** @param onTrouble told once what it was, when Redis is fit again. */
export const createTrust = ({
  connection,
  keys,
  monotonic = () => performance.now(),
  lag = meterLag(),
  onTrouble = () => {},
}: {
  connection: Connection;
  keys: Keys;
  /** In ms, from anywhere; it never jumps. */
  monotonic?: () => number;
  lag?: LagMeter;
  onTrouble?: (reason: string) => void;
}): Trust => {
  const { redis } = connection;
  let trouble = 0;
  let told = 0;
  let last = '';
  let before: Reading | undefined;
  let underWay: { readonly isPlan: boolean; readonly fitness: Promise<Fitness> } | undefined;

  const raise = (reason: string) => {
    trouble += 1;
    last = reason;
  };

  const probe = () => redis.set(keys.probe, 1, 'PX', probeLife);

  const read = async (isPlan: boolean): Promise<{ readonly refusal: unknown; readonly reading: Reading }> => {
    const epoch = connection.epoch();
    const began = monotonic();
    const [write, time, condition] = await Promise.allSettled([
      isPlan ? undefined : probe(),
      redisTime(redis),
      readCondition(redis),
    ]);
    const roundTrip = monotonic() - began;
    if (time.status === 'rejected') throw time.reason;
    // The time that it took to connect says nothing of how fast Redis answers.
    if (connection.epoch() !== epoch) return read(isPlan);
    if (condition.status === 'rejected') throw condition.reason;
    return {
      refusal: write.status === 'rejected' ? write.reason : undefined,
      reading: {
        epoch,
        // A user who may not ask for INFO is not told of a failover; the connection that is made anew still shows it.
        ...condition.value,
        apart: time.value - began - roundTrip / 2,
        roundTrip,
      },
    };
  };

  const fitnessOf = async (isPlan: boolean): Promise<Fitness> => {
    try {
      const { refusal, reading } = await read(isPlan);
      const late = lag.read() > tooMuch;
      const change = before === undefined ? undefined : changeOf(before, reading);
      before = reading;
      if (change !== undefined) raise(change);
      const unfit = late
        ? 'this process is late: its event loop stood still for more than 2 s; give it more CPU'
        : reading.roundTrip > tooMuch
          ? 'Redis is late: it took more than 2 s to answer; see its slow log and the load of its host'
          : refusal === undefined
            ? undefined
            : refusalOf(refusal);
      if (unfit !== undefined) {
        raise(unfit);
        return { unfit };
      }
      if (refusal !== undefined) throw refusal;
    } catch (error) {
      raise((error as Error).message);
      // No command is sent to a replica where the master was asked for: as READONLY, it passes with the failover.
      if (error instanceof UnusableRedisError && error.code === 'role') return { unfit: error.message };
      throw error;
    }
    if (trouble > told) onTrouble(last);
    told = trouble;
    return { trouble, last };
  };

  const countError = (error: unknown) => {
    if (isSign(error)) raise((error as Error).message);
  };

  const watch = async <T>(step: () => Promise<T>): Promise<T> => {
    try {
      return await step();
    } catch (error) {
      countError(error);
      throw error;
    }
  };

  return {
    // Steps that are taken at once share a check.
    check(isPlan) {
      if (underWay !== undefined && (isPlan || !underWay.isPlan)) return underWay.fitness;
      const mine = {
        isPlan,
        fitness: fitnessOf(isPlan).finally(() => {
          if (underWay === mine) underWay = undefined;
        }),
      };
      underWay = mine;
      return mine.fitness;
    },

    async proveWrites() {
      await watch(probe);
    },

    watch,

    countError,

    count: () => trouble,

    close: () => lag.close(),
  };
};

/** What has happened between two readings, if it is a trouble. */
const changeOf = (before: Reading, now: Reading): string | undefined => {
  if (now.runId !== before.runId) return 'Redis was restarted, or another one answers';
  if (now.replication !== before.replication) return 'Redis has changed its role, or its master: a failover';
  if (now.epoch !== before.epoch) return 'the connection to Redis was lost';
  for (const [name, count] of now.refused) {
    if (count !== (before.refused.get(name) ?? '0')) return `Redis has refused commands (${name})`;
  }
  if (Math.abs(now.apart - before.apart) > tooMuch + now.roundTrip + before.roundTrip) {
    return 'the clock of Redis has jumped, or this process was suspended';
  }
  return undefined;
};

/**
 * Measures from the first reading on: what the start of the process costs is nobody's lag. Not `monitorEventLoopDelay`: it
 * begins anew with each reset, and does not see a stop that begins right after a reading.
 */
const meterLag = (): LagMeter => {
  const every = 100;
  let timer: NodeJS.Timeout | undefined;
  let last = 0;
  let most = 0;
  const tick = () => {
    const now = performance.now();
    most = Math.max(most, now - last - every);
    last = now;
  };
  return {
    read() {
      if (timer === undefined) {
        last = performance.now();
        timer = setInterval(tick, every).unref();
      } else tick();
      const lag = most;
      most = 0;
      return lag;
    },
    close: () => clearInterval(timer),
  };
};
