--- @include alive

-- What both steps that remove a dead pool share: `clear_counts` for some of its types, and `deregister_pool` for the last ones and the
-- pool itself. KEYS from `first` on: for each type its in-progress list and its lock_info.
--
-- Returns the uses that `refusalOf` has to prove, and the lock_infos that may have a field of the pool. One of the wrong type has none
-- and is left out; rebuild_counters reports it. A list of the wrong type is an error, because it may hold entries of the pool.
local function usesOfTypes(first)
  local uses, lockInfos = {}, {}
  for i = first, #KEYS, 2 do
    uses[#uses + 1] = { KEYS[i], 'list', 'LLEN' }
    if redis.call('TYPE', KEYS[i + 1]).ok == 'hash' then
      uses[#uses + 1] = { KEYS[i + 1], 'hash', 'HDEL' }
      lockInfos[#lockInfos + 1] = KEYS[i + 1]
    end
  end
  return uses, lockInfos
end

-- Whether one of the lists is not empty.
local function holdsEntries(first)
  for i = first, #KEYS, 2 do
    if redis.call('LLEN', KEYS[i]) > 0 then
      return true
    end
  end
  return false
end

-- Removes the fields of the pool. A count of an empty list has drifted, whatever became of its pool.
local function clearCounts(lockInfos, pool)
  for _, lockInfo in ipairs(lockInfos) do
    redis.call('HDEL', lockInfo, pool)
  end
end
