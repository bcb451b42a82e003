--- @include prove
--- @include count

-- Counters for entries that leave an in-progress list: lock_info becomes the length of the list, and the lock decreases with the entries,
-- never below zero (defects 2 to 4). A counter of the wrong type stays as it is, because it must not keep an entry where it is;
-- rebuild_counters reports it.

local function isCounter(key, needed)
  local found = redis.call('TYPE', key).ok
  return found == needed or found == 'none'
end

-- What `refusalOf` has to prove before countDownLocks may be called.
local function counterWrites(lock, lockInfo)
  return isCounter(lock, 'string') and { lock, 'string', 'GET', 'SET' } or nil,
    isCounter(lockInfo, 'hash') and { lockInfo, 'hash', 'HSET' } or nil
end

-- Returns the length of the list.
local function countDownLocks(lock, lockInfo, pool, held, moved)
  local left = redis.call('LLEN', held)
  if isCounter(lock, 'string') then
    local locked = countIn(redis.call('GET', lock))
    redis.call('SET', lock, string.format('%d', math.max(0, locked - moved)))
  end
  if isCounter(lockInfo, 'hash') then
    redis.call('HSET', lockInfo, pool, left)
  end
  return left
end

-- Adds the uses of the counters to those of a script.
local function withCounters(writes, lock, lockInfo)
  local ofLock, ofLockInfo = counterWrites(lock, lockInfo)
  writes[#writes + 1] = ofLock
  writes[#writes + 1] = ofLockInfo
  return writes
end
