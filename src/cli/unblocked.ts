import { countText } from '../ages.ts';
import type { Reaper, RescueSummary } from '../index.ts';

/** The types whose lock has kept their jobs from running before a rescue, and does not any more. Reads the status if a lock was lowered. */
export const unblockedLines = async (
  reaper: Pick<Reaper, 'status'>,
  { changes }: Pick<RescueSummary, 'changes'>,
): Promise<string[]> => {
  const before = new Map(
    changes.flatMap((change) => (change.act === 'lock' ? [[change.type, Number(change.before)] as const] : [])),
  );
  if (before.size === 0) return [];
  // The rescue is done, whatever this says.
  const { queues } = await reaper.status().catch(() => ({ queues: [] }));
  return queues.flatMap(({ type, queued, isPaused, maxConcurrency: cap, lock, livePools }) => {
    const wasBlocked = cap > 0 && (before.get(type) ?? 0) >= cap;
    if (!wasBlocked || lock >= cap || queued === 0 || isPaused || livePools === 0) return [];
    return [`${type} can run again: lock ${countText(lock)} < cap ${countText(cap)}, ${countText(queued)} queued`];
  });
};
