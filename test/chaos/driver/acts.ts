/** The faults of a run: their kinds, the acts that cause them, and each act in words. Pure. */

/** Every kind of fault. `--only` takes these names. */
export const faultKinds = [
  'kill',
  'stop',
  'stop-then-kill',
  'kill-redis',
  'kill-clients',
  'lose-replies',
  'flush-scripts',
  'cut',
  'cut-at-begin',
  'cut-at-end',
  'observation-refused',
  'observation-expires',
  'clock-ahead',
  'clock-behind',
  'half-open',
  'freeze-redis',
  'away-in-sweep',
  'select-refused',
  'auth-refused',
  'failover',
  'kill-master',
] as const;
export type FaultKind = (typeof faultKinds)[number];
/** Faults that need a master with replicas and sentinels, and faults that need a single Redis. */
export const sentinelKinds: readonly FaultKind[] = ['failover', 'kill-master'];
export const standaloneKinds: readonly FaultKind[] = ['kill-redis', 'away-in-sweep'];
/** The kinds of version 0.1.0. */
export const oldKinds: readonly FaultKind[] = faultKinds.slice(0, 7);

/** `picks` (0 to 99) selects clients among those that are connected at that time. `times`: one directly after the other. */
export type Act =
  | { readonly kind: 'kill' | 'stop'; readonly target: string; readonly forMs: number }
  | { readonly kind: 'stop-then-kill'; readonly target: string; readonly stopMs: number; readonly forMs: number }
  | { readonly kind: 'cut' | 'half-open' | 'lose-replies'; readonly target: string; readonly forMs: number }
  | {
      readonly kind:
        | 'kill-redis'
        | 'freeze-redis'
        | 'away-in-sweep'
        | 'kill-master'
        | 'select-refused'
        | 'auth-refused';
      readonly forMs: number;
    }
  | { readonly kind: 'kill-clients'; readonly picks: readonly number[] | 'all'; readonly times: number }
  | { readonly kind: 'flush-scripts' | 'failover' };

/**
 * The point in a job's run at which its host's connection is cut. `fetched`: after the fetch, before anything is written.
 * `running`: after the status Running and before the observation. `succeeded`: after the status Success and before the finish.
 * `finished`: after the finish and before the observation is deleted.
 */
export type CutPoint = 'fetched' | 'running' | 'succeeded' | 'finished';
export interface JobCut {
  readonly at: CutPoint;
  readonly forMs: number;
}
export const kindOfCut = ({ at }: JobCut): FaultKind =>
  at === 'fetched' || at === 'running' ? 'cut-at-begin' : 'cut-at-end';

export const wordsOf = (act: Act): string => {
  switch (act.kind) {
    case 'kill':
      return `SIGKILL ${act.target}, replaced after ${act.forMs} ms`;
    case 'stop':
      return `SIGSTOP ${act.target}, SIGCONT after ${act.forMs} ms`;
    case 'stop-then-kill':
      return `SIGSTOP ${act.target}, SIGKILL after ${act.stopMs} ms, replaced after ${act.forMs} ms`;
    case 'kill-redis':
      return `SIGKILL Redis, restarted after ${act.forMs} ms`;
    case 'away-in-sweep':
      return `SIGKILL Redis in the middle of the next sweep, restarted after ${act.forMs} ms`;
    case 'freeze-redis':
      return `SIGSTOP Redis (or the master), SIGCONT after ${act.forMs} ms`;
    case 'kill-master':
      return `SIGKILL the master, restarted as a replica ${act.forMs} ms after the failover`;
    case 'failover':
      return 'SENTINEL FAILOVER';
    case 'kill-clients':
      return `CLIENT KILL of ${act.picks === 'all' ? 'all' : act.picks.length}, ${act.times} times`;
    case 'cut':
      return `connections of ${act.target} cut and refused for ${act.forMs} ms`;
    case 'half-open':
      return `the proxy of ${act.target} drops all bytes for ${act.forMs} ms; its connections stay half-open`;
    case 'lose-replies':
      return `${act.target} gets no replies for ${act.forMs} ms, then its connections break`;
    case 'select-refused':
      return `SELECT denied to the reapers for ${act.forMs} ms, their connections killed`;
    case 'auth-refused':
      return `AUTH denied to the reapers for ${act.forMs} ms, their connections killed`;
    case 'flush-scripts':
      return 'SCRIPT FLUSH';
  }
};
