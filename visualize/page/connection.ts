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
  const questions = createQuestions();
  const watched = new Set<string>();

  const set = (change: Partial<View>) => {
    view = { ...view, ...change };
    for (const listener of listeners) listener();
  };

  const line = keepOpen({
    opened(isAgain) {
      set({ link: { state: 'open', isAgain, since: Date.now() } });
      for (const id of watched) line.send({ type: 'watch', id });
    },
    received(message) {
      if (message.type === 'answer') questions.answer(message);
      else if (message.type !== 'watched') set(changeBy(view, message));
      else if (watched.has(message.id)) set({ watched: new Map(view.watched).set(message.id, message.traces) });
    },
    async lost(wait) {
      questions.lose();
      set({ link: lostLink(view.link, wait) });
      // A restarted reaper may have another token. Reconnecting is useless then, so the banner says what to do.
      const answer = await fetch('./', { method: 'HEAD' }).catch(() => undefined);
      if (answer !== undefined && view.link.state === 'lost')
        set({ link: { ...view.link, needsToken: answer.status === 401 } });
    },
  });

  return {
    view: () => view,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ask: async (asked) => {
      if (!line.isOpen()) throw isLost();
      return questions.ask(line.send(asked));
    },
    watch(id) {
      watched.add(id);
      if (line.isOpen()) line.send({ type: 'watch', id });
    },
    unwatch(id) {
      watched.delete(id);
      set({ watched: new Map([...view.watched].filter(([other]) => other !== id)) });
      if (line.isOpen()) line.send({ type: 'unwatch', id });
    },
  };
};

/** A WebSocket to the server. If it is lost, another one is opened after a pause. */
const keepOpen = (on: {
  opened(isAgain: boolean): void;
  received(message: ServerMessage): void;
  /** @param wait until the next attempt, in ms. */
  lost(wait: number): void;
}) => {
  let socket: WebSocket;
  let requests = 0;
  let retry = shortestRetry;
  let wasOpen = false;
  const open = () => {
    socket = new WebSocket(socketUrl());
    socket.onopen = () => {
      retry = shortestRetry;
      on.opened(wasOpen);
      wasOpen = true;
    };
    socket.onmessage = ({ data }) => on.received(JSON.parse(data));
    socket.onclose = () => {
      on.lost(retry);
      setTimeout(open, retry);
      retry = Math.min(retry * 2, longestRetry);
    };
  };
  open();
  return {
    isOpen: () => socket.readyState === WebSocket.OPEN,
    /** Returns the number of the request. */
    send(asked: Asked): number {
      requests += 1;
      socket.send(JSON.stringify({ ...asked, request: requests }));
      return requests;
    },
  };
};

const isLost = () => new Error('the connection to the reaper is lost');

/** The requests that wait for an answer. */
const createQuestions = () => {
  const waiting = new Map<number, { resolve(answer: AnswerMessage): void; reject(error: Error): void }>();
  return {
    ask: (request: number) =>
      new Promise<AnswerMessage>((resolve, reject) => {
        waiting.set(request, { resolve, reject });
      }),
    answer(message: AnswerMessage) {
      const asker = waiting.get(message.request);
      waiting.delete(message.request);
      if (message.error === undefined) asker?.resolve(message);
      else asker?.reject(new Error(message.error));
    },
    /** The connection is lost. */
    lose() {
      for (const { reject } of waiting.values()) reject(isLost());
      waiting.clear();
    },
  };
};

const socketUrl = (): URL => {
  const url = new URL('socket', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  url.hash = '';
  return url;
};

/** `needsToken` is kept until the server answers: a banner that changes with each attempt is read out with each attempt. */
const lostLink = (before: Link, wait: number): Link => ({
  state: 'lost',
  since: before.state === 'lost' ? before.since : Date.now(),
  retryAt: Date.now() + wait,
  needsToken: before.state === 'lost' && before.needsToken,
});

/** What a snapshot or a delta changes in the view. A delta before the first snapshot changes nothing. */
const changeBy = (view: View, message: SnapshotMessage | DeltaMessage): Partial<View> => {
  const clockOffset = message.now - Date.now();
  if (message.type === 'delta') {
    return view.data === undefined ? {} : { clockOffset, data: withDelta(view.data, message) };
  }
  const { type: _, ...data } = message;
  return { data, clockOffset };
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
