import { type Ack, type Evidence, type Facts, isFinal, isStatus, rank, type Status, type StoredTime } from './facts.ts';

/** What is to be done with a tracked job. `keep` is the only one that changes nothing. */
export type Verdict = 'keep' | 'fail' | 'refire' | 'reset' | 'untrack';
/** Why a verdict was reached: a stable code. */
export type Reason =
  | 'missing-stats'
  | 'malformed'
  | 'behind'
  | 'hung'
  | 'observed'
  | 'in-queue'
  | 'inconclusive'
  | 'clock-ahead'
  | 'acknowledged'
  | 'ongoing'
  | 'no-endpoint'
  | 'recently-updated'
  | 'unacknowledged';

export interface Judgement {
  readonly verdict: Verdict;
  readonly reason: Reason;
  /** Which of the six rules decided. */
  readonly rule: number;
  /** What an operator needs to know besides the reason. */
  readonly detail?: string;
  /** For `reset`: the acknowledged state that the job is reset to. */
  readonly target?: { readonly status: Status; readonly revision?: number };
}

export interface Policy {
  /** How long a job of a type may show no sign of life, in s. */
  hungAfter(type: string | undefined): number;
  /** How long a worker may run a job of a type that shows no other sign of life, in s; undefined for no limit. */
  runLimit(type: string | undefined): number | undefined;
  /** How far ahead of the clock of Redis a time may be, in s; one that is further ahead says nothing. */
  readonly clockTolerance: number;
  /** How long after an update its own hook may still be in flight, in s. */
  readonly refireGrace: number;
}

export interface Rule {
  readonly number: number;
  /** The question that the rule asks. */
  readonly question: string;
  decide(facts: Facts, policy: Policy): Judgement | undefined;
}

/** The rules in their order: the first one that answers decides. Upstream has another order. */
export const rules: readonly Rule[] = [
  {
    number: 1,
    question: 'Are there stats?',
    decide: (facts) =>
      facts.stats === 'nothing' && !facts.hasBrokenId
        ? { verdict: 'untrack', reason: 'missing-stats', rule: 1, detail: 'no stats' }
        : undefined,
  },
  {
    number: 2,
    question: 'Can the stats be judged?',
    decide: (facts) => {
      const fault = faultOf(facts);
      return fault === undefined ? undefined : { verdict: 'keep', reason: 'malformed', rule: 2, detail: fault };
    },
  },
  {
    number: 3,
    question: 'Has the endpoint acknowledged more than the stats say?',
    decide: (facts) => {
      const ack = ackOf(facts);
      if (ack === undefined) return undefined;
      const revision = facts.revision ?? 0;
      const isNewer = ack.revision > revision;
      if (!isNewer && !(ack.revision === revision && rank(ack.status) > rank(statusOf(facts)))) return undefined;
      return {
        verdict: 'reset',
        reason: 'behind',
        rule: 3,
        detail: `${ack.status} was acknowledged`,
        target: isNewer ? { status: ack.status, revision: ack.revision } : { status: ack.status },
      };
    },
  },
  {
    number: 4,
    question: 'Has it shown no sign of life for longer than its limit?',
    decide: (facts, policy) => {
      if (isClockAhead(facts, policy)) {
        return { verdict: 'keep', reason: 'clock-ahead', rule: 4, detail: aheadText(facts, policy) };
      }
      return looksHung(facts, policy) ? judgeHung(facts, policy) : undefined;
    },
  },
  {
    number: 5,
    question: 'Has the endpoint acknowledged exactly this state?',
    decide: (facts) => {
      if (compare(facts) !== 0) return undefined;
      return isFinal(statusOf(facts))
        ? { verdict: 'untrack', reason: 'acknowledged', rule: 5 }
        : { verdict: 'keep', reason: 'ongoing', rule: 5 };
    },
  },
  {
    number: 6,
    question: 'Is there an endpoint to notify?',
    decide: (facts, policy) => {
      if (!facts.hasHook) {
        return isFinal(statusOf(facts))
          ? { verdict: 'untrack', reason: 'no-endpoint', rule: 6, detail: 'no hook URL' }
          : { verdict: 'keep', reason: 'ongoing', rule: 6, detail: 'no hook URL' };
      }
      const age = facts.readAt - (facts.updateTime ?? 0);
      return age < policy.refireGrace && -age <= policy.clockTolerance
        ? { verdict: 'keep', reason: 'recently-updated', rule: 6, detail: 'its own hook may be in flight' }
        : { verdict: 'refire', reason: 'unacknowledged', rule: 6 };
    },
  },
];

/** Decides on a job. Pure: the clock is in the facts. */
export const judge = (facts: Facts, policy: Policy): Judgement => {
  for (const rule of rules) {
    const judgement = rule.decide(facts, policy);
    if (judgement !== undefined) return judgement;
  }
  // Rule 6 always answers; a list of rules that does not is a programming error.
  throw new Error('no rule decided');
};

/** Each rule that was asked, in order, the last one being the one that decided. */
export const explain = (facts: Facts, policy: Policy): { rule: Rule; judgement: Judgement | undefined }[] => {
  const asked: { rule: Rule; judgement: Judgement | undefined }[] = [];
  for (const rule of rules) {
    const judgement = rule.decide(facts, policy);
    asked.push({ rule, judgement });
    if (judgement !== undefined) break;
  }
  return asked;
};

/** Whether a job that can be judged has to show signs of life. */
const mustShowLife = (facts: Facts): boolean => !isFinal(statusOf(facts)) && facts.kind !== 'Periodic';

/** Whether a job that can be judged has been silent for longer than its limit. The evidence says whether it is hung. */
const looksHung = (facts: Facts, policy: Policy): boolean =>
  mustShowLife(facts) &&
  !isClockAhead(facts, policy) &&
  facts.readAt - lastSignOfLife(facts, policy) > policy.hungAfter(facts.name);

/** Whether every sign of life of a job is too far ahead to count. (A time of 0 means none: that is how Go writes it.) */
const isClockAhead = (facts: Facts, policy: Policy): boolean =>
  mustShowLife(facts) && lastSignOfLife(facts, policy) <= 0 && timesAhead(facts, policy).length > 0;

/** Whether the verdict needs evidence that is not there yet: the job looks hung, and no earlier rule decides. */
export const needsEvidence = (facts: Facts, policy: Policy): boolean =>
  facts.evidence === undefined &&
  looksHung(facts, policy) &&
  rules.slice(0, 3).every((rule) => rule.decide(facts, policy) === undefined);

/** A silent job is failed only if it is in no place from which it could still run (defects 25 and 26). */
const judgeHung = (facts: Facts, policy: Policy): Judgement => {
  const silence = [
    `silent for ${facts.readAt - lastSignOfLife(facts, policy)} s, limit ${policy.hungAfter(facts.name)} s`,
    ...(timesAhead(facts, policy).length > 0 ? [aheadText(facts, policy)] : []),
  ].join('; ');
  const { evidence } = facts;
  const limit = policy.runLimit(facts.name);
  const ranFor = facts.readAt - (evidence?.startedAt ?? facts.readAt);
  if (evidence?.found === 'observed' && limit !== undefined && ranFor > limit) {
    return { verdict: 'fail', reason: 'hung', rule: 4, detail: `runs for ${ranFor} s, limit ${limit} s` };
  }
  const detail = `${silence}; ${evidence === undefined ? 'not looked for' : evidenceText(evidence)}`;
  switch (evidence?.found) {
    case 'left':
      // A rescue requeues the entry. A job that has not begun has lost nothing; of one that ran, this attempt is over.
      return facts.status === 'Running'
        ? { verdict: 'fail', reason: 'hung', rule: 4, detail }
        : { verdict: 'keep', reason: 'in-queue', rule: 4, detail };
    case 'dead':
    case 'nowhere':
      return { verdict: 'fail', reason: 'hung', rule: 4, detail };
    case undefined:
    case 'unreadable':
      return { verdict: 'keep', reason: 'inconclusive', rule: 4, detail };
    case 'observed':
      return { verdict: 'keep', reason: 'observed', rule: 4, detail };
    default:
      return { verdict: 'keep', reason: 'in-queue', rule: 4, detail };
  }
};

const foundTexts: Readonly<Record<Evidence['found'], string>> = {
  observed: 'a worker runs it',
  queue: 'in its queue',
  scheduled: 'in scheduled',
  retry: 'in retry',
  held: 'held by a live pool',
  unconfirmed: 'held by a pool whose death is not confirmed',
  left: 'held by a dead pool, whose entries a rescue requeues',
  dead: 'its entry is in dead',
  nowhere: 'nowhere: in no queue, held by no pool, run by no worker',
  unreadable: 'a place where it may be cannot be read',
};
const evidenceText = ({ found, pool }: Evidence): string =>
  pool === undefined ? foundTexts[found] : `${foundTexts[found]} (pool ${pool})`;

/**
 * The latest of the job's times that are signs of life, unix s; 0 where there is none. A run_at counts however far ahead it
 * is (defect 24). Any other time that is further ahead than clocks may differ was written by a wrong clock.
 */
export const lastSignOfLife = (facts: Facts, policy: Policy): number => {
  // A loop without arrays: a sweep asks this several times for each job.
  let last = Math.max(0, facts.runAt ?? 0);
  for (const time of clockTimes) {
    const at = facts[time] ?? 0;
    if (at > last && !isAhead(at, facts, policy)) last = at;
  }
  return last;
};

const isAhead = (at: number, { readAt }: Facts, { clockTolerance }: Policy) => at - readAt > clockTolerance;

/** The times of a job that are too far ahead to count. */
const timesAhead = (facts: Facts, policy: Policy) =>
  clockTimes.filter((time) => isAhead(facts[time] ?? 0, facts, policy));

const aheadText = (facts: Facts, policy: Policy): string =>
  timesAhead(facts, policy)
    .map((time) => `${time} is ${(facts[time] as number) - facts.readAt} s ahead of the clock of Redis`)
    .join(', ');

/**
 * Whether the endpoint has acknowledged the state of the stats: 0 if so (or more), 1 if not. This is upstream's comparison
 * (Harbor `StatsInfo` compare), except that a check-in that is only behind the ACK counts as acknowledged (defect 22).
 * Rule 3 has ruled out stats that are behind.
 */
const compare = (facts: Facts): 0 | 1 => {
  const ack = ackOf(facts);
  if (ack === undefined || ack.revision < (facts.revision ?? 0)) return 1;
  if (ack.revision === (facts.revision ?? 0)) {
    const behind = rank(statusOf(facts)) - rank(ack.status);
    if (behind > 0) return 1;
    if (behind === 0 && (facts.checkInAt ?? 0) > ack.checkInAt) return 1;
  }
  return 0;
};

/** Whether the state in the facts is acknowledged, so that a hook would bring nothing new. */
export const isAcknowledged = (facts: Facts): boolean => compare(facts) === 0;

const ackOf = (facts: Facts): Ack | undefined => (facts.ack === 'unreadable' ? undefined : facts.ack);
/** Rule 2 makes sure that the status is known. */
const statusOf = (facts: Facts): Status => facts.status as Status;

/** Times that a clock wrote when something happened. */
const clockTimes = ['updateTime', 'checkInAt', 'revision', 'enqueueTime'] as const;
const times = [...clockTimes, 'runAt'] as const;

const faultOf = (facts: Facts): string | undefined => {
  // It cannot be written back as the same bytes, so nothing can be done about the job.
  if (facts.hasBrokenId) return 'the id is not valid UTF-8';
  if (facts.stats === 'unreadable') return 'the stats are not a hash';
  if (!isStatus(facts.status)) return facts.status === undefined ? 'no status' : 'unknown status';
  if (facts.statsId && facts.statsId !== facts.id) return 'the id is that of another job';
  let known = false;
  for (const time of times) {
    const value: StoredTime = facts[time];
    if (value === undefined) continue;
    if (Number.isNaN(value)) return `${time} is not a safe integer`;
    known = true;
  }
  return known || isFinal(facts.status) ? undefined : 'none of its times is known';
};
