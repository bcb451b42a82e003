import type { Dispatcher } from 'undici';
import type { Answer } from './reply.ts';

/** No header of an answer came. */
export class NoAnswerError extends Error {
  override name = 'NoAnswerError';
  /** The end of the time that the exchange had. */
  readonly isLate: boolean;
  /** Whether there was a connection, so that the receiver may have heard. */
  readonly wasConnected: boolean;

  constructor(cause: Error, isLate: boolean, wasConnected: boolean) {
    super('no answer', { cause });
    this.isLate = isLate;
    this.wasConnected = wasConnected;
  }
}

/** Bytes of a body that are read, so that its connection can be used again. */
const maxBody = 4_096;
/** For how long a body is read, in ms. Without it a receiver whose bodies never end would hold every connection. */
const bodyTime = 1_000;

/**
 * Sends one request and waits for the header of the answer, which is all that counts: a 200 whose body breaks off or
 * never ends is a 200. What follows it is read to 4 kB for at most 1 s, so that the connection can be used again; past
 * either, the connection is dropped.
 *
 * A handler of its own and one timer, for `request` with a stream and abort signals took half as long again (measured).
 *
 * @param timeLeft for all, in ms
 * @throws NoAnswerError
 */
export const exchange = (
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  timeLeft: number,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const began = performance.now();
    let controller: Dispatcher.DispatchController | undefined;
    let answer: Answer | undefined;
    let bodyBytes = 0;
    let isOver = false;

    const end = (error: Error, isLate = false) => {
      isOver = true;
      clearTimeout(timer);
      if (answer !== undefined) resolve(answer);
      else reject(new NoAnswerError(error, isLate, controller !== undefined));
    };
    const cut = () => {
      const reason = new Error('cut off');
      end(reason, true);
      controller?.abort(reason);
    };
    let timer = setTimeout(cut, timeLeft);

    dispatcher.dispatch(request, {
      onRequestStart(ours) {
        controller = ours;
        // It waited for a connection until its time was over: it must not go out after all.
        if (isOver) ours.abort(new Error('too late'));
      },
      onResponseStart(_, status, headers) {
        if (status < 200) return;
        answer = { status, location: first(headers.location), retryAfter: first(headers['retry-after']) };
        clearTimeout(timer);
        timer = setTimeout(cut, Math.min(bodyTime, began + timeLeft - performance.now()));
      },
      onResponseData(_, chunk) {
        bodyBytes += chunk.length;
        if (bodyBytes > maxBody && !isOver) cut();
      },
      // undici gives the connection back two steps later; a request that comes sooner would open another one.
      onResponseEnd: () => queueMicrotask(() => setImmediate(() => !isOver && end(new Error('the end')))),
      onResponseError(_, error) {
        if (!isOver) end(error);
      },
    });
  });

const first = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header[0] : header;
