-- Begins an attempt of a job for a worker host: its status becomes Running, by the rule of the Go side
-- (`includes/change_status.lua`). The attempt begins only if no other host has begun it, because the entry of a host that was cut
-- off may have been requeued (fault 132).
--
-- KEYS[1]    {ns}:job_stats:<id> (hash)
-- KEYS[2]    {ns}:job_track:inprogress (hash)
-- KEYS[3…6]  the hook of this change (`includes/hook_of_change.lua`)
-- ARGV[1]    revision (unix s)
-- ARGV[2]    job id
-- ARGV[3…5]  the hook of this change
-- Reply      { 'done' }
--            { 'refused', stored status }: the rule does not allow it, or another host has begun the attempt
--            { 'missing' }: the job has no stats; nothing is written (defect 28)
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: fail_job, set_status; the Go jobservice (set status, ACK, reset).
--- @include once
--- @include change_status

local stats, track = KEYS[1], KEYS[2]
local revision, id = tonumber(ARGV[1]), ARGV[2]

local hook = hookOfChange(3, 3)
local refused = refusalOf(withHook({ usesOfStatus(stats, track, 'Running') }, hook))
if refused then
  return refused
end
if redis.call('EXISTS', stats) == 0 then
  return { 'missing' }
end
local stored, storedRevision = storedState(stats)
local hasBegun = stored == 'Running' and storedRevision == revision
if hasBegun or not mayBecome(stored, storedRevision, 'Running', revision) then
  return { 'refused', stored }
end
writeStatus(stats, track, id, 'Running')
-- A worker host runs the job, so its stats must not expire before it ends.
redis.call('PERSIST', stats)
if hook then
  hook.enqueue(id, stats)
end
return answerOnce({ 'done' })
