/** What a run does and when: all that the driver decides, from one seed. Pure. */
import fc from 'fast-check';
import { chaosFromMs, chaosToMs, hostCount, jobCount, reaperCount, stoppedPastGraceMs, types } from './settings.ts';

export interface PlannedJob {
  /** When it is enqueued, in ms after the start. */
  readonly atMs: number;
  /** Id of its stats; `<policy>@<epoch>` for an execution of a policy. */
  readonly id: string;
  readonly type: string;
  /** How long it runs, in ms. */
  readonly workMs: number;
  readonly hasHook: boolean;
  /** For an execution of a periodic policy. */
  readonly execution: { readonly policy: string; readonly epoch: string } | undefined;
}

/** `picks` (0 to 99) says which clients of those that there are then; `times`, one right after the other. */
export type Act =
  | { readonly kind: 'kill' | 'stop'; readonly target: string; readonly forMs: number }
  | { readonly kind: 'stop, then kill'; readonly target: string; readonly stopMs: number; readonly forMs: number }
  | { readonly kind: 'kill redis'; readonly forMs: number }
  | { readonly kind: 'kill clients'; readonly picks: readonly number[] | 'all'; readonly times: number }
  | { readonly kind: 'lose replies'; readonly forMs: number }
  | { readonly kind: 'flush scripts' };

export interface PlannedAct {
  /** In ms after the start. */
  readonly atMs: number;
  readonly act: Act;
}

export interface Plan {
  readonly seed: number;
  readonly jobs: readonly PlannedJob[];
  readonly acts: readonly PlannedAct[];
}

const uniform = (min: number, max: number) => fc.noBias(fc.integer({ min, max }));

export const planOf = (seed: number): Plan => {
  const [draw] = fc.sample(fc.gen(), { seed, numRuns: 1 }) as [fc.GeneratorValue];
  const between = (min: number, max: number): number => draw(uniform, min, max);
  const oneOf = <T>(...values: readonly T[]): T => values[between(0, values.length - 1)] as T;
  const chance = (percent: number): boolean => between(0, 99) < percent;

  const jobs = Array.from({ length: jobCount }, (_, i): PlannedJob => {
    // Most are short; some are long enough to be met by what happens to their host.
    const workMs = chance(92) ? between(5, 80) : between(300, 1_000);
    const execution = chance(10) ? { policy: `policy-${between(1, 3)}`, epoch: String(1_700_000_000 + i) } : undefined;
    return {
      atMs: between(0, chaosToMs - 1_000),
      id: execution === undefined ? `job-${i}` : `${execution.policy}@${execution.epoch}`,
      type: oneOf(...Object.keys(types)),
      workMs,
      hasHook: chance(50),
      execution,
    };
  });

  /** What happens to one target, one act after another, each over before the next. */
  const onTarget = (
    next: () => { act: Act; lastsMs: number },
    fromPauseMs: number,
    toPauseMs: number,
    first?: { act: Act; lastsMs: number },
  ): PlannedAct[] => {
    const acts: PlannedAct[] = [];
    let atMs = chaosFromMs + between(0, first === undefined ? toPauseMs : 1_000);
    for (;;) {
      const { act, lastsMs } = acts.length === 0 && first !== undefined ? first : next();
      if (atMs + lastsMs > chaosToMs) return acts;
      acts.push({ atMs, act });
      atMs += lastsMs + between(fromPauseMs, toPauseMs);
    }
  };
  /**
   * A stop is too short for anybody to take notice; or so long that the process is suspected, and proves in its grace that it
   * lives; or just about as long as a grace; or so long that it is taken for dead.
   */
  const stopMs = () =>
    oneOf(
      () => between(100, 1_200),
      () => between(1_600, stoppedPastGraceMs - 50),
      () => between(2_500, 4_000),
      () => between(4_200, 5_500),
    )();
  const onProcess = (target: string) => () => {
    const forMs = between(100, 1_500);
    const kind = oneOf('kill', 'kill', 'stop', 'stop', 'stop, then kill' as const);
    if (kind === 'kill') return { act: { kind, target, forMs } as const, lastsMs: forMs };
    const stopped = stopMs();
    return kind === 'stop'
      ? { act: { kind, target, forMs: stopped } as const, lastsMs: stopped }
      : { act: { kind, target, stopMs: stopped, forMs } as const, lastsMs: stopped + forMs };
  };
  /** One host sleeps, early and for long: its entries are put back and run by others, and then it wakes up. */
  const sleeper = between(0, hostCount - 1);
  const sleepMs = between(4_800, 5_800);
  const sleep = { act: { kind: 'stop', target: `host-${sleeper}`, forMs: sleepMs }, lastsMs: sleepMs } as const;
  const acts = [
    ...Array.from({ length: hostCount }, (_, i) =>
      onTarget(onProcess(`host-${i}`), 300, 3_000, i === sleeper ? sleep : undefined),
    ),
    ...Array.from({ length: reaperCount }, (_, i) => onTarget(onProcess(`reaper-${i}`), 1_000, 5_000)),
    onTarget(() => ({ act: { kind: 'kill redis', forMs: between(50, 2_500) }, lastsMs: 2_500 }), 1_500, 6_000),
    onTarget(
      () => ({
        act: chance(25)
          ? { kind: 'flush scripts' }
          : chance(35)
            ? { kind: 'lose replies', forMs: between(2, 40) }
            : {
                kind: 'kill clients',
                picks: chance(30) ? 'all' : Array.from({ length: between(1, 4) }, () => between(0, 99)),
                times: between(1, 6),
              },
        lastsMs: 0,
      }),
      50,
      700,
    ),
  ];
  return {
    seed,
    jobs: jobs.sort((a, b) => a.atMs - b.atMs),
    acts: acts.flat().sort((a, b) => a.atMs - b.atMs),
  };
};

/** An act as a person reads it. */
export const wordsOf = (act: Act): string => {
  switch (act.kind) {
    case 'kill':
      return `SIGKILL ${act.target}, another in its place after ${act.forMs} ms`;
    case 'stop':
      return `SIGSTOP ${act.target}, SIGCONT after ${act.forMs} ms`;
    case 'stop, then kill':
      return `SIGSTOP ${act.target}, SIGKILL after ${act.stopMs} ms, another in its place after ${act.forMs} ms`;
    case 'kill redis':
      return `SIGKILL Redis, started again after ${act.forMs} ms`;
    case 'kill clients':
      return `CLIENT KILL of ${act.picks === 'all' ? 'all' : act.picks.length}, ${act.times} times`;
    case 'lose replies':
      return `hosts get no replies for ${act.forMs} ms, then their connections break`;
    case 'flush scripts':
      return 'SCRIPT FLUSH';
  }
};
