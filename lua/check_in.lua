-- Notes that a job's code has reported progress. The text itself goes out with the hook and is not kept: the field
-- holds a placeholder, as on the Go side.
--
-- KEYS[1]  stats
-- KEYS[2]  records of undelivered hooks
-- KEYS[3]  parked ones
-- KEYS[4]  origins of the receivers
-- KEYS[5]  queue of the job's receiver
-- ARGV[1]  revision of the attempt that reports, or the empty string for whichever runs
-- ARGV[2]  job id
-- ARGV[3]  origin of the job's receiver, which is to be told; the empty string, or left out with all that is about
--          hooks, for none
-- ARGV[4]  the empty string, or a time (ms) that stands for the clock of Redis in what is about hooks
-- ARGV[5]  how many records of hooks there may be
-- Returns  { status, revision, check_in_at } as they stand now; the stored status where the job is final or a newer
--          attempt runs; `missing` (no stats: nothing is written, defect 28)
-- Others that touch these keys: the Go jobservice's check-in, set status and reset.
--- @include rank
--- @include now
--- @include hook_record
--- @include enqueue_hook

local stats, revision = KEYS[1], ARGV[1]
if redis.call('EXISTS', stats) == 0 then
  return 'missing'
end
local status = redis.call('HGET', stats, 'status') or ''
local stored = tonumber(redis.call('HGET', stats, 'revision') or '') or 0
if rank(status) == 3 or (revision ~= '' and tonumber(revision) < stored) then
  return status
end
local time = now()
redis.call('HSET', stats, 'check_in', '[REDUNDANT]', 'check_in_at', time, 'update_time', time)
if ARGV[3] and ARGV[3] ~= '' then
  local record = readRecord(redis.call('HGET', KEYS[2], ARGV[2]))
  if record and (record.kind == 'sending' or record.kind == 'resending') then
    -- What is being sent may have been read within this very second, by which the two can't be told apart.
    record.state = 'reported:0'
    writeRecord(KEYS[2], ARGV[2], record)
  end
  enqueueHook(KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[2], stateOf(stats), ARGV[3], nowMs(ARGV[4]), tonumber(ARGV[5]))
  keepHooks(KEYS[2], KEYS[3], KEYS[4], KEYS[5])
end
return { status, string.format('%d', stored), time }
