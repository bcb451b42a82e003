--- @include now_ms

-- A pool is alive if it is registered and its heartbeat is younger than `maxAge` ms by the clock of Redis. A heartbeat is
-- written in whole seconds: one that is ahead of Redis by more than one is no proof by itself, for it would be one for years.
--
-- `seen`: the heartbeat_at that made it a suspect, or the empty string for none. One that has moved since means that its
-- host is up, however wrong that host's clock is (defect 8).
-- `moving`: for a caller that looks for live pools, and has no suspect: the heartbeat_at of which an earlier look in this
-- pass has said that it moves, or nil. With it, that heartbeat and any later one is alive, young or not.
local function alive(pools, heartbeat, pool, maxAge, seen, moving)
  local beat = redis.call('HGET', heartbeat, 'heartbeat_at') or ''
  if beat == '' then
    return false
  end
  if beat ~= seen then
    return true
  end
  if redis.call('SISMEMBER', pools, pool) == 0 then
    return false
  end
  if moving and moving ~= '' then
    return true
  end
  if not string.find(beat, '^[+-]?%d+%.?%d*$') then
    return false
  end
  local age = redisMs() - tonumber(beat) * 1000
  return age < tonumber(maxAge) and age >= -1000
end
