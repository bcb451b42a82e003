import { createInspector } from '@statelyai/inspect';
import { WebSocket } from 'ws';
import type { ActorRefLike, AnyActor, AnyMachineSnapshot, AnyStateMachine, InspectionEvent, Snapshot } from 'xstate';
import type { Facts, JobOutcome } from '../src/index.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import { createAllowance } from './allowance.ts';
import { safeFacts, safeOutcome, shorten } from './safe.ts';
import { sampleEvery } from './traces.ts';

/** Events that are sent at once, and how soon another one may follow, in ms: Stately's page draws each of them. */
const burst = 1_000;
const refill = 2;
/** What a job's walk may need of it: one that is begun is sent whole. */
const reserve = 20;
/** What may lie unread on the way to the relay, in bytes. */
const maxUnread = 1_024 * 1_024;
const reconnectAfter = 5_000;

/**
 * Sends the inspection events in Stately's protocol to a relay of `@statelyai/inspect`, for those who want to use its
 * inspector: of the supervisor, the lanes, the pools, and of jobs as many as fit. Contexts are replaced by what may
 * leave the process.
 *
 * The package's own WebSocket adapter keeps whatever a slow relay does not take, and goes on connecting after it is
 * stopped; so the connection is ours, and the protocol the package's.
 */
export const sendToStately = (url: string, { supervisor, clock, fault }: Inspected): { close(): void } => {
  let socket: WebSocket | undefined;
  let timer: unknown;
  let isClosed = false;
  let isReported = false;
  const allowance = createAllowance(clock, burst, refill);
  let seen = 0;
  /** Jobs that are sent; the others are not. */
  const sent = new WeakSet<object>();

  const hasRoom = (need: number) =>
    socket?.readyState === WebSocket.OPEN && socket.bufferedAmount < maxUnread && allowance.has(need);
  const inspector = createInspector({
    send(event) {
      if (!hasRoom(1)) return;
      allowance.take();
      socket?.send(JSON.stringify(event));
    },
  });

  const isSent = (actor: AnyActor, isNew: boolean): boolean => {
    const machine = actor.logic as AnyStateMachine;
    if (machine.root === undefined) return false;
    if (machine.id !== 'job') return true;
    if (!isNew) return sent.has(actor);
    const isInLane = actor._parent?.id.startsWith('lane-');
    if ((!isInLane && ++seen % sampleEvery !== 1) || !hasRoom(reserve)) return false;
    sent.add(actor);
    return true;
  };

  /** As much of an actor as the package's conversion looks at. */
  const likeness = (actor: AnyActor, snapshot: unknown) =>
    ({
      id: actor.id,
      sessionId: actor.sessionId,
      _parent: actor._parent,
      logic: { config: (actor.logic as AnyStateMachine).config },
      getSnapshot: () => snapshot,
    }) as unknown as ActorRefLike;

  const tell = (event: InspectionEvent) => {
    // What nobody takes is not converted either: that costs more than to send it.
    if (!hasRoom(1)) return;
    const { type, actorRef, rootId } = event;
    const actor = actorRef as AnyActor;
    if (type === '@xstate.actor') {
      if (!isSent(actor, true)) return;
      // A new actor has no snapshot yet.
      inspector.inspect.next?.({ type, rootId, actorRef: likeness(actor, { status: 'active', context: {} }) });
    } else if (type === '@xstate.event' && isSent(actor, false)) {
      const { sourceRef } = event;
      inspector.inspect.next?.({ type, rootId, actorRef, sourceRef, event: { type: event.event.type } });
    } else if (type === '@xstate.snapshot' && isSent(actor, false)) {
      const snapshot = safeSnapshot(event.snapshot as AnyMachineSnapshot);
      inspector.inspect.next?.({
        type,
        rootId,
        actorRef,
        event: { type: event.event.type },
        snapshot,
      } as InspectionEvent);
    }
  };

  const connect = () => {
    socket = new WebSocket(url, { handshakeTimeout: 10_000, maxPayload: 65_536 });
    socket.on('open', () => {
      isReported = false;
      const all = [supervisor, ...Object.values(supervisor.getSnapshot().children)] as AnyActor[];
      for (const actor of all) {
        if ((actor.logic as AnyStateMachine).root === undefined) continue;
        const actorRef = likeness(actor, safeSnapshot(actor.getSnapshot() as AnyMachineSnapshot));
        inspector.inspect.next?.({ type: '@xstate.actor', rootId: supervisor.sessionId, actorRef });
      }
    });
    socket.on('error', ({ message }) => {
      if (!isReported) fault('the relay of Stately', `${message}: it is tried again every ${reconnectAfter / 1_000} s`);
      isReported = true;
    });
    socket.on('close', () => {
      if (!isClosed) timer = clock.setTimeout(connect, reconnectAfter);
    });
  };
  connect();
  const following = supervisor.system.inspect({ next: tell });

  return {
    close() {
      isClosed = true;
      following.unsubscribe();
      clock.clearTimeout(timer);
      socket?.terminate();
    },
  };
};

/** Where an actor is, and of its context and output only what is known to be harmless. */
const safeSnapshot = ({ status, value, context, output }: AnyMachineSnapshot) =>
  ({
    status,
    value,
    context: {
      ...(context?.job === undefined ? {} : { facts: safeFacts(context.job.facts as Facts), plan: context.plan }),
      ...(context?.suspect === undefined ? {} : { pool: shorten(context.suspect.pool), moved: context.moved }),
      ...(context?.sweep === undefined ? {} : { sweep: context.sweep }),
    },
    ...(output?.verdict === undefined ? {} : { output: safeOutcome(output as JobOutcome) }),
  }) as unknown as Snapshot<unknown>;
