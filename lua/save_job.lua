-- Writes the stats of a new job and tracks it: from here on the sweep watches it.
--
-- KEYS[1]  stats
-- KEYS[2]  tracking hash
-- KEYS[3]  executions of the policy that this job is one of (left out for other jobs)
-- ARGV[1]  job id
-- ARGV[2]  run_at (unix s), the score of the execution
-- ARGV[3…] field, value, …
-- Returns  the revision: the one given, or now (unix s)
-- Others that touch these keys: the Go jobservice's save.
--- @include now

local stats, track, executions = KEYS[1], KEYS[2], KEYS[3]
local id, runAt = ARGV[1], ARGV[2]
local time = now()
local fields = { 'revision', time, 'update_time', time, unpack(ARGV, 3) }
redis.call('HSET', stats, unpack(fields))
redis.call('HSET', track, id, 2)
if executions then
  redis.call('ZADD', executions, 'NX', runAt, id)
end
return tonumber(redis.call('HGET', stats, 'revision'))
