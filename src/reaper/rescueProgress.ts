import type { ActorRefFrom, SnapshotFrom } from 'xstate';
import type { poolMachine } from '../machines/pool.ts';
import type { poolsMachine } from '../machines/pools.ts';
import type { rescueMachine } from '../machines/rescue.ts';
import type { RescueProgress } from '../machines/types/progress.ts';
import { waitingIn } from '../machines/waitingPools.ts';

/** @param now in monotonic ms. @returns undefined if no pass runs and no pool is worked on. */
export const rescueProgressOf = (
  rescue: SnapshotFrom<typeof rescueMachine>,
  pools: SnapshotFrom<typeof poolsMachine> | undefined,
  now: number,
): RescueProgress | undefined => {
  const waiting = pools === undefined ? [] : waitingIn(pools.context);
  const working = Object.values(pools?.children ?? {}).map((actor) =>
    poolOf(actor as ActorRefFrom<typeof poolMachine>),
  );
  const step = stepOf(rescue) ?? (waiting.length + working.length > 0 ? 'rescuing-pools' : undefined);
  if (step === undefined) return undefined;
  const dueAt = pools?.context.graces[0]?.dueAt;
  return {
    ...{ step, waiting: waiting.length, pools: working },
    graceLeftMs: dueAt === undefined ? undefined : Math.max(0, Math.round(dueAt - now)),
  };
};

const stepOf = (rescue: SnapshotFrom<typeof rescueMachine>): RescueProgress['step'] | undefined => {
  if (rescue.matches('finding')) return 'reading-pools';
  if (rescue.matches('recounting')) return 'rebuilding-counters';
  if (rescue.matches({ requeuingOrphans: 'awaitingSecondTry' })) return 'awaiting-second-try';
  return rescue.matches('requeuingOrphans') ? 'requeuing-orphans' : undefined;
};

const poolOf = (actor: ActorRefFrom<typeof poolMachine>): RescueProgress['pools'][number] => {
  const { suspect, held, moved } = actor.getSnapshot().context;
  return {
    pool: suspect.pool,
    entries: held.reduce((sum, { entries }) => sum + entries, 0),
    requeued: Object.values(moved).reduce((sum, count) => sum + count, 0),
  };
};
