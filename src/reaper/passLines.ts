import type { CodedLogger } from '../io/log.ts';
import type { GroupedActs } from './actLog.ts';
import { codeOfError, errorFields } from './errorFields.ts';
import type { Reporting } from './reporting.ts';
import type { EndedPass, RescueSummary, SweepSummary } from './summaries.ts';

/** The log line of each pass, with its acts in groups. */
export interface PassLines {
  sweep(ended: EndedPass<SweepSummary>, acts: GroupedActs): void;
  rescue(ended: EndedPass<RescueSummary>, acts: GroupedActs): void;
}

export const createPassLines = (log: CodedLogger, level: Reporting['level']): PassLines => ({
  sweep({ summary, cause }, acts) {
    const line = { sweep: summary, ...acts };
    if (summary.suspended !== undefined) log.info({ code: 'suspended', ...line }, 'a sweep was suspended');
    else if (summary.error === undefined) log.info({ code: 'sweep', ...line }, 'sweep');
    else if (summary.isAborted) log.info({ code: 'aborted', ...line }, 'a sweep was aborted by its caller');
    else log[level('error')]({ code: 'pass-incomplete', ...line, ...errorFields(cause) }, 'a sweep did not complete');
  },
  rescue({ summary, cause }, acts) {
    const line = { rescue: bounded(summary), ...acts };
    if (summary.error === undefined) {
      const code = summary.suspended === undefined ? 'rescue' : 'suspended';
      log[isUneventful(summary) && acts.acts.length === 0 ? 'debug' : 'info']({ code, ...line }, 'rescue');
    } else if (summary.isAborted) log.info({ code: 'aborted', ...line }, 'a rescue pass was aborted by its caller');
    // A mistake of the caller, whose promise rejects with it.
    else if (codeOfError(cause) === 'not-found')
      log.info({ code: 'not-found', ...line }, 'a rescue pass did not begin');
    else {
      const fields = { code: 'pass-incomplete' as const, ...line, ...errorFields(cause) };
      log[level('error')](fields, 'a rescue pass did not complete');
    }
  },
});

const isUneventful = ({ suspects, pools, orphaned, finished, drift, unreadable }: RescueSummary): boolean =>
  [suspects - pools.cleaned, orphaned, finished, drift.length, unreadable.length].every((n) => n === 0);

/** Types and keys of one kind that a line names. */
const maxNames = 20;

/** What a pass changed is in its acts. The event has all of it. */
const bounded = ({
  changes: _,
  acts: __,
  applied: ___,
  drift,
  unreadable,
  unobserved,
  ...rest
}: RescueSummary): object => ({
  ...rest,
  drift: drift.slice(0, maxNames),
  unreadable: unreadable.slice(0, maxNames),
  unobserved: unobserved.slice(0, maxNames),
  ...(drift.length > maxNames ? { driftedTypes: drift.length } : {}),
  ...(unreadable.length > maxNames ? { unreadableKeys: unreadable.length } : {}),
});
