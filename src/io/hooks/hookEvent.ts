import { type Ack, type Facts, isStatus } from '../../machines/facts.ts';
import { isAcknowledged } from '../../machines/verdict.ts';
import { decodeAck, decodeTime } from '../jobs/stats.ts';

/** The event that a job's endpoint is sent. The URL may hold secrets and must not be logged. */
export interface HookEvent {
  readonly url: string;
  readonly body: string;
  /** The state that the endpoint confirms with a 2xx answer. */
  readonly state: Ack;
  /** The stored ACK, byte for byte, if it cannot be read. The next ACK replaces it. */
  readonly unreadableAck: string | undefined;
}

/** Why there is nothing to send. */
export type NoEvent = 'gone' | 'no-endpoint' | 'acknowledged' | 'malformed';

/** A report of progress: its text, which the stats don't hold, and the state of the job at that moment. */
export interface CheckIn {
  readonly text: string;
  readonly state: Ack;
}

/**
 * Builds the event of a job from its present stats. It always reports the newest change, and nothing if the stored ACK
 * confirms that change. A check-in is sent with the state at its moment: Harbor's core stores the text of such an event and
 * ignores its status, so an event with a text and `Success` would be ACKed although the core has ignored the `Success`.
 *
 * The JSON is that of Harbor's `job.StatusChange`: eight fields of `metadata` are always present, the others only if they
 * are set.
 */
export const hookEventOf = (
  id: string,
  stats: Readonly<Record<string, string>>,
  checkIn?: CheckIn,
): HookEvent | NoEvent => {
  if (Object.keys(stats).length === 0) return 'gone';
  const { web_hook_url: url = '' } = stats;
  if (url.trim() === '') return 'no-endpoint';
  if (!isStatus(stats.status)) return 'malformed';
  const ack = decodeAck(stats.ack);
  const state: Ack = checkIn?.state ?? {
    status: stats.status,
    revision: time(stats.revision),
    checkInAt: time(stats.check_in_at),
  };
  if (checkIn === undefined && isAcknowledged(factsOf(id, state, ack))) return 'acknowledged';
  const isAckStored = ack !== undefined && ack !== 'unreadable';
  const metadata = {
    id: stats.id ?? id,
    status: state.status,
    name: stats.name ?? '',
    kind: stats.kind ?? '',
    unique: /^(1|t|T|true|TRUE|True)$/.test(stats.unique ?? ''),
    ref_link: set(stats.ref_link),
    cron_spec: set(stats.cron_spec),
    enqueue_time: time(stats.enqueue_time),
    update_time: time(stats.update_time),
    run_at: set(time(stats.run_at)),
    check_in_at: set(state.checkInAt),
    die_at: set(time(stats.die_at)),
    web_hook_url: url,
    upstream_job_id: set(stats.upstream_job_id),
    numeric_policy_id: set(time(stats.numeric_policy_id)),
    parameters: parametersOf(stats.parameters),
    revision: set(state.revision),
    ack: isAckStored ? { status: ack.status, revision: ack.revision, check_in_at: ack.checkInAt } : undefined,
  };
  return {
    url,
    body: bodyOf({ job_id: id, status: state.status, check_in: set(checkIn?.text), metadata }),
    state,
    unreadableAck: ack === 'unreadable' ? stats.ack : undefined,
  };
};

/**
 * Leaves out parameters that are nested too deeply for JSON.stringify, as the Go side does above 10,000 levels. Without an
 * event, the hook would be claimed again and again.
 */
const bodyOf = <Event extends { readonly metadata: object }>(event: Event): string => {
  try {
    return JSON.stringify(event);
  } catch {
    return JSON.stringify({ ...event, metadata: { ...event.metadata, parameters: undefined } });
  }
};

/** A value that JSON leaves out if it is empty, as with `omitempty` in Go. */
const set = (value: string | number | undefined) => (value === '' || value === 0 ? undefined : value);

/** An integer field; 0 if it is missing or cannot be read, as on the Go side. */
const time = (text: string | undefined): number => decodeTime(text) || 0;

/** Only an object with at least one field is sent, as on the Go side. */
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
