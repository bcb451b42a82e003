/** What the answer of an endpoint means for what is done next. */
import { afterEach, expect, test, vi } from 'vitest';
import { replyTo } from '../../src/io/hooks/http/reply.ts';

afterEach(() => vi.unstubAllEnvs());

const now = Date.UTC(2026, 0, 1);
const kindOf = (status: number) => replyTo({ status, location: undefined, retryAfter: undefined }, now).kind;
const waitOf = (retryAfter: string | undefined, status = 503) => {
  const reply = replyTo({ status, location: undefined, retryAfter }, now);
  return reply.kind === 'retryable' ? reply.retryAfter : reply.kind;
};

test('any 2xx is accepted, a redirect is rejected, 404 and 410 are unknown', () => {
  for (const status of [200, 201, 202, 204, 299]) expect(kindOf(status)).toBe('accepted');
  for (const status of [300, 301, 302, 303, 304, 399]) expect(kindOf(status)).toBe('rejected');
  for (const status of [404, 410]) expect(kindOf(status)).toBe('unknown');
});

test('answers that depend on the moment are retryable, those that depend on the request are not', () => {
  for (const status of [408, 425, 429, 500, 502, 503, 504, 599]) expect(kindOf(status)).toBe('retryable');
  for (const status of [400, 401, 403, 405, 409, 418, 422, 499]) expect(kindOf(status)).toBe('rejected');
});

test('a reply has the status, a short code for the record and a readable reason', () => {
  const of = (status: number) => replyTo({ status, location: undefined, retryAfter: undefined }, now);
  expect(of(204)).toStrictEqual({ kind: 'accepted', status: 204 });
  for (const status of [302, 399]) {
    const reason = `the endpoint answered ${status}, which is not followed`;
    expect(of(status)).toStrictEqual({ kind: 'rejected', code: 'redirect', reason });
  }
  expect(of(400)).toStrictEqual({ kind: 'rejected', code: '400', reason: 'the endpoint answered 400' });
  expect(of(404)).toStrictEqual({ kind: 'unknown', status: 404, reason: 'the endpoint answered 404' });
  expect(of(503)).toStrictEqual({ kind: 'retryable', code: '503', reason: 'the endpoint answered 503' });
});

test('a date without a zone is GMT, in any zone of this host', () => {
  vi.stubEnv('TZ', 'America/New_York');
  expect(waitOf('Thu Jan  1 00:01:00 2026')).toBe(60_000);
  expect(waitOf('Thu, 01 Jan 2026 00:01:00 GMT')).toBe(60_000);
});

test('Retry-After is read in seconds and as a date, and is never below 0', () => {
  expect(waitOf('120')).toBe(120_000);
  expect(waitOf('120', 429)).toBe(120_000);
  expect(waitOf(' 0 ')).toBe(0);
  expect(waitOf(new Date(now + 90_000).toUTCString())).toBe(90_000);
  expect(waitOf('Thursday, 01-Jan-26 00:01:00 GMT')).toBe(60_000);
  expect(waitOf('Thu Jan  1 00:01:00 2026')).toBe(60_000);
  expect(waitOf(new Date(now - 90_000).toUTCString())).toBe(0);
});

test.each([undefined, '', 'soon', '-5', '1.5', '1e3', '12345678901', 'Xyz, nothing', '1 Jan 2026 00:01:00'])(
  'a Retry-After of %j is ignored',
  (text) => {
    expect(waitOf(text)).toBeUndefined();
  },
);
