import type { QuarantineFilter, Reaper } from '../index.ts';
import { reportNone } from './shared.ts';
import { type Cell, print, printJson, printTable, timeOf } from './text.ts';

export interface QuarantineFlags {
  readonly id?: string;
  readonly type?: string;
  readonly json?: boolean;
  readonly plan?: boolean;
}

const filterOf = ({ id, type }: QuarantineFlags): QuarantineFilter => ({
  ...(id === undefined ? {} : { id }),
  ...(type === undefined ? {} : { type }),
});

/** Jobs in quarantine, each as a JSON line, or in a table for a person. */
export const listQuarantine = async (reaper: Reaper, flags: QuarantineFlags): Promise<number> => {
  const rows: Cell[][] = [];
  for await (const page of reaper.quarantine.list(filterOf(flags))) {
    for (const record of page) {
      const { digest: _, ...rest } = record;
      if (flags.json) printJson({ type: 'quarantined', ...rest });
      const { id, types, at, recoveries, isInDead } = record;
      rows.push([
        id,
        [...new Set(types)].join(', '),
        timeOf(at),
        `${recoveries.length} times since ${timeOf(recoveries[0]?.at ?? at)}`,
        [...new Set(recoveries.map(({ pool }) => pool))],
        isInDead ? 'yes' : 'no, taken by others',
      ]);
    }
  }
  if (flags.json) return 0;
  if (rows.length === 0) print('nothing is in quarantine');
  else printTable(['job', 'type', 'since', 'workers lost', 'in pools', 'in dead'], rows);
  return 0;
};

/** Puts those that fit back into their queues, or removes them. */
export const endQuarantine = async (
  reaper: Reaper,
  verb: 'release' | 'drop',
  flags: QuarantineFlags,
): Promise<number> => {
  const plan = flags.plan === true;
  const { done, gone } = await reaper.quarantine[verb](filterOf(flags), {
    plan,
    onRecord({ digest: _, ...record }) {
      if (flags.json) printJson({ type: 'quarantined', plan, ...record });
    },
  });
  if (flags.json) printJson({ type: verb, plan, count: done, gone });
  else {
    print(`${plan ? 'would be ' : ''}${verb === 'release' ? 'put back' : 'dropped'}: ${done}`);
    if (gone > 0) print(`no longer among the dead jobs, left to whoever took them: ${gone}`);
  }
  return reportNone(done + gone, { id: flags.id, type: flags.type }, 'reaper quarantine');
};
