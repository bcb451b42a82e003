--- @include now_ms

-- A pool is alive if it is registered and its heartbeat is younger than `maxAge` ms by the clock of Redis.
-- `seen` is the heartbeat_at that made it a suspect, or the empty string for none: one that has moved since means that
-- somebody beats it, however wrong that host's clock is (defect 8).
local function alive(pools, heartbeat, pool, maxAge, seen)
  local beat = redis.call('HGET', heartbeat, 'heartbeat_at') or ''
  if beat == '' then
    return false
  end
  if beat ~= seen then
    return true
  end
  if redis.call('SISMEMBER', pools, pool) == 0 or not tonumber(beat) then
    return false
  end
  return redisMs() - tonumber(beat) * 1000 < tonumber(maxAge)
end
