-- Fails a hung job: its status becomes Error, by the rule of the Go side (`includes/change_status.lua`), if the job is as a sweep has
-- judged it (defect 15). Recorded in the audit stream (`includes/audit.lua`).
--
-- KEYS[1]    {ns}:job_stats:<id> (hash)
-- KEYS[2]    {ns}:job_track:inprogress (hash)
-- KEYS[3…6]  the hook of this change (`includes/hook_of_change.lua`)
-- ARGV[1]    revision (unix s)
-- ARGV[2]    job id
-- ARGV[3]    fingerprint of the judged facts (`includes/facts.lua`)
-- ARGV[4…6]  the hook of this change
-- Reply      { 'done' }
--            { 'refused', stored status }: the rule does not allow it
--            { 'overtaken' }: the job has changed since it was judged
--            { 'missing' }: the job has no stats; nothing is written (defect 28)
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: set_status, begin_attempt; the Go jobservice (set status, ACK, reset).
--- @include once
--- @include facts
--- @include audit
--- @include change_status

local stats, track = KEYS[1], KEYS[2]
local revision, id, judged = ARGV[1], ARGV[2], ARGV[3]

local hook = hookOfChange(3, 4)
local refused = refusalOf(withHook({ usesOfStatus(stats, track, 'Error') }, hook))
if refused then
  return refused
end
if redis.call('EXISTS', stats) == 0 then
  return { 'missing' }
end
if judged ~= fingerprint(readFacts(stats)) then
  return { 'overtaken' }
end
local stored, storedRevision = storedState(stats)
if not mayBecome(stored, storedRevision, 'Error', tonumber(revision)) then
  return { 'refused', stored }
end
local was = auditedFacts(stats, track, id)
local time = writeStatus(stats, track, id, 'Error')
if hook then
  hook.enqueue(id, stats)
end
local is = was and changedStatus(was, track, id, 'Error', time)
return recorded(answerOnce({ 'done' }), { what = 'fail', job = id, was = was, is = is })
