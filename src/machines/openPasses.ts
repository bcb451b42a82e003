import { emptyTally } from './tally.ts';
import type { Report } from './types/reports.ts';
import { emptyRescue, type RescueRequest } from './types/rescue.ts';
import { type SweepRequest, scheduledPass } from './types/sweep.ts';

/** A pass that was asked for, or that the schedule began, and that has not ended. */
export type OpenPass =
  | { readonly child: 'sweep'; readonly request: SweepRequest }
  /** `pass` is known once it has begun. */
  | { readonly child: 'rescue'; readonly request: RescueRequest; readonly pass?: number };

export interface PassCounts {
  readonly open: readonly OpenPass[];
  readonly sweepsBegun: number;
  readonly passesBegun: number;
}

/** The open passes after a report. What is not a report of a pass changes nothing. */
export const withReport = <Counts extends PassCounts>(counts: Counts, report: Report): Counts => {
  const { open } = counts;
  switch (report.type) {
    case 'sweep.started': {
      const { request } = report;
      const isKnown = request.number !== scheduledPass;
      return {
        ...counts,
        sweepsBegun: counts.sweepsBegun + 1,
        open: isKnown ? open : [...open, { child: 'sweep', request }],
      };
    }
    case 'sweep.ended': {
      const { number } = report.result;
      return { ...counts, open: open.filter(({ child, request }) => child !== 'sweep' || request.number !== number) };
    }
    case 'rescue.started': {
      const { request, pass } = report;
      const begun = (other: OpenPass): OpenPass =>
        other.child === 'rescue' && other.request.number === request.number ? { ...other, pass } : other;
      return {
        ...counts,
        passesBegun: pass,
        open: request.number === scheduledPass ? [...open, { child: 'rescue', request, pass }] : open.map(begun),
      };
    }
    case 'rescue.ended': {
      const { result, pass } = report;
      const isIt = (other: OpenPass) =>
        other.child === 'rescue' && (pass === undefined ? other.request.number === result.number : other.pass === pass);
      return { ...counts, open: open.filter((other) => !isIt(other)) };
    }
    default:
      return counts;
  }
};

/**
 * The report of the end of a pass whose own actor can no longer report it.
 * @param cause the error behind it, if there is one.
 */
export const endOf = (open: OpenPass, error: string, cause?: unknown): Report =>
  open.child === 'sweep'
    ? { type: 'sweep.ended', result: { ...open.request, tally: emptyTally, error, ...causeOf(cause) } }
    : {
        type: 'rescue.ended',
        result: { ...emptyRescue(open.request), error, ...causeOf(cause) },
        ...(open.pass === undefined ? {} : { pass: open.pass }),
      };

const causeOf = (cause: unknown) => (cause === undefined ? {} : { cause });
