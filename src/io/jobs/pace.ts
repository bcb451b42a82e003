import { type Clock, monotonicOf, pause } from '../clock.ts';

/** When the scripts of a sweep run, so that Redis has time for others. */
export interface Pace {
  /** How long one script may take, in µs of processor time of Redis. Nothing else is served meanwhile. */
  readonly scriptTime: number;
  /** Waits until a script of this cost may run. The next one waits for its end, and for the share of others. */
  turn(us: number): Promise<void>;
  /** A script has cost this much more than it was taken to. */
  correct(us: number): void;
}

/** What may run at once after a rest, in µs: small sweeps never wait. */
const credit = 1_000;

/** Redis also reads the call of a script and writes its reply, which the script cannot measure: about a quarter more. */
const wholeCost = 1.25;

/** For what a person waits for, and for a share of 1: no waits, and longer scripts. */
export const noPace: Pace = { scriptTime: 1_000, turn: async () => undefined, correct: () => undefined };

/** @param maxShare from 0 to 1: how much of the time the scripts may run. */
export const createPace = (clock: Clock, maxShare: number): Pace => {
  if (maxShare === 1) return noPace;
  const restOf = (us: number) => (us * wholeCost) / 1_000 / maxShare;
  /** When Redis has had all its rest. */
  let restedAt = Number.NEGATIVE_INFINITY;
  return {
    scriptTime: 500,
    async turn(us) {
      const now = monotonicOf(clock);
      const at = Math.max(restedAt, now - restOf(credit));
      restedAt = at + restOf(us);
      const left = Math.ceil(at - now);
      if (left > 0) await pause(clock, left);
    },
    correct(us) {
      restedAt += restOf(us);
    },
  };
};
