-- Deletes hooks that were parked long ago. Check and deletion are one step, so a hook that a user has requested meanwhile stays.
--
-- KEYS[1]  {ns}:reaper:hooks (hash)
-- KEYS[2]  {ns}:reaper:hooks:parked (zset)
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  how long ago a hook must have been parked (ms)
-- ARGV[3]  how many hooks may be deleted
-- Reply    { 'done', how many were deleted }
-- Also written by: every script of hooks. The Go side does not know these keys.
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
return { 'done', #old }
