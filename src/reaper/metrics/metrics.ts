import { Registry } from 'prom-client';
import { monotonicOf } from '../../io/clock.ts';
import type { HookRecords } from '../../io/hooks/records.ts';
import type { Deps } from '../../io/redis/deps.ts';
import type { Outage } from '../../io/redis/outages.ts';
import type { ScriptName } from '../../io/redis/scripts.ts';
import type { ReaperSettings } from '../../options.ts';
import { createReadings } from '../../queries/readings.ts';
import type { EventSource } from '../events.ts';
import { createCachedReadings } from './cachedReadings.ts';
import { createCounting } from './counting.ts';
import { createInstruments } from './instruments.ts';
import { createEndpointLabels, createTypeLabels, maxEndpoints, maxTypes } from './labels.ts';
import { processMetrics } from './processMetrics.ts';
import { type State, showReadings, showState } from './showing.ts';

/** The metrics of one reaper, in a registry of its own. They are counted from its creation. */
export interface Metrics {
  /** A script was sent and answered. */
  script(name: ScriptName, ms: number): void;
  /** A pool that was declared dead is alive. */
  falseDeath(): void;
  /** The text of `/metrics`. During an outage of Redis it holds what is known. Calls at the same time share one text. */
  text(): Promise<string>;
}

export const createMetrics = ({
  connection,
  keys,
  scripts,
  clock,
  on,
  settings,
  records,
  outage,
  state,
}: Pick<Deps, 'connection' | 'keys' | 'scripts' | 'clock'> & {
  on: EventSource['on'];
  settings: Pick<ReaperSettings, 'sweep' | 'rescue' | 'namespace' | 'jobTypes'>;
  records: Pick<HookRecords, 'firstEndpoints'>;
  outage: () => Outage | undefined;
  state: () => State;
}): Metrics => {
  const registry = new Registry();
  const metrics = createInstruments(registry);
  const labels = { typeOf: createTypeLabels(), endpointOf: createEndpointLabels() };
  const counting = createCounting({ on }, metrics, labels);
  const cached = createCachedReadings({
    clock,
    outage,
    read: createReadings({
      ...{ connection, keys, scripts, records, jobTypes: settings.jobTypes, maxTypes, maxEndpoints },
      monotonic: () => monotonicOf(clock),
    }),
  });

  const write = async () => {
    await cached.refresh();
    counting.flush();
    showState(metrics, clock, settings, state());
    const last = cached.last();
    if (last !== undefined) {
      metrics.readingAge.set((monotonicOf(clock) - last.at) / 1_000);
      showReadings(metrics, last.readings, labels);
    }
    return `${await registry.metrics()}${await processMetrics()}`;
  };
  let writing: Promise<string> | undefined;

  return {
    script: (script, ms) => metrics.scripts.observe({ script }, ms / 1_000),
    falseDeath: counting.falseDeath,
    text() {
      writing ??= write().finally(() => {
        writing = undefined;
      });
      return writing;
    },
  };
};
