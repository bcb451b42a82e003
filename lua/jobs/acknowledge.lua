-- Records which state of a job its endpoint has confirmed, by the rule in `includes/acknowledge.lua`.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- ARGV[1]  status
-- ARGV[2]  revision (unix s)
-- ARGV[3]  check_in_at (unix s; 0 for none)
-- ARGV[4]  job id
-- ARGV[5]  the stored acknowledgement, byte for byte, where the caller cannot decode it; else left out
-- Reply    { 'done' }
--          { 'refused' }: the stored acknowledgement is newer
--          { 'missing' }: the job has no stats; nothing is written (defect 28)
-- Also written by: the Go jobservice (ACK, set status, reset).
--- @include prove
--- @include rank
--- @include count_down
--- @include ack
--- @include acknowledge

local stats, track = unpack(KEYS)
local status, revision, checkInAt, id, unreadable = unpack(ARGV)
local refused = refusalOf({ { stats, false, 'EXISTS' }, usesOfAck(stats, track, status) })
if refused then
  return refused
end
if redis.call('EXISTS', stats) == 0 then
  return { 'missing' }
end
local text, current = unpack(redis.call('HMGET', stats, 'ack', 'revision'))
return { acknowledge(stats, track, id, text, current, status, revision, checkInAt, unreadable) }
