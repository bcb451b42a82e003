-- Records that a job's code has reported progress. The text goes out with the hook and is not stored: the field holds a
-- placeholder, as on the Go side.
--
-- KEYS[1]    {ns}:job_stats:<id> (hash)
-- KEYS[2…5]  the hook of this change (`includes/hook_of_change.lua`)
-- ARGV[1]    revision (unix s) of the attempt that reports; '' for the attempt that runs, whichever it is
-- ARGV[2]    job id
-- ARGV[3…5]  the hook of this change
-- Reply      { 'done', status, revision, check_in_at (unix s) }: as they are now
--            { 'refused', status }: the job is final, or a newer attempt runs
--            { 'missing' }: the job has no stats; nothing is written (defect 28)
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: the Go jobservice (check-in, set status, reset).
--- @include once
--- @include rank
--- @include now
--- @include hook_of_change

local stats, revision, id = KEYS[1], ARGV[1], ARGV[2]
local hook = hookOfChange(2, 3)
local refused = refusalOf(withHook({ { stats, 'hash', 'EXISTS', 'HGET', 'HMGET', 'HSET' } }, hook))
if refused then
  return refused
end
if redis.call('EXISTS', stats) == 0 then
  return { 'missing' }
end
local status = redis.call('HGET', stats, 'status') or ''
local stored = tonumber(redis.call('HGET', stats, 'revision') or '') or 0
if rank(status) == 3 or (revision ~= '' and assert(tonumber(revision), 'the revision is not a number') < stored) then
  return { 'refused', status }
end
local time = now()
redis.call('HSET', stats, 'check_in', '[REDUNDANT]', 'check_in_at', time, 'update_time', time)
if hook then
  local record = readRecord(redis.call('HGET', hook.hooks, id))
  if record and isClaimed(record) then
    -- The sender may have read the stats within this second, so the times cannot tell the two check-ins apart.
    record.state = 'reported:0'
    writeRecord(hook.hooks, id, record)
  end
  hook.enqueue(id, stats)
end
return answerOnce({ 'done', status, string.format('%d', stored), time })
