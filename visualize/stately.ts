import { createInspector } from '@statelyai/inspect';
import { WebSocket } from 'ws';
import type { ActorRefLike, AnyActor, AnyMachineSnapshot, AnyStateMachine, InspectionEvent, Snapshot } from 'xstate';
import type { Facts } from '../src/machines/facts.ts';
import type { JobOutcome } from '../src/machines/types/job.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import { createAllowance } from './allowance.ts';
import { safeFacts, safeMoved, safeOutcome, shorten } from './safe.ts';
import { sampleEvery } from './traces.ts';

/** Events that are sent at once, and the time until another one may follow, in ms. Stately's page draws each event. */
const burst = 1_000;
const refill = 2;
/** Events that one job may need. The events of a job are sent completely or not at all. */
const reserve = 20;
/** Bytes that the relay may leave unread. */
const maxUnread = 1_024 * 1_024;
const reconnectAfter = 5_000;

/**
 * Sends the inspection events to a relay of `@statelyai/inspect`, for people who use Stately's inspector. The events are those
 * of all actors except jobs, and of as many jobs as the relay can take. Of a context only the fields that
 * may leave the process are sent.
 *
 * The protocol is the package's, the connection is not: the package's own WebSocket adapter keeps all events that a slow
 * relay does not take, and it reconnects after it was stopped.
 */
export const sendToStately = (url: string, { supervisor, clock, fault }: Inspected): { close(): void } => {
  const relay = connectRelay(url, clock, fault, () => {
    for (const actor of machinesIn(supervisor as AnyActor)) {
      const actorRef = partsOf(actor, safeSnapshot(actor.getSnapshot() as AnyMachineSnapshot));
      inspector.inspect.next?.({ type: '@xstate.actor', rootId: supervisor.sessionId, actorRef });
    }
  });
  const inspector = createInspector({ send: relay.send });
  const isSent = createChoice(relay.hasRoom);

  const send = (event: InspectionEvent) => {
    // Without room the event is not converted either: the conversion costs more than the sending.
    if (!relay.hasRoom(1)) return;
    const { type, actorRef, rootId } = event;
    const actor = actorRef as AnyActor;
    if (type === '@xstate.actor') {
      if (!isSent(actor, true)) return;
      // A new actor has no snapshot yet.
      inspector.inspect.next?.({ type, rootId, actorRef: partsOf(actor, { status: 'active', context: {} }) });
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
  const following = supervisor.system.inspect({ next: send });

  return {
    close() {
      following.unsubscribe();
      relay.close();
    },
  };
};

/** Connects to the relay, and again after each loss. What it cannot take is not kept. */
const connectRelay = (url: string, clock: Inspected['clock'], fault: Inspected['fault'], onOpen: () => void) => {
  const allowance = createAllowance(clock, burst, refill);
  let socket: WebSocket | undefined;
  let timer: unknown;
  let isClosed = false;
  let isReported = false;

  const connect = () => {
    socket = new WebSocket(url, { handshakeTimeout: 10_000, maxPayload: 65_536 });
    socket.on('open', () => {
      isReported = false;
      onOpen();
    });
    socket.on('error', ({ message }) => {
      if (!isReported) fault('the relay of Stately', `${message}: trying again every ${reconnectAfter / 1_000} s`);
      isReported = true;
    });
    socket.on('close', () => {
      if (!isClosed) timer = clock.setTimeout(connect, reconnectAfter);
    });
  };
  connect();

  const hasRoom = (need: number): boolean =>
    socket?.readyState === WebSocket.OPEN && socket.bufferedAmount < maxUnread && allowance.has(need);
  return {
    hasRoom,
    send(event: unknown) {
      if (!hasRoom(1)) return;
      allowance.take();
      socket?.send(JSON.stringify(event));
    },
    close() {
      isClosed = true;
      clock.clearTimeout(timer);
      socket?.terminate();
    },
  };
};

/** Chooses the actors whose events are sent: all but jobs, and a sample of the jobs. */
const createChoice = (hasRoom: (need: number) => boolean) => {
  let seen = 0;
  /** The jobs whose events are sent. */
  const sent = new WeakSet<object>();
  return (actor: AnyActor, isNew: boolean): boolean => {
    const machine = actor.logic as AnyStateMachine;
    if (machine.root === undefined) return false;
    if (machine.id !== 'job') return true;
    if (!isNew) return sent.has(actor);
    const isInLane = actor._parent?.id.startsWith('lane-');
    if ((!isInLane && ++seen % sampleEvery !== 1) || !hasRoom(reserve)) return false;
    sent.add(actor);
    return true;
  };
};

/** The parts of an actor that the package reads. */
const partsOf = (actor: AnyActor, snapshot: unknown) =>
  ({
    id: actor.id,
    sessionId: actor.sessionId,
    _parent: actor._parent,
    logic: { config: (actor.logic as AnyStateMachine).config },
    getSnapshot: () => snapshot,
  }) as unknown as ActorRefLike;

/** An actor and all machines below it. */
const machinesIn = (actor: AnyActor): AnyActor[] =>
  (actor.logic as AnyStateMachine).root === undefined
    ? []
    : [actor, ...Object.values<AnyActor>(actor.getSnapshot().children).flatMap(machinesIn)];

/** The state of an actor, with only those fields of its context and output that may leave the process. */
const safeSnapshot = ({ status, value, context, output }: AnyMachineSnapshot) =>
  ({
    status,
    value,
    context: {
      ...(context?.job === undefined ? {} : { facts: safeFacts(context.job.facts as Facts), plan: context.plan }),
      ...(context?.suspect === undefined
        ? {}
        : { pool: shorten(context.suspect.pool), moved: safeMoved(context.moved) }),
      ...(context?.pass?.tally === undefined ? {} : { tally: context.pass.tally }),
    },
    ...(output?.verdict === undefined ? {} : { output: safeOutcome(output as JobOutcome) }),
  }) as unknown as Snapshot<unknown>;
