import type { SafeExplanation } from '../protocol.ts';
import { FactsTable, Rules } from './facts.tsx';
import { count, isoText } from './format.ts';

/** Why a job is treated as it is: its verdict with the rules, its facts, its hook, and where its entry is. */
export const ExplanationPanel = ({ explanation }: { explanation: SafeExplanation }) => (
  <div class="columns">
    <VerdictPanel explanation={explanation} />
    <section class="panel" aria-label="Facts">
      <header>
        <h3>Facts</h3>
        <span class="dim">{explanation.isTracked ? 'tracked' : 'not tracked'}</span>
      </header>
      <FactsTable facts={explanation.facts} />
      <h4>Its hook</h4>
      <p class="hint">{explanation.hook === undefined ? 'No hook waits.' : hookText(explanation.hook)}</p>
      <h4>Where its entry is</h4>
      <Places explanation={explanation} />
    </section>
  </div>
);

const VerdictPanel = ({
  explanation: { isTracked, rules, verdict, reason, detail, action },
}: {
  explanation: SafeExplanation;
}) => (
  <section class="panel" aria-label="Verdict">
    <header>
      <h3>Verdict now</h3>
      <span class={`verdict ${verdict}`}>
        <span class="mark" aria-hidden="true" />
        {verdict}: {reason}
      </span>
    </header>
    <p>
      {detail !== undefined && <>{detail}. </>}
      {isTracked ? `A sweep would do: ${action}.` : 'The job is not tracked, so no sweep judges it.'}
    </p>
    <Rules rules={rules} />
  </section>
);

const Places = ({ explanation: { places, otherPlaces } }: { explanation: SafeExplanation }) =>
  places.length === 0 ? (
    <p class="hint">In no queue, and in no pool.</p>
  ) : (
    <ul class="places">
      {places.map((place) => (
        <li key={JSON.stringify(place)}>{placeText(place)}</li>
      ))}
      {otherPlaces > 0 && <li>and {count(otherPlaces)} more</li>}
    </ul>
  );

const hookText = ({
  state,
  about,
  endpoint,
  attempts,
  firstAttemptAt,
  lastAttemptAt,
  answer,
  nextAttemptAt,
}: Hook): string =>
  [
    `${state}: ${about.replace(':', ', revision ')} to ${endpoint}`,
    `${count(attempts)} attempts${firstAttemptAt === undefined ? '' : `, first ${isoText(firstAttemptAt)}`}${lastAttemptAt === undefined ? '' : `, last ${isoText(lastAttemptAt)}`}`,
    ...(answer === undefined ? [] : [state === 'parked' ? `parked because: ${answer}` : `last answer: ${answer}`]),
    ...(nextAttemptAt === undefined
      ? []
      : [`${state === 'sending' ? 'being sent until' : 'next attempt'} ${isoText(nextAttemptAt)}`]),
  ].join('; ');

type Hook = NonNullable<SafeExplanation['hook']>;

const placeText = ({ kind, type, pool, isPoolAlive, ahead, at }: SafeExplanation['places'][number]): string => {
  if (kind === 'queue') return `in the queue of ${type}, ${count(ahead ?? 0)} before it`;
  if (kind === 'in-progress') return `held by pool ${pool} (${isPoolAlive ? 'alive' : 'dead'}) as ${type}`;
  if (kind === 'observed') return `run by a worker of pool ${pool}${at ? ` since ${isoText(at)}` : ''}`;
  return `in ${kind}${at ? `, ${isoText(at)}` : ''}`;
};
