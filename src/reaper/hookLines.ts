import { BackgroundError } from '../errors.ts';
import type { Clock } from '../io/clock.ts';
import type { HookOutcome } from '../io/hooks/results.ts';
import type { CodedLogger } from '../io/log.ts';
import type { Emitter } from './events.ts';
import { type Counted, createRepeats, mergeCounts } from './repeats.ts';

/** The log lines of hooks: each attempt at `debug`, and failures by endpoint, or by what this host lacks. */
export interface HookLines {
  hook(outcome: HookOutcome): void;
  /** Logs failures that have waited for their minute; with `all`, those that still wait too. */
  flush(all?: boolean): void;
}

/** Failures of an endpoint since the last line about it. */
interface EndpointFailures extends Counted {
  /** Those that were parked: they wait for an operator. */
  readonly parked: number;
  readonly last: HookOutcome;
}
interface HostFailures extends Counted {
  readonly hostError: string;
  readonly error: string;
}

const sending = 'sending hooks from this host';

export const createHookLines = (log: CodedLogger, clock: Clock, emit: Emitter['emit']): HookLines => {
  const byEndpoint = createRepeats<EndpointFailures>(
    clock,
    (earlier, later) => ({ ...mergeCounts(earlier, later), parked: earlier.parked + later.parked }),
    ({ last, ...counts }, isShared) => {
      const endpoint = isShared ? 'several' : last.endpoint;
      log.warn({ code: 'hook-failed', endpoint, ...counts, last }, 'hooks to an endpoint fail');
    },
  );
  // What a host lacks it lacks for every hook.
  const byHostError = createRepeats<HostFailures>(clock, mergeCounts, ({ hostError, error, count }) => {
    const err = Object.assign(new Error(error), { code: hostError });
    log.error({ code: 'host', where: sending, hostError, error, count, err }, 'this host cannot send hooks');
    emit('error', new BackgroundError('host', sending, error, { cause: err }));
  });
  return {
    hook(outcome) {
      log.debug({ code: 'hook', hook: outcome }, 'hook');
      const { outcome: end, endpoint = '-', hostError, reason } = outcome;
      if (hostError !== undefined) byHostError.add(hostError, { hostError, error: reason ?? hostError, count: 1 });
      else if (end === 'failed' || end === 'parked')
        byEndpoint.add(endpoint, { count: 1, parked: end === 'parked' ? 1 : 0, last: outcome });
    },
    flush(all) {
      byEndpoint.flush(all);
      byHostError.flush(all);
    },
  };
};
