import { dispatcherMachine } from './machines/dispatcher.ts';
import { endpointMachine } from './machines/endpoint.ts';
import { jobMachine } from './machines/job.ts';
import { laneMachine } from './machines/lane.ts';
import { poolMachine } from './machines/pool.ts';
import { supervisorMachine } from './machines/supervisor.ts';

/** The statecharts of the reaper, without the actors that they invoke: to draw or inspect them. */
export const charts = {
  supervisor: supervisorMachine,
  lane: laneMachine,
  job: jobMachine,
  pool: poolMachine,
  dispatcher: dispatcherMachine,
  endpoint: endpointMachine,
} as const;
