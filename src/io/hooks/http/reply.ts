/**
 * The result of one POST, classified by what happens next. `code` is a short text for the record in Redis, at most 12
 * characters: an HTTP status, or `timeout`, `connect`, `broken`, `tls`, `bad-url`, `forbidden`, `redirect`. `reason` is a
 * message for logs; of the hook URL it contains scheme, host and port at most.
 */
export type HttpReply =
  /** Any 2xx. */
  | { readonly kind: 'accepted'; readonly status: number }
  /** The endpoint does not know the job (yet). */
  | { readonly kind: 'unknown'; readonly status: 404 | 410; readonly reason: string }
  /** Another attempt may succeed. `retryAfter`: how long the endpoint asks to wait, in ms. */
  | { readonly kind: 'retryable'; readonly reason: string; readonly code: string; readonly retryAfter?: number }
  /**
   * This host could not send the request or read the answer, which says nothing about the endpoint. `code` is a system error,
   * `DNS-TIMEOUT`, `STALLED`, or begins with `PROXY-`.
   */
  | { readonly kind: 'host-error'; readonly reason: string; readonly code: string }
  /** Another attempt would fail too. */
  | { readonly kind: 'rejected'; readonly reason: string; readonly code: string };

/** The relevant headers of an HTTP answer. */
export interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly retryAfter: string | undefined;
}

/** @param now in ms since the epoch */
export const replyTo = ({ status, retryAfter }: Answer, now: number): HttpReply => {
  const reason = `the endpoint answered ${status}`;
  const code = String(status);
  if (status < 300) return { kind: 'accepted', status };
  if (status < 400) return { kind: 'rejected', code: 'redirect', reason: `${reason}, which is not followed` };
  if (status === 404 || status === 410) return { kind: 'unknown', status, reason };
  if (status < 500 && !retryableStatuses.has(status)) return { kind: 'rejected', code, reason };
  const wait = waitOf(retryAfter, now);
  return { kind: 'retryable', code, reason, ...(wait === undefined ? {} : { retryAfter: wait }) };
};

/** 4xx that depend on the moment and not on the request: Request Timeout, Too Early, Too Many Requests. */
const retryableStatuses: ReadonlySet<number> = new Set([408, 425, 429]);

/** Decodes Retry-After (RFC 9110, 10.2.3), seconds or one of the three date formats, to ms from now. */
const waitOf = (header: string | undefined, now: number): number | undefined => {
  const text = header?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  if (!/^[A-Z][a-z]+,? /.test(text)) return undefined;
  // The oldest format has no time zone; all three are in GMT.
  const at = Date.parse(text.endsWith(' GMT') ? text : `${text} GMT`);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
};
