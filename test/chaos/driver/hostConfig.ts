/** What the driver and its hosts tell each other. */
import type { CutPoint } from './acts.ts';

export interface HostConfig {
  readonly port: number;
  /** By how much the host's clock is off, in s. */
  readonly clockOffset: number;
  /** Replicas that must have a write before the host goes on; 0 for a Redis that stands alone. */
  readonly replicas: number;
  /** Whether it writes statuses as a Go host does, or through this project's lifecycle. */
  readonly statuses: 'go' | 'lifecycle';
}

/** What an entry asks its host to do. */
export interface JobArgs {
  readonly ms: number;
  readonly cut?: { readonly at: CutPoint; readonly forMs: number };
  readonly observation?: 'refused' | 'expires';
  readonly _job_kind_periodic_?: string;
}

/** `cut`: the host stands where a job's cut belongs, and goes on when the driver says `go`. */
export type FromProcess =
  | { readonly event: 'ready' }
  | { readonly event: 'cut'; readonly job: string; readonly run: string; readonly forMs: number };
export interface ToHost {
  readonly go: string;
}
