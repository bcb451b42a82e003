import { unconverted } from './decode.ts';

/** Replies of the scripts in `lua/pools/`. */
export const poolReplies = {
  deregister_pool: unconverted<'settled' | 'traces' | 'alive' | 'entries'>(),
  finish_entry: unconverted<'finished' | 'dead' | 'gone' | 'overtaken'>(),
  observe_pool: unconverted<string>(),
  plan_requeue: unconverted<'alive' | readonly [seen: number, ...poison: (number | string)[]]>(),
  quarantine_entry: unconverted<string>(),
  read_drift: unconverted<string[] | [string, string, number, string, string]>(),
  read_held: unconverted<[number, (readonly [digest: string, id: string, isHex: 0 | 1])[]]>(),
  read_observations: unconverted<('' | 'unreadable' | readonly [job: string, type: string, startedAt: string])[]>(),
  read_quarantine: unconverted<string>(),
  rebuild_counters: unconverted<string[] | [string, string, number, string, string]>(),
  recount_lock: unconverted<string | [before: string, lock?: string]>(),
  recount_pools: unconverted<[entries: number, fields: number, off: string]>(),
  release_quarantined: unconverted<'ok' | 'gone' | 'overtaken'>(),
  requeue: unconverted<'alive' | [number, number, string?, string?]>(),
  requeue_orphan: unconverted<'lost' | 'dead' | 'changed' | 'gone' | 'observed' | 'early' | 'undecided' | 'poison'>(),
};
