import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { classify } from '../io/redis/errors.ts';
import { unlessRefused } from '../io/redis/refusals.ts';
import { outcomes } from '../io/redis/replies/decode.ts';
import { packageRoot } from '../package.ts';

/** The question whether the user may run a command on a key. */
export interface Question {
  readonly command: readonly string[];
  /** Whether running it changes nothing: its arguments are refused, or its key does not exist. */
  readonly mayRun: boolean;
  /** Whether running it changes nothing only if its key holds a string: then it is refused for the type. */
  readonly needsString: boolean;
}

/** In the order of the questions; undefined if unknown, or if Redis has no such command. */
export type Answers = readonly (boolean | undefined)[];

const script = readFileSync(`${packageRoot}lua/doctor/rights.lua`, 'utf8');

/** How many questions one script answers: it blocks Redis meanwhile. */
const stride = 500;

/**
 * Asks which commands the user of the connection may run. In Redis 7 a script can ask; it only needs EVAL. Without EVAL, this asks
 * with ACL DRYRUN, or runs the commands in a form that changes nothing.
 *
 * @param probe a key of the reaper that no one uses.
 * @throws Error if Redis does not reply.
 */
export const askRights = async (redis: Redis, probe: string, questions: readonly Question[]): Promise<Answers> => {
  const answers =
    (await byScript(redis, probe, questions)) ?? (await byDryRun(redis, questions)) ?? questions.map(() => undefined);
  // For commands that a script may not run, and for everything if the other ways are refused.
  return Promise.all(questions.map((question, i) => answers[i] ?? byCommand(redis, question)));
};

const byScript = async (redis: Redis, probe: string, questions: readonly Question[]): Promise<Answers | undefined> => {
  const answers: number[] = [];
  for (let from = 0; from < questions.length; from += stride) {
    const texts = questions
      .slice(from, from + stride)
      .map(({ command, mayRun, needsString }) => JSON.stringify([command, mayRun, needsString]));
    const reply =
      (await unlessRefused(redis.eval(script, 1, probe, ...texts))) ??
      (await unlessRefused(redis.eval(script, 0, ...texts)));
    if (reply === undefined) return undefined;
    answers.push(...answersIn(reply).answers);
  }
  return answers.map((answer) => (answer < 0 ? undefined : answer === 1));
};

const toAnswers = (...answers: (number | string)[]) => ({ answers: answers.map(Number) });
const answersIn = outcomes({ asked: toAnswers, run: toAnswers });

const byDryRun = async (redis: Redis, questions: readonly Question[]): Promise<Answers | undefined> => {
  const user = await unlessRefused(redis.call('ACL', 'WHOAMI'));
  if (typeof user !== 'string') return undefined;
  const ask = async ({ command }: Question) => redis.call('ACL', 'DRYRUN', user, ...command);
  // Ask one question first: a user without ACL DRYRUN is then refused once, not for each question.
  const first = questions[0] === undefined ? undefined : await unlessRefused(ask(questions[0]));
  if (first === undefined) return undefined;
  return Promise.all(
    questions.map(async (question) => {
      const reply = await unlessRefused(ask(question));
      return reply === undefined ? undefined : reply === 'OK';
    }),
  );
};

const byCommand = async (redis: Redis, { command, mayRun, needsString }: Question): Promise<boolean | undefined> => {
  if (!mayRun || needsString) return undefined;
  const [name, ...args] = command as [string, ...string[]];
  try {
    await redis.call(name, ...args);
    return true;
  } catch (error) {
    if ((error as Error).name !== 'ReplyError') throw error;
    const { code } = classify(error);
    return code === 'redis-unknown-command' ? undefined : code !== 'redis-no-permission';
  }
};
