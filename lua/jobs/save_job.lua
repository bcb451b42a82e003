-- Writes the stats of a new job and tracks it: from here on the sweep watches it. What stands of an earlier job with this
-- id is written over, and lives as long as a new one.
--
-- KEYS[1]  stats
-- KEYS[2]  tracking hash
-- KEYS[3]  executions of the policy that this job is one of (left out for other jobs)
-- ARGV[1]  job id
-- ARGV[2]  run_at (unix s), the score of the execution
-- ARGV[3…] field, value, …
-- Sent again with its token (`includes/once.lua`), it gives its first answer: the job may run, or have ended, by then.
-- Returns  the revision: the one given, or now (unix s)
-- Others that touch these keys: the Go jobservice's save.
--- @include once
--- @include now

local stats, track, executions = KEYS[1], KEYS[2], KEYS[3]
local id, runAt = ARGV[1], ARGV[2]
local uses = { { stats, 'hash', 'HSET', 'PERSIST' }, { track, 'hash', 'HSET' } }
if executions then
  -- ZADD refuses it, and comes last.
  local score = tonumber(runAt)
  if not score or score ~= score then
    return redis.error_reply('ERR run_at is no number')
  end
  uses[#uses + 1] = { executions, 'zset', 'ZADD' }
end
local refused = refusalOf(uses)
if refused then
  return refused
end
local time = now()
local fields = { 'revision', time, 'update_time', time, unpack(ARGV, 3) }
local revision = time
for i = 1, #fields, 2 do
  revision = fields[i] == 'revision' and tonumber(fields[i + 1]) or revision
end
redis.call('HSET', stats, unpack(fields))
redis.call('PERSIST', stats)
redis.call('HSET', track, id, 2)
if executions then
  redis.call('ZADD', executions, 'NX', runAt, id)
end
return answerOnce(revision)
