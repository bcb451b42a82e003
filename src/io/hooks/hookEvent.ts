import { type Ack, type Facts, isStatus } from '../../machines/facts.ts';
import { isAcknowledged } from '../../machines/verdict.ts';
import { decodeAck, decodeTime } from '../jobs/stats.ts';

/** What is to be told to a job's receiver, and where. The URL may hold secrets: it goes to no log. */
export interface HookEvent {
  readonly url: string;
  readonly body: string;
  /** The state that the receiver confirms by taking the event. */
  readonly state: Ack;
  /** The stored ack to the letter, where it can't be read: the next ACK replaces it. */
  readonly unreadableAck: string | undefined;
}

/** Why there is nothing to tell. */
export type NoEvent = 'gone' | 'no receiver' | 'acknowledged' | 'malformed';

/** A report of progress: its text, which the stats don't keep, and the state that it was made in. */
export interface CheckIn {
  readonly text: string;
  readonly state: Ack;
}

/**
 * Builds the event of a job from its stats as they stand: always the newest change, and none that is no newer than the
 * stored ack. A check-in goes out with the state that it was made in: Harbor's core takes the text of such an event and
 * passes over its status, so one that said `Success` would be ACKed without having been heard.
 *
 * The JSON is that of Harbor's `job.StatusChange`: in `metadata` eight fields always stand, the others only when they
 * are set.
 */
export const hookEventOf = (
  id: string,
  stats: Readonly<Record<string, string>>,
  checkIn?: CheckIn,
): HookEvent | NoEvent => {
  if (Object.keys(stats).length === 0) return 'gone';
  const { web_hook_url: url = '' } = stats;
  if (url.trim() === '') return 'no receiver';
  if (!isStatus(stats.status)) return 'malformed';
  const ack = decodeAck(stats.ack);
  const state: Ack = checkIn?.state ?? {
    status: stats.status,
    revision: time(stats.revision),
    checkInAt: time(stats.check_in_at),
  };
  if (checkIn === undefined && isAcknowledged(factsOf(id, state, ack))) return 'acknowledged';
  const metadata = {
    id: stats.id ?? id,
    status: state.status,
    name: stats.name ?? '',
    kind: stats.kind ?? '',
    unique: /^(1|t|T|true|TRUE|True)$/.test(stats.unique ?? ''),
    ...set({ ref_link: stats.ref_link, cron_spec: stats.cron_spec }),
    enqueue_time: time(stats.enqueue_time),
    update_time: time(stats.update_time),
    ...set({
      run_at: time(stats.run_at),
      check_in_at: state.checkInAt,
      die_at: time(stats.die_at),
      web_hook_url: url,
      upstream_job_id: stats.upstream_job_id,
      numeric_policy_id: time(stats.numeric_policy_id),
      parameters: parametersOf(stats.parameters),
      revision: state.revision,
    }),
    ...(ack === undefined || ack === 'unreadable'
      ? {}
      : { ack: { status: ack.status, revision: ack.revision, check_in_at: ack.checkInAt } }),
  };
  return {
    url,
    body: bodyOf({ job_id: id, status: state.status, ...set({ check_in: checkIn?.text }), metadata }),
    state,
    unreadableAck: ack === 'unreadable' ? stats.ack : undefined,
  };
};

/**
 * Parameters that are nested too deep to be written are left out, as on the Go side, which reads 10,000 levels: an event
 * that can't be built would be claimed again for ever.
 */
const bodyOf = <Event extends { readonly metadata: object }>(event: Event): string => {
  try {
    return JSON.stringify(event);
  } catch {
    return JSON.stringify({ ...event, metadata: { ...event.metadata, parameters: undefined } });
  }
};

/** Go's `omitempty`. */
const set = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== '' && value !== 0));

/** An integer field; 0 where there is none or it can't be read, as on the Go side. */
const time = (text: string | undefined): number => decodeTime(text) || 0;

/** Only an object with fields counts, as on the Go side. */
const parametersOf = (text: string | undefined): unknown => {
  try {
    const parameters = JSON.parse(text ?? '');
    const isObject = typeof parameters === 'object' && parameters !== null && !Array.isArray(parameters);
    return isObject && Object.keys(parameters).length > 0 ? parameters : undefined;
  } catch {
    return undefined;
  }
};

const factsOf = (id: string, state: Ack, ack: Facts['ack']): Facts => ({
  id,
  readAt: 0,
  stats: 'found',
  ...state,
  ack,
  hasHook: true,
});
