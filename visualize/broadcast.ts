import type { WebSocket } from 'ws';
import type { Clock } from '../src/index.ts';
import type { About, Parts, ServerMessage, SnapshotMessage } from './protocol.ts';
import type { Recorder } from './recorder.ts';

/** Tells all pages what happens. */
export interface Broadcast {
  add(socket: WebSocket): void;
  remove(socket: WebSocket): void;
  /** Has a page told of a job's walks. False where it watches as many jobs as it may. */
  watch(socket: WebSocket, id: string): boolean;
  unwatch(socket: WebSocket, id: string): void;
  send(socket: WebSocket, message: ServerMessage): void;
  close(): void;
}

interface Page {
  /** It was too slow for what came since: it gets a new snapshot once it has read what it was sent. */
  isBehind: boolean;
  readonly watched: Set<string>;
}

/** From one delta to the next, in ms: as often as a person can follow, for each is drawn on the sweep's own machine. */
const interval = 200;
/** Ticks from one look at Redis to the next: a second. */
const lookEvery = 5;
/** What may lie unread on the way to a page before it counts as slow, in bytes. */
const maxUnread = 512 * 1_024;
const maxWatched = 20;

/** Does nothing while no page is there. Whatever a page does, it costs no memory: what it can't take it does not get. */
export const createBroadcast = (recorder: Recorder, about: About, clock: Clock): Broadcast => {
  const pages = new Map<WebSocket, Page>();
  let timer: unknown;
  let isLooking = false;
  let ticks = 0;
  let mark = recorder.mark();
  /** The parts as they were sent last, as JSON. */
  const sent = new Map<keyof Parts, string>();

  const snapshot = (): string => {
    const message: SnapshotMessage = {
      type: 'snapshot',
      now: clock.now(),
      about,
      ...recorder.parts(),
      ...recorder.rings(),
    };
    return JSON.stringify(message);
  };

  /** A `DeltaMessage` of what has changed since the last one; undefined for nothing. */
  const delta = (): string | undefined => {
    const parts = recorder.parts();
    const changed: string[] = [];
    for (const key of Object.keys(parts) as (keyof Parts)[]) {
      const text = JSON.stringify(parts[key]);
      if (sent.get(key) === text) continue;
      sent.set(key, text);
      changed.push(`"${key}":${text}`);
    }
    for (const [key, rows] of Object.entries(recorder.rings(mark))) {
      if (rows.length > 0) changed.push(`"${key}":${JSON.stringify(rows)}`);
    }
    mark = recorder.mark();
    return changed.length === 0 ? undefined : `{"type":"delta","now":${clock.now()},${changed.join(',')}}`;
  };

  /** What only Redis knows is asked for once a second, and never twice at once; one that is away says so elsewhere. */
  const look = () => {
    ticks += 1;
    if (isLooking || ticks % lookEvery !== 1) return;
    isLooking = true;
    recorder
      .look()
      .catch(() => undefined)
      .finally(() => {
        isLooking = false;
      });
  };

  const tick = () => {
    timer = clock.setTimeout(tick, interval);
    look();
    const text = delta();
    const moved = new Map(recorder.traces.takeMoved().map((id) => [id, recorder.traces.of(id)]));
    let whole: string | undefined;
    for (const [socket, page] of pages) {
      if (socket.bufferedAmount > (page.isBehind ? 0 : maxUnread)) {
        page.isBehind = true;
        continue;
      }
      const wasBehind = page.isBehind;
      if (wasBehind) {
        whole ??= snapshot();
        socket.send(whole);
        page.isBehind = false;
      } else if (text !== undefined) socket.send(text);
      for (const id of page.watched) {
        const traces = moved.get(id) ?? (wasBehind ? recorder.traces.of(id) : undefined);
        if (traces !== undefined) socket.send(JSON.stringify({ type: 'watched', id, traces }));
      }
    }
  };

  const unwatch = (socket: WebSocket, id: string) => {
    pages.get(socket)?.watched.delete(id);
    if (![...pages.values()].some(({ watched }) => watched.has(id))) recorder.traces.unwatch(id);
  };

  return {
    add(socket) {
      const isFirst = timer === undefined;
      // Between two deltas, the next one would tell a page what its snapshot has already, or not tell it what has
      // changed back since: another page gets its snapshot together with the delta of the others.
      pages.set(socket, { isBehind: !isFirst, watched: new Set() });
      if (!isFirst) return;
      mark = recorder.mark();
      sent.clear();
      timer = clock.setTimeout(tick, interval);
      socket.send(snapshot());
    },
    remove(socket) {
      for (const id of pages.get(socket)?.watched ?? []) unwatch(socket, id);
      pages.delete(socket);
      if (pages.size > 0) return;
      clock.clearTimeout(timer);
      timer = undefined;
    },
    watch(socket, id) {
      const page = pages.get(socket);
      if (page === undefined || (page.watched.size >= maxWatched && !page.watched.has(id))) return false;
      page.watched.add(id);
      recorder.traces.watch(id);
      return true;
    },
    unwatch,
    send: (socket, message) => socket.send(JSON.stringify(message)),
    close() {
      clock.clearTimeout(timer);
      timer = undefined;
      for (const socket of pages.keys()) socket.close(1001, 'the reaper stops');
    },
  };
};
