import type { Suspect } from './types/pool.ts';
import type { RescueRequest } from './types/rescue.ts';
import { addToGraces, byUrgency, type Grace, type PassRef, type WaitingPool } from './waitingPools.ts';

/** The pools that are waited for or worked on, before and after a pass adopts the suspects that it has found. */
export interface SupervisedPools {
  readonly graces: readonly Grace[];
  readonly suspects: readonly WaitingPool[];
  /** Slot → the pool that is worked on in it. */
  readonly slots: Readonly<Record<string, WaitingPool>>;
}

/** How many pools a pass has to report, and how many ends it awaits in all. */
export interface Share {
  readonly reports: number;
  readonly awaits: number;
}

export interface Adoption extends SupervisedPools {
  /** Id of a pass → what it reports and awaits from now on. */
  readonly gains: ReadonlyMap<string, Share>;
  /** Id of a pass → what it no longer reports and awaits. */
  readonly losses: ReadonlyMap<string, Share>;
}

/**
 * Lets a pass adopt the suspects that it has found.
 *
 * A suspect that another pass already waits for gets no second actor. The pass that found it first reports it, unless a
 * caller asked for this pass: then it takes the pool over from scheduled passes. Plans and rescues share no pools: what a
 * plan looks at is not rescued, and the other way round. A caller's shorter grace counts for the pools that wait already.
 */
export const adopt = (
  known: SupervisedPools,
  {
    pass,
    request,
    found,
    defaultGrace,
  }: { pass: PassRef; request: RescueRequest; found: readonly Suspect[]; defaultGrace: number },
): Adoption => {
  const seen = new Map(found.map((suspect) => [suspect.pool, suspect]));
  const adopted = new Set<string>();
  const losses = new Map<string, Share>();
  let [reports, awaits] = [0, 0];
  // A grace of 0 does not count here: it ends the graces when pools may be worked on (`releasePools`).
  const maxGrace = pass.isAsked && request.grace ? request.grace : Number.POSITIVE_INFINITY;

  const adoptOne = (held: WaitingPool): WaitingPool => {
    const now = seen.get(held.input.suspect.pool);
    if (held.input.plan !== request.plan || now === undefined) return held;
    adopted.add(now.pool);
    const { isAborted, ...pool } = seenAgain(held, now, maxGrace);
    if (!pass.isAsked) return isAborted ? { ...pool, isAborted } : pool;
    const losers = request.plan ? [] : pool.reportedBy.filter(({ isAsked }) => !isAsked);
    awaits += 1;
    if (!request.plan && losers.length === 0) return { ...pool, awaitedBy: [...pool.awaitedBy, pass] };
    for (const { id } of losers) addShare(losses, id, { reports: 1, awaits: 1 });
    reports += 1;
    const reportedBy = [...pool.reportedBy.filter((other) => !losers.includes(other)), pass];
    // Without a fence it continues for the caller when the lease is lost.
    return { ...pool, reportedBy, input: { ...pool.input, suspect: { ...pool.input.suspect, fence: undefined } } };
  };

  const waiting = known.graces.map((grace) => ({ ...grace, pools: grace.pools.map(adoptOne) }));
  const graces =
    maxGrace === Number.POSITIVE_INFINITY
      ? waiting
      : addToGraces(
          [],
          waiting.flatMap(({ pools }) => pools),
        );
  const suspects = known.suspects.map(adoptOne);
  const slots = Object.fromEntries(Object.entries(known.slots).map(([slot, pool]) => [slot, adoptOne(pool)]));

  const grace = request.grace ?? defaultGrace;
  const fresh = found
    .filter(({ pool }) => !adopted.has(pool))
    .map(
      (suspect): WaitingPool => ({
        input: { suspect, plan: request.plan, grace },
        since: suspect.at,
        reportedBy: [pass],
        awaitedBy: [],
      }),
    );
  return {
    graces: grace === 0 ? graces : addToGraces(graces, fresh),
    suspects: grace === 0 ? byUrgency([...suspects, ...fresh]) : suspects,
    slots,
    gains: new Map([[pass.id, { reports: reports + fresh.length, awaits: awaits + fresh.length }]]),
    losses,
  };
};

export const addShare = (shares: Map<string, Share>, pass: string, { reports, awaits }: Share): void => {
  const known = shares.get(pass) ?? { reports: 0, awaits: 0 };
  shares.set(pass, { reports: known.reports + reports, awaits: known.awaits + awaits });
};

/** A pool that was seen again: its entries may have changed, and its grace may be shorter. */
const seenAgain = (held: WaitingPool, now: Suspect, maxGrace: number): WaitingPool => {
  const { suspect } = held.input;
  const grace = Math.min(held.input.grace, maxGrace);
  const planned = now.planned ?? suspect.planned;
  const isSame = now.holdsEntries === suspect.holdsEntries && planned === suspect.planned;
  if (isSame && grace === held.input.grace) return held;
  return {
    ...held,
    input: { ...held.input, grace, suspect: { ...suspect, planned, holdsEntries: now.holdsEntries === true } },
  };
};
