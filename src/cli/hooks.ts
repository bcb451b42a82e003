import type { HookFilter, HookRecord, Reaper } from '../index.ts';
import { countsOf, reportNone } from './shared.ts';
import { print, printJson, printTable, timeOf } from './text.ts';

export interface HookFlags {
  readonly id?: string;
  readonly endpoint?: string;
  readonly reason?: string;
  readonly json?: boolean;
  readonly plan?: boolean;
}

const filterOf = ({ id, endpoint, reason }: HookFlags): HookFilter => ({
  ...(id === undefined ? {} : { id }),
  ...(endpoint === undefined ? {} : { endpoint }),
  ...(reason === undefined ? {} : { reason }),
});

/** Undelivered hooks: each as a JSON line, or for a person by receiver and reason, with an example. */
export const listHooks = async (reaper: Reaper, flags: HookFlags): Promise<number> => {
  const groups = new Map<string, { count: number; example: HookRecord; oldest: number | undefined }>();
  for await (const page of reaper.undelivered.list(filterOf(flags))) {
    for (const record of page) {
      if (flags.json) {
        const { text: _, ...rest } = record;
        printJson({ type: 'hook', ...rest });
      }
      const key = JSON.stringify([record.endpoint, record.state === 'parked', record.answer]);
      const known = groups.get(key);
      const oldest = Math.min(record.first ?? Number.POSITIVE_INFINITY, known?.oldest ?? Number.POSITIVE_INFINITY);
      groups.set(key, { count: (known?.count ?? 0) + 1, example: record, oldest });
    }
  }
  const endpoints = await reaper.undelivered.endpoints();
  if (flags.json) {
    for (const endpoint of endpoints) printJson({ type: 'endpoint', ...endpoint });
    return 0;
  }
  if (groups.size === 0) {
    print('no undelivered hooks');
    return 0;
  }
  const rows: string[][] = [];
  for (const { count, example, oldest } of [...groups.values()].sort((a, b) => b.count - a.count)) {
    const first = oldest === undefined || !Number.isFinite(oldest) ? 'none yet' : timeOf(oldest);
    const state = example.state === 'parked' ? 'parked' : 'pending';
    rows.push([example.endpoint, state, example.answer ?? 'none yet', String(count), first, example.id]);
  }
  printTable(['receiver', 'state', 'answer', 'hooks', 'first try', 'such as'], rows);
  for (const { endpoint: origin, breaker, failures, wait } of endpoints) {
    if (breaker === 'closed') continue;
    const next = wait === undefined ? '' : `, next try in ${Math.ceil(wait / 1_000)} s`;
    print(`${origin}: ${words[breaker]} (${countsOf({ 'failures in a row': failures })}${next})`);
  }
  return 0;
};

const words = {
  open: 'let alone',
  probing: 'tried again',
  draining: 'back, and told what it has missed',
} as const;

/** Has those that fit sent now, or gives them up. */
export const moveHooks = async (reaper: Reaper, verb: 'retry' | 'drop', flags: HookFlags): Promise<number> => {
  const plan = flags.plan === true;
  const count = await reaper.undelivered[verb](filterOf(flags), {
    plan,
    onRecord({ text: _, ...record }) {
      if (flags.json) printJson({ type: 'hook', plan, ...record });
    },
  });
  // Nobody else may be there to send them.
  if (!plan && verb === 'retry' && count > 0) await reaper.undelivered.quiet();
  const words = verb === 'retry' ? 'tried again' : 'dropped';
  if (flags.json) printJson({ type: verb, plan, count });
  else print(`${plan ? 'would be ' : ''}${words}: ${count}`);
  for (const { endpoint: origin, breaker, pending } of plan ? [] : await reaper.undelivered.endpoints()) {
    if (flags.json || breaker !== 'open') continue;
    print(`${origin} does not answer and is let alone for now: ${pending} wait, and go out when it is back`);
  }
  return reportNone(count, { id: flags.id, endpoint: flags.endpoint, reason: flags.reason }, 'reaper hooks');
};
