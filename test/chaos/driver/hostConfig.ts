/** The configuration of a host, and the messages between the driver and its hosts. */
import type { CutPoint } from './acts.ts';

export interface HostConfig {
  readonly port: number;
  /** Clock offset of the host, in s. */
  readonly clockOffset: number;
  /** Replicas that must confirm a write before the host continues; 0 for a single Redis. */
  readonly replicas: number;
  /** Whether it writes statuses like a Go host, or with this project's lifecycle. */
  readonly statuses: 'go' | 'lifecycle';
}

/** The args of an entry: what its host has to do. */
export interface JobArgs {
  readonly ms: number;
  readonly cut?: { readonly at: CutPoint; readonly forMs: number };
  readonly observation?: 'refused' | 'expires';
  readonly _job_kind_periodic_?: string;
}

/** `cut`: the host waits at the point of the job's cut, until the driver sends `go`. */
export type FromProcess =
  | { readonly event: 'ready' }
  | { readonly event: 'cut'; readonly job: string; readonly run: string; readonly forMs: number };
export interface ToHost {
  readonly go: string;
}
