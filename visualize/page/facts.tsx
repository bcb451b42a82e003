import type { Facts } from '../../src/machines/facts.ts';
import type { AskedRule } from '../../src/reaper/inspection.ts';
import { dateTime, span } from './format.ts';

/** The rules that were asked about a job, in order. The last one decided. */
export const Rules = ({ rules }: { rules: readonly AskedRule[] }) => (
  <ol class="rules">
    {rules.map(({ rule, question, answer }, i) => (
      <li key={rule} value={rule} class={i === rules.length - 1 ? 'decides' : ''}>
        <span>{question}</span> <em>{answer}</em>
      </li>
    ))}
  </ol>
);

/** The facts that a job is judged by. */
export const FactsTable = ({ facts }: { facts: Facts }) => {
  if (facts.stats !== 'found') return <p class="hint">Stats: {facts.stats}.</p>;
  return (
    <dl class="table">
      {rowsOf(facts).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
};

const rowsOf = (facts: Facts): readonly (readonly [name: string, value: string])[] => {
  const time = (value: number | null | undefined) => timeText(value, facts.readAt);
  return [
    ['status', facts.status ?? 'none'],
    ['type', facts.name ?? 'none'],
    ['kind', facts.kind ?? 'none'],
    ['revision', time(facts.revision)],
    ['update_time', time(facts.updateTime)],
    ['check_in_at', time(facts.checkInAt)],
    ['enqueue_time', time(facts.enqueueTime)],
    ['run_at', time(facts.runAt)],
    ['hook', facts.hasHook ? 'has a URL' : 'none'],
    ['ACK', ackText(facts.ack)],
    ['read', dateTime(facts.readAt)],
  ];
};

/** A time of a job, and how far it is from the time at which the job was read. JSON has null for NaN: no integer. */
const timeText = (value: number | null | undefined, readAt: number): string => {
  if (value === null) return 'not an integer';
  if (!value) return 'none';
  return `${dateTime(value)}, ${span(Math.abs(readAt - value) * 1_000)} ${value > readAt ? 'ahead' : 'before'}`;
};

const ackText = (ack: Facts['ack']): string => {
  if (ack === undefined) return 'none';
  if (ack === 'unreadable') return 'unreadable';
  return `${ack.status}, revision ${ack.revision}, check-in ${ack.checkInAt}`;
};
