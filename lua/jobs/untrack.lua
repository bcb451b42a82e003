-- Takes a job out of the tracking hash, only if it is as it was judged (a job without stats: still without).
--
-- KEYS[1]  stats
-- KEYS[2]  tracking hash
-- ARGV[1]  job id
-- ARGV[2]  fingerprint of the judged facts
-- Returns  `ok` or `overtaken`
-- Others that touch these keys: the Go jobservice's save and reset (which track), set status and ACK (which count down).
-- Sent again, it gives the same answer, for the stats are as they were; and a job that has left the hash is not there to be
-- taken out.
--- @include prove
--- @include facts

local refused = refusalOf({ { KEYS[2], 'hash', 'HDEL' } })
if refused then
  return refused
end
if ARGV[2] ~= fingerprint(readFacts(KEYS[1])) then
  return 'overtaken'
end
redis.call('HDEL', KEYS[2], ARGV[1])
return 'ok'
