/** The jobs of the scenario, one by one, so that they need not be in memory at the same time. */
import type { Random } from './random.ts';
import type { Group, JobState } from './scenario.ts';
import { type JobType, parametersOf } from './types.ts';

/** Where the entry of a job is. */
export type Place =
  | { readonly kind: 'queue' }
  | { readonly kind: 'scheduled'; readonly at: number; readonly policy: string }
  /** In an in-progress list: of a pool that lives, whose worker observes it, or of a dead one. */
  | { readonly kind: 'held'; readonly by: 'live' | 'dead' };

export interface IncidentJob {
  readonly id: string;
  readonly type: JobType;
  readonly state: JobState;
  /** Undefined for a job that is tracked without stats. */
  readonly stats: Readonly<Record<string, string | number>> | undefined;
  /** Its count in the tracking hash. */
  readonly tracked: number;
  /** Time to live of its stats, in s; undefined for none. */
  readonly ttl: number | undefined;
  readonly place: Place | undefined;
  /** The bytes of its entry. */
  readonly entry: string;
}

/** Where jobs are reported: scheme, host and port. */
export interface Endpoints {
  /** The core of this Harbor. */
  readonly core: string;
  /** The core before Harbor was moved. Jobs from that time name it, and it is down for good. */
  readonly old: string;
}

/** How a job of a state looks. */
interface Looks {
  readonly status: string;
  /** The status that the endpoint has acknowledged; undefined for none. */
  readonly ack: string | undefined;
  readonly tracked: number;
  /** Age of its last change in s: at least and at most. */
  readonly age: readonly [number, number];
}

const hour = 3_600;
const looks: Readonly<Record<JobState, Looks>> = {
  waiting: { status: 'Pending', ack: 'Pending', tracked: 2, age: [1_200, 11 * hour] },
  scheduled: { status: 'Scheduled', ack: 'Scheduled', tracked: 2, age: [10, 230] },
  policy: { status: 'Scheduled', ack: 'Scheduled', tracked: 2, age: [30 * 24 * hour, 90 * 24 * hour] },
  running: { status: 'Running', ack: 'Running', tracked: 2, age: [60, 1_500] },
  held: { status: 'Running', ack: 'Running', tracked: 2, age: [400, 1_900] },
  poison: { status: 'Running', ack: 'Running', tracked: 2, age: [400, 900] },
  hung: { status: 'Running', ack: 'Running', tracked: 2, age: [50 * hour, 96 * hour] },
  behind: { status: 'Running', ack: 'Success', tracked: 1, age: [2 * hour, 20 * hour] },
  undelivered: { status: 'Success', ack: 'Running', tracked: 1, age: [90 * 60, 20 * hour] },
  owed: { status: 'Success', ack: 'Running', tracked: 1, age: [600, 70 * 60] },
  acknowledged: { status: 'Success', ack: 'Success', tracked: 1, age: [2 * hour, 20 * hour] },
  missing: { status: '', ack: undefined, tracked: 2, age: [0, 0] },
};

/** When the last sweep of the reaper ended, in s before now. It had delivered the hooks of all jobs that waited then. */
export const lastSweepAge = 80 * 60;

export interface IncidentContext {
  readonly random: Random;
  /** Unix s by the clock of Redis. */
  readonly now: number;
  readonly endpoints: Endpoints;
}

/** All jobs of a group, the oldest first. */
export function* jobsOf(group: Group, context: IncidentContext): Generator<IncidentJob> {
  const [least, most] = looks[group.state].age;
  for (let i = 0; i < group.count; i++) {
    const age = Math.round(most - ((most - least) * (i + 0.5)) / group.count);
    // Some hooks are past their deadline by now.
    yield jobOf(group, i, group.state === 'undelivered' && i % 40 === 0 ? age + 24 * hour : age, context);
  }
}

const jobOf = ({ type, state }: Group, nth: number, age: number, context: IncidentContext): IncidentJob => {
  const { random, now } = context;
  const policy = state === 'scheduled' ? random.hex(24) : undefined;
  const runAt = now + 15 + nth;
  const id = policy === undefined ? random.hex(24) : `${policy}@${runAt}`;
  const args = parametersOf(type, random);
  const { status, ttl } = endOf(state, nth);
  const periodic = policy === undefined ? {} : { _job_kind_periodic_: String(runAt) };
  return {
    ...{ id, type, state, ttl: ttl === undefined ? undefined : Math.max(60, ttl - age), tracked: looks[state].tracked },
    place: placeOf(state, policy === undefined ? undefined : { at: runAt, policy }),
    entry: JSON.stringify({ name: type, id: policy ?? id, t: now - age, args: { ...args, ...periodic } }),
    stats:
      state === 'missing'
        ? undefined
        : statsOf(
            { id, type, state, status, at: now - age, policy, runAt, parameters: JSON.stringify(args) },
            nth,
            context,
          ),
  };
};

/** The status of a job, and how long its stats are kept once it has ended. One of eight undelivered jobs has failed. */
const endOf = (state: JobState, nth: number): { status: string; ttl: number | undefined } => {
  const status = state === 'undelivered' && nth % 8 === 0 ? 'Error' : looks[state].status;
  return { status, ttl: status === 'Success' ? 86_400 : status === 'Error' ? 604_800 : undefined };
};

const placeOf = (
  state: JobState,
  scheduled: { readonly at: number; readonly policy: string } | undefined,
): Place | undefined => {
  if (state === 'waiting') return { kind: 'queue' };
  if (scheduled !== undefined) return { kind: 'scheduled', ...scheduled };
  if (state === 'running') return { kind: 'held', by: 'live' };
  return state === 'held' || state === 'poison' ? { kind: 'held', by: 'dead' } : undefined;
};

interface IncidentStats {
  readonly id: string;
  readonly type: JobType;
  readonly state: JobState;
  readonly status: string;
  /** Unix s of its last change. */
  readonly at: number;
  readonly policy: string | undefined;
  readonly runAt: number;
  readonly parameters: string;
}

const statsOf = (job: IncidentStats, nth: number, { now, endpoints }: IncidentContext) => {
  const { id, type, state, status, at, policy } = job;
  const isPolicy = state === 'policy';
  const { ack } = looks[state];
  const isKnown = ack !== undefined && !(state === 'waiting' && now - at < lastSweepAge);
  return {
    id,
    name: type,
    kind: isPolicy ? 'Periodic' : policy === undefined ? 'Generic' : 'Scheduled',
    unique: 0,
    status,
    ref_link: `/api/v1/jobs/${id}`,
    enqueue_time: at,
    run_at: policy === undefined ? 0 : job.runAt,
    cron_spec: isPolicy || policy !== undefined ? '0 0 * * * *' : '',
    web_hook_url: `${state === 'undelivered' ? endpoints.old : endpoints.core}/service/notifications/tasks/${100_000 + nth}`,
    numeric_policy_id: isPolicy ? nth + 1 : 0,
    update_time: at,
    revision: at,
    ...(policy === undefined ? {} : { upstream_job_id: policy }),
    parameters: job.parameters,
    ...(isKnown ? { ack: JSON.stringify({ status: ack, revision: at, check_in_at: 0 }) } : {}),
  };
};
