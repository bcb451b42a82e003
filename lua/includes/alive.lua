--- @include now_ms

-- A pool is alive if it is registered and its heartbeat is younger than `maxAge` ms by the clock of Redis. Heartbeats are stored in whole
-- seconds. One that is ahead of Redis by more than a second proves nothing by itself, or it would prove it for years.
--
-- seen:   heartbeat_at that made the pool a suspect, or ''. If it has moved since, the pool is alive, however wrong the clock of its host
--         is (defect 8).
-- moving: nil, or for a caller without a suspect: heartbeat_at of a pool whose heartbeat moves, as this pass has read it. This heartbeat
--         and each later one counts as alive, whatever its age.
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
