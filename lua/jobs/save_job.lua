-- Writes the stats of a new job and tracks it: from now on sweeps watch it. Stats of an earlier job with this id are
-- overwritten, and lose their time to live.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- KEYS[3]  {ns}:executions:<policy> (zset): left out for a job that is not an execution of a policy
-- ARGV[1]  job id
-- ARGV[2]  run_at (unix s): the score of the execution
-- ARGV[3…] field, value, …
-- Reply    { 'done', revision (unix s) }: the one given among the fields, or the time of Redis
-- Repeats its first reply when it is sent again (`includes/once.lua`): by then the job may run, or have ended.
-- Also written by: the Go jobservice (save).
--- @include once
--- @include now

local stats, track, executions = KEYS[1], KEYS[2], KEYS[3]
local id, runAt = ARGV[1], ARGV[2]
local uses = { { stats, 'hash', 'HSET', 'PERSIST' }, { track, 'hash', 'HSET' } }
if executions then
  -- Checked before the first write: ZADD would refuse it, and comes last.
  local score = tonumber(runAt)
  if not score or score ~= score then
    return redis.error_reply('ERR run_at is not a number')
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
return answerOnce({ 'done', revision })
