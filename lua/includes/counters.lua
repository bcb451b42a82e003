-- The counters follow entries that have left a pool's in-progress list: lock_info becomes the true length of the list, the
-- lock goes down with the entries and never below zero (defects 2 to 4). Gives that length.
-- pcall: a counter of the wrong type must not hold an entry back; rebuild_counters reports it.
local function countDownLocks(lock, lockInfo, pool, held, moved)
  local left = redis.call('LLEN', held)
  local locked = redis.pcall('GET', lock)
  if type(locked) ~= 'table' then
    redis.call('SET', lock, string.format('%d', math.max(0, (tonumber(locked or '') or 0) - moved)))
  end
  redis.pcall('HSET', lockInfo, pool, left)
  return left
end
