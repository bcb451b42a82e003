import { countText } from '../ages.ts';
import type { RescueChange } from '../index.ts';
import { type Cell, print, printTable } from './text.ts';

/** Changes of a rescue that do the same with the same type and pool. */
export interface ChangeGroup {
  readonly act: RescueChange['act'];
  readonly type: string | undefined;
  readonly pool: string | undefined;
  /** Entries; pools where they are deregistered. */
  readonly count: number;
  /** Ids of the first jobs or pools, where each change is about one. */
  readonly examples: readonly string[];
}

const maxExamples = 3;
const maxRows = 40;
const order: readonly RescueChange['act'][] = ['requeue', 'quarantine', 'requeue-orphan', 'finish', 'deregister'];

/** Groups the changes that move entries or remove pools, by what is done, by type and pool. Counters are not among them. */
export const changeGroupsOf = (changes: readonly RescueChange[]): readonly ChangeGroup[] => {
  const groups = new Map<string, ChangeGroup & { count: number; readonly examples: string[] }>();
  const add = (of: Pick<ChangeGroup, 'act' | 'type' | 'pool'>, count: number, example?: string) => {
    const key = JSON.stringify([of.act, of.type, of.pool]);
    const group = groups.get(key) ?? { ...of, count: 0, examples: [] };
    group.count += count;
    if (example !== undefined && group.examples.length < maxExamples) group.examples.push(example);
    groups.set(key, group);
  };
  for (const change of changes) {
    if (change.act === 'requeue') add(change, change.entries);
    else if (change.act === 'deregister') add({ act: change.act, type: undefined, pool: undefined }, 1, change.pool);
    else if (change.act !== 'lock' && change.act !== 'lock_info') add(change, 1, change.id);
  }
  return [...groups.values()].sort((a, b) => order.indexOf(a.act) - order.indexOf(b.act) || b.count - a.count);
};

/** Prints the groups in one table. */
export const printChangeGroups = (changes: readonly RescueChange[]): void => {
  const groups = changeGroupsOf(changes);
  if (groups.length === 0) return;
  printTable(['change', 'type', 'pool', 'count', 'such as'], groups.slice(0, maxRows).map(rowOf));
  if (groups.length > maxRows)
    print(`and ${countText(groups.length - maxRows)} more groups: --verbose lists all changes`);
};

const rowOf = ({ act, type = '-', pool = '-', count, examples }: ChangeGroup): Cell[] => [
  act,
  type,
  pool,
  count,
  examples,
];
