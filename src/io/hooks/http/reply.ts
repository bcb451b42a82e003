/**
 * What became of one POST, in the classes that decide what is done next. `code` is a short word for the record in Redis,
 * at most 12 characters: an HTTP status, or `timeout`, `connect`, `broken`, `tls`, `bad-url`, `forbidden`, `redirect`.
 * `reason` is for a person: of the hook URL it holds no more than scheme, host and port.
 */
export type HttpReply =
  /** Any 2xx. */
  | { readonly kind: 'taken'; readonly status: number }
  /** The receiver does not know the job (yet). */
  | { readonly kind: 'unknown'; readonly status: 404 | 410; readonly reason: string }
  /** It may go well later. `retryAfter`: for how many ms the receiver wants to be left alone. */
  | { readonly kind: 'busy'; readonly reason: string; readonly code: string; readonly retryAfter?: number }
  /** This host could not send it: that says nothing of the receiver. `code` is the system's, or `DNS-TIMEOUT`. */
  | { readonly kind: 'ours'; readonly reason: string; readonly code: string }
  /** It would fail again just so. */
  | { readonly kind: 'refused'; readonly reason: string; readonly code: string };

/** The header of an answer, as far as it counts. */
export interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly retryAfter: string | undefined;
}

/** @param now in ms since the epoch */
export const replyTo = ({ status, retryAfter }: Answer, now: number): HttpReply => {
  const reason = `the receiver answered ${status}`;
  const code = String(status);
  if (status < 300) return { kind: 'taken', status };
  if (status < 400) return { kind: 'refused', code: 'redirect', reason: `${reason}, which is not followed` };
  if (status === 404 || status === 410) return { kind: 'unknown', status, reason };
  if (status < 500 && !triedAgain.has(status)) return { kind: 'refused', code, reason };
  const wait = waitOf(retryAfter, now);
  return { kind: 'busy', code, reason, ...(wait === undefined ? {} : { retryAfter: wait }) };
};

/** Of the 4xx, those that are about the moment and not about the request: time-out, too early, too many. */
const triedAgain: ReadonlySet<number> = new Set([408, 425, 429]);

/** A Retry-After (RFC 9110, 10.2.3) in ms from now: seconds or one of the three forms of a date. */
const waitOf = (header: string | undefined, now: number): number | undefined => {
  const text = header?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  if (!/^[A-Z][a-z]+,? /.test(text)) return undefined;
  // The oldest of the forms says no zone; it is GMT in all of them.
  const at = Date.parse(text.endsWith(' GMT') ? text : `${text} GMT`);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
};
