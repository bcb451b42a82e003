import type { Facts, TrackedJob } from '../../machines/facts.ts';
import type { UnqueuedHook } from '../../machines/types/job.ts';
import { type Clock, monotonicOf } from '../clock.ts';
import type { Change, Enqueued, HookQueue, RefusedHook } from './enqueue.ts';
import type { CheckIn } from './hookEvent.ts';
import { endpointOf } from './http/destination.ts';
import type { Sender } from './sender.ts';

/** Enqueues the hooks of jobs. Records stand in Redis, so that any host can send them. */
export interface Hooks {
  /** Enqueues the hooks of jobs of one sweep, in one round trip. Returns what becomes of each. */
  enqueue(jobs: readonly TrackedJob[]): Promise<readonly Enqueued[]>;
  /** Returns what would become of each job's hook that `enqueue` would not enqueue, else undefined. Changes nothing. */
  plan(jobs: readonly TrackedJob[]): Promise<readonly (UnqueuedHook | RefusedHook | undefined)[]>;
  /** Why the hook of each job could not be recorded, with the key; undefined if it could be, or there is no endpoint. */
  faults(jobs: readonly TrackedJob[]): Promise<readonly (string | undefined)[]>;
  /** The endpoint of a hook URL, for scripts that enqueue a hook themselves; undefined without a URL. */
  endpointFor(hookUrl: string | undefined): string | undefined;
  /** Announces a hook that a script has enqueued for a job: it is sent soon. */
  announce(endpoint: string, id: string): void;
  /** Holds the text of a check-in, which is not stored in Redis. */
  holdText(id: string, checkIn: CheckIn): void;
}

/** The endpoint of a hook URL that is invalid. Its hook is rejected when it is sent, and parked with the reason. */
const invalidEndpoint = 'nowhere';
/** How many endpoints, and beginnings of URLs, are cached. */
const maxCached = 1_000;
/** How often the pages of a sweep announce an endpoint, in ms: every page would repeat it. */
const announceInterval = 1_000;

export const createHooks = ({
  records,
  sender,
  rewriteOrigins,
  clock,
  onDue,
  sendNamed = () => false,
}: {
  records: Pick<HookQueue, 'enqueue' | 'plan' | 'faults'>;
  sender: Pick<Sender, 'holdText'>;
  /** Origin → base URL that replaces it. */
  rewriteOrigins: Readonly<Record<string, string>>;
  clock: Clock;
  /** Called with an endpoint that a hook was enqueued for. */
  onDue: (endpoint: string) => void;
  /** Sends the hooks of these jobs, and no others of the endpoint. Returns false if it does not: then the endpoint is due. */
  sendNamed?: (endpoint: string, ids: readonly string[]) => boolean;
}): Hooks => {
  const endpointFor = createEndpointFor(rewriteOrigins);
  const announcedAt = new Map<string, number>();
  const changesOf = (jobs: readonly TrackedJob[]) =>
    jobs.map(
      ({ facts, hookUrl }): Change => ({
        id: facts.id,
        state: stateOf(facts),
        endpoint: endpointFor(hookUrl) ?? invalidEndpoint,
      }),
    );
  return {
    endpointFor,
    plan: (jobs) => records.plan(changesOf(jobs)),
    async faults(jobs) {
      const endpoints = jobs.map(({ hookUrl }) => endpointFor(hookUrl));
      const faults = await records.faults(endpoints.filter((endpoint) => endpoint !== undefined));
      return endpoints.map((endpoint) => (endpoint === undefined ? undefined : faults.get(endpoint)));
    },
    async enqueue(jobs) {
      const changes = changesOf(jobs);
      const { fence, pass = 'sweep' } = jobs[0] ?? {};
      const replies = await records.enqueue(changes, fence, { pass, why: 'unacknowledged' });
      // A hook that was pending already is also sent by this host, which may be the only one.
      const queued = new Map<string, string[]>();
      for (const [i, { endpoint, id }] of changes.entries()) {
        if (!isPending(replies[i])) continue;
        const ids = queued.get(endpoint);
        if (ids === undefined) queued.set(endpoint, [id]);
        else ids.push(id);
      }
      if (announcedAt.size > maxCached) announcedAt.clear();
      for (const [endpoint, ids] of queued) {
        if (sendNamed(endpoint, ids)) continue;
        if (monotonicOf(clock) - (announcedAt.get(endpoint) ?? Number.NEGATIVE_INFINITY) < announceInterval) continue;
        announcedAt.set(endpoint, monotonicOf(clock));
        onDue(endpoint);
      }
      return replies;
    },
    announce(endpoint, id) {
      if (!sendNamed(endpoint, [id])) onDue(endpoint);
    },
    holdText: sender.holdText,
  };
};

const isPending = (reply: Enqueued | undefined): boolean =>
  reply?.outcome === 'enqueued' || reply?.outcome === 'already-pending';

/** The state that the hook of a job reports, as in its record. */
export const stateOf = ({ status, revision }: Facts): string => `${status}:${revision || 0}`;

/** Caches endpoints by the beginning of their URLs, because thousands of jobs share a few endpoints. */
const createEndpointFor = (rewriteOrigins: Readonly<Record<string, string>>) => {
  const cache = new Map<string, string>();
  return (url: string | undefined): string | undefined => {
    if (url === undefined || url.trim() === '') return undefined;
    const beginning = /^[^/?#]*\/\/[^/?#]*/.exec(url)?.[0] ?? url;
    const cached = cache.get(beginning);
    if (cached !== undefined) return cached;
    const endpoint = endpointOf(url, rewriteOrigins) ?? invalidEndpoint;
    if (cache.size >= maxCached) cache.clear();
    cache.set(beginning, endpoint);
    return endpoint;
  };
};
