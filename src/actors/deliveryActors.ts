import { fromCallback, fromPromise } from 'xstate';
import type { Claimed as ClaimedHook, HookRecords } from '../io/hookRecords.ts';
import type { Outbox } from '../io/hooks.ts';
import type { OwnPauses } from '../io/ownPauses.ts';
import type { Looked } from '../machines/deliverer.ts';
import type { Claimed, Parcel } from '../machines/delivery.ts';

/** How soon it is asked again where other receivers have all the room, in ms. */
const noRoomFor = 50;

/** What the chart of a delivery invokes. */
export const createDeliveryActors = (records: HookRecords, outbox: Outbox, pauses: OwnPauses) => ({
  claim: fromPromise<Claimed, { origin: string; most: number }>(async ({ input: { origin, most } }) => {
    const wait = pauses.left(origin);
    if (wait > 0) return { hooks: [], breaker: 'closed', wait };
    const room = outbox.reserve(origin, pauses.isUnsure(origin) ? 1 : most);
    if (room === 0) return { hooks: [], breaker: 'closed', wait: noRoomFor };
    let taken = 0;
    try {
      const claim = await records.claim(origin, room);
      taken = claim.hooks.length;
      return claim;
    } finally {
      outbox.release(origin, room - taken);
    }
  }),
  courier: fromCallback<{ type: 'send'; hooks: readonly Parcel[] }>(({ receive, sendBack }) => {
    receive(({ hooks }) => outbox.send(hooks as readonly ClaimedHook[], () => sendBack({ type: 'ended' })));
  }),
});

/** What the chart of the deliverer invokes. `also` is done at each look. */
export const createLook = (records: HookRecords, also: () => Promise<unknown>) =>
  fromPromise<Looked>(async () => {
    const endpoints = await records.endpoints();
    await also();
    const waits = endpoints.flatMap(({ wait }) => (wait === undefined || wait <= 0 ? [] : [wait]));
    return {
      due: endpoints.filter(({ wait }) => wait !== undefined && wait <= 0).map(({ origin }) => origin),
      wait: waits.length === 0 ? undefined : Math.min(...waits),
    };
  });
