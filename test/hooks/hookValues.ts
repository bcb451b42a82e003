/** The namespace, endpoints, times and replies of the tests that run the actors of hooks in every order. */
import type { HttpReply } from '../../src/io/hooks/http/reply.ts';
import type { HookSettings } from '../../src/io/hooks/records.ts';
import { keysOf } from '../../src/io/redis/keys.ts';

export const keys = keysOf('t');
export const origin = 'http://h';
/** Where a host that has the endpoint as moved sends. */
export const elsewhere = 'http://moved';
/** All times are relative to it, in ms. */
export const base = Math.floor(Date.now() / 1_000) * 1_000;
export const claimFor = 60_000;
export const deadline = 86_400_000;
export const settings: HookSettings = {
  maxRecords: 1_000,
  breakerThreshold: 3,
  drainRate: 50,
  claimDuration: claimFor,
};

export const replies = {
  taken: { kind: 'accepted', status: 200 },
  down: { kind: 'retryable', code: '503', reason: 'the endpoint answered 503' },
  unknown: { kind: 'unknown', status: 404, reason: 'the endpoint answered 404' },
  refused: { kind: 'rejected', code: '400', reason: 'the endpoint answered 400' },
} satisfies Record<string, HttpReply>;
