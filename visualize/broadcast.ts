import type { WebSocket } from 'ws';
import type { Clock } from '../src/reaper/inspection.ts';
import type { About, Parts, ServerMessage, SnapshotMessage, Trace } from './protocol.ts';
import type { Recorder } from './recorder.ts';

/** Sends all pages what changes. */
export interface Broadcast {
  add(socket: WebSocket): void;
  remove(socket: WebSocket): void;
  /** Subscribes a page to the traces of a job. Returns false if the page watches its maximum of jobs already. */
  watch(socket: WebSocket, id: string): boolean;
  unwatch(socket: WebSocket, id: string): void;
  send(socket: WebSocket, message: ServerMessage): void;
  close(): void;
}

interface Page {
  /** The page read too slowly and missed a delta. It gets a new snapshot once it has read all that was sent. */
  isBehind: boolean;
  readonly watched: Set<string>;
}

/** Time between two deltas, in ms: as often as a person can follow. The page may be drawn on the sweep's own machine. */
const interval = 200;
/** Deltas between two reads from Redis: one second. */
const refreshEvery = 5;
/** Bytes that a page may leave unread before it counts as slow. */
const maxUnread = 512 * 1_024;
const maxWatched = 20;

/** Does nothing while there is no page. What a slow page cannot take is not kept for it, so no page costs memory. */
export const createBroadcast = (recorder: Recorder, about: About, clock: Clock): Broadcast => {
  const pages = new Map<WebSocket, Page>();
  const deltas = createDeltas(recorder, clock);
  const refresh = createRefresh(recorder);
  let timer: unknown;

  const snapshot = () => snapshotOf(recorder, about, clock.now());

  const tick = () => {
    timer = clock.setTimeout(tick, interval);
    refresh();
    updateAll(pages, deltas.next(), snapshot, recorder.traces);
  };

  const unwatch = (socket: WebSocket, id: string) => {
    pages.get(socket)?.watched.delete(id);
    if (![...pages.values()].some(({ watched }) => watched.has(id))) recorder.traces.unwatch(id);
  };

  return {
    add(socket) {
      const isFirst = timer === undefined;
      // A snapshot between two deltas would not fit to the next delta: rows would come twice, and a part that has changed
      // back meanwhile would not come. So another page gets its snapshot together with the others' next delta.
      pages.set(socket, { isBehind: !isFirst, watched: new Set() });
      if (!isFirst) return;
      deltas.restart();
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

const snapshotOf = (recorder: Recorder, about: About, now: number): string =>
  JSON.stringify({
    ...{ type: 'snapshot', now, about },
    ...recorder.parts(),
    ...recorder.rings(),
  } satisfies SnapshotMessage);

const updateAll = (
  pages: ReadonlyMap<WebSocket, Page>,
  delta: string | undefined,
  snapshot: () => string,
  traces: Recorder['traces'],
) => {
  const moved = new Map(traces.takeMoved().map((id) => [id, traces.of(id)]));
  let whole: string | undefined;
  const wholeOnce = () => {
    whole ??= snapshot();
    return whole;
  };
  const tracesOf = (id: string, wasBehind: boolean) => moved.get(id) ?? (wasBehind ? traces.of(id) : undefined);
  for (const [socket, page] of pages) update(socket, page, delta, wholeOnce, tracesOf);
};

/** Sends a page what has changed, or everything if it was slow. A page that is slow gets nothing. */
const update = (
  socket: WebSocket,
  page: Page,
  delta: string | undefined,
  snapshot: () => string,
  tracesOf: (id: string, wasBehind: boolean) => Trace[] | undefined,
) => {
  if (socket.bufferedAmount > (page.isBehind ? 0 : maxUnread)) {
    page.isBehind = true;
    return;
  }
  const wasBehind = page.isBehind;
  if (wasBehind) {
    socket.send(snapshot());
    page.isBehind = false;
  } else if (delta !== undefined) socket.send(delta);
  for (const id of page.watched) {
    const traces = tracesOf(id, wasBehind);
    if (traces !== undefined) socket.send(JSON.stringify({ type: 'watched', id, traces }));
  }
};

/** Makes the deltas: the parts and rows that have changed since the delta before. */
const createDeltas = (recorder: Recorder, clock: Clock) => {
  let mark = recorder.mark();
  /** The parts of the latest delta, as JSON. */
  const sent = new Map<keyof Parts, string>();
  return {
    restart() {
      mark = recorder.mark();
      sent.clear();
    },
    /** A `DeltaMessage` as JSON; undefined if nothing has changed. */
    next(): string | undefined {
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
    },
  };
};

/** Reads from Redis once a second, and never twice at the same time. An error is reported elsewhere. */
const createRefresh = (recorder: Recorder) => {
  let isRunning = false;
  let ticks = 0;
  return () => {
    ticks += 1;
    if (isRunning || ticks % refreshEvery !== 1) return;
    isRunning = true;
    recorder
      .refresh()
      .catch(() => undefined)
      .finally(() => {
        isRunning = false;
      });
  };
};
