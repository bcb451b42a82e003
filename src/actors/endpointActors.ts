import { fromCallback, fromPromise } from 'xstate';
import type { ClaimedHook } from '../io/hooks/claims.ts';
import type { HostBackoff } from '../io/hooks/hostBackoff.ts';
import type { InFlightLimiter } from '../io/hooks/inFlightLimiter.ts';
import type { HookRecords } from '../io/hooks/records.ts';
import type { DueHooks } from '../machines/dispatcher.ts';
import type { Claimed, OutgoingHook } from '../machines/endpoint.ts';

/** How soon a claim is repeated where other endpoints take all the room, in ms. */
const noRoomFor = 50;

/** What the chart of an endpoint invokes. */
export const createEndpointActors = (
  records: HookRecords,
  limiter: InFlightLimiter,
  backoff: HostBackoff,
  due = createKnownDue(),
) => ({
  claim: fromPromise<Claimed, { endpoint: string; max: number }>(async ({ input: { endpoint, max } }) => {
    const wait = backoff.left(endpoint);
    if (wait > 0) return { hooks: [], breaker: 'closed', wait };
    const room = limiter.reserve(endpoint, backoff.isBackingOff(endpoint) ? 1 : max);
    if (room === 0) return { hooks: [], breaker: 'closed', wait: noRoomFor };
    let taken = 0;
    try {
      const ids = due.take(endpoint, room);
      const claim = await records.claim(endpoint, room, ids);
      taken = claim.hooks.length;
      if (taken === room) due.keep(endpoint, claim.next);
      else if (ids !== undefined) due.distrust(endpoint);
      return claim;
    } finally {
      limiter.release(endpoint, room - taken);
    }
  }),
  sender: fromCallback<{ type: 'send'; hooks: readonly OutgoingHook[] }>(({ receive, sendBack }) => {
    let count = 0;
    const report = () => {
      sendBack({ type: 'ended', count });
      count = 0;
    };
    // Hooks that are recorded by one call end in the same step: one event for all of them.
    const onEnd = () => {
      if (count === 0) queueMicrotask(report);
      count += 1;
    };
    receive(({ hooks }) => limiter.send(hooks as readonly ClaimedHook[], onEnd));
  }),
});

/** How many endpoints are remembered. */
const maxKnown = 1_000;
/** How many claims ask for what is due, after one that did not find what was known. */
const claimsThatAsk = 32;

/** What is known to be due, by endpoint, from its last claim: the next claim needs no round trip to ask for it. */
const createKnownDue = () => {
  const known = new Map<string, { readonly ids: readonly string[]; readonly asks: number }>();
  const set = (endpoint: string, ids: readonly string[], asks: number) => {
    if (known.size >= maxKnown) known.clear();
    known.set(endpoint, { ids, asks });
  };
  return {
    keep(endpoint: string, ids: readonly string[]) {
      set(endpoint, ids, Math.max(0, (known.get(endpoint)?.asks ?? 0) - 1));
    },
    /** Another host sends to this endpoint too, and has taken what was known: for a while each claim asks. */
    distrust(endpoint: string) {
      set(endpoint, [], claimsThatAsk);
    },
    /** As many ids as there is room for; undefined if fewer are known. */
    take(endpoint: string, room: number): readonly string[] | undefined {
      const { ids, asks } = known.get(endpoint) ?? { ids: [], asks: 0 };
      return asks > 0 || ids.length < room ? undefined : ids.slice(0, room);
    },
  };
};

/** What the chart of the dispatcher invokes. `also` is done at each poll. */
export const createPoll = (records: HookRecords, also: () => Promise<unknown>) =>
  fromPromise<DueHooks>(async () => {
    const endpoints = await records.endpoints();
    await also();
    const waits = endpoints.flatMap(({ wait }) => (wait === undefined || wait <= 0 ? [] : [wait]));
    return {
      due: endpoints.filter(({ wait }) => wait !== undefined && wait <= 0).map(({ endpoint }) => endpoint),
      wait: waits.length === 0 ? undefined : Math.min(...waits),
    };
  });
