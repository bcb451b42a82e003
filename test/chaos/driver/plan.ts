/** The plan of a run: all that the driver decides, from one seed. Pure. */
import fc from 'fast-check';
import {
  type Act,
  type FaultKind,
  faultKinds,
  type JobCut,
  kindOfCut,
  oldKinds,
  sentinelKinds,
  standaloneKinds,
} from './acts.ts';
import {
  chaosFromMs,
  chaosToMs,
  clockOffsetS,
  hostCount,
  jobCount,
  reaperCount,
  stoppedPastGraceMs,
  types,
} from './settings.ts';

export interface PlannedJob {
  /** Time at which it is enqueued, in ms after the start. */
  readonly atMs: number;
  /** Id of the job; `<policy>@<epoch>` for an execution of a policy. */
  readonly id: string;
  readonly type: string;
  /** How long it runs, in ms. */
  readonly workMs: number;
  readonly hasHook: boolean;
  /** Set for an execution of a periodic policy. */
  readonly execution: { readonly policy: string; readonly epoch: string } | undefined;
  /** The cut of its host's connection, at the first time that a host comes to that point. */
  readonly cut: JobCut | undefined;
  /** Its observations are never written, or expire early. */
  readonly observation: 'refused' | 'expires' | undefined;
}

export interface PlannedAct {
  /** Time in ms after the start. */
  readonly atMs: number;
  readonly act: Act;
}

export interface Plan {
  readonly seed: number;
  /** The kinds of faults that this run has. */
  readonly kinds: ReadonlySet<FaultKind>;
  /** Undefined for a single Redis. */
  readonly sentinel: { readonly replicas: number; readonly sentinels: number } | undefined;
  /** Clock offset of each host, in s. */
  readonly clockOffsets: Readonly<Record<string, number>>;
  readonly jobs: readonly PlannedJob[];
  readonly acts: readonly PlannedAct[];
}

const uniform = (min: number, max: number) => fc.noBias(fc.integer({ min, max }));

/** Random numbers for one purpose. They do not affect those for another purpose. */
const drawsOf = (seed: number, purpose: number) => {
  const [draw] = fc.sample(fc.gen(), { seed: seed * 101 + purpose, numRuns: 1 }) as [fc.GeneratorValue];
  const between = (min: number, max: number): number => draw(uniform, min, max);
  return {
    between,
    oneOf: <T>(...values: readonly T[]): T => values[between(0, values.length - 1)] as T,
    chance: (percent: number): boolean => between(0, 99) < percent,
  };
};
type Draws = ReturnType<typeof drawsOf>;

/** @param only the kinds of faults to use. The acts of a kind are the same with and without other kinds. */
export const planOf = (seed: number, only?: readonly FaultKind[]): Plan => {
  const drawn = drawKinds(drawsOf(seed, 0));
  const kinds: ReadonlySet<FaultKind> = only === undefined ? drawn : new Set(only);
  const isSentinel = sentinelKinds.some((kind) => kinds.has(kind));
  const { oneOf } = drawsOf(seed, 1);
  const hosts = Array.from({ length: hostCount }, (_, i) => `host-${i}`);
  return {
    seed,
    kinds,
    sentinel: isSentinel ? { replicas: oneOf(1, 1, 2), sentinels: oneOf(1, 1, 3) } : undefined,
    clockOffsets: drawOffsets(drawsOf(seed, 2), hosts, kinds),
    jobs: drawJobs(drawsOf(seed, 3), kinds),
    acts: drawActs(seed, hosts, isSentinel).filter(({ act }) => kinds.has(act.kind)),
  };
};

/** Chooses the kinds: most of the frequent ones and some of the rare ones. With all of them, no job would ever run. */
const drawKinds = ({ between, chance }: Draws): ReadonlySet<FaultKind> => {
  const isSentinel = chance(20);
  const kinds = new Set<FaultKind>();
  for (const kind of faultKinds) {
    const percent = sentinelKinds.includes(kind) ? 60 : oldKinds.includes(kind) ? 60 : 35;
    const isDrawn = chance(percent);
    const isForOther = (isSentinel ? standaloneKinds : sentinelKinds).includes(kind);
    if (isDrawn && !isForOther) kinds.add(kind);
  }
  const isOneOf = sentinelKinds.some((kind) => kinds.has(kind));
  if (isSentinel && !isOneOf) kinds.add(sentinelKinds[between(0, 1)] as FaultKind);
  return kinds;
};

const drawOffsets = ({ oneOf }: Draws, hosts: readonly string[], kinds: ReadonlySet<FaultKind>) => {
  const offsets = Object.fromEntries(hosts.map((host) => [host, 0]));
  // One host keeps a correct clock.
  const [ahead, behind] = oneOf([0, 1], [1, 2], [2, 0]) as [number, number];
  if (kinds.has('clock-ahead')) offsets[`host-${ahead}`] = clockOffsetS;
  if (kinds.has('clock-behind')) offsets[`host-${behind}`] = -clockOffsetS;
  return offsets;
};

const drawJobs = ({ between, oneOf, chance }: Draws, kinds: ReadonlySet<FaultKind>): PlannedJob[] => {
  const draw = (_: unknown, i: number): PlannedJob => {
    // Most jobs are short. Some are long enough to be affected by faults of their host, and a few outlast every time-out.
    const isLong = chance(2);
    const workMs = isLong ? between(3_500, 5_500) : chance(92) ? between(5, 80) : between(300, 1_000);
    const execution = chance(10) ? { policy: `policy-${between(1, 3)}`, epoch: String(1_700_000_000 + i) } : undefined;
    const at = isLong
      ? oneOf('running' as const, 'running' as const, 'fetched' as const, 'succeeded' as const)
      : oneOf('running' as const, 'fetched' as const, 'succeeded' as const, 'finished' as const);
    const cut = { at, forMs: oneOf(between(500, 1_200), between(500, 3_000)) };
    const isCut = chance(isLong ? 50 : 2) && kinds.has(kindOfCut(cut));
    const isRefused = chance(isLong ? 40 : 10) && kinds.has('observation-refused');
    const isShort = chance(isLong ? 80 : 50) && kinds.has('observation-expires');
    return {
      atMs: isLong ? between(0, chaosToMs - 2_500) : between(0, chaosToMs - 1_000),
      id: execution === undefined ? `job-${i}` : `${execution.policy}@${execution.epoch}`,
      type: oneOf(...Object.keys(types)),
      workMs,
      hasHook: chance(50),
      execution,
      cut: isCut ? cut : undefined,
      observation: isRefused ? 'refused' : isShort ? 'expires' : undefined,
    };
  };
  return Array.from({ length: jobCount }, draw).sort((a, b) => a.atMs - b.atMs);
};

/**
 * The length of a stop. It is too short to be noticed, or long enough for a suspicion that the grace disproves, or about as
 * long as the grace, or long enough for the process to be considered dead.
 */
const stopOf = ({ between, oneOf }: Draws) =>
  oneOf(
    () => between(100, 1_200),
    () => between(1_600, stoppedPastGraceMs - 50),
    () => between(2_800, 4_200),
    () => between(4_500, 5_800),
  )();

interface Step {
  readonly act: Act;
  readonly lastsMs: number;
}

/** Acts for one purpose, one after the other. */
const sequence = (
  { between }: Draws,
  [fromPauseMs, toPauseMs]: readonly [number, number],
  next: (count: number) => Step,
): PlannedAct[] => {
  const acts: PlannedAct[] = [];
  let atMs = chaosFromMs + between(0, toPauseMs);
  for (;;) {
    const { act, lastsMs } = next(acts.length);
    if (atMs + lastsMs > chaosToMs) return acts;
    acts.push({ atMs, act });
    atMs += lastsMs + between(fromPauseMs, toPauseMs);
  }
};

/** Acts of every kind. The run uses those of its kinds. */
const drawActs = (seed: number, hosts: readonly string[], isSentinel: boolean): PlannedAct[] => {
  let purpose = 10;
  const draws = () => drawsOf(seed, purpose++);
  const ofProcess = (target: string, sleepMs?: number) => {
    const mine = draws();
    const { between, oneOf } = mine;
    return sequence(mine, target.startsWith('host') ? [300, 3_000] : [1_000, 5_000], (count): Step => {
      if (count === 0 && sleepMs !== undefined)
        return { act: { kind: 'stop', target, forMs: sleepMs }, lastsMs: sleepMs };
      const forMs = between(100, 1_500);
      const kind = oneOf('kill', 'kill', 'stop', 'stop', 'stop-then-kill' as const);
      if (kind === 'kill') return { act: { kind, target, forMs }, lastsMs: forMs };
      const stopMs = stopOf(mine);
      return kind === 'stop'
        ? { act: { kind, target, forMs: stopMs }, lastsMs: stopMs }
        : { act: { kind, target, stopMs, forMs }, lastsMs: stopMs + forMs };
    });
  };
  const timed = (pause: readonly [number, number], act: (draws: Draws) => Act, lastsMs: number): PlannedAct[] => {
    const mine = draws();
    return sequence(mine, pause, () => ({ act: act(mine), lastsMs }));
  };
  const { between } = draws();
  /** One host is stopped early and for long: its entries are requeued and run by other hosts, then it continues. */
  const sleeper = between(0, hostCount - 1);
  const reapers = Array.from({ length: reaperCount }, (_, i) => `reaper-${i}`);
  // With sentinels, reapers ask them for the master, so they have no proxy.
  const lines = isSentinel ? hosts : [...hosts, ...reapers, ...reapers];
  return [
    ...hosts.map((host, i) => ofProcess(host, i === sleeper ? between(5_000, 5_800) : undefined)),
    ...reapers.map((reaper) => ofProcess(reaper)),
    ...hosts.map((target) =>
      timed([1_500, 6_000], (d) => ({ kind: 'cut', target, forMs: d.between(500, 3_000) }), 1_000),
    ),
    timed([1_500, 6_000], (d) => ({ kind: 'kill-redis', forMs: d.between(50, 2_500) }), 2_500),
    timed([2_000, 6_000], (d) => ({ kind: 'freeze-redis', forMs: d.between(300, 4_000) }), 1_000),
    timed([3_000, 6_000], () => ({ kind: 'away-in-sweep', forMs: 3_000 }), 500),
    timed([3_000, 6_000], (d) => ({ kind: 'select-refused', forMs: d.between(500, 4_000) }), 1_000),
    timed([3_000, 6_000], (d) => ({ kind: 'auth-refused', forMs: d.between(500, 4_000) }), 1_000),
    timed([3_000, 5_000], () => ({ kind: 'failover' }), 500),
    timed([3_000, 6_000], (d) => ({ kind: 'kill-master', forMs: d.between(50, 1_000) }), 500),
    timed([2_500, 6_000], (d) => ({ kind: 'half-open', target: d.oneOf(...lines), forMs: d.between(500, 3_500) }), 500),
    timed([500, 3_000], (d) => ({ kind: 'lose-replies', target: d.oneOf(...hosts), forMs: d.between(2, 40) }), 0),
    timed([500, 3_000], () => ({ kind: 'flush-scripts' }), 0),
    timed(
      [100, 1_200],
      (d) => ({
        kind: 'kill-clients',
        picks: d.chance(30) ? 'all' : Array.from({ length: d.between(1, 4) }, () => d.between(0, 99)),
        times: d.between(1, 6),
      }),
      0,
    ),
  ]
    .flat()
    .sort((a, b) => a.atMs - b.atMs);
};
