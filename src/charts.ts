import { dispatcherMachine } from './machines/dispatcher.ts';
import { endpointMachine } from './machines/endpoint.ts';
import { jobMachine } from './machines/job.ts';
import { laneMachine } from './machines/lane.ts';
import { poolMachine } from './machines/pool.ts';
import { supervisorMachine } from './machines/supervisor.ts';

/** The statecharts of the reaper, without what they invoke: to be drawn, or looked at. */
export const charts = {
  supervisor: supervisorMachine,
  lane: laneMachine,
  job: jobMachine,
  pool: poolMachine,
  dispatcher: dispatcherMachine,
  endpoint: endpointMachine,
} as const;
