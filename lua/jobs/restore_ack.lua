-- Brings a job that is behind its acknowledgement up to it: sets the acknowledged status, and the acknowledged revision where
-- that is newer. The endpoint has confirmed a state whose write was lost (defect 23). Only if the job has not changed since it
-- was judged.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- ARGV[1]  job id
-- ARGV[2]  acknowledged status
-- ARGV[3]  acknowledged revision (unix s) where it is newer; else ''
-- ARGV[4]  fingerprint of the judged facts
-- Reply    { 'done' }
--          { 'overtaken' }: the job has changed since it was judged
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: the Go jobservice (set status, ACK, reset).
--- @include once
--- @include rank
--- @include now
--- @include count_down
--- @include facts
--- @include audit
--- @include write_status

local stats, track = KEYS[1], KEYS[2]
local id, status, revision, judged = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local refused = refusalOf({ usesOfStatus(stats, track, status) })
if refused then
  return refused
end
if judged ~= fingerprint(readFacts(stats)) then
  return { 'overtaken' }
end
local was = auditedFacts(stats, track, id)
local newer = revision ~= '' and revision or nil
local time = writeStatus(stats, track, id, status, newer)
local is = was and changedStatus(was, track, id, status, time, newer)
return recorded(answerOnce({ 'done' }), { what = 'reset', job = id, was = was, is = is })
