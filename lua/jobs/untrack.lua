-- Removes a job from the tracking hash, only if it has not changed since it was judged. A job that was judged without stats
-- must still have none.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash; one of another type has the fingerprint `unreadable`)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- ARGV[1]  job id
-- ARGV[2]  fingerprint of the judged facts
-- Reply    { 'done' }
--          { 'overtaken' }: the job has changed since it was judged
-- Gives the same reply when it is sent again: it does not change the stats, and removing the field twice does no more.
-- Also written by: the Go jobservice (save and reset track, set status and ACK count down).
--- @include prove
--- @include facts

local refused = refusalOf({ { KEYS[2], 'hash', 'HDEL' } })
if refused then
  return refused
end
if ARGV[2] ~= fingerprint(readFacts(KEYS[1])) then
  return { 'overtaken' }
end
redis.call('HDEL', KEYS[2], ARGV[1])
return { 'done' }
