-- Deletes hooks that were parked long ago. Check and deletion are one step, so a hook that a user has requested meanwhile stays, and so
-- does a record that cannot be read, or that is not parked: only its id is no longer among the parked ones.
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
local refused = refusalOf({ { hooks, 'hash', 'HMGET', 'HDEL' }, { parked, 'zset', 'ZRANGEBYSCORE', 'ZREM' } })
if refused then
  return refused
end
local before = nowMs(ARGV[1]) - tonumber(ARGV[2])
local old = redis.call('ZRANGEBYSCORE', parked, '-inf', string.format('%d', before), 'LIMIT', 0, ARGV[3])
local gone = {}
for i, text in ipairs(#old > 0 and redis.call('HMGET', hooks, unpack(old)) or {}) do
  local record = readRecord(text)
  gone[#gone + 1] = record and record.kind == 'parked' and old[i] or nil
end
if #old > 0 then
  redis.call('ZREM', parked, unpack(old))
end
if #gone > 0 then
  redis.call('HDEL', hooks, unpack(gone))
end
return { 'done', #gone }
