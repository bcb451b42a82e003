import type { Facts } from '../src/machines/facts.ts';
import type { JobOutcome } from '../src/machines/types/job.ts';
import type { PoolOutcome } from '../src/machines/types/pool.ts';
import type { AskedRule, ExplainedHook, Explanation, RescueSummary, SweepSummary } from '../src/reaper/inspection.ts';
import type { RescueAnswer, SafeExplanation, SweepAnswer } from './protocol.ts';

/*
 * What may leave the process. Each function copies field by field: a field that is added to one of these types later does
 * not leave the process until someone adds it here. Text from Redis has no limit of its own, so every text is cut.
 */

/** Characters of a text that leaves the process. SECURITY.md promises this limit. */
const maxTextLength = 256;
/** Places of one job that are named. */
const maxPlaces = 50;
/** Job types that are named in the counts of one pool. */
const maxTypes = 32;
/** Changes of each kind that are named in the answer to a rescue. */
const maxExamples = 3;

/** Cuts a text to 256 characters and an ellipsis. Never cuts a surrogate pair in half: half of one fits in no URL. */
export const shorten = (text: string): string =>
  text.length > maxTextLength ? `${text.slice(0, maxTextLength).replace(/[\ud800-\udbff]$/, '')}…` : text;

export const safeFacts = (facts: Facts): Facts => ({
  id: shorten(facts.id),
  readAt: facts.readAt,
  stats: facts.stats,
  statsId: facts.statsId && shorten(facts.statsId),
  name: facts.name && shorten(facts.name),
  kind: facts.kind && shorten(facts.kind),
  status: facts.status && shorten(facts.status),
  updateTime: facts.updateTime,
  checkInAt: facts.checkInAt,
  revision: facts.revision,
  enqueueTime: facts.enqueueTime,
  runAt: facts.runAt,
  ack:
    typeof facts.ack === 'object'
      ? { status: facts.ack.status, revision: facts.ack.revision, checkInAt: facts.ack.checkInAt }
      : facts.ack,
  hasHook: facts.hasHook,
  evidence: facts.evidence && {
    found: facts.evidence.found,
    lookedIn: facts.evidence.lookedIn,
    pool: facts.evidence.pool && shorten(facts.evidence.pool),
    startedAt: facts.evidence.startedAt,
  },
});

/** The rules that were asked. An answer can name a pool. */
export const safeRules = (rules: readonly AskedRule[]): AskedRule[] =>
  rules.map(({ rule, question, answer }) => ({ rule, question, answer: shorten(answer) }));

export const safeOutcome = ({
  id,
  verdict,
  reason,
  rule,
  detail,
  outcome,
  error,
}: JobOutcome): Omit<JobOutcome, 'facts'> => ({
  id: shorten(id),
  verdict,
  reason,
  rule,
  outcome,
  ...(detail === undefined ? {} : { detail: shorten(detail) }),
  ...(error === undefined ? {} : { error: shorten(error) }),
});

export const safeExplanation = (explanation: Explanation): SafeExplanation => ({
  id: shorten(explanation.id),
  isTracked: explanation.isTracked,
  facts: safeFacts(explanation.facts),
  rules: safeRules(explanation.rules),
  verdict: explanation.verdict,
  reason: explanation.reason,
  detail: explanation.detail && shorten(explanation.detail),
  action: explanation.action,
  places: explanation.places.slice(0, maxPlaces).map(safePlace),
  otherPlaces: Math.max(0, explanation.places.length - maxPlaces),
  hook: explanation.hook && safeHook(explanation.hook),
});

const safePlace = ({ kind, type, pool, isPoolAlive, ahead, at }: Explanation['places'][number]) => ({
  kind,
  ...(type === undefined ? {} : { type: shorten(type) }),
  ...(pool === undefined ? {} : { pool: shorten(pool) }),
  ...(isPoolAlive === undefined ? {} : { isPoolAlive }),
  ...(ahead === undefined ? {} : { ahead }),
  ...(at === undefined ? {} : { at }),
});

const safeHook = ({
  id,
  state,
  about,
  endpoint,
  attempts,
  firstAttemptAt,
  lastAttemptAt,
  answer,
  nextAttemptAt,
}: ExplainedHook): SafeExplanation['hook'] => ({
  id: shorten(id),
  state,
  about: shorten(about),
  endpoint: shorten(endpoint),
  attempts,
  firstAttemptAt,
  lastAttemptAt,
  answer: answer && shorten(answer),
  nextAttemptAt,
});

/** Entries that were moved, by job type. */
export const safeMoved = (moved: PoolOutcome['moved']): PoolOutcome['moved'] =>
  Object.fromEntries(
    Object.entries(moved)
      .slice(0, maxTypes)
      .map(([type, count]) => [shorten(type), count]),
  );

export const safeSweep = ({ plan, scanned, screened, verdicts, outcomes, suspended }: SweepSummary): SweepAnswer => ({
  plan,
  scanned,
  ...(screened === undefined ? {} : { screened }),
  verdicts,
  outcomes,
  ...(suspended === undefined ? {} : { suspended: { ...suspended, message: shorten(suspended.message) } }),
});

/** A summary lists each change; a rescue of many entries makes many. The page gets counts and examples. */
export const safeRescue = ({
  plan,
  alive,
  suspects,
  pools,
  entries,
  orphaned,
  quarantined,
  changes,
  suspended,
}: RescueSummary): RescueAnswer => ({
  plan,
  alive,
  suspects,
  pools,
  entries,
  orphaned,
  quarantined,
  changes: countByAct(changes),
  ...(suspended === undefined ? {} : { suspended: { ...suspended, message: shorten(suspended.message) } }),
});

const countByAct = (changes: RescueSummary['changes']): RescueAnswer['changes'] => {
  const counted = new Map<string, { act: string; count: number; examples: string[] }>();
  for (const change of changes) {
    const group = counted.get(change.act) ?? { act: change.act, count: 0, examples: [] };
    group.count += 1;
    if (group.examples.length < maxExamples) group.examples.push(shorten(wordsOf(change)));
    counted.set(change.act, group);
  }
  return [...counted.values()];
};

const wordsOf = (change: RescueSummary['changes'][number]): string => {
  switch (change.act) {
    case 'requeue':
      return `${change.type}: ${change.entries} from pool ${change.pool}`;
    case 'deregister':
      return `pool ${change.pool}`;
    case 'lock':
      return `${change.type}: ${change.before} → ${change.after}`;
    case 'lock_info':
      return `${change.type}: ${change.fields} fields`;
    default:
      return `job ${change.id} of pool ${change.pool}`;
  }
};
