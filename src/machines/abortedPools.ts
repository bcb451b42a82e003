import { type Adoption, addShare, type Share, type SupervisedPools } from './adoption.ts';
import { filterGraces, type WaitingPool, waitingIn } from './waitingPools.ts';

/** The pools after a pass has left them. */
export interface Leaving extends SupervisedPools, Pick<Adoption, 'gains' | 'losses'> {
  /** Pools that waited for this pass alone: they are given up. */
  readonly over: readonly WaitingPool[];
}

/**
 * Lets a pass that its caller has aborted leave its pools. A pool that another pass reports or awaits goes on for that one.
 * A pool that is worked on is finished for the aborted pass, because its entries must not stay half moved.
 */
export const leave = (known: SupervisedPools, pass: string): Leaving => {
  const gains = new Map<string, Share>();
  const losses = new Map<string, Share>();
  const isOnlyOf = ({ reportedBy, awaitedBy }: WaitingPool) =>
    [...reportedBy, ...awaitedBy].every(({ id }) => id === pass);

  const leaveOne = (pool: WaitingPool): WaitingPool => {
    const isReported = pool.reportedBy.some(({ id }) => id === pass);
    if (!isReported && !pool.awaitedBy.some(({ id }) => id === pass)) return pool;
    addShare(losses, pass, { reports: isReported ? 1 : 0, awaits: 1 });
    const reportedBy = pool.reportedBy.filter(({ id }) => id !== pass);
    const [heir, ...others] = pool.awaitedBy.filter(({ id }) => id !== pass);
    if (reportedBy.length > 0 || heir === undefined) {
      return { ...pool, reportedBy, awaitedBy: heir === undefined ? [] : [heir, ...others] };
    }
    addShare(gains, heir.id, { reports: 1, awaits: 0 });
    return { ...pool, reportedBy: [heir], awaitedBy: others };
  };

  const over = waitingIn(known).filter(isOnlyOf);
  const graces = filterGraces(known.graces, (pool) => !isOnlyOf(pool));
  return {
    over,
    graces: graces.map((grace) => ({ ...grace, pools: grace.pools.map(leaveOne) })),
    suspects: known.suspects.filter((pool) => !isOnlyOf(pool)).map(leaveOne),
    slots: Object.fromEntries(
      Object.entries(known.slots).map(([slot, pool]) => [
        slot,
        isOnlyOf(pool) ? { ...pool, isAborted: true as const } : leaveOne(pool),
      ]),
    ),
    gains,
    losses,
  };
};
