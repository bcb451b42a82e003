-- Starts a job over: a new revision, nothing acknowledged, tracked afresh. A worker host calls it before it runs a job
-- again. A job that has no stats is left without (defect 28).
--
-- KEYS[1]  stats
-- KEYS[2]  tracking hash
-- ARGV[1]  job id
-- ARGV[2]  status
-- ARGV[3]  revision that the caller knows, or the empty string for whichever stands
-- Sent again with its token (`includes/once.lua`), it gives its first answer.
-- Returns  the new revision (unix s), or `missing`, or `overtaken` (a newer attempt has begun)
-- Others that touch these keys: the Go jobservice's reset, set status and ACK.
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
  return 'missing'
end
if known ~= '' and (tonumber(redis.call('HGET', stats, 'revision') or '') or 0) > tonumber(known) then
  return 'overtaken'
end
local time = now()
redis.call('HSET', stats, 'status', status, 'revision', time, 'update_time', time)
redis.call('HSET', track, id, 2)
redis.call('HDEL', stats, 'ack', 'check_in', 'check_in_at')
-- The time to live is that of its end (fault 113). Without a token this is upstream's reset to the letter, which leaves it.
if token then
  redis.call('PERSIST', stats)
end
return answerOnce(time)
