import { unqueuedBy } from '../io/hooks/enqueue.ts';
import { stateOf } from '../io/hooks/hooks.ts';
import type { HookRecords } from '../io/hooks/records.ts';
import type { PageReader } from '../io/jobs/pageReader.ts';
import { unlessWrongType } from '../io/redis/wrongTypes.ts';
import { type Facts, isFinal, isStatus } from '../machines/facts.ts';
import type { UnqueuedHook } from '../machines/types/job.ts';
import { judge, type Policy, type Reason, type Verdict } from '../machines/verdict.ts';

/** How many jobs are tracked, and what a sweep would do with them. */
export interface TrackedCounts {
  readonly total: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly byVerdict: Readonly<Partial<Record<Verdict, number>>>;
  readonly byReason: Readonly<Partial<Record<Reason, number>>>;
  /** Final jobs that are tracked only because their last hook is parked. They are not in progress. */
  readonly parkedFinal: number;
  /** Jobs to refire whose hook of this very state is pending already, or parked: a sweep does nothing with them. */
  readonly refireWithHook: number;
}

/** Counts of all tracked jobs. Maps, because a status in Redis may have the name of a method of Object. */
export const countTracked = async ({
  open,
  policy,
  records,
}: {
  /** Begins to read all tracked jobs. */
  open: () => PageReader;
  policy: Policy;
  records: HookRecords;
}): Promise<TrackedCounts> => {
  const byStatus = new Map<string, number>();
  const byVerdict = new Map<Verdict, number>();
  const byReason = new Map<Reason, number>();
  const counts = { total: 0, parkedFinal: 0, refireWithHook: 0 };
  const reader = open();
  for (let isLast = false; !isLast; ) {
    const page = await reader.next();
    isLast = page.isLast;
    const judged = page.jobs.map(({ facts }) => ({ facts, ...judge(facts, policy) }));
    const hooks = await hooksOf(judged, records);
    for (const { facts, verdict, reason } of judged) {
      const hook = hooks.get(facts.id);
      if (hook === 'parked' && isStatus(facts.status) && isFinal(facts.status)) {
        counts.parkedFinal += 1;
        continue;
      }
      counts.total += 1;
      if (hook !== undefined) counts.refireWithHook += 1;
      count(byStatus, facts.status ?? 'no status');
      count(byVerdict, verdict);
      count(byReason, reason);
    }
  }
  const recordOf = <Name extends string>(counts: ReadonlyMap<Name, number>) =>
    Object.fromEntries(counts) as Record<Name, number>;
  return { ...counts, byStatus: recordOf(byStatus), byVerdict: recordOf(byVerdict), byReason: recordOf(byReason) };
};

/** The jobs to refire whose hooks a sweep would not enqueue: job id → why. */
const hooksOf = async (
  judged: readonly { readonly facts: Facts; readonly verdict: Verdict }[],
  records: HookRecords,
): Promise<ReadonlyMap<string, UnqueuedHook['outcome']>> => {
  const refires = judged.filter(({ verdict }) => verdict === 'refire').map(({ facts }) => facts);
  const states = new Map(refires.map((facts) => [facts.id, stateOf(facts)]));
  const found = await unlessWrongType(records.findAll([...states.keys()]), []);
  return new Map(
    found.flatMap((record) => {
      const unqueued = unqueuedBy(record, states.get(record.id) as string);
      return unqueued === undefined ? [] : [[record.id, unqueued.outcome] as const];
    }),
  );
};

const count = <Name>(counts: Map<Name, number>, name: Name) => counts.set(name, (counts.get(name) ?? 0) + 1);
