import { dispatcherMachine } from './machines/dispatcher.ts';
import { endpointMachine } from './machines/endpoint.ts';
import { jobMachine } from './machines/job.ts';
import { laneMachine } from './machines/lane.ts';
import { leaderMachine } from './machines/leader.ts';
import { poolMachine } from './machines/pool.ts';
import { poolsMachine } from './machines/pools.ts';
import { rescueMachine } from './machines/rescue.ts';
import { rescuePassMachine } from './machines/rescuePass.ts';
import { supervisorMachine } from './machines/supervisor.ts';
import { sweepMachine } from './machines/sweep.ts';

/** The statecharts of the reaper without their effects: to draw them, or to look at them. */
export const charts = {
  supervisor: supervisorMachine,
  leader: leaderMachine,
  sweep: sweepMachine,
  lane: laneMachine,
  job: jobMachine,
  rescue: rescueMachine,
  rescuePass: rescuePassMachine,
  pools: poolsMachine,
  pool: poolMachine,
  dispatcher: dispatcherMachine,
  endpoint: endpointMachine,
} as const;
