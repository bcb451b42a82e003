import type { Deps } from '../redis/deps.ts';
import type { ReplyOf } from '../redis/scripts.ts';
import { unlessWrongType } from '../redis/wrongTypes.ts';

const empty: ReplyOf<'read_queue'> = { outcome: 'read', length: 0, oldestId: undefined, oldestAt: undefined };

/** How long the queue of a type is, with the id and the time (unix s) of its oldest entry. A key of another type counts as empty. */
export const readQueue = (scripts: Deps['scripts'], keys: Deps['keys'], type: string): Promise<ReplyOf<'read_queue'>> =>
  unlessWrongType(scripts.run('read_queue', [keys.queue(type)]), empty);
