// Generated from src/options/schema.ts by `npm run docs`.
import type { Clock } from '../io/clock.ts';
import type { Logger } from '../io/log.ts';
import type { RedisSource } from '../io/redis/connection.ts';
import type { Duration } from './duration.ts';

/** Options of `createReaper`. A duration is a number of milliseconds, or a text with a unit: `'24h'`, `'15s'`. */
export interface ReaperOptions {
  /** Redis: a URL (`redis://`, `rediss://`, `redis+sentinel://`, `rediss+sentinel://`), options of ioredis, or a live client of ioredis 5 or 6, which the reaper never closes. Redis Cluster is refused. */
  redis: RedisSource;
  /**
   * User of the sentinels. The user in the URL is for the master.
   * @default none
   */
  sentinelUsername?: string | undefined;
  /**
   * Password of the sentinels.
   * @default none
   */
  sentinelPassword?: string | undefined;
  /** Namespace of the queues, exactly as in Redis. Harbor's has braces: `{harbor_job_service_namespace}`. */
  namespace: string;
  /**
   * Job types to look at, in addition to those that are found in Redis.
   * @default []
   */
  jobTypes?: string[] | undefined;
  /**
   * Who runs the scheduled passes. `auto`: one host of all, elected by a lease in Redis. `always`: this host, whatever others do. `never`: not this host. Passes that a caller requests run with any role.
   * @default 'auto'
   */
  role?: 'auto' | 'always' | 'never' | undefined;
  /** The lease by which one host becomes the leader. */
  lease?:
    | {
        /**
         * How long a lease lasts after its last renewal, by Redis TIME.
         * @default '10s'
         */
        duration?: Duration | undefined;
        /**
         * How often the leader renews its lease, and the other hosts ask for it.
         * @default '3s'
         */
        renewInterval?: Duration | undefined;
      }
    | undefined;
  /**
   * A job without a sign of life for longer than this is hung: it is failed if no place is found from which it still runs.
   * @default '24h'
   */
  hungAfter?: Duration | undefined;
  /**
   * `hungAfter` by job type.
   * @default {}
   */
  hungAfterByType?: Readonly<Record<string, Duration>> | undefined;
  /**
   * How long a worker may run a job of a type that shows no other sign of life, from `started_at` of its observation. Then the job is failed. Other types have no limit.
   * @default {}
   */
  runTimeLimitByType?: Readonly<Record<string, Duration>> | undefined;
  /**
   * After an update of a job its own hook may still be in flight: no hook is sent again for this long.
   * @default '60s'
   */
  refireGrace?: Duration | undefined;
  /**
   * How far a time of a job may be ahead of the clock of Redis. A time further ahead is not a sign of life.
   * @default '5m'
   */
  clockTolerance?: Duration | undefined;
  /** Sweeps: passes over all tracked jobs. */
  sweep?:
    | {
        /**
         * Delay of the first sweep after the start.
         * @default '5m'
         */
        initialDelay?: Duration | undefined;
        /**
         * Time from the end of a sweep to the next one.
         * @default '1h'
         */
        interval?: Duration | undefined;
        /**
         * Random variation, as a fraction of the interval.
         * @default 0.05
         */
        jitter?: number | undefined;
        /**
         * Jobs that act at the same time.
         * @default 32
         */
        concurrency?: number | undefined;
        /**
         * The most jobs of a page. One script reads at most 200, and fewer where that takes Redis longer than half a millisecond (with a `maxRedisShare` of 1, a millisecond).
         * @default 500
         */
        pageSize?: number | undefined;
        /**
         * How much of its processor time Redis may spend on the jobs that sweeps and `status` read, and on the search of sweeps for the entries of jobs that look hung. They wait between their scripts. With 1 they never wait.
         * @default 0.25
         */
        maxRedisShare?: number | undefined;
        /**
         * Passes over jobs that are plainly ongoing (not final, acknowledged exactly, recently alive) where they are read, in Redis. They are counted, by type, and have no `job` event. Faster where nearly all jobs are healthy.
         * @default false
         */
        screen?: boolean | undefined;
      }
    | undefined;
  /** Rescue passes: they find dead pools and requeue their entries. */
  rescue?:
    | {
        /**
         * Delay of the first rescue pass after the start.
         * @default '5s'
         */
        initialDelay?: Duration | undefined;
        /**
         * Time from one rescue pass to the next one.
         * @default '10s'
         */
        interval?: Duration | undefined;
        /**
         * Grace period of a suspected pool, in which a heartbeat clears it. The default is three heartbeats.
         * @default '15s'
         */
        grace?: Duration | undefined;
        /**
         * Age from which a heartbeat is stale, by Redis TIME.
         * @default '10s'
         */
        heartbeatTimeout?: Duration | undefined;
        /**
         * How long an entry of a live pool must be unobserved before it counts as orphaned and is requeued.
         * @default '30s'
         */
        orphanedAfter?: Duration | undefined;
        /**
         * Entries that one script requeues at most.
         * @default 100
         */
        batchSize?: number | undefined;
        /**
         * Dead pools that are rescued at the same time.
         * @default 16
         */
        concurrency?: number | undefined;
        /**
         * How often the entry of one job may be recovered within `recoveryWindow`. The next death quarantines the job.
         * @default 3
         */
        maxRecoveries?: number | undefined;
        /**
         * Window in which recoveries of a job are counted. Rounded up to whole seconds.
         * @default '24h'
         */
        recoveryWindow?: Duration | undefined;
      }
    | undefined;
  /** Delivery of hooks. */
  hooks?:
    | {
        /**
         * Hooks in flight at the same time, to all endpoints together.
         * @default 64
         */
        concurrency?: number | undefined;
        /**
         * Hooks in flight at the same time to one endpoint.
         * @default 16
         */
        concurrencyPerEndpoint?: number | undefined;
        /**
         * Timeout until the header of an answer arrives.
         * @default '10s'
         */
        headerTimeout?: Duration | undefined;
        /**
         * Total time-out of one attempt.
         * @default '30s'
         */
        timeout?: Duration | undefined;
        /**
         * How long a failed hook is retried, from its first attempt. After that it is parked.
         * @default '24h'
         */
        deadline?: Duration | undefined;
        /**
         * Changes older than this are parked without an attempt.
         * @default '7d'
         */
        maxAge?: Duration | undefined;
        /**
         * Consecutive failures that open the circuit of an endpoint.
         * @default 10
         */
        breakerThreshold?: number | undefined;
        /**
         * Hooks per second to an endpoint that has recovered, until nothing waits for it.
         * @default 50
         */
        drainRate?: number | undefined;
        /**
         * Records of undelivered hooks that are kept at most. The next sweep finds what did not fit.
         * @default 500000
         */
        maxRecords?: number | undefined;
        /**
         * How long parked hooks are kept.
         * @default '30d'
         */
        parkedRetention?: Duration | undefined;
        /**
         * The only origins that hooks may be sent to, such as `https://core.example`.
         * @default all
         */
        allowedOrigins?: string[] | undefined;
        /**
         * Allows connections to link-local addresses, and to the metadata services of clouds.
         * @default false
         */
        allowLinkLocal?: boolean | undefined;
        /**
         * Endpoints that have moved: origin in the hook URL → origin to send to.
         * @default {}
         */
        rewriteOrigins?: Readonly<Record<string, string>> | undefined;
        /** TLS of the connections to endpoints. */
        tls?:
          | {
              /**
               * PEM text of an authority to trust in addition to those that Node trusts.
               * @default none
               */
              ca?: string | undefined;
              /**
               * PEM text of a client certificate to show to endpoints.
               * @default none
               */
              cert?: string | undefined;
              /**
               * PEM text of its private key.
               * @default none
               */
              key?: string | undefined;
            }
          | undefined;
      }
    | undefined;
  /** The audit stream: what was done, by whom and why. */
  audit?:
    | {
        /**
         * How many acts the audit stream keeps, about. 0 records none.
         * @default 100000
         */
        maxEntries?: number | undefined;
        /**
         * The person on whose behalf this process acts, for the audit stream. The command gives the user that runs it.
         * @default none
         */
        operator?: string | undefined;
      }
    | undefined;
  /**
   * Judges and changes nothing: every pass is a plan.
   * @default false
   */
  plan?: boolean | undefined;
  /**
   * HTTP server for `/livez`, `/readyz` and `/metrics` (Prometheus), and for the inspector if `inspect` has no address of its own: `false`, or its address.
   * @default off
   */
  http?:
    | false
    | {
        /**
         * Address to listen on. Any other than loopback shows what is served to the network.
         * @default '127.0.0.1'
         */
        host?: string | undefined;
        /**
         * Port to listen on; 0 for any free one.
         * @default 9464
         */
        port?: number | undefined;
      }
    | undefined;
  /**
   * The inspector: shows the statecharts at work in a browser. `true`, or its options. With `http` it is on the same server, below `/inspector/`.
   * @default off
   */
  inspect?:
    | false
    | true
    | {
        /**
         * Address to listen on. Any other than loopback shows the inspector to the network. With `http` and neither host nor port, the inspector is below `/inspector/` of that server.
         * @default 127.0.0.1
         */
        host?: string | undefined;
        /**
         * Port to listen on; 0 for any free one.
         * @default 7331, or any free port if that is in use
         */
        port?: number | undefined;
        /**
         * Access token (at least 16 characters).
         * @default random
         */
        token?: string | undefined;
        /**
         * Additional allowed Host header values, such as those of a reverse proxy. Localhost and addresses are always allowed.
         * @default []
         */
        allowedHosts?: string[] | undefined;
        /**
         * Lets the page start sweeps and rescues.
         * @default false
         */
        control?: boolean | undefined;
        /**
         * WebSocket relay of @statelyai/inspect that gets the inspection events too, such as `ws://localhost:8080`.
         * @default none
         */
        stately?: string | undefined;
        /**
         * Called with the URL, token included, when the inspector listens.
         * @default writes the URL to stderr
         */
        announce?: ((url: string) => void) | undefined;
      }
    | undefined;
  /**
   * Logger: any object with `debug`, `info`, `warn` and `error` that take an object and a message. `false` logs nothing.
   * @default JSON lines on stderr
   */
  logger?: Logger | false | undefined;
  /**
   * Source of time, in ms. For tests.
   * @default the system clock
   */
  clock?: Clock | undefined;
  /**
   * Source of random numbers from 0 up to 1. For tests.
   * @default `Math.random`
   */
  random?: (() => number) | undefined;
  /**
   * Aborting it stops the reaper, as `stop()` does.
   * @default none
   */
  signal?: AbortSignal | undefined;
}
