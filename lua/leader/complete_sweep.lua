-- Records that a sweep has completed: the next one is due an interval from now, on whichever host leads then. Runs behind a
-- fence only.
--
-- KEYS[1]  {ns}:reaper:progress (hash)
-- ARGV[1]  jobs that it has scanned
-- Reply    { 'done', now (ms) }
-- Also written by: begin_sweep, checkpoint_sweep, complete_rescue.
--- @include prove
--- @include now_ms

local refused = refusalOf({ { KEYS[1], 'hash', 'HSET', 'HDEL' } })
if refused then
  return refused
end
local now = string.format('%.0f', redisMs())
redis.call('HSET', KEYS[1], 'ended', now, 'scanned', ARGV[1])
redis.call('HDEL', KEYS[1], 'cursor')
return { 'done', now }
