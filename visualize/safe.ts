import type { Facts, JobOutcome } from '../src/index.ts';

/** Text from Redis has no bound of its own: what goes out has. */
const longest = 256;
export const shorten = (text: string): string =>
  // Half of a pair of surrogates is no text: no address can hold it.
  text.length > longest ? `${text.slice(0, longest).replace(/[\ud800-\udbff]$/, '')}…` : text;

/**
 * Facts as they may leave the process: field by field, so that a field which comes to be one day stays here until
 * somebody has thought about it.
 */
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
  evidence: facts.evidence && { ...facts.evidence, pool: facts.evidence.pool && shorten(facts.evidence.pool) },
});

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
  detail,
  outcome,
  ...(error === undefined ? {} : { error: shorten(error) }),
});
