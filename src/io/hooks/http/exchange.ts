import type { Dispatcher } from 'undici/index.js';
import type { Answer } from './reply.ts';

/** The exchange ended without the header of an answer. */
export class NoAnswerError extends Error {
  override name = 'NoAnswerError';
  /** Whether the time-out ended it. */
  readonly isLate: boolean;
  /** Whether there was a connection, so that the endpoint may have received the request. */
  readonly wasConnected: boolean;
  /** Whether this process was held up meanwhile, for long. */
  readonly wasStalled: boolean;

  constructor(cause: Error, isLate: boolean, wasConnected: boolean, wasStalled: boolean) {
    super('no answer', { cause });
    this.isLate = isLate;
    this.wasConnected = wasConnected;
    this.wasStalled = wasStalled;
  }
}

/** How many bytes of a body are read, so that the connection can be reused. */
const maxBody = 4_096;
/** How long a body is read, in ms. Otherwise an endpoint with endless bodies would occupy every connection. */
const bodyTime = 1_000;

/**
 * Sends one request and waits for the header of the answer. The body has no influence: a 200 with a broken or endless body
 * is a 200. Up to 4 kB of the body are read for up to 1 s, so that the connection can be reused; beyond that it is closed.
 *
 * Uses a dispatch handler and one timer, because `request` with a stream and abort signals took 1.5 times as long (measured).
 *
 * @param timeLeft time-out of the whole exchange, in ms; 0 or less: nothing is sent
 * @param wasStalled whether this process was held up for long since the request began, redirects included
 * @throws NoAnswerError
 */
export const exchange = (
  dispatcher: Pick<Dispatcher, 'dispatch'>,
  request: Dispatcher.DispatchOptions,
  timeLeft: number,
  wasStalled: () => boolean,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const endsAt = performance.now() + timeLeft;
    let controller: Dispatcher.DispatchController | undefined;
    let answer: Answer | undefined;
    let bodyBytes = 0;
    let isOver = false;

    const end = (error: Error, isLate = false, isOurs = false) => {
      isOver = true;
      clearTimeout(timer);
      if (answer !== undefined) resolve(answer);
      else reject(new NoAnswerError(error, isLate, controller !== undefined, isOurs || wasStalled()));
    };
    const cut = (isOurs = false) => {
      const reason = new Error('cut off');
      end(reason, true, isOurs);
      controller?.abort(reason);
    };
    const expire = () => {
      // After a stall this comes before an answer that arrived meanwhile. One turn of the event loop reads what has arrived.
      // It may have begun already, so there are two.
      setImmediate(() => setImmediate(() => !isOver && answer === undefined && cut()));
    };
    let timer = setTimeout(expire, timeLeft);

    dispatcher.dispatch(request, {
      onRequestStart(ours) {
        // Its time is over, and it must not be sent any more: its claim may have ended. This process was held up, for otherwise the time-out
        // would have ended it before it got a connection: the endpoint is not to blame, which has heard nothing.
        if (!isOver && performance.now() >= endsAt) cut(timeLeft > 0);
        if (isOver) ours.abort(new Error('too late'));
        else controller = ours;
      },
      onResponseStart(_, status, headers) {
        if (status < 200) return;
        answer = { status, location: first(headers.location), retryAfter: first(headers['retry-after']) };
        clearTimeout(timer);
        timer = setTimeout(cut, Math.min(bodyTime, endsAt - performance.now()));
      },
      onResponseData(_, chunk) {
        bodyBytes += chunk.length;
        if (bodyBytes > maxBody && !isOver) cut();
      },
      // undici frees the connection two steps later. A request before that would open another connection.
      onResponseEnd: () => queueMicrotask(() => setImmediate(() => !isOver && end(new Error('the end')))),
      onResponseError: (_, error) => !isOver && end(error),
    });
  });

const first = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header[0] : header;
