-- Records that a rescue has completed: the next one is due an interval from now, on whichever host leads then. Runs behind a
-- fence only.
--
-- KEYS[1]  {ns}:reaper:progress (hash)
-- Reply    { 'done', now (ms) }
-- Also written by: begin_sweep, checkpoint_sweep, complete_sweep.
--- @include prove
--- @include now_ms

local refused = refusalOf({ { KEYS[1], 'hash', 'HSET' } })
if refused then
  return refused
end
local now = string.format('%.0f', redisMs())
redis.call('HSET', KEYS[1], 'rescue_ended', now)
return { 'done', now }
