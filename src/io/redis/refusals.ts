import { kindOfRedisError } from './errors.ts';

/**
 * A reply, or undefined if Redis refuses the command: the user may not run it, Redis does not have it, or its key holds
 * another type.
 * @throws Error if there was no reply, or if waiting may help.
 */
export const unlessRefused = async <T>(reply: Promise<T>): Promise<T | undefined> =>
  reply.catch((error: Error) => {
    if (error.name === 'ReplyError' && kindOfRedisError(error) !== 'transient') return undefined;
    throw error;
  });
