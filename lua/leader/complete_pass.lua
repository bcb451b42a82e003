-- Records that a pass has completed: the next one is due an interval from now, on whichever host leads then. Runs behind a
-- fence only.
--
-- KEYS[1]  {ns}:reaper:progress (hash)
-- ARGV[1]  `sweep` or `rescue`
-- ARGV[2]  jobs that the sweep has scanned; left out for a rescue
-- Reply    { 'done', now (ms) }
-- Also written by: begin_sweep, checkpoint_sweep.
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
return { 'done', now }
