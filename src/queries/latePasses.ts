import { ageText } from '../ages.ts';
import { msOfIso } from '../isoTime.ts';
import type { ScheduleSettings } from '../options/schedule.ts';
import { type Problem, problem } from './problem.ts';
import type { NamespaceState } from './state.ts';

/**
 * Scheduled passes that are late, by the intervals of this reaper: the hosts of a namespace have the same ones. A host with the role
 * `always` shares no schedule, so nothing is known of its passes here.
 */
export const lateProblems = (state: NamespaceState, { role, sweep, rescue }: ScheduleSettings): Problem[] => {
  if (role === 'always') return [];
  const { leader, namespace, readAt } = state;
  const now = Date.parse(readAt);
  const passes = [
    { ...passOf('sweep', leader.sweepEndedAt), first: sweep.initialDelay, every: sweep.interval },
    { ...passOf('rescue', leader.rescueEndedAt), first: rescue.initialDelay, every: rescue.interval + rescue.grace },
  ];
  const since = msOfIso(leader.leaderSinceAt);
  const late = passes.flatMap((pass) => {
    // A leader that has just begun cannot be late yet.
    const from =
      since === undefined ? pass.ended : Math.max(since + (pass.ended === undefined ? pass.first : 0), pass.ended ?? 0);
    const overdue = from === undefined ? 0 : now - from - 2 * pass.every;
    return overdue > 0 ? [{ ...pass, overdue }] : [];
  });
  if (leader.host !== undefined) {
    return late.map(({ what, ended, overdue }) => {
      const last = ended === undefined ? 'none has ended yet' : `the last one ended ${ageText(now - ended)} ago`;
      const message = `the ${what} of ${leader.host} is overdue by ${ageText(overdue)}: ${last}`;
      return problem(`${what}-overdue`, 'warning', ['namespace', namespace], message, `reaper ${what}`, {
        overdueMs: overdue,
      });
    });
  }
  const ended = passes.flatMap((pass) =>
    pass.ended === undefined ? [] : [`the last scheduled ${pass.what} ended ${ageText(now - pass.ended)} ago`],
  );
  if (ended.length > 0 && late.length === 0) return [];
  const message = ['no reaper runs here', ...(ended.length === 0 ? ['passes run only on request'] : ended)].join(', ');
  return [
    problem('no-leader', ended.length === 0 ? 'notice' : 'warning', ['namespace', namespace], message, 'reaper run'),
  ];
};

const passOf = (what: 'sweep' | 'rescue', endedAt: string | undefined) => ({
  what,
  ended: msOfIso(endedAt),
});
