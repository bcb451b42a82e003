import PQueue from 'p-queue';
import { z } from 'zod';
import type { Explanation, HookRecord } from '../src/index.ts';
import type { Inspected } from '../src/reaper/inspection.ts';
import type { AnswerMessage, Question, Request } from './protocol.ts';
import type { Recorder } from './recorder.ts';
import { safeFacts, shorten } from './safe.ts';

const request = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const id = z.string().min(1).max(512);
const schema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('job'), request, id }),
  z.strictObject({ type: z.literal('watch'), request, id }),
  z.strictObject({ type: z.literal('unwatch'), request, id }),
  z.strictObject({ type: z.literal('sweep'), request, plan: z.boolean() }),
  z.strictObject({ type: z.literal('rescue'), request, plan: z.boolean() }),
]);

/** What a page has sent, or undefined where it is nothing that a page sends. */
export const readRequest = (text: string): Request | undefined => {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
};

/** Jobs that are explained at once, for all pages: each one may read through whole queues. */
const explainedAtOnce = 2;
const maxWaiting = 32;

/** Answers what a page asks; watching is the page's connection's. Never rejects. */
export type Answer = ReturnType<typeof createAnswer>;

export const createAnswer = ({ reaper, settings, plan: isPlanOnly }: Inspected, { traces }: Recorder) => {
  const explaining = new PQueue({ concurrency: explainedAtOnce });
  const underWay = new Set<string>();

  const pass = async ({ type, plan }: Exclude<Question, { type: 'job' }>): Promise<Partial<AnswerMessage>> => {
    if (!settings.control) throw new Error('this inspector only looks: start it with control to let it act');
    if (isPlanOnly && !plan) throw new Error('this reaper only plans');
    if (underWay.has(type)) throw new Error(`a ${type} that was asked for here is still under way`);
    underWay.add(type);
    try {
      if (type === 'sweep') return { sweep: await reaper.sweep({ plan }) };
      // What a page does not show has no bound, and stays here.
      return { rescue: { ...(await reaper.rescue({ plan })), drift: [], unreadable: [] } };
    } finally {
      underWay.delete(type);
    }
  };

  const job = async (jobId: string): Promise<Partial<AnswerMessage>> => {
    if (explaining.size >= maxWaiting) throw new Error('too many jobs are being looked up: try again in a moment');
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

const safeHook = ({
  id,
  state,
  about,
  origin,
  attempts,
  firstAttemptAt,
  lastAttemptAt,
  answer,
}: HookRecord): HookRecord => ({
  id: shorten(id),
  state,
  about: shorten(about),
  origin: shorten(origin),
  attempts,
  firstAttemptAt,
  lastAttemptAt,
  answer: answer && shorten(answer),
});

const safeExplanation = (explanation: Explanation): Explanation => ({
  ...explanation,
  id: shorten(explanation.id),
  facts: safeFacts(explanation.facts),
  hook: explanation.hook && safeHook(explanation.hook),
  places: explanation.places.map(({ type, pool, ...place }) => ({
    ...place,
    ...(type === undefined ? {} : { type: shorten(type) }),
    ...(pool === undefined ? {} : { pool: shorten(pool) }),
  })),
});
