-- Moves a job to a status for a worker host, by the rule of the Go side (`includes/change_status.lua`).
--
-- KEYS[1]    {ns}:job_stats:<id> (hash)
-- KEYS[2]    {ns}:job_track:inprogress (hash)
-- KEYS[3…6]  the hook of this change (`includes/hook_of_change.lua`)
-- KEYS[7]    {ns}:executions:<policy> (zset): left out for a job that is not an execution of a policy
-- ARGV[1]    status
-- ARGV[2]    revision (unix s)
-- ARGV[3]    job id
-- ARGV[4…6]  the hook of this change
-- Reply      { 'done' }
--            { 'refused', stored status }: the rule does not allow it
--            { 'missing' }: the job has no stats; nothing is written (defect 28)
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: fail_job, begin_attempt; the Go jobservice (set status, ACK, reset).
--- @include once
--- @include change_status

local stats, track, executions = KEYS[1], KEYS[2], KEYS[7]
local status, revision, id = ARGV[1], ARGV[2], ARGV[3]

local hook = hookOfChange(3, 4)
local uses = { usesOfStatus(stats, track, status) }
if executions and rank(status) == 3 then
  uses[#uses + 1] = { executions, 'zset', 'ZADD' }
end
local refused = refusalOf(withHook(uses, hook))
if refused then
  return refused
end
if redis.call('EXISTS', stats) == 0 then
  return { 'missing' }
end
local stored, storedRevision = storedState(stats)
if not mayBecome(stored, storedRevision, status, tonumber(revision)) then
  return { 'refused', stored }
end
writeStatus(stats, track, id, status)
-- A worker host runs the job, so its stats must not expire before it ends. Upstream's reset leaves the time to live.
if token and rank(status) < 3 then
  redis.call('PERSIST', stats)
end
if executions and rank(status) == 3 then
  redis.call('ZADD', executions, 'XX', -1, id)
end
if hook then
  hook.enqueue(id, stats)
end
return answerOnce({ 'done' })
