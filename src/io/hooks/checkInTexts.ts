import { type Clock, monotonicOf } from '../clock.ts';
import type { CheckIn } from './hookEvent.ts';

/** The texts of check-ins that wait for an attempt. Only the host that reported one has its text. */
export interface CheckInTexts {
  hold(id: string, checkIn: CheckIn): void;
  drop(id: string, text: HeldText): void;
  /** The texts of a job, the oldest first. */
  of(id: string): readonly HeldText[];
  /**
   * Jobs whose oldest text has waited so long that another host may have sent the hook. Drops texts that are too old. Leaves out
   * jobs that are busy at that moment.
   */
  overdue(isBusy: (id: string) => boolean): Iterable<string>;
}

export interface HeldText extends CheckIn {
  /** In monotonic ms. */
  readonly since: number;
}

/** How many texts may be held. When there are more, the oldest is dropped. */
const maxTexts = 1_000;
/** How long a text is held, in ms. */
const maxAge = 300_000;
/** After how long a text is overdue, in ms. */
const overdueAfter = 5_000;

export const createCheckInTexts = (clock: Clock): CheckInTexts => {
  const texts = new Map<string, HeldText[]>();
  let count = 0;
  const drop = (id: string, text: HeldText) => {
    const rest = texts.get(id)?.filter((other) => other !== text) ?? [];
    if (rest.length < (texts.get(id)?.length ?? 0)) count -= 1;
    if (rest.length === 0) texts.delete(id);
    else texts.set(id, rest);
  };
  return {
    hold(id, checkIn) {
      if (count >= maxTexts) {
        const [oldest] = texts.entries();
        const [text] = oldest?.[1] ?? [];
        if (oldest !== undefined && text !== undefined) drop(oldest[0], text);
      }
      texts.set(id, [...(texts.get(id) ?? []), { ...checkIn, since: monotonicOf(clock) }]);
      count += 1;
    },
    drop,
    of: (id) => texts.get(id) ?? [],
    *overdue(isBusy) {
      for (const [id, [text]] of [...texts]) {
        if (text === undefined || isBusy(id)) continue;
        const age = monotonicOf(clock) - text.since;
        if (age > maxAge) drop(id, text);
        else if (age >= overdueAfter) yield id;
      }
    },
  };
};
