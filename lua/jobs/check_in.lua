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
-- Sent again with its token (`includes/once.lua`), it gives its first answer.
-- Returns  { status, revision, check_in_at } as they stand now; the stored status where the job is final or a newer
--          attempt runs; `missing` (no stats: nothing is written, defect 28)
-- Others that touch these keys: the Go jobservice's check-in, set status and reset.
--- @include once
--- @include rank
--- @include now
--- @include hook_record
--- @include enqueue_hook

local stats, hooks, parked, origins, due = unpack(KEYS, 1, 5)
local revision, id, origin = ARGV[1], ARGV[2], ARGV[3]
local hasHook = origin and origin ~= ''
local uses, at, most = { { stats, 'hash', 'EXISTS', 'HGET', 'HMGET', 'HSET' } }, nil, nil
if hasHook then
  at, most = nowMs(ARGV[4]), assert(tonumber(ARGV[5]), 'how many records of hooks there may be is missing')
  for _, use in ipairs({ usesOfHook(hooks, parked, origins, due) }) do
    uses[#uses + 1] = use
  end
end
local refused = refusalOf(uses)
if refused then
  return refused
end
if redis.call('EXISTS', stats) == 0 then
  return 'missing'
end
local status = redis.call('HGET', stats, 'status') or ''
local stored = tonumber(redis.call('HGET', stats, 'revision') or '') or 0
if rank(status) == 3 or (revision ~= '' and assert(tonumber(revision), 'the revision is no number') < stored) then
  return status
end
local time = now()
redis.call('HSET', stats, 'check_in', '[REDUNDANT]', 'check_in_at', time, 'update_time', time)
if hasHook then
  local record = readRecord(redis.call('HGET', hooks, id))
  if record and (record.kind == 'sending' or record.kind == 'resending') then
    -- What is being sent may have been read within this very second, by which the two can't be told apart.
    record.state = 'reported:0'
    writeRecord(hooks, id, record)
  end
  enqueueHook(hooks, parked, origins, due, id, stateOf(stats), origin, at, most)
  keepHooks(hooks, parked, origins, due)
end
return answerOnce({ status, string.format('%d', stored), time })
