import { codeOr, type ErrorCode } from '../errors.ts';
import { forCaller, redact } from '../io/redis/errors.ts';

/** The fields of a log line for the error behind it; none without one. */
export const errorFields = (cause: unknown): { readonly code?: ErrorCode; readonly err?: Error } =>
  cause instanceof Error ? { code: codeOfError(cause), err: redact(cause) } : {};

/** An error that is neither of this package nor of Redis is one of the step. */
export const codeOfError = (cause: unknown): ErrorCode => codeOr(forCaller(cause), 'step-failed');
