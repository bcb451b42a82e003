import type { PlannedChange, PlannedEntry, PlannedRescue } from './types/changes.ts';
import type { PlannedActs, RequeuedOrphans, RescueRequest } from './types/rescue.ts';

/** The acts of a plan of a rescue, by what they are about. */
export const plannedActsOf = (acts: readonly PlannedChange[]): PlannedActs => ({
  pools: new Map(acts.filter(isOfPool).map((act) => [act.pool, act])),
  entries: acts.filter((act) => 'act' in act && act.act !== 'rebuild-counters'),
  counters: acts.filter((act) => 'act' in act && act.act === 'rebuild-counters'),
});

const isOfPool = (act: PlannedChange): act is PlannedRescue => !('act' in act);

/** The request with only these acts on entries, if it does the acts of a plan. */
export const withEntries = (request: RescueRequest, entries: readonly PlannedEntry[] = []): RescueRequest => {
  const { scope } = request;
  if (scope?.acts === undefined) return request;
  return { ...request, scope: { ...scope, acts: { ...scope.acts, entries } } };
};

/** The last try: what is still too early for it is left. */
export const withoutSecondTry = ({ early = [], applied, ...requeued }: RequeuedOrphans): RequeuedOrphans => {
  if (applied === undefined) return requeued;
  const left = early.map((act) => ({ act, why: 'it has not been unobserved for long enough', isMoved: true }));
  return { ...requeued, applied: { ...applied, left: [...applied.left, ...left] } };
};
