/** The files that StrykerJS mutates, by room: those whose tests need no Redis. */
export interface PureRoom {
  /** The lowest score with which the command succeeds, in percent. */
  readonly minScore: number;
  readonly files: readonly string[];
}

const namesIn = (folder: string, ...names: readonly string[]) => names.map((name) => `${folder}${name}.ts`);

export const pureRooms: Readonly<Record<string, PureRoom>> = {
  machines: {
    minScore: 90,
    files: namesIn(
      'src/machines/',
      'verdict',
      'facts',
      'job',
      'lane',
      'pool',
      'endpoint',
      'dispatcher',
      'leader',
      'sweep',
      'rescue',
      'rescueAbort',
      'rescueOrphans',
      'rescuePass',
      'pools',
      'supervisor',
    ),
  },
  io: {
    minScore: 90,
    files: [
      ...namesIn('src/io/redis/', 'errors', 'keyNames', 'keys', 'outages', 'retry', 'url'),
      ...namesIn('src/io/hooks/', 'hookEvent', 'hooks', 'http/destination', 'http/reply'),
      'src/io/jobs/stats.ts',
    ],
  },
  rest: {
    minScore: 80,
    files: [
      ...namesIn('src/options/', 'values', 'renamed', 'read'),
      'src/reaper/schedule.ts',
      'src/cli/text.ts',
      ...namesIn('visualize/', 'access', 'allowance', 'broadcast'),
    ],
  },
};
