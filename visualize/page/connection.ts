import type { AnswerMessage, DeltaMessage, Request, ServerMessage, SnapshotMessage, Trace } from '../protocol.ts';

/** The state of the connection to the server. Times in ms by the clock of this machine. */
export type Link =
  | { readonly state: 'connecting' }
  | { readonly state: 'open'; readonly isAgain: boolean; readonly since: number }
  | { readonly state: 'lost'; readonly since: number; readonly retryAt: number; readonly needsToken: boolean };

export type Data = Omit<SnapshotMessage, 'type'>;

/** Everything that the page shows. */
export interface View {
  readonly link: Link;
  /** The latest data. It stays while the connection is lost. */
  readonly data: Data | undefined;
  /** Traces of watched jobs, newest first. */
  readonly watched: ReadonlyMap<string, readonly Trace[]>;
  /** The server's clock minus this machine's clock, in ms. */
  readonly clockOffset: number;
}

type Asked = Request extends infer R ? (R extends Request ? Omit<R, 'request'> : never) : never;

export interface Connection {
  view(): View;
  subscribe(listener: () => void): () => void;
  /** @throws Error with the server's message, or if the connection is lost. */
  ask(asked: Asked): Promise<AnswerMessage>;
  watch(id: string): void;
  unwatch(id: string): void;
}

/** Rows of a list: as many as the server keeps. */
const maxRows = 1_000;
const shortestRetry = 500;
const longestRetry = 5_000;

export const connect = (): Connection => {
  let view: View = { link: { state: 'connecting' }, data: undefined, watched: new Map(), clockOffset: 0 };
  const listeners = new Set<() => void>();
  const waiting = new Map<number, { resolve(answer: AnswerMessage): void; reject(error: Error): void }>();
  const watched = new Set<string>();
  let socket: WebSocket;
  let requests = 0;
  let retry = shortestRetry;
  let wasOpen = false;

  const set = (change: Partial<View>) => {
    view = { ...view, ...change };
    for (const listener of listeners) listener();
  };

  const receive = (message: ServerMessage) => {
    if (message.type === 'answer') {
      const asker = waiting.get(message.request);
      waiting.delete(message.request);
      if (message.error === undefined) asker?.resolve(message);
      else asker?.reject(new Error(message.error));
      return;
    }
    if (message.type === 'watched') {
      if (watched.has(message.id)) set({ watched: new Map(view.watched).set(message.id, message.traces) });
      return;
    }
    const clockOffset = message.now - Date.now();
    if (message.type === 'snapshot') {
      const { type: _, ...data } = message;
      set({ data, clockOffset });
      return;
    }
    if (view.data !== undefined) set({ clockOffset, data: withDelta(view.data, message) });
  };

  const send = (asked: Asked): number => {
    requests += 1;
    socket.send(JSON.stringify({ ...asked, request: requests }));
    return requests;
  };

  const open = () => {
    const url = new URL('socket', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    url.hash = '';
    socket = new WebSocket(url);
    socket.onopen = () => {
      retry = shortestRetry;
      set({ link: { state: 'open', isAgain: wasOpen, since: Date.now() } });
      wasOpen = true;
      for (const id of watched) send({ type: 'watch', id });
    };
    socket.onmessage = ({ data }) => receive(JSON.parse(data));
    socket.onclose = async () => {
      for (const { reject } of waiting.values()) reject(new Error('the connection to the reaper is lost'));
      waiting.clear();
      const since = view.link.state === 'lost' ? view.link.since : Date.now();
      const wait = retry;
      retry = Math.min(retry * 2, longestRetry);
      // Kept until the server answers: a banner that changes with each attempt is read out with each attempt.
      const needsToken = view.link.state === 'lost' && view.link.needsToken;
      set({ link: { state: 'lost', since, retryAt: Date.now() + wait, needsToken } });
      setTimeout(open, wait);
      // A restarted reaper may have another token. Reconnecting is useless then, so the banner says what to do.
      const answer = await fetch('./', { method: 'HEAD' }).catch(() => undefined);
      if (answer !== undefined && view.link.state === 'lost')
        set({ link: { ...view.link, needsToken: answer.status === 401 } });
    };
  };
  open();

  return {
    view: () => view,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ask: (asked) =>
      new Promise((resolve, reject) => {
        if (socket.readyState !== WebSocket.OPEN) reject(new Error('the connection to the reaper is lost'));
        else waiting.set(send(asked), { resolve, reject });
      }),
    watch(id) {
      watched.add(id);
      if (socket.readyState === WebSocket.OPEN) send({ type: 'watch', id });
    },
    unwatch(id) {
      watched.delete(id);
      const rest = new Map(view.watched);
      rest.delete(id);
      set({ watched: rest });
      if (socket.readyState === WebSocket.OPEN) send({ type: 'unwatch', id });
    },
  };
};

/** Adds the new rows of a delta to the lists, and replaces the parts that it has. */
const withDelta = (data: Data, { type: _, acts, healthy, pools, faults, ...parts }: DeltaMessage): Data => ({
  ...data,
  ...parts,
  acts: withRows(data.acts, acts),
  healthy: withRows(data.healthy, healthy),
  pools: withRows(data.pools, pools),
  faults: withRows(data.faults, faults),
});

const withRows = <Row>(rows: readonly Row[], more: readonly Row[] | undefined): readonly Row[] =>
  more === undefined ? rows : [...more, ...rows].slice(0, maxRows);
