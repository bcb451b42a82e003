-- Removes a job from the tracking hash, only if it has not changed since it was judged. A job that was judged without stats
-- must still have none.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash; one of another type has the fingerprint `unreadable`)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- ARGV[1]  job id
-- ARGV[2]  fingerprint of the judged facts
-- Reply    { 'done' }
--          { 'overtaken' }: the job has changed since it was judged
-- Gives the same reply when it is sent again: it does not change the stats, and removing the field twice does no more. Only the
-- first time is recorded.
-- Also written by: the Go jobservice (save and reset track, set status and ACK count down).
--- @include audit
--- @include facts

local refused = refusalOf({ { KEYS[2], 'hash', 'HGET', 'HDEL' } })
if refused then
  return refused
end
if ARGV[2] ~= fingerprint(readFacts(KEYS[1])) then
  return { 'overtaken' }
end
local was = auditedFacts(KEYS[1], KEYS[2], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then
  return { 'done' }
end
if was then
  was.print = ARGV[2]
end
return recorded({ 'done' }, { what = 'untrack', job = ARGV[1], was = was, is = { tracked = cjson.null } })
