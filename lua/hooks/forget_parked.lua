-- Forgets what was parked long ago, in one step: what a person has sent again meanwhile is not forgotten.
--
-- KEYS[1]  records of undelivered hooks
-- KEYS[2]  parked ones
-- ARGV[1]  the empty string, or a time (ms) that stands for the clock of Redis
-- ARGV[2]  how long ago it must have been parked (ms)
-- ARGV[3]  how many may be forgotten at once
-- Returns  how many were
-- Others that touch these keys: every script here that has to do with hooks. The Go side does not know them.
--- @include prove
--- @include hook_record

local hooks, parked = unpack(KEYS)
local refused = refusalOf({ { hooks, 'hash', 'HDEL' }, { parked, 'zset', 'ZRANGEBYSCORE', 'ZREM' } })
if refused then
  return refused
end
local before = nowMs(ARGV[1]) - tonumber(ARGV[2])
local old = redis.call('ZRANGEBYSCORE', parked, '-inf', string.format('%d', before), 'LIMIT', 0, ARGV[3])
if #old > 0 then
  redis.call('HDEL', hooks, unpack(old))
  redis.call('ZREM', parked, unpack(old))
end
return #old
