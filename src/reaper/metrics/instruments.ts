import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { catalog, type MetricDefinition, type MetricKey, prefix } from './catalog.ts';

type KindOf<Type extends MetricDefinition['type']> = Type extends 'counter'
  ? Counter
  : Type extends 'gauge'
    ? Gauge
    : Histogram;

/** The metrics of the catalogue in a registry. */
export type Instruments = { readonly [Key in MetricKey]: KindOf<(typeof catalog)[Key]['type']> };

export const createInstruments = (registry: Registry): Instruments =>
  Object.fromEntries(
    Object.entries<MetricDefinition>(catalog).map(([key, definition]) => [key, instrumentOf(definition, registry)]),
  ) as unknown as Instruments;

const instrumentOf = ({ name, type, help, labels = [], buckets = [] }: MetricDefinition, registry: Registry) => {
  const common = { name: `${prefix}${name}`, help, labelNames: [...labels], registers: [registry] };
  if (type === 'counter') return new Counter(common);
  if (type === 'gauge') {
    const gauge = new Gauge(common);
    // Without labels it would show 0 before there is a value.
    if (labels.length === 0) gauge.remove();
    return gauge;
  }
  return new Histogram({ ...common, buckets: [...buckets] });
};
