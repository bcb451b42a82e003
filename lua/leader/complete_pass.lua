-- Notes that a pass has got to its end; the next one is due an interval from now, whichever host does it. Run behind a fence
-- only.
--
-- KEYS[1]  progress of the passes
-- ARGV[1]  `sweep` or `rescue`
-- ARGV[2]  jobs that a sweep has scanned (left out for a rescue)
-- Returns  now (ms)
-- Others that touch these keys: begin_sweep, checkpoint_sweep, acquire_lease.
--- @include prove
--- @include now_ms

local refused = refusalOf({ { KEYS[1], 'hash', 'HSET', 'HDEL' } })
if refused then
  return refused
end
local now = string.format('%.0f', redisMs())
if ARGV[1] == 'sweep' then
  redis.call('HSET', KEYS[1], 'ended', now, 'scanned', ARGV[2])
  redis.call('HDEL', KEYS[1], 'cursor')
else
  redis.call('HSET', KEYS[1], 'rescue_ended', now)
end
return now
