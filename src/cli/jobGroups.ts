import type { JobOutcome, Verdict } from '../index.ts';
import { type Cell, print, printTable } from './text.ts';

/** Jobs of a sweep that have the same verdict, reason, type, endpoint and outcome. */
export interface JobGroup extends Pick<JobOutcome, 'verdict' | 'reason' | 'outcome' | 'endpoint'> {
  readonly type: string | undefined;
  readonly count: number;
  /** Ids of its first jobs. */
  readonly examples: readonly string[];
}

/** Counts the jobs of a sweep in groups: tens of thousands of them have a few dozen. */
export interface JobGroups {
  add(outcome: JobOutcome): void;
  /** By verdict, the largest first. */
  all(): readonly JobGroup[];
  /** What was wrong with the first jobs that were given up. */
  errors(): readonly string[];
}

const maxExamples = 3;
const order: readonly Verdict[] = ['fail', 'refire', 'reset', 'untrack', 'keep'];

export const createJobGroups = (): JobGroups => {
  const groups = new Map<string, JobGroup & { count: number; readonly examples: string[] }>();
  const errors = new Set<string>();
  return {
    add({ id, verdict, reason, outcome, endpoint, facts, error }) {
      if (error !== undefined && errors.size < maxExamples) errors.add(`${id}: ${error}`);
      const of = { verdict, reason, outcome, endpoint, type: facts.name };
      const key = JSON.stringify(of);
      const group = groups.get(key) ?? { ...of, count: 0, examples: [] };
      group.count += 1;
      if (group.examples.length < maxExamples) group.examples.push(id);
      groups.set(key, group);
    },
    all: () =>
      [...groups.values()].sort(
        (a, b) =>
          order.indexOf(a.verdict) - order.indexOf(b.verdict) || b.count - a.count || a.reason.localeCompare(b.reason),
      ),
    errors: () => [...errors],
  };
};

/** Prints the groups in one table. */
export const printJobGroups = (groups: JobGroups, plan: boolean): void => {
  const all = groups.all();
  if (all.length > 0)
    printTable(
      ['jobs', 'verdict', 'type, endpoint', 'such as'],
      all.map((group) => rowOf(group, plan)),
    );
  print(...groups.errors().map((error) => `given up: ${error}`));
};

const rowOf = (
  { verdict, reason, outcome, endpoint, type = '-', count, examples }: JobGroup,
  plan: boolean,
): Cell[] => [
  count,
  [verdict, reason, ...(outcome === (plan ? 'planned' : 'kept') ? [] : [outcome])],
  [type, ...(endpoint === undefined ? [] : [endpoint])],
  examples,
];
