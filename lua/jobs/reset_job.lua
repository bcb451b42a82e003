-- Starts a job over: a new revision, no acknowledgement, tracked again. A worker host calls it before it runs a job again. It
-- creates no stats for a job that has none (defect 28).
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- ARGV[1]  job id
-- ARGV[2]  status
-- ARGV[3]  revision (unix s) that the caller knows; '' for the stored one, whichever it is
-- Reply    { 'done', new revision (unix s) }
--          { 'refused', stored status }: a newer attempt has begun
--          { 'missing' }: the job has no stats
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: the Go jobservice (reset, set status, ACK).
--- @include once
--- @include now

local stats, track, id, status, known = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
local refused = refusalOf({
  { stats, 'hash', 'EXISTS', 'HGET', 'HSET', 'HDEL', 'PERSIST' },
  { track, 'hash', 'HSET' },
})
if refused then
  return refused
end
if redis.call('EXISTS', stats) == 0 then
  return { 'missing' }
end
if known ~= '' and (tonumber(redis.call('HGET', stats, 'revision') or '') or 0) > tonumber(known) then
  return { 'refused', redis.call('HGET', stats, 'status') or '' }
end
local time = now()
redis.call('HSET', stats, 'status', status, 'revision', time, 'update_time', time)
redis.call('HSET', track, id, 2)
redis.call('HDEL', stats, 'ack', 'check_in', 'check_in_at')
-- The end of the last attempt has set the time to live (fault 113). Without a token this is upstream's reset, which leaves it.
if token then
  redis.call('PERSIST', stats)
end
return answerOnce({ 'done', time })
