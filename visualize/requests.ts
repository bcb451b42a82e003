import PQueue from 'p-queue';
import * as z from 'zod';
import type { Explanation, Inspected } from '../src/reaper/inspection.ts';
import type { AnswerMessage, Question, Request } from './protocol.ts';
import type { Recorder } from './recorder.ts';
import { safeExplanation, safeRescue, safeSweep, shorten } from './safe.ts';

const request = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const id = z.string().min(1).max(512);
const schema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('job'), request, id }),
  z.strictObject({ type: z.literal('watch'), request, id }),
  z.strictObject({ type: z.literal('unwatch'), request, id }),
  z.strictObject({ type: z.literal('sweep'), request, plan: z.boolean() }),
  z.strictObject({ type: z.literal('rescue'), request, plan: z.boolean() }),
]);

/** Parses a message from a page. Returns undefined if it is not a valid request. */
export const readRequest = (text: string): Request | undefined => {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
};

/** Jobs that are explained at the same time, for all pages together: each one may read whole queues. */
const explainConcurrency = 2;
const maxWaiting = 32;

/** Creates the function that answers a page's questions. It never rejects: an error becomes an answer. */
export const createAnswer = ({ reaper, settings, plan: isPlanOnly }: Inspected, { traces }: Recorder) => {
  const explaining = new PQueue({ concurrency: explainConcurrency });
  const running = new Set<string>();

  const pass = async ({ type, plan }: Exclude<Question, { type: 'job' }>): Promise<Partial<AnswerMessage>> => {
    if (!settings.control) throw new Error('this inspector is read-only: start it with control to run passes');
    if (isPlanOnly && !plan) throw new Error('this reaper only plans: it makes no changes');
    if (running.has(type)) throw new Error(`a ${type} that a page requested is still running`);
    running.add(type);
    try {
      if (type === 'sweep') return { sweep: safeSweep(await reaper.sweep({ plan })) };
      return { rescue: safeRescue(await reaper.rescue({ plan })) };
    } finally {
      running.delete(type);
    }
  };

  const job = async (jobId: string): Promise<Partial<AnswerMessage>> => {
    if (explaining.size >= maxWaiting) throw new Error('too many jobs are being explained: try again in a moment');
    const explanation = (await explaining.add(() => reaper.explain(jobId))) as Explanation;
    return { job: { explanation: safeExplanation(explanation), traces: traces.of(jobId) } };
  };

  return async (asked: Question): Promise<AnswerMessage> => {
    const about = { type: 'answer', request: asked.request } as const;
    try {
      return { ...about, ...(await (asked.type === 'job' ? job(asked.id) : pass(asked))) };
    } catch (error) {
      return { ...about, error: shorten((error as Error).message) };
    }
  };
};
