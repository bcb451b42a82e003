-- Brings a job that is behind its acknowledgement up to it: the ACK's status, and its revision where that is newer
-- (the receiver that confirmed it knows more than a lost write; defect 23). Only if the job is as it was judged.
--
-- KEYS[1]  stats
-- KEYS[2]  tracking hash
-- ARGV[1]  job id
-- ARGV[2]  the ACK's status
-- ARGV[3]  the ACK's revision where it is newer, else the empty string
-- ARGV[4]  fingerprint of the judged facts
-- Sent again with its token (`includes/once.lua`), it gives its first answer.
-- Returns  `ok` or `overtaken`
-- Others that touch these keys: the Go jobservice's set status, ACK and reset.
--- @include once
--- @include rank
--- @include now
--- @include count_down
--- @include facts
--- @include write_status

local stats, track = KEYS[1], KEYS[2]
local id, status, revision, judged = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local refused = refusalOf({ usesOfStatus(stats, track, status) })
if refused then
  return refused
end
if judged ~= fingerprint(readFacts(stats)) then
  return 'overtaken'
end
writeStatus(stats, track, id, status, revision ~= '' and revision or nil)
return answerOnce('ok')
