import type { Redis } from 'ioredis';
import { createGocraft, hostNow, type UpstreamKeys, upstreamKeys } from './gocraft.ts';

/**
 * Small replacements for Harbor's jobservice and gocraft/work, written from the rules of the data model. The test of each defect
 * runs them on a real Redis, and shows the fault that this project must not have. They follow the rules, faults included,
 * and do nothing else: no log, no connection pool.
 */

const ranks = `local R = { Pending=0, Scheduled=1, Running=2, Success=3, Stopped=3, Error=3 }
local function rank(s) return R[s] or 0 end
local function down(track, id)
  if redis.call('HINCRBY', track, id, -1) <= 0 then redis.call('HDEL', track, id) end
end
`;
/** KEYS stats, track; ARGV status, revision, now, id. */
const setStatusLua = `${ranks}
local was, rev = redis.call('HGET', KEYS[1], 'status') or '', tonumber(redis.call('HGET', KEYS[1], 'revision') or 0) or 0
local new = tonumber(ARGV[2])
if rev < new or (rev == new and (rank(was) < rank(ARGV[1]) or was == ARGV[1])) then
  redis.call('HSET', KEYS[1], 'status', ARGV[1], 'update_time', ARGV[3])
  if rank(ARGV[1]) == 3 then
    down(KEYS[2], ARGV[4])
    redis.call('EXPIRE', KEYS[1], ARGV[1] == 'Error' and 604800 or 86400)
  end
  return 'ok'
end
return was`;
/** KEYS stats, track; ARGV status, revision, check_in_at, id. */
const ackLua = `${ranks}
local text, rev, at = redis.call('HGET', KEYS[1], 'ack'), tonumber(ARGV[2]), tonumber(ARGV[3])
local allowed
if text then
  local ack = cjson.decode(text)
  allowed = ack.revision < rev or (ack.revision == rev and (rank(ack.status) <= rank(ARGV[1]) or at ~= 0))
else
  allowed = (tonumber(redis.call('HGET', KEYS[1], 'revision') or 0) or 0) <= rev
end
if not allowed then return 'none' end
redis.call('HSET', KEYS[1], 'ack', cjson.encode({ status = ARGV[1], revision = rev, check_in_at = at }))
if rank(ARGV[1]) == 3 then down(KEYS[2], ARGV[4]) end
return 'ok'`;
const rank: Readonly<Record<string, number>> = {
  Pending: 0,
  Scheduled: 1,
  Running: 2,
  Success: 3,
  Stopped: 3,
  Error: 3,
};

/** The clock for upstream's retries, such as xstate's `SimulatedClock`. */
interface Timer {
  setTimeout(fn: () => void, ms: number): unknown;
}

export interface SyncOptions {
  /** Time without an update after which a job is hung, in s. */
  readonly maxS?: number;
  /** Runs between the judgement of a job and the following write. */
  readonly beforeWrite?: () => Promise<unknown>;
  /** Time-out of a hook, in ms. */
  readonly hookTimeoutMs?: number;
  /** The clock for background retries of hooks; without it there are none. */
  readonly clock?: Timer;
}

/** The result of a sync pass. `log` has the lines of its log. */
export interface SyncReport {
  readonly fired: string[];
  readonly log: string[];
}

/** @param prefix with its colon, such as `t:`. @param now the clock of the host, unix s. */
export const createUpstream = (redis: Redis, prefix = 't:', now = hostNow) => {
  const keys = upstreamKeys(prefix);
  return { keys, ...createJobservice(redis, keys, now), ...createGocraft(redis, keys) };
};

type Acknowledge = (id: string, status: string, revision: number, checkInAt: number) => Promise<unknown>;

/** Harbor's jobservice: status changes, ACKs, hooks and the hourly pass. */
const createJobservice = (redis: Redis, { track, stats }: UpstreamKeys, now: () => number) => {
  const setStatus = (id: string, status: string, revision: number): Promise<unknown> =>
    redis.eval(setStatusLua, 2, stats(id), track, status, revision, now(), id);
  const ack: Acknowledge = (id, status, revision, checkInAt) =>
    redis.eval(ackLua, 2, stats(id), track, status, revision, checkInAt, id);

  const fire = createFire(redis, stats, ack);

  const syncOne = async (id: string, options: SyncOptions, report: SyncReport) => {
    await redis.ping();
    const fields = await redis.hgetall(stats(id));
    if (Object.keys(fields).length === 0) return void (await redis.hdel(track, id));
    const { status = '', revision = '0', check_in_at: at = '0', update_time: updated = '0' } = fields;
    const compared = compare(fields);
    if (compared === 0 && rank[status] === 3) return void (await redis.hdel(track, id));
    if (compared === 0) {
      if (Number(updated) + (options.maxS ?? 86_400) >= hostNow()) return;
      await options.beforeWrite?.();
      await setStatus(id, 'Error', Number(revision));
      return fire(id, options);
    }
    if (compared < 0) {
      const reply = await setStatus(id, JSON.parse(fields.ack as string).status, Number(revision));
      if (reply !== 'ok') report.log.push(`error: status mismatch of ${id}, current ${reply}`);
      return;
    }
    report.fired.push(id);
    await fire(id, options);
    report.log.push(`hook event of ${id} fired, ${status} at ${at}`);
  };

  return {
    setStatus,
    ack,
    fire,

    async reset(id: string, status: string) {
      await redis.hset(stats(id), { status, revision: now(), update_time: now() });
      await redis.hdel(stats(id), 'ack', 'check_in', 'check_in_at');
      await redis.hset(track, id, 2);
    },

    /** The hourly pass. An error of a job is logged and the scan continues. An error of the scan ends the pass. */
    async sync(options: SyncOptions = {}): Promise<SyncReport> {
      const report: SyncReport = { fired: [], log: [] };
      let cursor = '0';
      do {
        const [next, pairs] = await redis.hscan(track, cursor, 'COUNT', 100);
        cursor = next;
        for (const id of pairs.filter((_, i) => i % 2 === 0)) {
          await syncOne(id, options, report).catch((error) => report.log.push(`error: ${error.message}`));
        }
      } while (cursor !== '0');
      return report;
    },
  };
};

/** Sends the hook of a job. Only status 200 counts. A failure is retried in the background, and a delivery by a retry is not ACKed. */
const createFire =
  (redis: Redis, stats: UpstreamKeys['stats'], ack: Acknowledge) =>
  async (id: string, { hookTimeoutMs = 30_000, clock }: SyncOptions = {}): Promise<void> => {
    const fields = await redis.hgetall(stats(id));
    const { web_hook_url: url = '', status = '', revision = '0', check_in_at: at = '0' } = fields;
    if (url === '') return;
    const post = () =>
      fetch(url, {
        method: 'POST',
        body: JSON.stringify({ job_id: id, status, metadata: { id, revision: Number(revision) } }),
        signal: AbortSignal.timeout(hookTimeoutMs),
      }).then(
        (response) => response.status === 200,
        () => false,
      );
    if (await post()) await ack(id, status, Number(revision), Number(at));
    else if (clock !== undefined) {
      const again = (wait: number) =>
        clock.setTimeout(async () => {
          if (!(await post())) again(2 * wait);
        }, wait);
      again(2_000);
    }
  };

/** Harbor's comparison of stats and ACK: 0 the same, 1 not confirmed yet, −1 behind what was confirmed. */
const compare = (fields: Readonly<Record<string, string>>): number => {
  if (fields.ack === undefined) return 1;
  const ack = JSON.parse(fields.ack);
  return (
    Math.sign(Number(fields.revision ?? 0) - ack.revision) ||
    Math.sign((rank[fields.status ?? ''] ?? -1) - (rank[ack.status] ?? -1)) ||
    Math.sign(Number(fields.check_in_at ?? 0) - (ack.check_in_at ?? 0))
  );
};
