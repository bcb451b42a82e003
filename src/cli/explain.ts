import type { Command } from 'commander';
import { countText, timeWithAge } from '../ages.ts';
import type { ExplainedHook, Explanation, Facts, Place, Reaper } from '../index.ts';
import { isoOfSecond } from '../isoTime.ts';
import { shellQuoted } from '../shell.ts';
import { nonEmpty } from './arguments.ts';
import { configOf, reaperOf } from './config.ts';
import { notFound } from './exitCodes.ts';
import { withExamples } from './help.ts';
import { withOptions } from './options.ts';
import { withProgress } from './progress.ts';
import { once } from './signals.ts';
import { finish, print, printJson } from './text.ts';

export const registerExplain = (program: Command): void => {
  const command = program
    .command('explain')
    .description('show the verdict on a job with its reasons, and where the job is; changes nothing')
    .argument('<job>', 'id of the job', nonEmpty);
  withProgress(command, 'searching for the job');
  withExamples(command, {
    'why a job does not run or end': 'reaper explain 0f8fad5bd9cb469fa16570a1',
    'all facts of a job, for scripts': 'reaper explain 0f8fad5bd9cb469fa16570a1 --json',
  });
  withOptions(command, 'redis', 'judging', 'pools').action(async (id: string, flags: { json?: boolean }) => {
    const reaper = reaperOf(configOf(command));
    finish(await once(reaper, () => explain(reaper, id, flags)));
  });
};

/** The verdict on one job with its reasons, and where its entry is. Exit code 4 if nothing in Redis is about this job. */
export const explain = async (reaper: Reaper, id: string, flags: { json?: boolean }): Promise<number> => {
  const explanation = await reaper.explain(id);
  if (flags.json) printJson('explanation', explanation);
  else print(...linesOf(explanation));
  return isKnown(explanation) ? 0 : notFound;
};

/** Other namespaces that are named. */
const maxElsewhere = 10;

const isKnown = ({ isTracked, facts, places, hook }: Explanation): boolean =>
  isTracked || facts.stats !== 'nothing' || places.length > 0 || hook !== undefined;

const linesOf = (explanation: Explanation): string[] => {
  const { id, isTracked, facts, rules, verdict, reason, action, places, blockers, hook, elsewhere } = explanation;
  const why = blockers.map(
    ({ message, command }) => `${id}: ${message}${command === undefined ? '' : ` → ${command}`}`,
  );
  const head = [...why, `${id}: ${isTracked ? 'tracked' : 'not tracked'}`];
  // No sweep judges a job of which nothing is known, so its rules and verdict are left out.
  if (!isKnown(explanation)) {
    const others = elsewhere.slice(0, maxElsewhere);
    return [...head, ...others.map(({ hint, options }) => `${hint} → reaper explain ${shellQuoted(id)} ${options}`)];
  }
  return [
    ...head,
    ...factLines(facts),
    ...rules.map(({ rule, question, answer }) => `rule ${rule}: ${question} ${answer}`),
    ...(facts.evidence === undefined
      ? []
      : [`searched: ${facts.evidence.lookedIn.join(', ')}; found: ${facts.evidence.found}`]),
    `verdict: ${verdict} (${reason})`,
    `a sweep would do: ${action}`,
    ...(hook === undefined ? [] : [hookLine(hook, facts)]),
    ...(places.length === 0 ? ['in no queue, and held by no pool'] : places.map((place) => placeOf(place, facts))),
  ];
};

const factLines = (facts: Facts): string[] => {
  if (facts.stats !== 'found') return [`stats: ${facts.stats}`];
  const { ack, readAt } = facts;
  const time = (name: string, value: number | undefined) =>
    value ? [`${name}: ${Number.isNaN(value) ? 'no integer' : timeWithAge(isoOfSecond(value), 1_000 * readAt)}`] : [];
  return [
    `status: ${facts.status ?? 'none'}, type ${facts.name ?? 'none'}, kind ${facts.kind ?? 'none'}, ${facts.hasHook ? 'has' : 'no'} hook URL`,
    ...time('revision', facts.revision),
    ...time('update_time', facts.updateTime),
    ...time('check_in_at', facts.checkInAt),
    ...time('enqueue_time', facts.enqueueTime),
    ...time('run_at', facts.runAt),
    `ack: ${ack === undefined ? 'none' : ack === 'unreadable' ? 'cannot be read' : `${ack.status}, revision ${ack.revision}, check-in ${ack.checkInAt}`}`,
  ];
};

const hookLine = (
  { state, about, endpoint, attempts, answer, nextAttemptAt }: ExplainedHook,
  { readAt }: Facts,
): string =>
  [
    `hook: ${state}`,
    `${about.replace(':', ' of revision ')} to ${endpoint}`,
    `${countText(attempts)} attempts`,
    answer ?? 'no answer yet',
    ...(nextAttemptAt === undefined ? [] : [nextAttemptText(state, nextAttemptAt, 1_000 * readAt)]),
  ].join(', ');

/** A claim ends only if its host died: until then the hook is being sent. */
const nextAttemptText = (state: ExplainedHook['state'], at: string, now: number): string =>
  state === 'sending'
    ? `being sent until ${timeWithAge(at, now)}`
    : `next attempt ${Date.parse(at) <= now ? 'due since' : 'at'} ${timeWithAge(at, now)}`;

const placeOf = ({ kind, type, pool, isPoolAlive, ahead, at }: Place, { readAt }: Facts): string => {
  const time = at === undefined ? 'an unknown time' : timeWithAge(at, 1_000 * readAt);
  if (kind === 'queue') return `position ${countText((ahead ?? 0) + 1)} in queue ${type}`;
  if (kind === 'in-progress') return `held by pool ${pool} (${isPoolAlive ? 'alive' : 'dead'}) as ${type}`;
  if (kind === 'observed') return `run by a worker of pool ${pool} since ${time}`;
  return `in ${kind}, ${time}`;
};
