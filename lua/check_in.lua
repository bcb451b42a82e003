-- Notes that a job's code has reported progress. The text itself goes out with the hook and is not kept: the field
-- holds a placeholder, as on the Go side.
--
-- KEYS[1]  stats
-- ARGV[1]  revision of the attempt that reports, or the empty string for whichever runs
-- Returns  { status, revision, check_in_at } as they stand now; the stored status where the job is final or a newer
--          attempt runs; `missing` (no stats: nothing is written, defect 28)
-- Others that touch these keys: the Go jobservice's check-in, set status and reset.
--- @include rank
--- @include now

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
return { status, string.format('%d', stored), time }
